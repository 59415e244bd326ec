"""What of a model trains, and how little of it is kept meanwhile: an adapter, frozen parts, layers computed again.

Invariants: settings that contradict each other are refused before a row is read; afterwards the model is as it was, but for
what it learnt.

    check(settings); settle(loaded, settings, task, progress); …; release(model)
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from byeori.errors import SettingError
from byeori.models import embedding
from byeori.models.adapter_folder import holds_adapter, need_peft
from byeori.models.world import World
from byeori.settings import Adapters, Train, load_yaml

if TYPE_CHECKING:
    from byeori.models.embedding import CompactEmbedding
    from byeori.models.load import Loaded
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore
    from byeori.train.progress import Progress

FROZEN, AGAIN = "_byeori_frozen", "_byeori_again"  # where a model remembers what is to be undone


def check(settings: Train) -> None:
    """What can be refused before a row is read. Raises SettingError."""
    wanted = settings.adapter or settings.adapter_config
    own = {field.name: field.default for field in dataclasses.fields(Adapters)}
    told = [
        name
        for name in ("adapter_rank", "adapter_alpha", "adapter_dropout", "adapter_targets")
        if getattr(settings, name) != own[name]
    ]
    if settings.adapter and settings.adapter_config:
        raise SettingError(
            "adapter and adapter_config are both given: the second is a whole adapter by itself. Give one of them."
        )
    if settings.adapter_config and told:
        raise SettingError(f"{', '.join(told)}: with adapter_config they stand in that file. Leave them out.")
    if not wanted and (told or not settings.merge_adapter):
        raise SettingError(f"{', '.join(told) or 'merge_adapter'}: there is no adapter. Add --adapter lora.")
    if not wanted:
        return
    if settings.freeze:
        raise SettingError(
            f"freeze={settings.freeze!r}: with an adapter all else is frozen already. Leave one of them out."
        )
    need_peft("adapter")
    if settings.fsdp and not settings.merge_adapter and not World.here().alone:
        raise SettingError(
            "merge_adapter=False: with fsdp each process holds a share of an adapter, and only the merged model is put together. Leave "
            "--no-merge-adapter out, or --fsdp: frozen weights need neither gradients nor moments, so that little is left to share."
        )
    if not settings.merge_adapter and (settings.from_scratch is not None or not isinstance(settings.model, str | Path)):
        raise SettingError(
            "merge_adapter=False: the adapter alone is saved, so what it stands on must be a checkpoint with a name. Leave "
            "--no-merge-adapter out."
        )
    if settings.adapter_config is not None:
        _of_file(settings.adapter_config)


def settle(loaded: Loaded, settings: Train, task: Task, progress: Progress) -> None:
    """Put the adapter in, freeze, have layers computed again; says how many weights train. Raises SettingError."""
    model: Any = loaded.model
    release(model)  # of a training that failed
    every = sum(p.numel() for p in model.parameters())
    if settings.adapter or settings.adapter_config:
        from byeori.models import adapters
        from byeori.models.checks import find_folder

        source = loaded.source
        if isinstance(settings.model, str | Path):
            found = find_folder(str(settings.model))
            source = str(Path(found).resolve()) if Path(found).is_dir() else found
            if not settings.merge_adapter and holds_adapter(found):
                raise SettingError(
                    f"merge_adapter=False: {settings.model} is an adapter itself, and one can't stand on another. Leave --no-merge-adapter "
                    f"out, or name what that one stands on."
                )
        import torch

        torch.manual_seed(settings.seed)
        config = _config(settings, model, task)
        adapters.put_in(
            model, config, source=source, revision=loaded.revision or settings.revision, new=loaded.new_weights,
            alone=not settings.merge_adapter,
        )  # fmt: skip
    if settings.freeze:
        from byeori.models.frozen import freeze

        vars(model)[FROZEN] = freeze(model, settings.freeze, loaded.new_weights)
    if settings.adapter or settings.adapter_config or settings.freeze:
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        progress.note(f"{trained / 1e6:.{1 if trained > 1e5 else 3}f} of {every / 1e6:.1f} million weights train.")
    if settings.gradient_checkpointing:
        compute_again(model)


def compute_again(model: Any) -> None:
    """Have each layer computed again in the backward pass. Raises SettingError for a family that can't."""
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise SettingError(
            f"gradient_checkpointing: {type(model).__name__} has none in transformers. Leave it out; --pack-tokens bounds memory too."
        )
    with warnings.catch_warnings():  # the name goes with transformers 6; 5.17 has no other
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    # Embeddings without gradients would be given some, and all frozen layers a backward pass; only reentrant ones need that.
    model.disable_input_require_grads()
    vars(model)[AGAIN] = True


