"""Two or more runs on the same test: differences of every score with their doubt, rows that changed, settings that differ.

Invariants: made from the run folders alone, without a model; a score is compared only if what the folder keeps of its rows gives
the value that metrics.json says, for each run; all runs are compared with the first, or the one that is named.

    found = compare(["run-a", "run-b"]); found["comparisons"][0]["scores"]["accuracy"]["p"]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byeori.errors import SettingError
from byeori.metrics.calibration import ECE, CalibrationScore
from byeori.metrics.intervals import Ratios, collected
from byeori.metrics.paired import PERMUTATIONS, RESAMPLES, Joint, holm
from byeori.report.compare_damage import ODD, as_written, score_alone
from byeori.report.compare_rows import changes
from byeori.report.compare_runs import Compared, check, members, read_run
from byeori.report.words import told
from byeori.run import FORMAT
from byeori.tasks import Task
from byeori.tasks.likelihood import Likelihood

LOSS = "loss"
LEVEL = 0.95  # of intervals, and what p is held against
CLOSE = 1e-6  # how far a score that is made again may be from what metrics.json says, as a share
UNTOLD = ("output", "resume", "overwrite", "accept_changes", "cache", "seeds")  # no part of what is learnt
METHODS = {
    "runs": "intervals: paired bootstrap over rows (Efron and Tibshirani 1993; Koehn 2004); p: paired permutation test, two-sided "
    "(approximate randomization, Noreen 1989; Yeh 2000; (k + 1) / (N + 1), Phipson and Smyth 2010)",
    "seeds": "intervals and p: Multi-Bootstrap over rows and seeds (Sellam et al. 2022), two-sided; with few seeds it still is a little "
    "too sure",
    "holm": "p of several runs against one: also corrected by Holm (1979), each score by itself",
}  # fmt: skip


def compare(
    runs: Sequence[Any],
    *,
    baseline: Any = None,
    part: str = "test",
    task: Task | type[Task] | str | None = None,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """What `byeori compare --json` prints: {"task", "part", "rows", "headline", "baseline", "runs", "comparisons", "methods",
    "not_compared", "notes"}.

    runs: run folders, folders of several seeds, or objects with a `path` (what `byeori.train` returned); baseline: the one all
    others are compared with, the first if not given; task: an own one, where runs were made with it.
    Raises SettingError, DataError, ModelError where they can't be compared.
    """
    groups = _groups(runs, baseline, part, task)
    every = [run for group in groups for run in group]
    notes = check(every, part)
    joints, rows, left_out = _joints(every, part)
    by_score: dict[str, Joint] = {}
    drawn: dict[int, Any] = {}
    for joint in joints:
        drawn[id(joint)] = joint.resampled(resamples, seed)
        by_score |= dict.fromkeys(joint.values[0], joint)
    by_score = {name: joint for name, joint in by_score.items() if name not in left_out}
    names = [name for name in every[0].scores(part) if name in by_score]
    headline = str(every[0].facts.metrics.get("headline") or (names[0] if names else ""))
    names = sorted(names, key=lambda name: name != headline)
    places = _places(groups)
    seeds = any(len(group) > 1 for group in groups)
    if seeds and any(len(group) == 1 for group in groups):
        notes.append(told("A run of one seed beside several: what another seed would change of it is in no interval."))
    comparisons: list[dict[str, Any]] = []
    for number, own in enumerate(places[1:], 1):
        found: dict[str, Any] = {}
        for joint in joints:
            doubt: dict[str, Any] = {"seed": seed, "drawn": drawn[id(joint)]}
            made = (
                joint.groups(places[0], own, **doubt)
                if seeds
                else joint.difference(places[0][0], own[0], permutations=permutations, **doubt)
            )
            found |= {name: made[name] for name in made if name in names}
        lower = every[0].task.lower_is_better
        comparisons.append(
            {
                "run": _name(groups[number], groups),
                "scores": {name: {**found[name], "better": _better(found[name], name in lower)} for name in names},
                "changed": changes(groups[0], groups[number], rows, by_score, headline, (places[0][0], own[0])),
                "settings": differing(groups[0][0], groups[number][0], seeds),
            }
        )
    if len(comparisons) > 1:
        for name in names:
            corrected = holm([one["scores"][name]["p"] for one in comparisons])
            for one, p in zip(comparisons, corrected, strict=True):
                score = one["scores"][name]
                score["p_holm"] = p
                if p is None or p > 1 - LEVEL:  # an interval is of one comparison alone
                    score["better"] = None
    methods = [told(METHODS[name]) for name in ("seeds" if seeds else "runs", *["holm"] * (len(comparisons) > 1))]
    return {
        "format": FORMAT, "task": every[0].task.name, "part": part, "rows": len(every[0].lines), "headline": headline,
        "lower_is_better": sorted(every[0].task.lower_is_better & {*names}),
        "of_class": every[0].of_class,
        "baseline": _name(groups[0], groups), "runs": [_told(group, groups, part, names) for group in groups],
        "comparisons": comparisons, "methods": methods,
        "not_compared": left_out, "notes": [*dict.fromkeys(notes)],
    }  # fmt: skip


def _groups(runs: Sequence[Any], baseline: Any, part: str, task: Any) -> list[list[Compared]]:
    """The runs, read, in groups of seeds; the baseline first. Raises SettingError for too few, or one twice."""
    paths = [Path(getattr(run, "path", None) or run) for run in runs]
    if baseline is not None:
        first = Path(getattr(baseline, "path", None) or baseline)
        paths = [first, *(path for path in paths if path.resolve() != first.resolve())]
    if len(paths) < 2:
        raise SettingError(f"{len(paths)} run is named, and a comparison needs two. Give the folders of two runs.")
    every = [member for path in paths for member in members(path)]
    seen: dict[Path, Path] = {}
    for path in every:
        if (before := seen.setdefault(path.resolve(), path)) is not path:
            raise SettingError(
                f"{path} and {before} are the same run: it differs in nothing from itself. Name another."
            )
    return [[read_run(member, part, task) for member in members(path)] for path in paths]


def _joints(every: list[Compared], part: str) -> tuple[list[Joint], list[int], dict[str, str]]:
    """The task's scores over the rows of all runs; which rows they are of; what can't be compared, with the reason.

    Rows that one of the runs has no prediction of (what writes may write a part of them) are left out of all.
    """
    task, runs = every[0].task, len(every)
    pairs = [as_written(run, part, lambda run=run: task.scored_again(run.lines)) for run in every]  # type: ignore[misc]
    there = [
        row for row in range(len(every[0].lines)) if not any(said[row] is None for said, _ in pairs if _lists(said))
    ]
    total = len(every[0].lines)
    said: Any
    if _lists(pairs[0][0]):
        said = [one for predicted, _ in pairs for one in (predicted[row] for row in there)]
        right: Any = [pairs[0][1][row] for row in there] * runs
    else:
        said = np.concatenate([predicted for predicted, _ in pairs])
        right = np.concatenate([pairs[0][1]] * runs)
    try:
        with collected() as asked:
            task.score(said, right)
    except ODD:
        for run in every:  # whose rows they are
            as_written(run, part, lambda run=run: score_alone(task, run.lines))  # type: ignore[misc]
        raise
    joints = [Joint(score, rows // runs, runs) for score, rows in asked]
    if all(run.measured for run in every):
        losses, labels, sure = (
            np.concatenate([run.numbers(name) for run in every]) for name in ("loss", "labels", "confidence")
        )
        joints.append(Joint(Ratios({LOSS: (losses, labels)}), total, runs))
        if np.isfinite(sure).all():  # null of a model whose weights are no numbers
            joints.append(Joint(CalibrationScore(sure, said == right), total, runs))
        if all("ranked" in run.lines[0] for run in every):
            ranked = [as_written(run, part, lambda run=run: _ranked(run, every[0])) for run in every]  # type: ignore[misc]
            if not any(np.isnan(one).any() for one in ranked):
                with collected() as asked:
                    task.score_ranking(np.concatenate(ranked), right)
                joints += [Joint(score, rows // runs, runs) for score, rows in asked]
    return joints, there, _left_out(every, part, joints)


def _ranked(run: Compared, first: Compared) -> np.ndarray:
    """The places of a run's rows in its own order, by each class as the first run has them, float64 (rows,) or (rows, classes).

    Places and not scores: two models' scores may be of very different scales, and rows are swapped between them.
    """
    from scipy.stats import rankdata

    found = np.array([line["ranked"] for line in run.lines], np.float32)  # null, no number, is nan
    order = [run.labels.index(label) for label in first.labels]
    if found.ndim == 1:  # how much more of the second of two
        found = found if order == sorted(order) else -found
    else:
        found = found[:, order]
    return rankdata(found, axis=0)


def _lists(predictions: Any) -> bool:
    return not isinstance(predictions, np.ndarray)


def _left_out(every: list[Compared], part: str, joints: list[Joint]) -> dict[str, str]:
    """Scores of metrics.json that the rows don't give, or that are of other tokens, with the reason."""
    found = _of_other_tokens(every, part)
    of_class = every[0].of_class
    for number, run in enumerate(every):
        values = {name: value for joint in joints for name, value in joint.values[number].items()}
        for name, score in run.scores(part).items():
            kept = score.get("value") if isinstance(score, dict) else None
            if name not in values:
                why = told("it is an own metric, or one of more than predictions: the rows in the folder don't give it")
                if LOSS not in values and name in (LOSS, ECE):
                    why = told("{run} keeps no loss of each row (an earlier version)", run=run.name)
                tables = {one.name: one.scores(part).get(name) for one in every}
                lacks = [who for who, one in tables.items() if isinstance(one, dict) and one.get("value") is None]
                found.setdefault(name, told("it is undefined in {run}", run=lacks[0]) if lacks else why)
            elif name not in every[0].scores(part):
                found.setdefault(name, told("{run} has no such score", run=every[0].name))
            elif run.of_class.get(name) != of_class.get(name):
                label = of_class.get(name)
                found.setdefault(
                    name, told("it is of the class {label} in {run} alone", label=label, run=every[0].name)
                )
            elif kept is not None and not abs(values[name] - kept) <= CLOSE * max(1.0, abs(kept)):
                said = (
                    "the rows of {run} give {value:.6g}, and its metrics.json says {kept:.6g}: it was scored otherwise"
                )
                found.setdefault(name, told(said, run=run.name, value=values[name], kept=kept))
        for name in every[0].scores(part):
            if name not in run.scores(part):
                found.setdefault(name, told("{run} has no such score", run=run.name))
    return found


