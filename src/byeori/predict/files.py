"""File → file: every input row gets one line of JSONL, in order.

A line is `{"row": n, "prediction": …}` with the prediction as the pipeline gives it; a row that can't be used keeps its line,
with `"error"`. The output appears under its name only when it is whole.

    predict_file(run, "reviews.tsv", "out.jsonl", call={"top_k": 3})
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.predict.engine import WINDOW
from byeori.run import dumps

if TYPE_CHECKING:
    from byeori.predict.run import Run


def predict_file(
    run: Run, source: Any, output: str | Path, *, call: dict[str, Any], read: dict[str, Any], with_inputs: bool = False
) -> dict[str, Any]:
    """Predict a file, or standard input ("-"), into a JSONL file, or standard output ("-").

    Returns {"rows", "errors", "seconds", "rows_per_second"}. Raises SettingError if the output can't be written.
    """
    from types import SimpleNamespace

    from byeori.data.read import read_rows

    started = time.perf_counter()
    chosen = run.task.call_settings(call)
    to_stdout = str(output) == "-"
    path = Path(output)
    folder = path.absolute().parent
    if not to_stdout and (path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK)):
        raise SettingError(
            f"output {path}: it can't be written there. Give --output FILE.jsonl in a folder that exists."
        )
    roles = tuple(role for role in run.task.roles if role != "label")
    rows = read_rows(source, SimpleNamespace(**read), roles=roles, required=run.task.needed, on_bad="keep")
    if to_stdout:
        errors = _write(run, rows, chosen, with_inputs, sys.stdout)
        sys.stdout.flush()
    else:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                errors = _write(run, rows, chosen, with_inputs, file)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    seconds = time.perf_counter() - started
    return {"rows": len(rows), "errors": errors, "seconds": seconds, "rows_per_second": len(rows) / max(seconds, 1e-9)}


def _write(run: Run, rows: Any, chosen: Any, with_inputs: bool, file: Any) -> int:
    for first in range(0, len(rows), WINDOW):
        batch = rows.table[first : first + WINDOW]
        count = len(next(iter(batch.values())))
        good = [i for i in range(count) if first + i not in rows.errors]
        found: dict[int, Any] = {}
        if good:
            columns = {name: [values[i] for i in good] for name, values in batch.items()}
            logits = run.engine.run(run.engine.encode(columns))
            found = dict(zip(good, run.task.decode(logits, chosen), strict=True))
        lines = []
        for i in range(count):
            line: dict[str, Any] = {"row": first + i + 1}
            if i in found:
                line["prediction"] = found[i]
            else:
                line["error"] = rows.errors[first + i]
            if with_inputs:
                line["inputs"] = {name: values[i] for name, values in batch.items()}
            lines.append(dumps(line))
        file.write("\n".join(lines) + "\n")
    return len(rows.errors)
