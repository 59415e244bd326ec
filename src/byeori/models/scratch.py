"""A fresh model: a named shape or a configuration, fitted to a tokenizer, with weights drawn by the model's own class.

Invariants: vocabulary, special tokens and, of a named shape, positions are the tokenizer's and --max-length's, and every
value that is not the configuration's own is said; the weights are a function of configuration and seed alone; what a
tokenizer or an architecture lacks for the task is refused before a row is encoded.

    config = configuration("bert-mini"); loaded = fresh(config, "bert-mini", task, tokenizer="tok", seed=0)
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from byeori.errors import ModelError, SettingError
from byeori.models import attention
from byeori.models.checks import TOKENIZERS, check_gone, explain
from byeori.models.load import Loaded, load_tokenizer, quiet, resolved, settle
from byeori.models.packed import first_position

if TYPE_CHECKING:
    from byeori.tasks.base import Task

NEEDED = {  # Auto class → special tokens its objective is nothing without, and the recipe that makes them
    "AutoModelForMaskedLM": (("mask",), "bert"),
    "AutoModelForPreTraining": (("mask", "cls", "sep"), "bert"),
    "AutoModelForCausalLM": (("eos",), "gpt2"),
    "AutoModelForSeq2SeqLM": (("eos", "pad"), "t5"),
}
ENCODERS = ("bert", "roberta", "electra")  # among the shapes: none of them can learn to write
SPECIAL = ("pad", "bos", "eos", "unk", "cls", "sep", "mask")
TABLE = "max_position_embeddings"
ROUNDED = 128  # a configuration of one's own may have so many rows more than the tokenizer, to a round number
# Of the checkpoint a configuration comes from, not of its shape.
FOREIGN = ("architectures", "task_specific_params", "problem_type", "finetuning_task", "dtype", "quantization_config")


@dataclass(frozen=True)
class Shape:
    """An architecture (`model_type`) in a size. `source`: who measured it, or that it is ours."""

    model_type: str
    values: dict[str, Any]
    source: str


def _bert(layers: int, width: int, model_type: str = "bert", **more: Any) -> dict[str, Any]:
    """Heads of 64, inner layers four times as wide (Turc et al., 2019)."""
    return {
        "num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": width // 64, "intermediate_size": 4 * width,
        TABLE: 512, **more,
    }  # fmt: skip


def _t5(layers: int, width: int, heads: int) -> dict[str, Any]:
    # The paper's table says heads of 32; the released checkpoints have 64, as their numbers of parameters show.
    return {
        "num_layers": layers, "num_decoder_layers": layers, "d_model": width, "d_ff": 4 * width, "d_kv": 64, "num_heads": heads,
    }  # fmt: skip


def _gpt2(layers: int, width: int) -> dict[str, Any]:
    return {"n_layer": layers, "n_embd": width, "n_head": width // 64, "n_positions": 1024}


TURC, TAY = "Turc et al. (2019)", "T5-Efficient, Tay et al. (2022)"
OURS = "the size of bert-mini in this architecture; ours"
SHAPES: dict[str, Shape] = {
    "bert-tiny": Shape("bert", _bert(2, 128), TURC),
    "bert-mini": Shape("bert", _bert(4, 256), TURC),
    "bert-small": Shape("bert", _bert(4, 512), TURC),
    "bert-medium": Shape("bert", _bert(8, 512), TURC),
    "bert-base": Shape("bert", _bert(12, 768), "Devlin et al. (2019)"),
    "roberta-mini": Shape("roberta", _bert(4, 256, type_vocab_size=1, layer_norm_eps=1e-5), OURS),
    "electra-small": Shape("electra", _bert(12, 256, embedding_size=128), "Clark et al. (2020)"),
    "gpt2-mini": Shape("gpt2", _gpt2(4, 256), OURS),
    "gpt2-small": Shape("gpt2", _gpt2(12, 768), "Radford et al. (2019)"),
    "llama-mini": Shape(
        "llama", {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 4,
                  "intermediate_size": 688, TABLE: 1024}, OURS,
    ),
    "t5-tiny": Shape("t5", _t5(4, 256, 4), TAY),
    "t5-mini": Shape("t5", _t5(4, 384, 8), TAY),
    "t5-small": Shape("t5", _t5(6, 512, 8), "Raffel et al. (2020)"),
}  # fmt: skip


def configuration(name: str, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The configuration of a shape, a JSON or YAML file, a folder (or run) with config.json, or a Hub id.

    Raises SettingError for a name that is none of these, ModelError for a file that makes no configuration.
    """
    if name in SHAPES:
        from transformers import AutoConfig

        return AutoConfig.for_model(SHAPES[name].model_type, **SHAPES[name].values)
    path = Path(name).expanduser()
    if path.is_file():
        return _of_file(path, name)
    folder = next((one for one in (path / "model", path) if (one / "config.json").is_file()), None)
    if folder is None and (path.is_dir() or name.count("/") != 1 or name.startswith((".", "/", "~"))):
        near = difflib.get_close_matches(name, SHAPES, 1, 0.6)
        raise SettingError(
            f"from_scratch={name!r}: there is no such shape and no such file{' (a folder needs a config.json)' * path.is_dir()}. "
            f"{f'Did you mean {near[0]}? ' if near else ''}Shapes are {', '.join(SHAPES)}; a JSON or YAML file of a "
            f"configuration, a folder with config.json and a Hub id (OWNER/NAME) are taken too."
        )
    place = name if folder is None else str(folder)
    with quiet(), explain(name, place):
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=trust_remote_code)
    for one in FOREIGN:
        if getattr(found, one, None) is not None:
            setattr(found, one, None)
    return found


