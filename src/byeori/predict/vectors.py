"""File → vectors: Parquet or NumPy, a row for every row of the file, in order, never all of them in memory.

- `.parquet`: `row` (from 1), `vector` (a list of float32; with `pooling` none a list of them, one a token), `error`.
- `.npy`: float32 (rows, size); the vector of row n is at n − 1, NaN where that row can't be used. Needs `pooling`.
- `.npz`: `rows` int64, the numbers of the rows that could be used, and `vectors` float32 (len(rows), size), or
  (tokens, size) with `offsets` int64 (len(rows) + 1,) where there is one a token.

The output appears under its name only when it is whole.

    write_vectors(run, rows, "vectors.parquet", call)
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import Answers
from byeori.errors import SettingError
from byeori.models.shortage import placed
from byeori.models.world import World
from byeori.predict.parts import in_order, spans
from byeori.run import whole

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.run import Run

# Positions of the table, those of them that can be used, their vectors, and how many texts were cut.
Window = tuple[range, list[int], Answers | None, int]
SUFFIXES = (".parquet", ".npy", ".npz")


def takes(output: str | Path) -> bool:
    """Whether this name is one of vectors."""
    return Path(output).suffix.lower() in SUFFIXES


def check(run: Run, output: str | Path, call: Any, with_inputs: bool = False) -> None:
    """Before anything is read: SettingError for a task without vectors, for token vectors in a .npy, for inputs in an array."""
    if not hasattr(call, "pooling"):
        raise SettingError(f"output {output}: {run.task.name} gives no vectors. Give --output FILE.jsonl.")
    if Path(output).suffix.lower() == ".npy" and call.pooling == "none":
        raise SettingError(
            f"output {output}: an array has one vector a text. Say --pooling mean (or cls), or give a .npz or .parquet for a vector "
            f"a token."
        )
    if with_inputs and Path(output).suffix.lower() != ".parquet":
        raise SettingError(
            f"output {output}: an array holds vectors alone. For the inputs beside them (--with-inputs) give --output FILE.parquet, or "
            f"FILE.jsonl."
        )


def write_vectors(run: Run, rows: Rows, output: str | Path, call: Any, with_inputs: bool = False) -> int:
    """Write the vectors of `rows` (read with on_bad="keep"); returns how many texts were cut.

    `call`: the settings of a call. `with_inputs` puts the columns read beside them, in Parquet. Raises SettingError.
    """
    path = Path(output)
    check(run, path, call, with_inputs)
    write = {".parquet": _parquet, ".npy": _npy, ".npz": _npz}[path.suffix.lower()]
    if not World.here().main:
        return sum(cut for *_, cut in _windows(run, rows, call))
    with whole(path) as temporary:
        return write(run, rows, str(temporary), call, with_inputs)


def _windows(run: Run, rows: Rows, call: Any) -> Iterator[Window]:
    """A window after the other; on ranks each makes some, and gets all."""
    world = World.here()
    windows = spans(run, len(rows), call, world)
    return in_order(world, windows, partial(_window, run, rows, call), partial(_packed, rows), partial(_unpacked, rows))


def _window(run: Run, rows: Rows, call: Any, places: range) -> Window:
    good, store = run.encode_usable(rows, places, call)
    if store is None:
        return places, good, None, 0
    with placed(good.__getitem__, rows.origin.where):
        return places, good, run.engine.run(store, call=call), store.truncated


def _packed(rows: Rows, made: Window) -> bytes:
    """As a .npz, with why some rows can't be used."""
    places, good, answers, cut = made
    errors = json.dumps({place: rows.errors[place] for place in places if place in rows.errors})
    arrays: dict[str, Any] = {
        "head": [places.start, places.stop, cut],
        "good": np.array(good, np.int64),
        "errors": errors,
    }
    if answers is not None:
        arrays |= {"values": answers.values} | ({} if answers.offsets is None else {"offsets": answers.offsets})
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _unpacked(rows: Rows, given: bytes) -> Window:
    with np.load(io.BytesIO(given)) as found:
        first, last, cut = found["head"].tolist()
        rows.errors.update({int(place): reason for place, reason in json.loads(str(found["errors"])).items()})
        answers = Answers(found["values"], found.get("offsets")) if "values" in found else None
        return range(first, last), found["good"].tolist(), answers, cut


