"""The report's samples over time: training rows at several updates side by side, and the same validation rows at each evaluation.

Invariant: where a column shows other rows than the one beside it, that is said.

    html = samples(read_facts("run"))
"""

from __future__ import annotations

from typing import Any

from byeori.report.facts import Facts, real, table
from byeori.report.markup import Made, grid, said, text

STEPS = 4  # updates side by side
EVALUATIONS = 8
LONG = 240  # characters of a text in a column


def samples(facts: Facts) -> str:
    """Both tables, those that the run has."""
    made = _over_time(facts) + _watched(facts)
    if not facts.never_whole:
        return made
    said = "No training row is shown: whenever samples were due, none lay whole in one pack, as rows of many windows don't."
    return f"<p>{text(facts.say(said))}</p>{made}"


def _over_time(facts: Facts) -> str:
    by: dict[Any, list[dict[str, Any]]] = {}
    for one in facts.samples:
        by.setdefault(one.get("step"), []).append(one)
    steps = _spread([*by], STEPS)
    if not steps:
        return ""
    rows = [
        [str(place + 1), *[Made(_sample(facts, by[step][place])) if place < len(by[step]) else "" for step in steps]]
        for place in range(max(len(by[step]) for step in steps))
    ]
    heads = [facts.say("sample"), *[facts.say("update {step}", step=step) for step in steps]]
    caption = "Training rows and what the model gave for them during the update, from the shortest to the longest"
    note = "The rows are those of the update, so each column has others; they come from training, and say little of new texts."
    if len(by) > len(steps):
        note = f"{facts.say(note)} {facts.say('Shown are {some} of {all} updates.', some=len(steps), all=len(by))}"
    return (
        f"<h3>{text(facts.say('While it trained'))}</h3>{grid(heads, rows, facts.say(caption), kind='steps')}"
        f'<p class="soft">{text(facts.say(note))}</p>'
    )


def _watched(facts: Facts) -> str:
    steps = sorted({step for one in facts.watched if (step := real(one.get("step"))) is not None})
    shown = _spread(steps, EVALUATIONS)
    if not shown:
        return ""
    by: dict[Any, dict[float, dict[str, Any]]] = {}
    for one in facts.watched:
        if (step := real(one.get("step"))) is not None:
            by.setdefault(one.get("row"), {})[step] = one
    rows = []
    for row, found in by.items():
        last = found[max(found)]
        right = f"{text(facts.say('reference'))}: <strong>{text(_answer(facts, last.get('reference')))}</strong>"
        told = f"<p>{_inputs(last)}</p>" + (f"<p>{right}</p>" if last.get("reference") is not None else "")
        cells = [Made(f"<p>{_prediction(facts, found[step])}</p>") if step in found else "" for step in shown]
        rows.append([str(row), Made(told), *cells])
    heads = [facts.say("row"), facts.say("inputs")]
    heads += [facts.say("update {step}", step=f"{step:,.0f}") for step in shown]
    caption = facts.say("The same validation rows at each evaluation")
    if len(steps) > len(shown):
        caption += facts.say(" ({some} of {all})", some=len(shown), all=len(steps))
    return f"<h3>{text(facts.say('The same rows over time'))}</h3>{grid(heads, rows, caption, kind='watch')}"


def _spread(values: list[Any], most: int) -> list[Any]:
    """At most so many, evenly, the first and the last among them."""
    if len(values) <= most:
        return values
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _sample(facts: Facts, one: dict[str, Any]) -> str:
    right = f"<p>{text(facts.say('reference'))}: {text(_answer(facts, one.get('reference')))}</p>"
    return f"<p>{_inputs(one)}</p><p>{_prediction(facts, one)}</p>{right if one.get('reference') is not None else ''}"


def _inputs(one: dict[str, Any]) -> str:
    shown = (str(value) for value in table(one, "inputs").values() if value is not None)
    return "<br>".join(text(value if len(value) <= LONG else value[:LONG] + "…") for value in shown)


def _prediction(facts: Facts, one: dict[str, Any]) -> str:
    """What was given, how surely, right or wrong."""
    score = f" {one['score']:.3f}" if real(one.get("score")) is not None else ""
    value = _answer(facts, one.get("prediction"))
    shown = f"<strong>{text(value if len(value) <= LONG else value[:LONG] + '…')}</strong>{score}"
    right = one.get("right")
    if not isinstance(right, bool):
        return shown
    kind, word = ("yes", "✓ right") if right else ("no", "✗ wrong")
    return f'{shown} <span class="{kind}">{text(facts.say(word))}</span>'


def _answer(facts: Facts, value: Any) -> str:
    return facts.say("none") if value == [] else said(value)