def used_words(model: Any, store: TokenStore, task: Task) -> CompactEmbedding | None:
    """Train only the word vectors in use, where the store says which these are."""
    if store.list_offsets or task.drawing(0, 0) is not None:
        return None
    size = model.get_input_embeddings().num_embeddings
    return embedding.use_rows(model, embedding.used_ids(store, size, int(store.pad["input_ids"])))


def release(model: Any, best: Path | None = None) -> None:
    """The model as transformers knows it; `best`: a folder whose adapter, if it holds one alone, is put back first."""
    from byeori.models import adapters

    if adapters.adapter_of(model) is not None:
        if best is not None and holds_adapter(best):
            adapters.read_weights(model, best)
        adapters.take_out(model)
    for parameter in vars(model).pop(FROZEN, ()):
        parameter.requires_grad_(True)
    if vars(model).pop(AGAIN, False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_disable()


def _config(settings: Train, model: Any, task: Task) -> Any:
    """peft's configuration, of the settings or of a file."""
    import peft
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    from byeori.models.adapters import TASKS, linear

    if settings.adapter_config is not None:
        found = _of_file(settings.adapter_config)
        if found.task_type is None:
            found.task_type = TASKS.get(task.auto_class)
        return found
    targets: Any = settings.adapter_targets
    if targets == "auto":
        known = model.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
        targets = None if known else "all-linear"
    elif targets != "all-linear":
        names = targets.split(",") if isinstance(targets, str) else targets
        targets = [name.strip() for name in names if name.strip()]
        absent = [
            one for one in targets if not any(n == one or n.endswith(f".{one}") for n, _ in model.named_modules())
        ]
        if absent:
            raise SettingError(
                f"adapter_targets: {', '.join(absent)}: {type(model).__name__} has no module of that name. Its linear ones are "
                f"{', '.join(linear(model))}."
            )
    return peft.LoraConfig(
        r=settings.adapter_rank, lora_alpha=cast(int, settings.adapter_alpha), lora_dropout=settings.adapter_dropout,
        target_modules=targets, task_type=TASKS.get(task.auto_class),
    )  # fmt: skip


def _of_file(given: Any) -> Any:
    """peft's configuration of a YAML or JSON file, or of a dict. Raises SettingError."""
    import peft

    if isinstance(given, peft.PeftConfig):
        return given
    where = str(given) if isinstance(given, str | Path) else "adapter_config"
    if isinstance(given, dict):
        values = dict(given)
    elif str(given).endswith(".json") and Path(given).is_file():
        try:
            values = json.loads(Path(given).read_text(encoding="utf-8"))
        except ValueError as error:
            raise SettingError(f"{where}: this is not JSON: {error}.") from None
    else:
        values = load_yaml(given)
    kinds = sorted(str(getattr(one, "value", one)) for one in peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING)
    kind = str(values.get("peft_type", "")).upper()
    if kind not in kinds:
        raise SettingError(
            f"{where}: peft_type={values.get('peft_type')!r}: peft has {', '.join(kinds)}. Give one of them."
        )
    try:
        return peft.get_peft_config({**values, "peft_type": kind})
    except (TypeError, ValueError) as error:
        raise SettingError(f"{where}: peft doesn't take these settings: {error}.") from error
