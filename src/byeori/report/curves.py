"""The report's curves: training and validation loss, the score that chose the model, all validation scores in a table.

html = curves(read_facts("run"))
"""

from __future__ import annotations

from typing import Any

from byeori.report import plots
from byeori.report.facts import Facts, number, real, table
from byeori.report.markup import folded, grid, text

EVALUATIONS = 40
TOLD = 12  # lines of a plot's numbers


def curves(facts: Facts) -> str:
    """Loss and the headline validation score over the updates; all validation scores as a table."""
    loss = [
        (s, v)
        for one in facts.history
        if (v := real(one.get("loss"))) is not None and (s := real(one.get("step"))) is not None
    ]
    judged = [
        one for one in facts.history if isinstance(one.get("validation"), dict) and real(one.get("step")) is not None
    ]
    name = facts.metrics.get("headline") or (next(iter(judged[0]["validation"]), None) if judged else None)
    points = _validation(judged, name)
    chosen = table(facts.training, "best")
    kept = (real(chosen.get("step")), real(chosen.get("value")))
    mark: Any = (kept, facts.say("kept: {value}", value=number(kept[1]))) if kept in points else None
    update, found = facts.say("update"), []
    if loss:
        said = "Training loss over {count} log lines: from {first} to {last}"
        title = facts.say(said, count=len(loss), first=number(loss[0][1]), last=number(loss[-1][1]))
        series: dict[str, Any] = {facts.say("training"): loss}
        if validation := _validation(judged, "loss"):
            series[facts.say("validation")] = validation
            first, last = (number(validation[place][1]) for place in (0, -1))
            title += facts.say("; validation loss from {first} to {last}", first=first, last=last)
        chart = plots.lines(title, series, x=update, y=facts.say("loss"), mark=mark if name == "loss" else None)
        found.append(f"<h3>{text(facts.say('Loss'))}</h3>{chart}{_numbers(facts, loss)}")
    if points and name != "loss":
        shown = facts.words(str(name))
        said = "Validation {score} at {count} evaluations: from {first} to {last}"
        ends = {"first": number(points[0][1]), "last": number(points[-1][1])}
        title = facts.say(said, score=shown, count=len(points), **ends)
        chart = plots.lines(title, {str(name): points}, x=update, y=shown, mark=mark)
        found.append(f"<h3>{text(facts.say('Validation {score}', score=shown))}</h3>{chart}")
    if judged:
        names = list(judged[-1]["validation"])
        rows = [
            [
                f"{one['step']:,}",
                f"{real(one.get('epoch')) or 0:.2f}",
                *[facts.say(number(one["validation"].get(n))) for n in names],
            ]
            for one in judged[-EVALUATIONS:]
        ]
        caption = facts.say("Evaluations")
        if len(judged) > EVALUATIONS:
            caption += facts.say(" (the last {some} of {all})", some=EVALUATIONS, all=len(judged))
        heads = [update, facts.say("epoch"), *map(facts.words, names)]
        found.append(grid(heads, rows, caption, numbers=range(2 + len(names))))
    return "".join(found)


def _numbers(facts: Facts, loss: list[plots.Point]) -> str:
    """The loss at some of the updates, for who doesn't see the plot."""
    step = max(1, (len(loss) - 1) // (TOLD - 1))
    some = [*loss[::step][: TOLD - 1], loss[-1]] if len(loss) > TOLD else loss
    rows = [[f"{at:,.0f}", number(value)] for at, value in dict.fromkeys(some)]
    inside = grid([facts.say("update"), facts.say("loss")], rows, facts.say("Training loss"), numbers=(0, 1))
    return folded(facts.say("The plot in numbers"), inside)


def _validation(judged: list[dict[str, Any]], name: str | None) -> list[plots.Point]:
    """(step, value) of one validation score at the evaluations that have it."""
    return [(float(one["step"]), v) for one in judged if (v := real(one["validation"].get(name))) is not None]
