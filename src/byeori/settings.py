"""Every setting, declared once: name, type, default, help. Flags, YAML, Python and error texts are made from these.

One dataclass a concern; `Train` is all of them together, flat, as a settings file is. A task brings two more of its
own (`Task.Training`, `Task.Call`). Names are transformers' where the meaning is the same; the names that tutorials
use for the others are answered from `byeori.oldnames`.

    settings = read({"learning_rate": "5e-5"}, Train)      # checked and converted
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import types
import typing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from byeori.errors import SettingError
from byeori.oldnames import answer


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    metavar: str = "",
    scores: bool = False,
) -> Any:
    """A field with its help, its allowed words, its least and most value, and what stands for a value in the help.

    `scores`: a training setting that an evaluation by itself may be told as well.
    """
    metadata = {
        "help": help, "choices": choices, "least": least, "most": most, "metavar": metavar, "scores": scores,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class Data:
    """Where the rows come from."""

    train: Any = setting(None, "training rows: a file, a folder, a glob or a Hub data set id", metavar="DATA")
    validation: Any = setting(None, "validation rows; split off the training rows if not given", metavar="DATA")
    test: Any = setting(None, "test rows; split off the training rows if not given", metavar="DATA")
    validation_size: float = setting(
        0.1, "share of the training rows that becomes validation where none is given", least=0
    )
    test_size: float = setting(
        0.1, "share of the training rows that becomes test where none is given; 0 for none", least=0
    )
    text: str | None = setting(None, "column of the text; found by its name if not given", metavar="COLUMN")
    text_pair: str | None = setting(None, "column of the second text, for pairs", metavar="COLUMN")
    label: str | None = setting(None, "column of the label; several (a,b,c) make a multi-label task", metavar="COLUMN")
    separator: str | None = setting(None, "what separates the columns of a text file; recognised if not given")
    header: bool | None = setting(None, "whether the first line names the columns; recognised if not given")
    encoding: str | None = setting(None, "encoding of text files; recognised if not given")
    field: str | None = setting(None, "where the rows stand in a nested JSON file, as a.b")
    sheet: str | None = setting(
        None, "the sheet of a spreadsheet, by name or number; the only one that holds rows if not given"
    )
    missing: str | list[str] | None = setting(
        None, "words that stand for a missing value (NA,null); they are text if not given", metavar="WORDS"
    )
    allow_pickle: bool = setting(False, "open pickles, which run whatever code is in them")
    streaming: bool = setting(
        False, "take rows of a Hub data set as they come, without fetching it whole; with --max-rows"
    )
    split: str | None = setting(
        None, "what of the training source to take: train, validation, test, train[:10%], train+validation"
    )
    skip_bad_rows: bool = setting(False, "leave out rows that can't be read, and say how many")
    drop_empty: bool = setting(False, "leave out rows whose text is empty")
    drop_empty_labels: bool = setting(False, "leave out rows whose label is empty")
    max_rows: int | None = setting(None, "use at most the first so many rows of each source", least=1)
    data_revision: str | None = setting(None, "revision of a Hub data set")


@dataclass(kw_only=True)
class Cleaning:
    """How texts are cleaned: off unless asked; what is done goes with the model."""

    normalize: str = setting(
        "auto", "Unicode form of the texts; auto is NFC where the training texts hold Hangul",
        choices=("auto", "nfc", "nfkc", "none"),
    )  # fmt: skip
    clean: str | list[str] | None = setting(
        None,
        "what to clean (a,b,c): html (entities), control, zero-width, lower, inner-spaces, spaces",
        metavar="STEPS",
    )
    clean_function: Any = setting(
        None, "an own function, text in, text out, that comes after these", metavar="FILE.py:NAME"
    )


@dataclass(kw_only=True)
class Model:
    """What is trained, and on what."""

    model: Any = setting(None, "a Hub id, a local folder or a run", metavar="MODEL")
    from_scratch: str | None = setting(
        None,
        "instead of a model a fresh one: a named shape, a configuration's file or folder, or a Hub id whose configuration alone is "
        "taken; with --tokenizer",
        metavar="SHAPE|FILE",
    )
    tokenizer: Any = setting(None, "tokenizer's Hub id or folder; the model's own if not given")
    revision: str | None = setting(None, "revision of a Hub model")
    trust_remote_code: bool = setting(False, "run Python code that comes with the model")
    device: str = setting("auto", "where it runs", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = setting(
        "auto",
        "arithmetic; auto is bfloat16 where the processor has it",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    threads: int | None = setting(None, "CPU threads; OMP_NUM_THREADS, else all cores, if not given", least=1)
    max_length: int | None = setting(
        None, "longest input in tokens; the smaller of 512 and what the model takes", least=3
    )
    truncation: str = setting("head", "the part kept of a text that is too long", choices=("head", "tail", "middle"))


@dataclass(kw_only=True)
class Batches:
    """How rows become updates."""

    batch_size: int = setting(32, "rows an update, however many packs they take", least=1)
    pack_tokens: int | str = setting(
        "auto", "most tokens computed at once: memory, never the maths", choices=("auto",), least=1
    )
    pad_to: int | None = setting(
        None,
        "packs of few shapes, for devices that compile for each: rows padded to a multiple of so many tokens",
        least=1,
    )
    gradient_checkpointing: bool = setting(
        False, "compute each layer again for its gradients instead of keeping what they need: less memory, more time"
    )
    fsdp: bool = setting(
        False, "on ranks (torchrun): a share of weights, gradients and moments on each, instead of all of them on each"
    )
    order: str = setting("grouped", "rows of like length together, or not", choices=("grouped", "random"))
    seed: int = setting(0, "seed of the split, the order, new weights and dropout", least=0)
    split_seed: int | None = setting(None, "seed of the split alone; that of the rest if not given", least=0)
    seeds: int | None = setting(
        None,
        "train so many times, by this seed and the next ones, on one split: OUTPUT/seed-0 …, their mean and spread",
        least=2,
    )


@dataclass(kw_only=True)
class Adapters:
    """What of the model trains: all of it unless asked."""

    adapter: str | None = setting(None, "train a small adapter beside the frozen weights", choices=("lora",))
    adapter_rank: int = setting(8, "rank of the adapter's two matrices", least=1)
    adapter_alpha: float = setting(16.0, "the adapter is scaled by this over its rank", least=0)
    adapter_dropout: float = setting(0.0, "dropout of what the adapter reads", least=0, most=0.999999)
    adapter_targets: str | list[str] = setting(
        "auto",
        "all-linear, or modules that get one (query,value); auto is peft's choice for the family, else all",
        metavar="MODULES",
    )
    adapter_config: Any = setting(
        None,
        "another method of peft, or LoRA in full: a YAML or JSON file of its settings with peft_type",
        metavar="FILE",
    )
    merge_adapter: bool = setting(True, "model/ holds the weights with the adapter in them; else the adapter alone")
    freeze: str | list[str] | None = setting(
        None, "what stays as it is (a,b,c): embeddings, layers.0-3, body, all-but-last:2, or modules by name",
        metavar="PARTS",
    )  # fmt: skip


@dataclass(kw_only=True)
class Optimization:
    """How the weights move."""

    epochs: float = setting(3.0, "passes over the training rows", least=0)
    max_steps: int | None = setting(None, "updates, instead of epochs", least=1)
    learning_rate: float | str = setting(
        "auto", "highest learning rate of AdamW; auto follows batch and model size", choices=("auto",), least=0
    )
    schedule: str = setting("linear", "how the learning rate falls", choices=("linear", "cosine", "constant"))
    warmup_ratio: float = setting(0.1, "share of the updates in which the learning rate rises", least=0, most=1)
    warmup_steps: int | None = setting(None, "updates in which the learning rate rises, instead of a share", least=0)
    weight_decay: float = setting(0.01, "decay of weights; biases and norms are spared", least=0)
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this norm; 0 for no limit", least=0)
    adam_beta1: float = setting(0.9, "AdamW's first moment", least=0, most=0.999999)
    adam_beta2: float = setting(0.999, "AdamW's second moment", least=0, most=0.999999)
    adam_epsilon: float = setting(1e-8, "AdamW's epsilon", least=0)
    on_nan: str = setting(
        "stop", "what is done with an update whose loss or gradient is no number", choices=("stop", "skip")
    )


@dataclass(kw_only=True)
class Watching:
    """What is measured and shown meanwhile."""

    evaluate_every: int | str = setting("epoch", "epoch, end or a number of updates", choices=("epoch", "end"), least=1)
    best_metric: str | None = setting(None, "the score that chooses the best model; the task's own if not given")
    early_stopping: int | None = setting(None, "stop after so many evaluations without a better score", least=1)
    log_every: int | None = setting(None, "updates between two lines of history; about 100 lines a run", least=1)
    preview_every: int | None = setting(
        None, "updates between samples; min(500, updates / 10) if not given, of tasks that write 200 at least", least=1
    )
    previews: int = setting(
        5, "samples shown each time; with 0 no texts of mistakes are kept for the report either", least=0
    )
    baselines: bool = setting(True, "score a trivial and a linear model beside this one")
    tracker: str = setting(
        "none", "where history goes besides: tensorboard, trackio, wandb …; several as a,b", metavar="NAME"
    )


@dataclass(kw_only=True)
class Output:
    """Where everything goes."""

    output: str | None = setting(None, "folder of the run", metavar="RUN")
    checkpoint_every: int | None = setting(
        None, "updates between checkpoints to resume from; none if not given", least=1
    )
    checkpoints_kept: int = setting(
        2, "newest checkpoints that stay while it trains, beside one of the best score if there is one", least=1
    )
    keep_checkpoints: bool = setting(False, "keep the checkpoints when the run is done")
    resume: bool = setting(False, "go on from the last whole checkpoint in the folder")
    accept_changes: bool = setting(
        False, "with --resume: go on although settings or data are other ones than in the checkpoint"
    )
    overwrite: bool = setting(False, "replace a run that is in the folder")
    push_to: str | None = setting(
        None, "private Hub repository that gets the model when it is done, as by `byeori push`", metavar="REPO_ID"
    )
    push_every: int | None = setting(
        None, "with --push-to: it gets the best model so far too, after so many updates, beside the training", least=1
    )
    cache: bool = setting(
        True, "take token ids of the same rows from an earlier run, and keep those of many rows for a later one"
    )


@dataclass(kw_only=True)
class Train(Output, Watching, Optimization, Adapters, Batches, Model, Cleaning, Data):
    """Everything `byeori train` takes, beside the task's own."""

    task: Any = setting(None, "what to train for; `byeori tasks` lists them")


