"""What rounds come to: ratios with their spread, and sentences that say who is ahead, also where it isn't Byeori.

Invariants: a ratio is taken round by round, of rounds that both have; where its spread includes 1 no difference is claimed;
nothing is said of a contestant that has no round.

    ratio([{"round": 0, "rate": 30.0}], [{"round": 0, "rate": 10.0}]).value == 3.0
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from byeori.bench.contestants import OURS, Contestant

VERBS = {"train": "trains", "predict": "predicts", "generate": "writes", "tokenize": "tokenizes"}
FEW = 3  # rounds below which a spread says little
CLOSE = 0.1  # what one round alone can't tell from nothing
SHORT = 1.0  # seconds of a measurement below which it says little
BUSY = 0.1  # share of the cores that other programs may use
UNEVEN = 0.75  # the least processor time for each second of the clock, over the most, of one contestant's rounds
MEMORY = 0.05  # share by which memory differs that is worth a sentence
Results = list[dict[str, Any]]


@dataclass(frozen=True)
class Ratio:
    """Median, least and most over `rounds` rounds."""

    value: float
    low: float
    high: float
    rounds: int

    @property
    def said(self) -> str:
        if self.rounds == 1:
            return f"{self.value:.2f}×"
        return f"{self.value:.2f}× ({self.low:.2f}–{self.high:.2f})"

    @property
    def kind(self) -> str:
        """ahead, behind or even."""
        if self.rounds == 1:
            near = abs(self.value - 1) < CLOSE
            return "even" if near else "ahead" if self.value > 1 else "behind"
        return "even" if self.low <= 1 <= self.high else "ahead" if self.low > 1 else "behind"


def ratio(ours: Results, theirs: Results, key: str = "rate", turned: bool = False) -> Ratio | None:
    """Ours over theirs, or `turned`; None where no round has both."""
    pairs = [(a[key], b[key]) for a in ours for b in theirs if a["round"] == b["round"]]
    values = [(b / a if turned else a / b) for a, b in pairs if a and b]
    if not values:
        return None
    return Ratio(statistics.median(values), min(values), max(values), len(values))


def median(results: Results, key: str) -> float | None:
    """None where no round has it."""
    values = [one[key] for one in results if one.get(key) is not None]
    return statistics.median(values) if values else None


def score(results: Results, name: str) -> dict[str, float | None] | None:
    """{"value", "low", "high"}, each the median over the rounds; None where none was scored."""
    found = [one["scores"][name] for one in results if name in one.get("scores", {})]
    found = [one for one in found if one["value"] is not None]
    if not found:
        return None
    return {key: median(found, key) for key in ("value", "low", "high")}


def sentences(
    what: str, contestants: list[Contestant], measured: dict[str, Results], failed: dict[str, str]
) -> list[str]:
    """The verdict: speed against each of the others, then memory and answers where there is something to say."""
    ours = [one for one in contestants if one.ours and measured.get(one.name)]
    theirs = [one for one in contestants if not one.ours]
    found = [
        _compared(what, us, them, one, failed) for us, them, one in every_ratio(contestants, measured) if us in ours
    ]
    found += [
        f"No figures of {one.shown}: it failed ({failed[one.name]})."
        for one in contestants if one.ours and one.name in failed
    ]  # fmt: skip
    main = next((one for one in ours if one.name == OURS), None)
    if main is not None:
        found += filter(None, (_memory(main, them, measured) for them in theirs))
        found += filter(None, [_answers(main, theirs, measured)])
    return found


def every_ratio(
    contestants: list[Contestant], measured: dict[str, Results]
) -> list[tuple[Contestant, Contestant, Ratio | None]]:
    """Each of ours over each of the others; None where no round has both."""
    return [
        (us, them, ratio(measured.get(us.name, []), measured.get(them.name, [])))
        for us in contestants if us.ours for them in contestants if not them.ours
    ]  # fmt: skip


def _compared(what: str, us: Contestant, them: Contestant, found: Ratio | None, failed: dict[str, str]) -> str:
    if found is None:
        why = f"it failed ({failed[them.name]})" if them.name in failed else "no round has both"
        return f"No comparison of {us.shown} with {them.shown}: {why}."
    if found.kind == "even":
        return f"No difference in speed seen between {us.shown} and {them.shown}: {found.said}."
    said = f"{us.shown} {VERBS[what]} {found.said} as fast as {them.shown}"
    return f"{said}." if found.kind == "ahead" else f"{said}: it is slower here, by {_percent(1 - found.value)}."


def _memory(us: Contestant, them: Contestant, measured: dict[str, Results]) -> str | None:
    """Only where it costs more: the table has the others."""
    found = ratio(measured[us.name], measured.get(them.name, []), "memory_mb")
    if found is None or found.low <= 1 + MEMORY:
        return None
    own, other = (median(measured[one.name], "memory_mb") for one in (us, them))
    return f"{us.shown} takes more memory than {them.shown}: {own:,.0f} MiB against {other:,.0f}, {found.said}."


def _answers(us: Contestant, theirs: list[Contestant], measured: dict[str, Results]) -> str | None:
    equal = median(measured[us.name], "equal")
    if equal is None or not theirs or theirs[0].name not in measured:
        return None
    every = "the same answer in every row" if equal == 1 else f"the same answer in {_share(equal)} of the rows"
    return f"{us.shown} gives {every} as {theirs[0].shown}."


def scores_said(
    contestants: list[Contestant], measured: dict[str, Results], name: str, lower: bool
) -> tuple[str | None, str | None]:
    """A sentence on the score of Byeori beside the others', and a warning where they differ by more than their intervals."""
    known = [(one, found) for one in contestants if (found := score(measured.get(one.name, []), name)) is not None]
    ours = next(((one, found) for one, found in known if one.name == OURS), None)
    others = [(one, found) for one, found in known if not one.ours]
    if ours is None or not others:
        return None, None
    own = ours[1]
    said = f"Byeori's {name.replace('_', ' ')} is {interval(own)}; " + ", ".join(
        f"that of {one.shown} {interval(found)}" for one, found in others
    )
    apart = [(one, _side(own, found, lower)) for one, found in others]
    worse, better = ([one.shown for one, side in apart if side == kind] for kind in ("worse", "better"))
    if not worse and not better:
        return f"{said}: no difference beyond the intervals.", None
    parts = [
        f"{kind} than that of {' and '.join(names)}" for kind, names in (("worse", worse), ("better", better)) if names
    ]
    warning = (
        f"The scores differ by more than their intervals (Byeori's is {', '.join(parts)}), so the speeds are of trainings that did not "
        f"learn the same. More --epochs or --rows show whether it stays so."
    )
    return f"{said}.", warning


