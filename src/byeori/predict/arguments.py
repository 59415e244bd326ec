"""What callers of transformers 4's pipelines wrote, in our words: inputs by place or by name, and every old argument.

Invariants: an argument is a setting of the task's call, or is known to change nothing with this value, or raises
SettingError by its name, with what to use instead; none is swallowed. None asks for nothing where no setting knows it.

    given, written, call = inputs(task, ("어디에 살아?",), {"context": "제주도에 산다.", "top_k": 2})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from byeori import settings
from byeori.errors import DataError, SettingError
from byeori.predict.options import Using
from byeori.predict.refusals import GENERATION, OBJECTS, REFUSED, SET_ON_MODEL, TOKENIZER, Refusal
from byeori.settings import setting

if TYPE_CHECKING:
    from byeori.predict.run import Run
    from byeori.tasks.base import Task

CUTS = settings.names(Using)["truncation"].metadata["choices"]
# What the pipelines of transformers 4 called their input, where it could be given by name.
NAMES = ("inputs", "text_inputs", "sequences", "data", "X")
LISTS = ("tokens", "choices", "messages")  # roles whose value is a list in one row
NESTED = ("tokenizer_kwargs", "tokenize_kwargs", "tokenizer_encode_kwargs")
# Older names of settings, where the task has the newer one alone.
RENAMED = {"multi_class": "multi_label", "stop_sequence": "stop", "stop_strings": "stop"}
# Of text-generation: each says what comes back, and transformers refuses two of them at once.
RETURNS = ("return_full_text", "return_text", "return_tensors")


@dataclass(kw_only=True)
class Sizes:
    """What transformers' pipelines take and packs make needless: the answer is the same for every value they know."""

    batch_size: int | None = setting(None, "batches are made by tokens", least=1)
    num_workers: int | None = setting(None, "nothing is loaded by workers", least=0)
    padding: bool | str | None = setting(None, "nothing is padded", choices=("longest", "max_length", "do_not_pad"))
    truncation: bool | str | None = setting(
        None,
        "what is too long is always cut, the longer text of a pair first",
        choices=("longest_first", "only_first", "only_second", "do_not_truncate", *CUTS),
    )


@dataclass(frozen=True)
class Asked:
    """`values` of the task's Call, the `length` texts are cut to in this call, and the arguments as they were `named`."""

    values: dict[str, Any] = field(default_factory=dict)
    length: int | None = None
    named: dict[str, Any] = field(default_factory=dict)


# inputs ---------------------------------------------------------------------------------------------------------------


