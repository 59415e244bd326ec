"""The report's section on predicted labels: confusion matrix or scatter, scores of each label, the worst mistakes.

Invariant: a line of predictions/*.jsonl counts only if its prediction and its reference can be read; how many can't is told
in `missing`.

    html = by_label(read_facts("run"), "test")
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, number, real, table
from byeori.report.markup import grid, text
from byeori.report.mistakes import MOST, left_out

MATRIX = 20  # labels a confusion matrix is still readable with
CLASSES = 100  # labels listed one by one


def by_label(facts: Facts, part: str) -> str:
    """Where the model is right and wrong: matrix or scatter, scores a class, the most confident mistakes."""
    lines = facts.predictions[part]
    if facts.kind == "regression":
        pairs = [
            (r, p, one)
            for one in lines
            if (p := real(table(one, "prediction").get("score"))) is not None
            and (r := real(one.get("reference"))) is not None
        ]
        left_out(facts, part, len(lines) - len(pairs))
        title = f"Predictions against references of {len(pairs):,} {part} rows; on the diagonal they are equal"
        drawn = plots.scatter(title, [(r, p) for r, p, _ in pairs], x="reference", y="prediction")
        worst = sorted(pairs, key=lambda one: -abs(one[0] - one[1]))[:MOST]
        rows = [[one.get("row"), number(p), number(r), number(p - r), *_inputs(one)] for r, p, one in worst]
        return f"<h3>Predictions against references</h3>{drawn}" + _mistakes(rows, "Largest errors", ["difference"])
    known = {name: place for place, name in enumerate(facts.labels)}
    usable = []
    for one in lines:
        given, wanted = labelled(one.get("prediction")), labelled(one.get("reference"))
        if given is not None and wanted is not None and {*given, *wanted} <= known.keys():
            usable.append((given, list(wanted), one))
    left_out(facts, part, len(lines) - len(usable))
    if not usable:
        return ""
    single = facts.kind != "multi_label" and all(len(g) == len(w) == 1 for g, w, _ in usable)
    matrix = (
        _matrix(facts.labels, [(w[0], next(iter(g))) for g, w, _ in usable], part)
        if single and len(known) <= MATRIX
        else ""
    )
    wrong = [
        (max((given[name] for name in given if name not in wanted), default=0.0), given, wanted, one)
        for given, wanted, one in usable
        if set(given) != set(wanted)
    ]
    wrong.sort(key=lambda one: -one[0])
    rows = [
        [
            one.get("row"),
            ", ".join(f"{n} {s:.3f}" for n, s in given.items()) or "none",
            ", ".join(wanted) or "none",
            *_inputs(one),
        ]
        for _, given, wanted, one in wrong[:MOST]
    ]
    title = f"Most confident mistakes ({min(MOST, len(wrong))} of {len(wrong):,})"
    return matrix + _per_class(facts, usable, single) + (_mistakes(rows, title) if rows else "<p>No mistakes.</p>")


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


def _matrix(labels: Sequence[str], pairs: list[tuple[str, str]], part: str) -> str:
    counts, totals = Counter(pairs), Counter(wanted for wanted, _ in pairs)
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


def _per_class(facts: Facts, usable: list[tuple[dict, list, dict]], single: bool) -> str:
    import numpy as np

    from byeori.metrics.classification import per_class

    place = {name: number for number, name in enumerate(facts.labels)}
    if single:
        given = np.array([place[next(iter(g))] for g, _, _ in usable])
        wanted = np.array([place[w[0]] for _, w, _ in usable])
    else:
        given, wanted = np.zeros((2, len(usable), len(place)), bool)
        for row, (g, w, _) in enumerate(usable):
            given[row, [place[name] for name in g]] = True
            wanted[row, [place[name] for name in w]] = True
    found = per_class(given, wanted, facts.labels)
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
