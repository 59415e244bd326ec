"""Keep the texts of the worst rows, with the words that drove them, so that the report can be made again without the model.

Invariants: at most `ROWS` rows of the part that was scored go into mistakes.json, cut at `LONGEST` characters; none with
--previews 0, which keeps rows out of the run folder; what is worst is what the report's own table says.

    keep_mistakes(folder, rows, store, engine)

mistakes.json: {"format", "part", "rows": [{"row", "where", "inputs", "reference", "of", "score", "words"}]};
"reference" where a right answer is a list of words; "words" role → [start, end, change]
as `byeori.predict.occlusion` has them, only of text classification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.models.world import World
from byeori.predict.occlusion import occluded
from byeori.report.about import about
from byeori.report.facts import Facts, read_facts, table
from byeori.report.predicted import labelled
from byeori.run import FORMAT, RunFolder, dumps, write_text
from byeori.tasks import TextClassification

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.engine import Engine
    from byeori.text.store import TokenStore

ROWS = 10
LONGEST = 2_000  # characters of a text


def keep_mistakes(folder: RunFolder, rows: dict[str, Rows], stores: dict[str, TokenStore], engine: Engine) -> None:
    """Write mistakes.json. The model is asked for the few rows alone, by this rank alone."""
    facts = read_facts(folder)
    part = next((part for part in ("test", "validation") if facts.predictions.get(part)), None)
    if part is None or facts.settings.get("previews") == 0:
        return
    listing = about(facts).mistakes(facts, part)
    numbers = [cells[0] for cells in listing.worst[:ROWS] if isinstance(cells[0], int)] if listing else []
    shared, engine.world = engine.world, World()  # of these rows no other rank knows
    try:
        found = _kept(facts, part, numbers, rows[part], stores[part], engine)
    finally:
        engine.world = shared
    write_text(folder.mistakes, dumps({"format": FORMAT, "part": part, "rows": found}) + "\n")  # no line a number


def _kept(
    facts: Facts, part: str, numbers: list[int], rows: Rows, store: TokenStore, engine: Engine
) -> list[dict[str, Any]]:
    if store.source is None:  # blocks of running text are no rows
        return []
    lines = {one.get("row"): one for one in facts.predictions[part] if one.get("row") in set(numbers)}
    task, found, asked = engine.task, [], []
    for number in numbers:
        row, line = store.row(number - 1), lines[number]
        tokenized = "input_ids" in row
        if tokenized:
            row = {"text": engine.tokenizer.decode(row["input_ids"], skip_special_tokens=True)}
        shown = task.show(row, line.get("prediction"), task.right_answer(row))
        one: dict[str, Any] = {"row": number, "where": rows.origin.where(number - 1), "inputs": _cut(shown["inputs"])}
        if not tokenized and isinstance(task, TextClassification) and type(task).encode is TextClassification.encode:
            asked.append((one, *_asked(task, row, line)))
        if _entities(shown.get("reference")):
            one["reference"] = shown["reference"]
        found.append(one)
    asked = [(one, texts, label) for one, texts, label in asked if texts]
    told = occluded(engine, [texts for _, texts, _ in asked], [label for *_, label in asked])
    for (one, _, label), (score, words) in zip(asked, told, strict=True):
        shown = {role: [part for part in several if part[1] <= LONGEST] for role, several in words.items()}
        one |= {"of": label, "score": score, "words": shown}
    return found


def _entities(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _asked(task: Any, row: dict[str, Any], line: dict[str, Any]) -> tuple[dict[str, str], str | None]:
    """The row's texts, and the label that was given wrongly and most surely, None of a predicted value; no texts where labels were only
    missed."""
    texts = {role: row[role] for role in ("text", "text_pair") if isinstance(row.get(role), str)}
    if task.problem_type == "regression":
        return texts, None
    wanted = labelled(line.get("reference")) or {}
    given = {name: score for name, score in (labelled(line.get("prediction")) or {}).items() if name not in wanted}
    return (texts, max(given, key=lambda name: given[name])) if given else ({}, None)


def _cut(inputs: Any) -> dict[str, Any]:
    return {
        role: value[:LONGEST] if isinstance(value, str) else value
        for role, value in table({"it": inputs}, "it").items()
    }