def _of_file(path: Path, name: str) -> Any:
    """The configuration a file spells out. Names that its architecture doesn't know are refused: it would ignore them."""
    import yaml
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoConfig

    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{name}: this is neither JSON nor YAML: {' '.join(str(error).split())[:160]}.") from None
    kind = values.get("model_type") if isinstance(values, dict) else None
    check_gone(name, str(kind))
    if kind not in CONFIG_MAPPING:
        near = difflib.get_close_matches(str(kind), list(CONFIG_MAPPING), 1, 0.6) if kind else []
        raise ModelError(
            f'{name}: a configuration names its architecture, "model_type": "bert" (or gpt2, llama, t5 …); found '
            f"{kind or 'none'}.{f' Did you mean {near[0]}?' if near else ''}"
        )
    known = {*CONFIG_MAPPING[kind]().to_dict(), *CONFIG_MAPPING[kind].attribute_map, *FOREIGN, "transformers_version"}
    known |= {"torch_dtype", "_name_or_path", *(f"{one}_token_id" for one in SPECIAL), "num_labels"}
    for one in values:
        near = difflib.get_close_matches(one, known, 1, 0.8)
        if one not in known and near:
            raise ModelError(f"{name}: {kind} has no value {one!r}, and would ignore it. Did you mean {near[0]}?")
    try:
        return AutoConfig.for_model(kind, **{k: v for k, v in values.items() if k not in (*FOREIGN, "model_type")})
    except (StrictDataclassError, TypeError, ValueError, KeyError) as error:
        raise ModelError(
            f"{name}: it makes no {kind} ({' '.join(str(error).split())[:200]}). Correct the file."
        ) from error


def check_task(config: Any, name: str, task: Task) -> None:
    """Raises ModelError where the architecture has no head for the task."""
    import transformers

    heads = getattr(transformers, task.auto_class)._model_mapping
    writes = task.auto_class == "AutoModelForCausalLM"
    kinds = {one.model_type for one in SHAPES.values()} - (set(ENCODERS) if writes else set())
    if type(config) in heads and not (writes and config.model_type in ENCODERS):
        return
    fitting = [one for one, shape in SHAPES.items() if shape.model_type in kinds & set(heads._model_mapping)]
    raise ModelError(
        f"from_scratch={name}: {config.model_type} can't be built for {task.name} ({task.auto_class}). Shapes that can are "
        f"{', '.join(fitting)}."
    )