SECTIONS = (Data, Cleaning, Model, Batches, Adapters, Optimization, Watching, Output)
FEW = 20  # settings that a message can list


@cache
def hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def names(*kinds: type) -> dict[str, dataclasses.Field]:
    """All settings of these dataclasses by name."""
    return {f.name: f for kind in kinds for f in dataclasses.fields(kind)}


def of_scoring(kind: type) -> dict[str, dataclasses.Field]:
    """Those of a task's training settings that an evaluation by itself may be told."""
    return {name: field for name, field in names(kind).items() if field.metadata.get("scores")}


def read(values: dict[str, Any], *kinds: type, where: str = "") -> list[Any]:
    """Check and convert values, one object a dataclass. Raises SettingError on an unknown name or a wrong value."""
    known = names(*kinds)
    for name in values:
        if name not in known:
            raise SettingError(unknown(name, list(known), where))
    made = []
    for kind in kinds:
        own = {
            f.name: convert(values[f.name], f, hints(kind)[f.name], where)
            for f in dataclasses.fields(kind)
            if f.name in values
        }
        made.append(kind(**own))
    return made


def unknown(name: str, known: list[str], where: str = "", flag: bool = False, more: str = "") -> str:
    """The sentence for a name nobody knows: its name here if tutorials use it, else the nearest one, else `more`."""
    plain = name.lstrip("-").replace("-", "_")
    found = answer(plain, flag, known)
    if found is None:
        near = difflib.get_close_matches(plain, known, 1, 0.6)
        few = f"There {'is' if len(known) == 1 else 'are'} {', '.join(known)}."
        command = f"predict --task {where}" if where else "train"  # more than a few, and told where: those of a call
        more = more or (few if 0 < len(known) <= FEW else f"`byeori {command} --help` lists all settings.")
        found = f"Did you mean {spelled(near[0], flag)}?" if near else more
    return f"{where and where + ': '}there is no setting {name}. {found}"