def _of_other_tokens(every: list[Compared], part: str) -> dict[str, str]:
    """Means over tokens, where the rows have other ones in another run: a perplexity compares models of one tokenizer."""
    first, *others = every
    if not all(run.measured for run in every):
        return {}
    tokens = first.numbers("labels")
    odd = next((run for run in others if not np.array_equal(run.numbers("labels"), tokens)), None)
    if odd is None:
        return {}
    counts = [float(run.numbers("labels").sum()) for run in (first, odd)]
    why = told(
        "it is a mean over tokens, and the same rows have others ({ours:,.0f} in {first} and {theirs:,.0f} in {second}): another "
        "tokenizer, length or masking",
        ours=counts[0], first=first.name, theirs=counts[1], second=odd.name,
    )  # fmt: skip
    over = (LOSS, "perplexity", "accuracy") if isinstance(first.task, Likelihood) else (LOSS,)
    return {name: why for name in over if name in first.scores(part)}


def _places(groups: list[list[Compared]]) -> list[list[int]]:
    ends = np.cumsum([len(group) for group in groups]).tolist()
    return [[*range(end - len(group), end)] for group, end in zip(groups, ends, strict=True)]


def _better(found: dict[str, Any], lower: bool) -> bool | None:
    """Whether the interval of a difference is all on the better side, or all on the worse; None where 0 is inside, or where p, which
    is of another kind than the interval, doesn't bear it out."""
    low, high, p = found["low"], found["high"], found["p"]
    if low is None or high is None or low <= 0 <= high or p is None or p > 1 - LEVEL:
        return None
    return (high < 0) if lower else (low > 0)