def _side(own: dict[str, float | None], other: dict[str, float | None], lower: bool) -> str:
    """better or worse where the intervals don't touch, else even."""
    low, high, least, most = own["low"], own["high"], other["low"], other["high"]
    if low is None or high is None or least is None or most is None or (low <= most and least <= high):
        return "even"
    return "better" if (low > most) != lower else "worse"


def warnings(contestants: list[Contestant], measured: dict[str, Results], rounds: int, kept: int = 0) -> list[str]:
    """What makes the figures doubtful: few rounds, short ones, a busy machine, rounds of another time."""
    found = []
    every = [one for results in measured.values() for one in results]
    if rounds < FEW:
        spread = "no spread" if rounds == 1 else "a spread of two values"
        found.append(
            f"{_rounds(rounds)} {'has' if rounds == 1 else 'have'} {spread}: a few percent may be chance. Give --rounds {FEW} or more."
        )
    short = [one["seconds"] for one in every if one["seconds"] < SHORT]
    if short:
        found.append(f"The shortest measurement took {min(short):.2f} s, too short to say much. Give more --rows.")
    found += _busy(contestants, measured)
    if kept:
        found.append(
            f"{kept} of {len(every)} measurements were in the file already: made at another time, when the machine may have been another."
        )
    return found


def _busy(contestants: list[Contestant], measured: dict[str, Results]) -> list[str]:
    every = [one for results in measured.values() for one in results]
    if not every:
        return []
    others = statistics.median(one["others"] for one in every)
    uneven = [name for name, results in measured.items() if _evenness(results) < UNEVEN]
    if others > BUSY:
        load = statistics.median(one["load"] for one in every)
        said = f"other programs used {_percent(others)} of its cores, load average {load:.1f}"
    elif uneven:
        said = f"{', '.join(uneven)} had the processor for very different shares of the rounds"
    else:
        return []
    by_processor = [
        f"{found.said} {them.shown}"
        for them in contestants
        if not them.ours
        and (found := ratio(measured.get(OURS, []), measured.get(them.name, []), "cpu_seconds", turned=True))
    ]
    more = (
        f" By processor seconds, which others disturb less, Byeori is at {', '.join(by_processor)}."
        if by_processor
        else ""
    )
    return [f"The machine was busy: {said}. Measure again when it is quiet.{more}"]


def _evenness(results: Results) -> float:
    """The least processor seconds for a second of the clock over the most, of a contestant's rounds."""
    shares = [one["cpu_seconds"] / max(one["seconds"], 1e-9) for one in results]
    return min(shares) / max(max(shares), 1e-9) if shares else 1.0


def interval(found: dict[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "–"
    digits = 1 if abs(value) >= 10 else 3
    said = f"{value:.{digits}f}"
    return said if low is None or high is None else f"{said} ({low:.{digits}f}–{high:.{digits}f})"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _share(share: float) -> str:
    """Never 100% where a row differs."""
    return f"{min(share, 0.999):.1%}"


def _rounds(count: int) -> str:
    return {1: "One round", 2: "Two rounds"}.get(count, f"{count} rounds")
