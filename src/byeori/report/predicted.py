"""The report's section on predicted labels: confusion matrix or scatter, scores of each label, the worst mistakes.

Invariants: the lines are read one at a time; a line of predictions/*.jsonl counts only if its prediction and its
reference can be read; how many can't is told in `missing`.

    html = by_label(read_facts("run"), "test"); mislabelled(read_facts("run"), "test").worst
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, number, real, table
from byeori.report.listing import MOST, Listing
from byeori.report.markup import folded, grid, text, wide
from byeori.report.mistakes import left_out

Kind = tuple[tuple[str, ...], tuple[str, ...]]  # labels given, labels wanted
Read = tuple[dict[str, Any], dict[str, float], list[str]]  # a line, labels given with their scores, labels wanted
MATRIX = 20  # labels a confusion matrix is still readable with
CLASSES = 100  # labels listed one by one


def by_label(facts: Facts, part: str) -> str:
    """Where the model is right and wrong: matrix or scatter, scores a class."""
    if facts.kind == "regression":
        return _scatter(facts, part)
    known = {name: place for place, name in enumerate(facts.labels)}
    kinds: Counter[Kind] = Counter()  # rows of which the labels given and wanted are the same
    for _, given, wanted in labels_of(facts, part):
        kinds[tuple(sorted(given, key=known.__getitem__)), tuple(wanted)] += 1
    if not kinds:
        return ""
    single = facts.kind != "multi_label" and all(len(g) == len(w) == 1 for g, w in kinds)
    matrix = _matrix(facts, kinds, part) if single and len(known) <= MATRIX else ""
    return matrix + _per_class(facts, kinds, single)


def mislabelled(facts: Facts, part: str) -> Listing | None:
    """Rows with a wrong label, the surest first; of numbers, those furthest off. None without predictions."""
    if facts.kind == "regression":
        return _furthest(facts, part)
    count = mistakes = 0

    def wrong() -> Iterator[tuple[float, Read]]:
        nonlocal count, mistakes
        for line, given, wanted in labels_of(facts, part):
            count += 1
            if set(given) != set(wanted):
                mistakes += 1
                yield max((given[name] for name in given if name not in wanted), default=0.0), (line, given, wanted)

    worst = heapq.nlargest(MOST, wrong(), key=lambda one: one[0])
    if not count:
        return None
    none = facts.say("none")
    rows = [
        (sure, [one.get("row"), ", ".join(f"{n} {s:.3f}" for n, s in given.items()) or none, ", ".join(wanted) or none])
        for sure, (one, given, wanted) in worst
    ]
    heads = [facts.say("prediction"), facts.say("reference")]
    return Listing(facts.say("Most confident mistakes"), heads, rows, total=mistakes)


def labels_of(facts: Facts, part: str) -> Iterator[Read]:
    """The lines that can be read, each with its labels."""
    known, bad = set(facts.labels), 0
    for one in facts.predictions[part]:
        given, wanted = labelled(one.get("prediction")), labelled(one.get("reference"))
        if given is None or wanted is None or not {*given, *wanted} <= known:
            bad += 1
            continue
        yield one, given, [*wanted]
    left_out(facts, part, bad)


def numbers_of(facts: Facts, part: str) -> Iterator[tuple[dict[str, Any], float, float]]:
    """(line, predicted, right number) of the lines that can be read."""
    bad = 0
    for one in facts.predictions[part]:
        p, r = real(table(one, "prediction").get("score")), real(one.get("reference"))
        if p is None or r is None:
            bad += 1
            continue
        yield one, p, r
    left_out(facts, part, bad)


def _scatter(facts: Facts, part: str) -> str:
    points = [(r, p) for _, p, r in numbers_of(facts, part)]
    if not points:
        return ""
    said = "Predictions against references of {count:,} {part} rows; on the diagonal they are equal"
    title = facts.say(said, count=len(points), part=facts.say(part))
    drawn = plots.scatter(title, points, x=facts.say("reference"), y=facts.say("prediction"))
    return f"<h3>{text(facts.say('Predictions against references'))}</h3>{drawn}{_fifths(facts, points)}"


def _fifths(facts: Facts, points: list[tuple[float, float]]) -> str:
    """The scatter in numbers: the rows by their reference in five parts, each with its mean error."""
    points = sorted(points)
    size = -(-len(points) // 5)
    rows = []
    for first in range(0, len(points), size):
        some = points[first : first + size]
        mean = sum(p for _, p in some) / len(some)
        off = sum(abs(p - r) for r, p in some) / len(some)
        rows.append([f"{some[0][0]:,.4g} – {some[-1][0]:,.4g}", f"{len(some):,}", number(mean), number(off)])
    heads = [facts.say(name) for name in ("reference", "rows", "mean prediction", "mean distance")]
    return folded(
        facts.say("The plot in numbers"), grid(heads, rows, facts.say("Rows by their reference"), numbers=(1, 2, 3))
    )


def _furthest(facts: Facts, part: str) -> Listing | None:
    count = 0

    def errors() -> Iterator[tuple[float, list[Any]]]:
        nonlocal count
        for one, p, r in numbers_of(facts, part):
            count += 1
            yield abs(r - p), [one.get("row"), number(p), number(r), number(p - r)]

    worst = heapq.nlargest(MOST, errors(), key=lambda one: one[0])
    heads = [facts.say(name) for name in ("prediction", "reference", "difference")]
    return Listing(facts.say("Largest errors"), heads, worst, range(4), total=count) if count else None


def labelled(value: Any) -> dict[str, float] | None:
    """Label → score of a prediction or reference as predictions/*.jsonl has them; None if it is neither."""
    many = value if isinstance(value, list) else [value]
    found = {}
    for one in many:
        if isinstance(one, dict) and isinstance(one.get("label"), str):
            found[one["label"]] = real(one.get("score")) or 0.0
        elif isinstance(one, str):
            found[one] = 1.0
        else:
            return None
    return found


def _matrix(facts: Facts, kinds: Mapping[Kind, int], part: str) -> str:
    labels = facts.labels
    counts, totals = Counter[tuple[str, str]](), Counter[str]()
    for ((given,), (wanted,)), rows in kinds.items():
        counts[wanted, given] += rows
        totals[wanted] += rows
    head = f'<th scope="col">{text(facts.say("label ↓ predicted →"))}</th>' + "".join(
        f'<th scope="col" class="n">{text(name)}</th>' for name in labels
    )
    lines = []
    for wanted in labels:
        cells = []
        for given in labels:
            count = counts[wanted, given]
            share = count / totals[wanted] if totals[wanted] else 0.0
            same = ' class="same"' if wanted == given else ""
            cells.append(f'<td{same} style="--p:{share * 0.4:.2f}">{count:,}</td>')
        lines.append(f'<tr><th scope="row">{text(wanted)}</th>{"".join(cells)}</tr>')
    said = "Rows of {part} by their label (down) and the prediction (across); shaded by the share of the row"
    caption = facts.say(said, part=facts.say(part))
    made = (
        f'<table class="matrix"><caption>{text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    return f"<h3>{text(facts.say('Confusion matrix'))}</h3>{wide(made, facts.say('Confusion matrix'))}"


def _per_class(facts: Facts, kinds: Mapping[Kind, int], single: bool) -> str:
    import numpy as np

    from byeori.metrics.classification import per_class

    place = {name: number for number, name in enumerate(facts.labels)}
    if single:
        given = np.array([place[g[0]] for g, _ in kinds])
        wanted = np.array([place[w[0]] for _, w in kinds])
    else:
        given, wanted = np.zeros((2, len(kinds), len(place)), bool)
        for row, (g, w) in enumerate(kinds):
            given[row, [place[name] for name in g]] = True
            wanted[row, [place[name] for name in w]] = True
    found = per_class(given, wanted, facts.labels, [*kinds.values()])
    names: Sequence[str] = list(found)
    note = facts.say("Rows by their own label; each score is of one label against all others")
    if len(names) > CLASSES:
        names = sorted((name for name in names if found[name]["support"]), key=lambda name: found[name]["f1"])[:CLASSES]
        note = facts.say("the {some} with the lowest F1 of {all:,}", some=len(names), all=len(found))
    rows = [
        [name, *(number(found[name][key]) for key in ("precision", "recall", "f1")), f"{found[name]['support']:,}"]
        for name in names
    ]
    heads = [facts.say(name) for name in ("label", "precision", "recall", "F1", "rows")]
    return f"<h3>{text(facts.say('Scores of each label'))}</h3>{grid(heads, rows, note, numbers=range(1, 5))}"
