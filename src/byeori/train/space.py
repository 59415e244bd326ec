"""What a search varies: any settings of a training or its task, each over a range of numbers or over choices.

Invariants: every end of a range and every choice is one that the setting itself takes, found out before anything runs; what
would score other rows, or put a trial elsewhere, can't be searched.

    space = read_space({"learning_rate": {"low": 1e-5, "high": 1e-4, "log": True}, "batch_size": [16, 32]}, kind, check)
    values = {name: one.suggest(trial, name) for name, one in space.items()}
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from byeori import settings
from byeori.errors import SettingError
from byeori.settings import Train, setting

# Settings that are the search's own affair, and why.
FIXED = {
    "task": "scores of two tasks can't be compared", "best_metric": "one score chooses; name it with metric",
    "output": "each trial has its folder", "resume": "it is of the whole search", "overwrite": "it is of the whole search",
    **dict.fromkeys(
        ("validation", "validation_size", "test", "test_size", "max_rows", "split", "text", "text_pair", "label"),
        "trials would be scored on other rows",
    ),
}  # fmt: skip
EXAMPLE = "learning_rate: {low: 1e-5, high: 1e-4, log: true}"
MOST = 100_000  # points of a grid


@dataclass(kw_only=True)
class Tune:
    """How settings are searched for."""

    search: Any = setting(None, "setting → {low, high, log, step}, or a list of choices")
    trials: int = setting(20, "trainings, those of before included where a search is resumed", least=1)
    timeout: float | None = setting(None, "seconds after which no further trial begins", least=0)
    metric: str | None = setting(None, "validation score that chooses; the task's own if not given")
    sampler: str = setting(
        "tpe", "how Optuna proposes values", choices=("tpe", "random", "grid", "qmc", "gp")
    )  # fmt: skip
    pruner: str = setting(
        "none", "how Optuna ends a trial that does badly", choices=("none", "median", "halving", "hyperband")
    )
    seed: int | None = setting(None, "seed of the sampler; that of the trainings if not given", least=0)


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones, steps apart, or as likely in each power of ten."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.low, self.high

    def suggest(self, trial: Any, name: str) -> Any:
        """The trial's value, as Optuna proposes it."""
        if isinstance(self.low, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def grid(self, name: str) -> list[Any]:
        """Each value. Raises SettingError where there is no end of them."""
        step = self.step or (1 if isinstance(self.low, int) and not self.log else None)
        if step is None:
            raise SettingError(
                f"search: {name}: a grid needs steps. Give step: a number, or choices, or take another sampler than grid."
            )
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [self.low + place * step for place in range(min(count, MOST + 1))]

    def as_dict(self) -> dict[str, Any]:
        found = {"low": self.low, "high": self.high, "log": self.log, "step": self.step}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Choices:
    """One of these."""

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    def suggest(self, trial: Any, name: str) -> Any:
        """The trial's value, as Optuna proposes it."""
        return trial.suggest_categorical(name, self.values)

    def grid(self, name: str) -> list[Any]:
        return list(self.values)

    def as_dict(self) -> list[Any]:
        return list(self.values)


Space = dict[str, Range | Choices]


def read_space(search: Any, kind: type, seed_is_free: bool, check: Callable[[dict[str, Any]], Any]) -> Space:
    """The space a `search` section names. Raises SettingError.

    kind: the task's class of training settings. seed_is_free: whether the seed chooses no validation rows. check: what
    raises SettingError where a training refuses a value, given by name.
    """
    if not isinstance(search, dict) or not search:
        raise SettingError(
            f"search names no setting to vary. Give it in a settings file under `tune:`, `search:`, as in `{EXAMPLE}` or "
            f"`batch_size: [16, 32]`."
        )
    known = settings.names(Train, kind)
    found: Space = {}
    for given, asked in search.items():
        name = str(given).replace("-", "_")
        if name not in known:
            raise SettingError("search: " + settings.unknown(name, list(known)))
        if name in FIXED:
            raise SettingError(f"search: {name} can't be searched: {FIXED[name]}.")
        if name == "seed" and not seed_is_free:
            raise SettingError(
                "search: the seed splits off the validation rows, so that trials would be scored on other rows. Name them with "
                "--validation."
            )
        hint = settings.hints(kind if name in settings.names(kind) else Train)[name]
        found[name] = _read(name, asked, known[name], hint)
        for value in found[name].ends:
            try:
                check({name: value})
            except SettingError as error:
                raise SettingError(f"search: {error}") from None
    return found


def _read(name: str, asked: Any, field: Any, hint: Any) -> Range | Choices:
    if isinstance(asked, dict) and set(asked) == {"choices"}:
        asked = asked["choices"]
    if isinstance(asked, list | tuple):
        values = dict.fromkeys(_choice(name, settings.convert(value, field, hint, "search")) for value in asked)
        if not values:
            raise SettingError(f"search: {name}: there are no choices. Give a list of some.")
        return Choices(tuple(values))
    if not isinstance(asked, dict) or not {"low", "high"} <= set(asked) <= {"low", "high", "log", "step"}:
        raise SettingError(
            f"search: {name}: {asked!r} is neither a range, such as {{low: 1, high: 9}} with log or step, nor a list of choices."
        )
    allowed = typing.get_args(hint) or (hint,)
    kind = float if float in allowed else int if int in allowed else None
    if kind is None:
        raise SettingError(f"search: {name} takes no numbers, so it has no range. Give a list of choices.")
    low, high = (settings.convert(asked[end], field, hint, "search") for end in ("low", "high"))
    log, step = asked.get("log", False), asked.get("step")
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)) or low > high:
        raise SettingError(
            f"search: {name}: low and high are numbers, the lower one first; found {low!r} and {high!r}."
        )
    if not isinstance(log, bool) or (log and low <= 0) or (log and step is not None):
        raise SettingError(f"search: {name}: log is true or false, for ranges above 0 that have no step.")
    step = None if step is None else _number(step, kind)
    if step is not None and not step > 0:
        raise SettingError(
            f"search: {name}: step={asked['step']!r} is no {'whole ' if kind is int else ''}number above 0."
        )
    return Range(kind(low), kind(high), log, step)


def _number(value: Any, kind: type) -> float:
    """The value as such a number; NaN where it isn't one."""
    try:
        made = kind(value)
    except (TypeError, ValueError):
        return math.nan
    return made if made == float(value) else math.nan


def _choice(name: str, value: Any) -> Any:
    """A choice, which Optuna's storage must be able to hold."""
    if value is not None and not isinstance(value, str | int | float | bool):
        raise SettingError(f"search: {name}: {value!r} can't be a choice: numbers, texts, true, false and null can.")
    return value
