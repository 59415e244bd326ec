"""File → file: every input row gets one line of JSONL, in order.

A line is `{"row": n, "prediction": …}` with the prediction as the pipeline gives it; a row that can't be used keeps its line,
with `"error"`. The output appears under its name only when it is whole.

    predict_file(run, "reviews.tsv", "out.jsonl", call={"top_k": 3})
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.predict import vectors
from byeori.predict.engine import WINDOW
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
    rows = run.read(source, labels=False, on_bad="keep", **read)
    note = note or (lambda _: None)
    for line in rows.notes:
        note(line)
    if vectors.takes(output):
        cut = vectors.write_vectors(run, rows, path, chosen, with_inputs)
    elif to_stdout:
        cut = _write(run, rows, chosen, with_inputs, sys.stdout)
        sys.stdout.flush()
    else:
        with whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            cut = _write(run, rows, chosen, with_inputs, file)
    if cut:
        note(f"{cut:,} of {len(rows):,} {run.task.cut.format(length=run.engine.encoder.max_length)}.")
    seconds = time.perf_counter() - started
    return {
        "rows": len(rows), "errors": len(rows.errors), "seconds": seconds,
        "rows_per_second": len(rows) / max(seconds, 1e-9),
    }  # fmt: skip


def _write(run: Run, rows: Rows, chosen: Any, with_inputs: bool, file: Any) -> int:
    """A line a row, a window at a time; returns how many texts were cut."""
    cut = 0
    window = getattr(run.task, "window", lambda *_: None)(chosen, run.engine.encoder.max_length)
    size = min(WINDOW, window or WINDOW)
    for first in range(0, len(rows), size):
        places = range(first, min(first + size, len(rows)))
        good, store = run.encode_usable(rows, places, chosen)
        found: dict[int, Any] = {}
        if store is not None:
            answers = run.engine.run(store, call=chosen)
            found = dict(zip(good, run.engine.decode(answers, store, chosen), strict=True))
            cut += store.truncated
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
        file.write("\n".join(lines) + "\n")
    return cut