def spelled(name: str, flag: bool) -> str:
    return "--" + name.replace("_", "-") if flag else name


def convert(value: Any, field: dataclasses.Field, hint: Any, where: str = "") -> Any:
    """A value as its setting's type says; text from flags and YAML is converted."""
    if hint is Any:
        return value
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in allowed:
        return None
    if list[str] in allowed and isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
        return list(value)
    for kind in (kind for kind in (bool, int, float, str) if kind in allowed):
        made = _as(value, kind)
        if made is not None and not (kind is str and set(allowed) & {int, float} and not isinstance(value, str)):
            break
    else:
        made = None
    start = f"{where and where + ': '}{field.name}={value!r}: "
    choices, least = field.metadata["choices"], field.metadata["least"]
    if made is None or (choices and isinstance(made, str) and made not in choices):
        near = difflib.get_close_matches(str(value), choices, 1, 0.5)
        raise SettingError(start + _wanted(allowed, choices) + (f" Did you mean {near[0]}?" if near else ""))
    if isinstance(made, int | float) and not isinstance(made, bool):
        if made != made or made in (float("inf"), float("-inf")):
            raise SettingError(start + "a finite number is needed.")
        if least is not None and made < least:
            raise SettingError(start + f"it must be at least {least:g}.")
        most = field.metadata.get("most")
        if most is not None and made > most:
            raise SettingError(start + f"it must be at most {most:g}.")
    return made


