"""The report's reliability diagram: how often predictions made with a confidence are right (Guo et al. 2017).

Invariants: 15 bins of equal width over the confidence of the label that is given; each bin stands with its rows and the 95%
interval of its share (Wilson 1927), so that a bin of three rows isn't read as a fault; only of tasks that give one label.

    html = reliability(read_facts("run"), "test")
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, number, real, table
from byeori.report.markup import folded, grid, text

Z = 1.959964  # of a 95% interval
FEW = 100  # rows below which a diagram shows chance


def reliability(facts: Facts, part: str) -> str:
    """Diagram and table; "" where predictions are no single label with its probability."""
    sure, right = [], []
    for confidence, hit in _judged(facts, part):
        sure.append(confidence)
        right.append(hit)
    if len(sure) < FEW:
        return ""
    from byeori.metrics.calibration import calibration

    bins = [one for one in calibration(sure, right) if one["count"]]
    drawn, rows = [], []
    gap = 0.0
    for one in bins:
        low, high, count, share, mean = (
            float(one[key] or 0) for key in ("low", "high", "count", "accuracy", "confidence")
        )
        least, greatest = wilson(share, count)
        drawn.append((low, high, count, share, least, greatest))
        between = facts.say("{low} to {high}", low=f"{least:.3f}", high=f"{greatest:.3f}")
        rows.append([f"{low:.2f} – {high:.2f}", f"{count:,.0f}", f"{mean:.3f}", f"{share:.3f}", between])
        gap += abs(share - mean) * count / len(sure)
    stored = table(table(facts.metrics, part), "ece")
    ece = facts.interval(stored) if real(stored.get("value")) is not None else number(gap)
    lean = sum(sure) / len(sure) - sum(right) / len(right)
    title = facts.say("Reliability of {count:,} {part} rows", count=len(sure), part=facts.say(part))
    means = facts.say(
        "On average the confidence is {confidence} and {accuracy} are right.",
        confidence=f"{sum(sure) / len(sure):.1%}", accuracy=f"{sum(right) / len(right):.1%}",
    )  # fmt: skip
    way = "It is surer than it is right." if lean > 0 else "It is right more often than it is sure."
    error = facts.say("Expected calibration error (15 bins of equal width): {ece}.", ece=ece)
    chart = plots.reliability(
        f"{title}. {means} {error}", drawn, x=facts.say("confidence"), y=facts.say("share that is right"),
        counted=facts.say("rows"),
    )  # fmt: skip
    heads = [
        facts.say(name) for name in ("confidence", "rows", "mean confidence", "share that is right", "95% interval")
    ]
    told = (
        "On the dashed diagonal, of what is said with 80% confidence, 80% is right; the thin lines are 95% intervals."
    )
    return (
        f"<h3>{text(facts.say('Reliability'))}</h3>{chart}<p>{text(error)} {text(means)} {text(facts.say(way))}</p>"
        f'<p class="soft">{text(facts.say(told))}</p>'
        + folded(facts.say("The plot in numbers"), grid(heads, rows, title, numbers=range(5)))
    )


def wilson(share: float, count: float) -> tuple[float, float]:
    """The 95% interval of a share of so many rows (Wilson 1927)."""
    base = 1 + Z * Z / count
    middle = (share + Z * Z / (2 * count)) / base
    half = Z / base * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _judged(facts: Facts, part: str) -> Iterator[tuple[float, bool]]:
    """(confidence, right) of each line that has one label or choice with a probability."""
    if facts.kind in ("multi_label", "regression"):
        return
    for line in facts.predictions[part]:
        said: Any = line.get("prediction")
        score = real(said.get("score")) if isinstance(said, dict) else None
        if score is None or not 0 <= score <= 1 + 1e-6:
            continue
        if "choice" in said:
            yield min(score, 1.0), said["choice"] == line.get("reference")
        elif "label" in said and "answer" not in said:
            yield min(score, 1.0), said["label"] == line.get("reference")