def _name(group: list[Compared], groups: list[list[Compared]]) -> str:
    """The folder's name; as it was given where two have the same."""

    def short(one: list[Compared]) -> str:
        path = one[0].path.parent if len(one) > 1 else one[0].path
        return path.resolve().name

    shared = [short(one) for one in groups].count(short(group)) > 1
    path = group[0].path.parent if len(group) > 1 else group[0].path
    return str(path) if shared else short(group)


def _told(group: list[Compared], groups: list[list[Compared]], part: str, names: list[str]) -> dict[str, Any]:
    """A run, or the mean, spread and ends of several seeds."""
    found: dict[str, Any] = {"name": _name(group, groups), "folders": [str(run.path) for run in group]}
    if len(group) == 1:
        return {**found, "scores": {name: _entry(group[0].scores(part)[name]) for name in names}}
    spread = {}
    for name in names:
        values = [run.scores(part)[name]["value"] for run in group]
        there = [value for value in values if value is not None]
        whole = len(there) == len(values)
        spread[name] = {
            "value": float(np.mean(there)) if whole else None, "std": float(np.std(there, ddof=1)) if whole else None,
            "min": min(there, default=None), "max": max(there, default=None), "values": values,
        }  # fmt: skip
    return {**found, "seeds": [run.facts.settings.get("seed") for run in group], "scores": spread}


def _entry(score: dict[str, Any]) -> dict[str, Any]:
    return {key: score.get(key) for key in ("value", "low", "high")}


def differing(first: Compared, second: Compared, seeds: bool = False) -> dict[str, list[Any]]:
    """{setting: [of the first, of the second]} of what settings.yaml says, versions included."""
    found: dict[str, list[Any]] = {}
    ours, theirs = first.facts.settings, second.facts.settings
    for name in dict.fromkeys([*ours, *theirs]):
        if name in UNTOLD or (seeds and name == "seed"):
            continue
        if ours.get(name) != theirs.get(name):
            found[name] = [ours.get(name), theirs.get(name)]
    versions = [one.facts.found.get("versions") or {} for one in (first, second)]
    for name in versions[0]:
        if versions[0].get(name) != versions[1].get(name):
            found[told("version of {name}", name=name)] = [versions[0].get(name), versions[1].get(name)]
    return found
