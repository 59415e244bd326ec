"""The report's section on predicted labels: confusion matrix or scatter, scores of each label, the worst mistakes.

Invariants: the lines are read one at a time; a line of predictions/*.jsonl counts only if its prediction and its
reference can be read; how many can't is told in `missing`.

    html = by_label(read_facts("run"), "test")
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, number, real, table
from byeori.report.markup import grid, text
from byeori.report.mistakes import MOST, left_out

Kind = tuple[tuple[str, ...], tuple[str, ...]]  # labels given, labels wanted
MATRIX = 20  # labels a confusion matrix is still readable with
CLASSES = 100  # labels listed one by one


def by_label(facts: Facts, part: str) -> str:
    """Where the model is right and wrong: matrix or scatter, scores a class, the most confident mistakes."""
    if facts.kind == "regression":
        return _numbers(facts, part)
    known = {name: place for place, name in enumerate(facts.labels)}
    kinds: Counter[Kind] = Counter()  # rows of which the labels given and wanted are the same

    def wrong() -> Iterator[tuple[float, dict[str, float], list[str], dict[str, Any]]]:
        bad = 0
        for one in facts.predictions[part]:
            given, wanted = labelled(one.get("prediction")), labelled(one.get("reference"))
            if given is None or wanted is None or not {*given, *wanted} <= known.keys():
                bad += 1
                continue
            kinds[tuple(sorted(given, key=known.__getitem__)), tuple(wanted)] += 1
            if set(given) != set(wanted):
                yield max((given[name] for name in given if name not in wanted), default=0.0), given, list(wanted), one
        left_out(facts, part, bad)

    worst = heapq.nlargest(MOST, wrong(), key=lambda one: one[0])
    if not kinds:
        return ""
    single = facts.kind != "multi_label" and all(len(g) == len(w) == 1 for g, w in kinds)
    matrix = _matrix(facts.labels, kinds, part) if single and len(known) <= MATRIX else ""
    rows = [
        [
            one.get("row"),
            ", ".join(f"{n} {s:.3f}" for n, s in given.items()) or "none",
            ", ".join(wanted) or "none",
            *_inputs(one),
        ]
        for _, given, wanted, one in worst
    ]
    mistakes = sum(number for (given, wanted), number in kinds.items() if set(given) != set(wanted))
    title = f"Most confident mistakes ({len(rows)} of {mistakes:,})"
    return matrix + _per_class(facts, kinds, single) + (_mistakes(rows, title) if rows else "<p>No mistakes.</p>")


def _numbers(facts: Facts, part: str) -> str:
    points: list[tuple[float, float]] = []

    def errors() -> Iterator[tuple[float, float, float, dict[str, Any]]]:
        bad = 0
        for one in facts.predictions[part]:
            p, r = real(table(one, "prediction").get("score")), real(one.get("reference"))
            if p is None or r is None:
                bad += 1
                continue
            points.append((r, p))
            yield abs(r - p), r, p, one
        left_out(facts, part, bad)

    worst = heapq.nlargest(MOST, errors(), key=lambda one: one[0])
    title = f"Predictions against references of {len(points):,} {part} rows; on the diagonal they are equal"
    drawn = plots.scatter(title, points, x="reference", y="prediction")
    rows = [[one.get("row"), number(p), number(r), number(p - r), *_inputs(one)] for _, r, p, one in worst]
    return f"<h3>Predictions against references</h3>{drawn}" + _mistakes(rows, "Largest errors", ["difference"])


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


def _matrix(labels: Sequence[str], kinds: Mapping[Kind, int], part: str) -> str:
    counts, totals = Counter[tuple[str, str]](), Counter[str]()
    for ((given,), (wanted,)), rows in kinds.items():
        counts[wanted, given] += rows
        totals[wanted] += rows
    head = '<th scope="col">label ↓ predicted →</th>' + "".join(
        f'<th scope="col" class="n">{text(name)}</th>' for name in labels
    )
    lines = []
    for wanted in labels:
        cells = []
        for given in labels:
            count = counts[wanted, given]
            share = count / totals[wanted] if totals[wanted] else 0.0
            same = ' class="same"' if wanted == given else ""
            cells.append(f'<td{same} style="--p:{share * 0.45:.2f}">{count:,}</td>')
        lines.append(f'<tr><th scope="row">{text(wanted)}</th>{"".join(cells)}</tr>')
    caption = f"Rows of {part} by their label (down) and the prediction (across); shaded by the share of the row"
    return (
        f'<h3>Confusion matrix</h3><div class="wide"><table class="matrix"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


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
    names = list(found)
    note = ""
    if len(names) > CLASSES:
        names = sorted((name for name in names if found[name]["support"]), key=lambda name: found[name]["f1"])[:CLASSES]
        note = f"the {len(names)} with the lowest F1 of {len(found):,}"
    rows = [
        [name, *(number(found[name][key]) for key in ("precision", "recall", "f1")), f"{found[name]['support']:,}"]
        for name in names
    ]
    return "<h3>Scores of each label</h3>" + grid(
        ["label", "precision", "recall", "F1", "rows"], rows, note, numbers=range(1, 5)
    )


def _mistakes(rows: list[list[Any]], title: str, more: Sequence[str] = ()) -> str:
    numbers = range(4) if more else (0,)
    inputs = ["inputs"] if any(len(row) > 3 + len(more) for row in rows) else []
    return f"<h3>{title}</h3>" + grid(["row", "prediction", "reference", *more, *inputs], rows, numbers=numbers)


def _inputs(line: dict[str, Any]) -> list[str]:
    """The texts of a row, where its line carries them."""
    given = line.get("inputs")
    return [" ⏐ ".join(map(str, given.values()))[:600]] if isinstance(given, dict) else []
