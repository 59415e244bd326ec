"""A model's tokenizer and size, without its weights where they are not needed; and what there is to say when they meet the data.

met = meet("klue/roberta-base", TextClassification(), SimpleNamespace(max_length=None))
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.doctor.findings import STOP, Finding
from byeori.doctor.parts import Part
from byeori.errors import ModelError

if TYPE_CHECKING:
    from byeori.models.load import Loaded
    from byeori.tasks.base import Task

TEXTS = 200  # on which tokenizer and model are tried together


@dataclass
class Met:
    """model: without weights, an outline or on no device (`meta`), unless `loaded` holds it. max_length: what training would
    take."""

    name: str
    tokenizer: Any
    model: Any
    max_length: int
    loaded: Loaded | None = None
    unfit: str = ""  # why the model can't be trained for the task


def meet(name: Any, task: Task, using: Any, whole: bool = False) -> Met:
    """Load a model's tokenizer, and the model: `whole` or as its shapes alone. Raises ModelError, SettingError."""
    from byeori.models.checks import explain, find_folder, length_for, usable_length
    from byeori.models.heads import check_kind
    from byeori.models.outline import outline
    from byeori.models.tokenizers import load_tokenizer, quiet

    trust, revision = bool(getattr(using, "trust_remote_code", False)), getattr(using, "revision", None)
    given = getattr(using, "tokenizer", None)
    asked = getattr(using, "max_length", None)
    if whole or not isinstance(name, (str, Path)):
        from byeori.models.load import load_model

        loaded = load_model(
            name, task, tokenizer=given, revision=revision, trust_remote_code=trust, for_training=task.prepared
        )
        length = length_for(asked, loaded.max_length, loaded.source, task.default_length)
        return Met(loaded.source, loaded.tokenizer, loaded.model, length, loaded)
    folder = find_folder(str(name))
    with quiet(), explain(str(name), folder):
        import transformers

        options = {"revision": revision, "trust_remote_code": trust}
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        model = outline(config, task.auto_class) or _shapes(config, task.auto_class, trust)
    source, more = (given, {}) if given is not None else (folder, {"revision": revision})
    tokenizer = load_tokenizer(source, str(given or name), {**more, "trust_remote_code": trust})
    length = length_for(asked, usable_length(model, tokenizer), str(name), task.default_length)
    try:
        check_kind(config, task, str(name))
    except ModelError as error:
        return Met(str(name), tokenizer, model, length, unfit=str(error))
    return Met(str(name), tokenizer, model, length)


def _shapes(config: Any, auto: str, trust: bool) -> Any:
    """The model on no device; its body where there is no head of this kind, which tells sizes and lengths as well."""
    import torch
    import transformers

    with torch.device("meta"):
        try:
            return getattr(transformers, auto).from_config(config, trust_remote_code=trust)
        except ValueError:
            return transformers.AutoModel.from_config(config, trust_remote_code=trust)


def contract(met: Met, part: Part) -> list[Finding]:
    """What model and tokenizer say when they are tried on the data's own texts."""
    from byeori.models import contract as contracts

    step = max(1, len(part) // TEXTS)
    texts = [text for role in part.written for text in part.texts(role)[::step][:TEXTS] if text.strip()]
    unfit = (
        [Finding("contract", STOP, part.name, 1, met.unfit, "Training refuses this model for the task.")]
        if met.unfit
        else []
    )
    if not texts:
        return unfit
    return unfit + [
        Finding("contract", one.level, part.name, 1, one.said, one.fix)
        for one in contracts.contract(met.model, met.tokenizer, texts, met.name)
    ]