def inputs(task: Task, places: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """A call's arguments → its input as `Task.inputs` takes it, the same as it was written, and the arguments that are left.

    An input is given by place, by one of the names it had (`NAMES`), or by role: question=…, context=…, of each one or a
    list. Raises SettingError, DataError.
    """
    named = dict(named)
    known = settings.names(task.Call)
    first, rest = places[:1], places[1:]
    for name in (one for one in NAMES if one in named and one not in known):
        if first:
            raise SettingError(f"{task.name}: the input is given twice, the second time as {name}. Give it once.")
        first = (named.pop(name),)
    if len(rest) > len(task.positional):
        takes = " and ".join(["the input", *task.positional])
        raise SettingError(
            f"{task.name} takes {takes} by place, and {len(places)} arguments were given. Name the others."
        )
    for name, value in zip(task.positional, rest, strict=False):
        if name in named:
            raise SettingError(f"{task.name}: {name} is given twice, by place and by name. Give it once.")
        named[name] = value
    roles = [role for role in task.roles if role not in task.answers and role not in known]
    main = task.needed[0] if task.needed else "text"
    if "text" in named and "text" not in roles and len(task.needed) == 1:
        roles, named = [*roles, "text"], {**named, main: named.pop("text")}
    values = {role: named.pop(role) for role in roles if role in named}
    if not values:
        if not first:
            wanted = ", ".join(f"{role}=…" for role in task.needed) or f"{main}=…"
            raise SettingError(f"{task.name}: there is no input. Give it first, or by name ({wanted}).")
        return first[0], first[0], named
    if first:
        if main in values or isinstance(first[0], Mapping):
            raise SettingError(
                f"{task.name}: the input is given twice, by place and as {', '.join(values)}. Give it once."
            )
        values = {main: first[0], **values}
    given = values[main] if set(values) == {main} else _rows(values, task.name)
    return given, (first[0] if first else given), named


def _rows(values: dict[str, Any], where: str) -> dict[str, Any] | list[dict[str, Any]]:
    """Roles by name → one row, or a row each where some are lists; what is no list goes with every row."""
    many = {role: list(value) for role, value in values.items() if _is_many(role, value)}
    if not many:
        return values
    counts = {role: len(value) for role, value in many.items()}
    if len(set(counts.values())) > 1:
        listed = " and ".join(f"{count} of {role}" for role, count in counts.items())
        raise DataError(f"{where}: {listed} don't go together. Give one each, or one for all.")
    rows = range(next(iter(counts.values())))
    return [{role: many[role][row] if role in many else value for role, value in values.items()} for row in rows]


def _is_many(role: str, value: Any) -> bool:
    if isinstance(value, str | Mapping) or not hasattr(value, "__len__") or not isinstance(value, Iterable):
        return False
    return role not in LISTS or isinstance(next(iter(value), None), list | tuple)


# arguments ------------------------------------------------------------------------------------------------------------


def read(run: Run, given: dict[str, Any], others: tuple[str, ...] = ()) -> Asked:
    """The arguments of a call, or those of `pipeline(…)` that are for its calls, in the words of the task's Call.

    `others`: names that could have been meant beside those of a call. Raises SettingError.
    """
    call, where = settings.names(run.task.Call), run.task.name
    values = _unnested({name: _word(value, call.get(name)) for name, value in given.items()}, call, where)
    for old, new in RENAMED.items():
        if old in values and old not in call and new in call:
            _same(where, new, values.pop(old), old, values)
    _replace_old(values, call, where)
    _check_returns(values, call, where)
    asked = values.pop("max_length", None) if "max_length" not in call else None
    for name in [name for name in values if name not in call]:
        if name in settings.names(Sizes):
            continue
        refusal = _refusal(run, name)
        if refusal is None:
            raise SettingError(settings.unknown(name, [*call, *others], where))
        if not refusal.nothing(values.pop(name), run):
            raise SettingError(f"{where}: {name}={_short(given.get(name))} is not taken. {refusal.say}")
    sizes_given = {name: values.pop(name) for name in settings.names(Sizes) if name in values and name not in call}
    (sizes,) = settings.read(sizes_given, Sizes, where=where)
    _check_truncation(sizes.truncation, run)
    return Asked(values, None if asked is None else length(run, asked), dict(given))


def merged(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A call's values over the pipeline's; a length said in one way hides one said in the other."""
    from byeori.generate.decoding import LENGTHS

    found = {**defaults, **values}
    for pair in LENGTHS:
        for one, other in (pair, pair[::-1]):
            if one in values and other not in values:
                found.pop(other, None)
    return found


def _word(value: Any, known: Any) -> Any:
    """An enumeration's value (AggregationStrategy.SIMPLE), and a word of a setting in its own case (SOFTMAX)."""
    if isinstance(value, Enum):
        value = value.value
    choices = known.metadata["choices"] if known is not None else ()
    if isinstance(value, str) and value not in choices and value.lower() in choices:
        return value.lower()
    return value


def _unnested(values: dict[str, Any], call: Mapping[str, Any], where: str) -> dict[str, Any]:
    """With the arguments inside tokenizer_kwargs and its like beside the others."""
    for nested in (name for name in NESTED if name in values and name not in call):
        inside = values.pop(nested)
        if not isinstance(inside, Mapping | None):
            raise SettingError(f"{where}: {nested}={_short(inside)}: a dict of arguments is needed.")
        for name, value in (inside or {}).items():
            if name == "max_length" and name in call:
                raise SettingError(
                    f"{where}: {nested}: max_length is not taken. A prompt is not cut to a length of its own."
                )
            _same(where, name, value, f"{nested}[{name!r}]", values)
    return values


def _same(where: str, name: str, value: Any, called: str, values: dict[str, Any]) -> None:
    """Take a value under `name`. Raises SettingError where another one stands there."""
    if values.get(name) is not None and values[name] != value:
        raise SettingError(
            f"{where}: {called}={_short(value)} and {name}={_short(values[name])} are the same setting. Give one."
        )
    values[name] = value


def _replace_old(values: dict[str, Any], call: Mapping[str, Any], where: str) -> None:
    """Old arguments that stand for another setting's value: return_all_scores, grouped_entities, ignore_subwords…"""
    if "function_to_apply" in call and (every := values.pop("return_all_scores", None)) is not None:
        if not isinstance(every, bool):
            raise SettingError(
                f"{where}: return_all_scores={_short(every)}: true or false is needed. It is top_k=None here."
            )
        if every and "top_k" in values and values["top_k"] is not None:
            raise SettingError(
                f"{where}: return_all_scores=True and top_k={values['top_k']} don't go together. Give top_k."
            )
        values.setdefault("top_k", None if every else "default")
    if "aggregation_strategy" in call:
        grouped, whole = (values.pop(name, None) for name in ("grouped_entities", "ignore_subwords"))
        if grouped is not None or whole is not None:
            meant = "first" if grouped and whole else "simple" if grouped else "none"
            _same(
                where,
                "aggregation_strategy",
                meant,
                f"grouped_entities={grouped}, ignore_subwords={whole}: the strategy",
                values,
            )
    returned = call.get("return_text")
    if (
        returned is not None
        and returned.default is True
        and values.get("return_tensors")
        and "return_text" not in values
    ):
        values["return_text"] = False  # transformers' text2text pipelines give one of the two


def _check_returns(values: dict[str, Any], call: Mapping[str, Any], where: str) -> None:
    if not set(RETURNS) <= set(call):
        return
    said = [name for name in RETURNS if values.get(name) is not None]
    if len(said) > 1:
        raise SettingError(f"{where}: {' and '.join(said)} both say what is returned. Give one of them.")


def _refusal(run: Run, name: str) -> Refusal | None:
    """What is known of an argument that is no setting; None for a name that no pipeline had."""
    tables: list[Mapping[str, Refusal]] = [REFUSED, TOKENIZER]
    if run.task.generates:
        tables += [GENERATION, OBJECTS]
    found = next((table[name] for table in tables if name in table), None)
    if found is None and run.task.generates:
        from transformers import GenerationConfig

        if name in vars(GenerationConfig()):
            return Refusal(SET_ON_MODEL.format(name=name))
    return found


def length(run: Run, asked: Any) -> int:
    """`max_length` of a call that is no setting of the task's: tokens its texts are cut to. Raises SettingError."""
    from byeori.models.checks import length_for, usable_length

    (using,) = settings.read({"max_length": asked}, Using, where=run.task.name)
    return length_for(using.max_length, usable_length(run.model, run.tokenizer), run.task.name)


def _check_truncation(asked: bool | str | None, run: Run) -> None:
    """Raises SettingError for one that would not be done."""
    start, cut = f"{run.task.name}: truncation={asked!r} is not taken: ", run.engine.encoder.truncation
    if asked in (False, "do_not_truncate") and not run.task.teacher_forced:  # a prompt is never cut
        raise SettingError(f"{start}a text longer than the model can't be run. Give max_length to load_run.")
    pairs = "text_pair" in run.task.roles and getattr(run.task, "pair", None) is not False
    if asked == "only_second" or (asked == "only_first" and pairs):
        raise SettingError(f"{start}of a pair the longer text is cut first. Leave it out.")
    if asked in CUTS and asked != cut:
        raise SettingError(f"{start}this model's texts are cut by {cut}. Give it to pipeline(…) itself.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
