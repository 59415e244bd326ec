"""A file in, JSONL out: a whole file asked a few rows at a time, as requests among the others.

Invariants: the lines are those that `byeori predict` writes: one a row, `prediction` or `error`; no request has more rows than the
server takes, and one that is told to come again does; whoever leaves takes what isn't begun along.

    async for done in predicted(within, "nsmc", run, path, {}, {}, out): ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byeori.errors import ByeoriError
from byeori.run import dumps
from byeori.serve.ask import Refused, refusal
from byeori.serve.within import Within

ROWS = 32  # asked at once: little enough to be seen, and for others to come between
TIMES = 20  # that it comes again
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".txt")
SHOWN = 5


@dataclass
class Batch:
    """How far it is."""

    rows: int
    done: int = 0
    wrong: int = 0
    first: list[str] = field(default_factory=list)  # lines


async def predicted(
    within: Within, name: str, run: Any, path: Path, columns: dict[str, Any], parameters: dict[str, Any], out: Path
) -> AsyncIterator[Batch]:
    """Raises Refused for a file or settings that can't be used."""
    rows, errors = await asyncio.to_thread(read, run, path, columns)
    state = Batch(len(rows))
    yield state
    at_once = max(1, min(ROWS, within.api.most.rows))
    with open(out, "w", encoding="utf-8") as file:
        for first in range(0, state.rows, at_once):
            places = range(first, min(first + at_once, state.rows))
            given = {place: rows[place] for place in places if place not in errors}
            found = await asked(within, name, given, parameters) if given else {}
            for place in places:
                reason = errors.get(place) or (str(found[place]) if isinstance(found[place], Refused) else None)
                said = {"prediction": found[place]} if reason is None else {"error": reason}
                line = dumps({"row": place + 1, **said})
                file.write(line + "\n")
                state.done += 1
                state.wrong += reason is not None
                if len(state.first) < SHOWN:
                    state.first.append(line)
            yield state


def read(run: Any, path: Path, columns: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Rows by role, and why some of them can't be used. Raises Refused."""
    if path.suffix.lower() not in SUFFIXES:
        raise Refused(400, f"{path.name}: a file of {', '.join(SUFFIXES)} is needed.", "inputs")
    try:
        found = run.read(str(path), labels=False, on_bad="keep", **columns)
    except ByeoriError as error:
        told = refusal(error)
        said = told.sentence.replace(str(path), path.name)
        raise Refused(told.status, said, told.field) from error
    errors = {int(place): str(reason).replace(str(path), path.name) for place, reason in found.errors.items()}
    table = found.table[:]
    roles = [role for role in run.task.roles if role in table]
    rows = [
        {role: table[role][place] for role in roles if table[role][place] is not None} for place in range(len(found))
    ]
    return rows, errors


async def asked(
    within: Within, name: str, rows: dict[int, dict[str, Any]], parameters: dict[str, Any]
) -> dict[int, Any]:
    """A prediction for each row by its place, or its refusal: rows that are refused together are asked by halves."""
    body = {"inputs": list(rows.values()), "parameters": parameters}
    for time in range(TIMES):
        try:
            ask = await within.ask(name, body)
            return dict(zip(rows, ask.answers, strict=True))
        except Refused as refused:
            if refused.status == 429 and time < TIMES - 1:
                await asyncio.sleep(refused.after or 1.0)
                continue
            if refused.field is not None and refused.field.startswith("parameters"):
                raise
            if len(rows) == 1 or refused.status >= 429:
                return dict.fromkeys(rows, refused)
            break
    places = list(rows)
    half = len(places) // 2
    parts = [{place: rows[place] for place in some} for some in (places[:half], places[half:])]
    return {**await asked(within, name, parts[0], parameters), **await asked(within, name, parts[1], parameters)}
