"""File → file: every input row gets one line of JSONL, in order.

A line is `{"row": n, "prediction": …}` with the prediction as the pipeline gives it; a row that can't be used keeps its line,
with `"error"`. The output appears under its name only when it is whole. On ranks each predicts some of the windows, and the main
one writes them all.

    predict_file(run, "reviews.tsv", "out.jsonl", call={"top_k": 3})
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.models.shortage import placed
from byeori.models.world import World
from byeori.predict import vectors
from byeori.predict.parts import in_order, spans
from byeori.run import dumps, whole

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.run import Run


def predict_file(
    run: Run,
    source: Any,
    output: str | Path,
    *,
    call: dict[str, Any],
    read: dict[str, Any],
    with_inputs: bool = False,
    note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Predict a file, or standard input ("-"), into a JSONL file, or standard output ("-").

    `call` are the settings of a call, `read` those of reading; `note` is told what reading found and what was cut.
    Returns {"rows", "errors", "seconds", "rows_per_second"}. Raises SettingError if the output can't be written, DataError.
    """
    started = time.perf_counter()
    chosen = run.task.call_settings(call)
    to_stdout = str(output) == "-"
    path = Path(output)
    folder = path.absolute().parent
    if not to_stdout and (path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK)):
        raise SettingError(
            f"output {path}: it can't be written there. Give --output FILE.jsonl in a folder that exists."
        )
    if vectors.takes(output):
        vectors.check(run, output, chosen, with_inputs)
    world = World.here()
    if not world.alone and str(source) == "-":
        raise SettingError(f"input -: {world.size} processes can't share one standard input. Name a file.")
    note = note or (lambda _: None)
    with world.together():
        rows = run.read(source, labels=False, on_bad="keep", **read)
        for line in rows.notes:
            note(line)
        if vectors.takes(output):
            cut = vectors.write_vectors(run, rows, path, chosen, with_inputs)
        else:
            with _opened(path, to_stdout, world.main) as file:
                cut = _write(run, rows, chosen, with_inputs, file, world)
    if cut:
        note(f"{cut:,} of {len(rows):,} {run.task.cut.format(length=run.engine.encoder.max_length)}.")
    seconds = time.perf_counter() - started
    return {
        "rows": len(rows), "errors": len(rows.errors), "seconds": seconds,
        "rows_per_second": len(rows) / max(seconds, 1e-9),
    }  # fmt: skip


@contextmanager
def _opened(path: Path, to_stdout: bool, main: bool) -> Iterator[Any]:
    """What lines are written to; of the other ranks nothing is."""
    if not main:
        yield None
    elif to_stdout:
        yield sys.stdout
        sys.stdout.flush()
    else:
        with whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            yield file


def _write(run: Run, rows: Rows, chosen: Any, with_inputs: bool, file: Any, world: World) -> int:
    """A line a row, a window at a time; returns how many texts were cut."""
    total = 0
    make = partial(_lines, run, rows, chosen, with_inputs)
    for lines, cut, errors in in_order(world, spans(run, len(rows), chosen, world), make, _packed, _unpacked):
        if file is not None:
            file.write(lines)
        total += cut
        rows.errors.update(errors)
    return total


Lines = tuple[str, int, dict[int, str]]


def _lines(run: Run, rows: Rows, chosen: Any, with_inputs: bool, places: range) -> Lines:
    """The lines of a window, how many of its texts were cut, and why some of its rows can't be used."""
    cut = 0
    good, store = run.encode_usable(rows, places, chosen)
    found: dict[int, Any] = {}
    if store is not None:
        with placed(good.__getitem__, rows.origin.where):
            answers = run.engine.run(store, call=chosen)
        found = dict(zip(good, run.engine.decode(answers, store, chosen), strict=True))
        cut = store.truncated
    inputs = rows.table[places.start : places.stop] if with_inputs else {}
    lines = []
    for at, place in enumerate(places):
        line: dict[str, Any] = {"row": place + 1}
        if place in found:
            line["prediction"] = found[place]
        else:
            line["error"] = rows.errors[place]
        if with_inputs:
            line["inputs"] = {name: values[at] for name, values in inputs.items()}
        lines.append(dumps(line))
    return "\n".join(lines) + "\n", cut, {place: rows.errors[place] for place in places if place in rows.errors}


def _packed(made: Lines) -> bytes:
    lines, cut, errors = made
    return json.dumps([lines, cut, list(errors), list(errors.values())]).encode()


def _unpacked(given: bytes) -> Lines:
    lines, cut, places, reasons = json.loads(given)
    return lines, cut, dict(zip(places, reasons, strict=True))