def _wanted(allowed: tuple, choices: tuple[str, ...]) -> str:
    """What a setting takes, as the end of an error."""
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "" if choices else "text",
        list[str]: "a list of texts",
    }
    listed = ("one of " if len(choices) > 1 else "") + ", ".join(choices)
    return " or ".join(filter(None, [listed, *(words[kind] for kind in words if kind in allowed)])) + " is needed."


def _as(value: Any, kind: type) -> Any:
    """The value as `kind`, or None where it isn't one."""
    if kind is bool:
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        return value if isinstance(value, bool) else words.get(value.lower()) if isinstance(value, str) else None
    if isinstance(value, bool):
        return None
    try:
        if kind is int:
            number = int(value) if not isinstance(value, float) or value.is_integer() else None
            return number
        if kind is float:
            return float(value)
        if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
            return ",".join(value)  # label=["a", "b"] is --label a,b
        return str(value) if isinstance(value, str | int | float | os.PathLike) else None
    except (TypeError, ValueError, OverflowError):
        return None


def load_yaml(path: str | Path) -> dict[str, Any]:
    """A settings file as a dict. Raises SettingError if it isn't there or isn't YAML of names and values."""
    import yaml

    path = Path(path)
    if not path.is_file():
        raise SettingError(f"{path}: there is no such settings file.")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: this is not YAML: {error}") from None
    if not isinstance(found, dict):
        raise SettingError(f"{path}: a settings file holds lines of `name: value`; found {type(found).__name__}.")
    return {str(name).replace("-", "_"): value for name, value in found.items()}


def dump_yaml(settings: Train, own: Any, extra: dict[str, Any]) -> str:
    """Settings as commented YAML, in sections; `own` are the task's, `extra` what was resolved or found."""
    import yaml

    lines: list[str] = []

    def add(title: str | None, values: dict[str, Any]) -> None:
        lines.extend(["", f"# {title}"])
        lines.extend(yaml.safe_dump(values, allow_unicode=True, sort_keys=False).splitlines())

    lines.append("# byeori train THIS_FILE --output NEW_FOLDER repeats the run")
    lines.extend(yaml.safe_dump({"task": plain(settings.task)}, allow_unicode=True).splitlines())
    for section in SECTIONS:
        add(section.__doc__, {f.name: plain(getattr(settings, f.name)) for f in dataclasses.fields(section)})
    add("The task's own.", {f.name: plain(getattr(own, f.name)) for f in dataclasses.fields(own)})
    lines.extend(["", "# Found while running; not settings."])
    lines.extend("# " + line for line in yaml.safe_dump(extra, allow_unicode=True, sort_keys=False).splitlines())
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    """A setting's value as YAML has it; what YAML can't hold by its class alone."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, list | tuple) and all(isinstance(v, str | int | float) for v in value):
        return list(value)
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    return None if value is None else f"<{type(value).__name__}>"