def fresh(
    config: Any,
    name: str,
    task: Task,
    *,
    tokenizer: Any,
    max_length: int | None = None,
    seed: int = 0,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Loaded:
    """A model with new weights and its tokenizer, as `load_model` gives one of a checkpoint.

    `tokenizer`: a folder, a Hub id or an object; None for that of the folder or Hub id `name`, at its `revision`. Raises SettingError for
    none at all, ModelError for one that lacks what the task or the architecture needs.
    """
    import transformers

    check_task(config, name, task)
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if tokenizer is None:
        tokenizer, options["revision"] = own_tokenizer(name), revision
    reader = load_tokenizer(tokenizer, str(tokenizer), options, config.model_type)
    _check_tokenizer(reader, task, config)
    told = _fit_vocabulary(config, reader, name)
    _fit_special(config, reader)
    wanted = task.config()
    if wanted:
        config.num_labels = len(wanted["id2label"])
    for key, value in wanted.items():
        setattr(config, key, value)
    auto = getattr(transformers, task.auto_class)
    told += _fit_positions(config, reader, name, max_length or task.default_length, max_length is not None, auto)
    if told_block := _block_said(config, task):
        told.append(told_block)
    torch.manual_seed(seed)
    model = _built(auto, config)
    found = Loaded(model, reader, name, None if name in SHAPES else resolved(name, revision), [])
    size = sum(p.numel() for p in model.parameters())
    found.notes.append(
        f"{name}, from scratch: {type(model).__name__}, {size / 1e6:.1f}M parameters drawn with seed {seed}, vocabulary "
        f"{config.vocab_size:,}{_positions_said(config)}."
    )
    found.notes += told
    settle(found)
    types = getattr(config, "type_vocab_size", 0) or 0
    if types > 1 and "token_type_ids" not in reader.model_input_names and "text_pair" in task.roles:
        found.notes.append(
            "The tokenizer sends no segment ids, so second texts are told apart by their separator alone."
        )
    return found


def own_tokenizer(name: str) -> str:
    """The folder or Hub id whose tokenizer goes with a configuration. Raises SettingError where it has none."""
    path = Path(name).expanduser()
    for folder in (path / "model", path):
        if any((folder / one).is_file() for one in TOKENIZERS):
            return str(folder)
    if name not in SHAPES and not path.exists():
        return name  # a Hub id
    raise SettingError(
        f"from_scratch={name!r}: a fresh model needs a tokenizer, and none is named. Make one with `byeori tokenizer train --output tok "
        f"DATA` and give --tokenizer tok, or name any other folder or Hub id."
    )


def _check_tokenizer(tokenizer: Any, task: Task, config: Any) -> None:
    """Raises ModelError for special tokens that objective or architecture can't do without."""
    needed, recipe = NEEDED.get(task.auto_class, ((), "bert"))
    kind = config.model_type
    if config.is_encoder_decoder or kind in ENCODERS:
        needed = (*needed, *({"pad"} - set(needed)))
        recipe = "t5" if config.is_encoder_decoder else recipe
    missing = [f"{one}_token" for one in needed if getattr(tokenizer, f"{one}_token_id") is None]
    if missing:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}) has no {' and no '.join(missing)}, and {task.name} with a fresh {kind} needs "
            f"{'it' if len(missing) == 1 else 'them'}. `byeori tokenizer train --recipe {recipe}` makes one that has; in another, name "
            f"the token in tokenizer_config.json."
        )
    if getattr(task.settings, "next_sentence", False) and "token_type_ids" not in tokenizer.model_input_names:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}) sends no segment ids, and next sentences are told from the first by them. "
            f"Take one made by `byeori tokenizer train --recipe bert`."
        )