def _parquet(run: Run, rows: Rows, name: str, call: Any, with_inputs: bool) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    kind = pa.list_(pa.float32())
    kind = pa.list_(kind) if call.pooling == "none" else kind
    inputs = rows.table.data.table.schema if with_inputs else []
    schema = pa.schema([("row", pa.int64()), ("vector", kind), ("error", pa.string()), *inputs])
    cut = 0
    with parquet.ParquetWriter(name, schema) as file:
        for places, good, answers, truncated in _windows(run, rows, call):
            table = pa.table(
                {
                    "row": pa.array(range(places.start + 1, places.stop + 1), pa.int64()),
                    "vector": _lists(places, good, answers, kind),
                    "error": pa.array([rows.errors.get(place) for place in places], pa.string()),
                    **(rows.table[places.start : places.stop] if with_inputs else {}),
                },
                schema=schema,
            )
            file.write_table(table)
            cut += truncated
    return cut


def _lists(places: range, good: list[int], answers: Answers | None, kind: Any) -> Any:
    """The vectors of a window as an Arrow column, null where a row can't be used; no number goes through Python."""
    import pyarrow as pa

    if answers is None:
        return pa.nulls(len(places), kind)
    size = answers.values.shape[-1]
    flat = pa.array(answers.values.ravel(), pa.float32())
    ends = np.arange(0, len(answers.values) + 1, dtype=np.int32) * size
    vectors = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat)
    if answers.offsets is not None:
        vectors = pa.ListArray.from_arrays(pa.array(answers.offsets, pa.int32()), vectors)
    at = {place: number for number, place in enumerate(good)}
    return vectors.take(pa.array([at.get(place) for place in places], pa.int64()))


def _npy(run: Run, rows: Rows, name: str, call: Any, with_inputs: bool) -> int:
    array, cut = None, 0
    for _, good, answers, truncated in _windows(run, rows, call):
        if answers is None:
            continue
        if array is None:
            array = np.lib.format.open_memmap(name, "w+", np.float32, (len(rows), answers.values.shape[-1]))
            array[:] = np.nan
        array[good] = answers.values
        cut += truncated
    if array is None:  # not one row that can be used
        array = np.lib.format.open_memmap(name, "w+", np.float32, (len(rows), 1))
        array[:] = np.nan
    array.flush()
    return cut


def _npz(run: Run, rows: Rows, name: str, call: Any, with_inputs: bool) -> int:
    """The vectors go through a file of their own: how many tokens there are is known at the end."""
    used: list[int] = []
    offsets = [np.zeros(1, np.int64)]
    cut = count = size = 0
    with tempfile.TemporaryFile() as flat:
        for _, good, answers, truncated in _windows(run, rows, call):
            if answers is None:
                continue
            flat.write(np.ascontiguousarray(answers.values, np.float32).tobytes())
            used += [place + 1 for place in good]
            if answers.offsets is not None:
                offsets.append(count + answers.offsets[1:])
            count, size, cut = count + len(answers.values), answers.values.shape[-1], cut + truncated
        small = {"rows": np.array(used, np.int64)}
        if call.pooling == "none":
            small["offsets"] = np.concatenate(offsets)
        with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as archive:
            for key, values in small.items():
                with archive.open(f"{key}.npy", "w") as file:
                    np.lib.format.write_array(file, values)
            with archive.open("vectors.npy", "w", force_zip64=True) as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, size)}
                np.lib.format.write_array_header_1_0(file, header)
                flat.seek(0)
                while part := flat.read(1 << 24):
                    file.write(part)
    return cut