def _fit_vocabulary(config: Any, tokenizer: Any, name: str) -> list[str]:
    """As many rows as the tokenizer has ids; a configuration of one's own may have a round number of them."""
    size = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values()))
    had = config.vocab_size
    own = name not in SHAPES
    if own and size < had < size + ROUNDED and had % 8 == 0:
        return [f"The vocabulary has {had:,} rows, as the configuration says; the tokenizer uses {size:,} of them."]
    config.vocab_size = size
    return (
        [f"The configuration's vocabulary of {had:,} became the tokenizer's {size:,}."] if own and had != size else []
    )


def _fit_special(config: Any, tokenizer: Any) -> None:
    """Ids of the special tokens; the decoder starts with the token that its family starts with."""
    default = type(config)()
    start = getattr(default, "decoder_start_token_id", None)
    for one in SPECIAL:
        if one in ("pad", "bos", "eos") or hasattr(config, f"{one}_token_id"):
            setattr(config, f"{one}_token_id", getattr(tokenizer, f"{one}_token_id"))
    if config.pad_token_id is not None and config.pad_token_id == config.eos_token_id:
        config.pad_token_id = None  # a row of padding gets no gradient: an end token would never be learnt
    if config.is_encoder_decoder:
        from_end = start is not None and start == default.eos_token_id
        config.decoder_start_token_id = config.eos_token_id if from_end else config.pad_token_id
        for one, value in (("forced_eos_token_id", config.eos_token_id), ("forced_bos_token_id", None)):
            if getattr(config, one, None) is not None:
                setattr(config, one, value)


def _fit_positions(config: Any, tokenizer: Any, name: str, length: int, asked: bool, auto: Any) -> list[str]:
    """A table for texts of `length` tokens, and for the places before the first that RoBERTa's kin leave free."""
    table = getattr(config, TABLE, None)
    if table is None or config.model_type in ("t5", "mt5"):
        return []
    limit = tokenizer.model_max_length if tokenizer.model_max_length < 10**9 else None
    if asked and limit is not None and length > limit:
        raise SettingError(
            f"max_length={length}: the tokenizer states {limit} tokens at most (model_max_length in tokenizer_config.json). Give "
            f"--max-length {limit} or less, or a tokenizer that states more: `byeori tokenizer train --max-length {length}`."
        )
    with torch.device("meta"):
        free = first_position(_built(auto, config))
    if name not in SHAPES:  # a configuration's own, which may be meant for longer texts later
        usable = table - free
        said = f"The configuration has {usable:,} positions, of which --max-length {length} trains the first {length}."
        return [said] if asked and length < usable else []
    if not asked:
        length = min(one for one in (length, table, limit) if one is not None)
    setattr(config, TABLE, length + free)
    if limit is None:
        tokenizer.model_max_length = length  # goes with the saved tokenizer: truncation=True cuts there
    return []


def _block_said(config: Any, task: Task) -> str | None:
    """The sentence for a decoder that learns from blocks shorter than its table."""
    block, table = getattr(task.settings, "block_length", None), getattr(config, TABLE, None)
    if block is None or table is None or block >= table:
        return None
    return (
        f"Blocks of {block} tokens (--block-length) train the first {block} of its {table:,} positions; a --max-length of {block} makes "
        f"no more than these."
    )


def _positions_said(config: Any) -> str:
    table = getattr(config, TABLE, None)
    return "" if table is None or config.model_type in ("t5", "mt5") else f", {table:,} positions"


def _built(auto: Any, config: Any) -> Any:
    """Raises ModelError where the values make no model (a width that the heads don't divide)."""
    with quiet():
        try:
            try:
                return auto.from_config(config, dtype=torch.float32, attn_implementation=attention.NAME)
            except ValueError as error:
                if "attention" not in str(error) and "attn_implementation" not in str(error):
                    raise
                config._attn_implementation = None  # a family that takes no attention from outside keeps its own
                return auto.from_config(config, dtype=torch.float32)
        except (ValueError, TypeError, RuntimeError, AssertionError, ZeroDivisionError) as error:
            said = " ".join(str(error).split())[:200]
            raise ModelError(
                f"{config.model_type}: this configuration makes no model ({said}). Correct its sizes."
            ) from error
