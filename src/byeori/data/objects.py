"""Python objects → sheets: rows, columns, DataFrames, `datasets` and torch data sets, any iterable of rows.

Kinds are told by what an object can do, so that neither pandas nor torch is imported for it.

    read_object([("재미있다", "1"), ("별로다", "0")])[None].rows == 2
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from byeori.data.archives import PACKED
from byeori.data.names import JUDGED_BY
from byeori.data.nested import find_rows
from byeori.data.places import DATA_SUFFIXES, split_of
from byeori.data.rows import FileInfo, Sheet
from byeori.data.structured import columns_of, rows_of, table_columns
from byeori.data.urls import is_url
from byeori.data.wording import listed
from byeori.errors import DataError


def is_paths(source: Any) -> bool:
    """A list of paths, rather than a list of texts: path objects, names of files or folders that exist, or of data files."""
    if not isinstance(source, (list, tuple)) or not source:
        return False
    return all(isinstance(one, os.PathLike) or isinstance(one, str) and _is_path(one) for one in source)


def is_files(source: Any) -> bool:
    """A list of path objects, or of names of data files that are there: nobody asks what a model makes of such names."""
    if not isinstance(source, (list, tuple)) or not source:
        return False
    return all(isinstance(one, os.PathLike) or isinstance(one, str) and _is_file(one) for one in source)


def _is_file(text: str) -> bool:
    return len(text) <= 1000 and Path(text).suffix.casefold() in DATA_SUFFIXES and os.path.isfile(text)


def _is_path(text: str) -> bool:
    if len(text) > 1000 or "\n" in text:
        return False
    if is_url(text):
        return PurePosixPath(urlsplit(text).path).suffix.casefold() in (*DATA_SUFFIXES, *PACKED)
    if Path(text).suffix.casefold() in DATA_SUFFIXES and " " not in text or os.path.isfile(text):
        return True
    return "/" in text and os.path.isdir(text)


def is_splits(source: Any) -> bool:
    """A `DatasetDict`, or a dict whose every key names a split."""
    return isinstance(source, Mapping) and bool(source) and all(isinstance(k, str) and split_of(k) for k in source)


def read_object(source: Any, most: int | None = None, roles: Sequence[str] = ()) -> Sheet:
    """One object → its sheet. most: rows to take at most, where rows are drawn one by one. roles: those wanted.

    Raises DataError for an object that holds no rows or something that is not one.
    """
    kind = type(source).__module__.split(".")[0]
    name = type(source).__name__
    if kind == "datasets":
        return _dataset(source, name, most)
    if kind == "pyarrow" and hasattr(source, "column_names"):
        return _table(source, name)
    if kind == "pandas":
        return _frame(source, name)
    if kind == "polars" and hasattr(source, "to_arrow"):
        return _table(source.to_arrow(), name)
    if isinstance(source, Mapping) and _holds_rows(source):
        notes: list[str] = []
        sheet = _python(find_rows(dict(source), "rows", notes, roles), "rows")
        sheet.notes = notes
        return sheet
    if isinstance(source, Mapping):
        columns = {str(key): _list(value) for key, value in source.items()}
        lengths = {key: len(value) for key, value in columns.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f'"{key}" {size:,}' for key, size in lengths.items())
            raise DataError(f"rows: the columns have different lengths ({shown}). Make them equally long.")
        if not lengths or not next(iter(lengths.values())):
            raise DataError("rows: there are no rows. Give some.")
        return _python(columns, "rows")
    if isinstance(source, (list, tuple)):
        return _python(rows_of(map(_row, source[:most] if most else source), "rows", roles), "rows")
    # torch's map-style data set; its IterableDataset inherits a __getitem__ that only raises
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not hasattr(source, "__iter__"):
        size = min(len(source), most or len(source))
        return _python(rows_of((_row(source[i]) for i in range(size)), name, roles), name)
    if isinstance(source, Iterable):
        return _python(rows_of(map(_row, itertools.islice(source, most)), name, roles), name)
    raise DataError(
        f"An object of type {name} is not data. Give a path, rows (dicts, texts or tuples), a DataFrame or a "
        f"datasets.Dataset."
    )


def _holds_rows(source: Mapping[Any, Any]) -> bool:
    """A file's content as `json.load` gives it (SQuAD's {"version", "data": [{…}]}), not a dict of columns."""
    kinds = [isinstance(v, list) and bool(v) and all(isinstance(one, Mapping) for one in v) for v in source.values()]
    return sum(kinds) == 1 and any(isinstance(value, (str, int, float)) for value in source.values())


def _python(columns: dict[str, Any], name: str) -> Sheet:
    rows = len(next(iter(columns.values())))
    return Sheet(columns, rows, FileInfo(name, rows))


def _list(value: Any) -> list[Any]:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise DataError(
            f"rows: a dict of columns is wanted, but one value is a {type(value).__name__}. For a single row "
            f"give [{{…}}]."
        )
    return list(value)


def _row(row: Any) -> Any:
    """A row whose tensors and arrays are Python values."""
    if isinstance(row, Mapping):
        return {str(key): _value(value) for key, value in row.items()}
    if isinstance(row, tuple):
        return tuple(map(_value, row))
    return _value(row)


def _value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _table(table: Any, name: str) -> Sheet:
    columns, class_names = table_columns(table, name)
    return Sheet(columns, table.num_rows, FileInfo(name, table.num_rows), class_names=class_names)


def _dataset(source: Any, name: str, most: int | None) -> Sheet:
    import datasets

    judged, said = judged_by(source)
    if isinstance(source, datasets.IterableDataset):
        rows = list(itertools.islice(source, most))
        if not rows:
            raise DataError(f"{name}: there are no rows.")
        sheet = _python(columns_of(rows), name)
        if source.features:
            sheet = _named(sheet, source.features)
        sheet.facts |= judged
        sheet.notes += said
        return sheet
    if isinstance(source, datasets.Dataset):
        if not len(source):
            raise DataError(f"{name}: there are no rows (the columns are {listed(source.column_names)}).")
        table = source.with_format("arrow")[:]  # honours select, shuffle and filter, unlike source.data
        sheet = _table(table.replace_schema_metadata(source.features.arrow_schema.metadata), name)
        sheet.facts |= judged
        sheet.notes += said
        return sheet
    raise DataError(
        f"A datasets.{name} is not data that can be read. Give a Dataset, an IterableDataset or a DatasetDict."
    )


def judged_by(source: Any) -> tuple[dict[str, str], list[str]]:
    """({"judged_by": the score}, the note on it) of a Hub data set whose makers judge it by a score of its own."""
    info = getattr(source, "info", None)
    named = str(getattr(info, "dataset_name", None) or ""), str(getattr(info, "config_name", None) or "")
    if named not in JUDGED_BY:
        return {}, []
    score, why = JUDGED_BY[named]
    told = str(getattr(source, "split", None) or "train").startswith("train")  # once, not for each split
    return {"judged_by": score}, [f"{why}: {score} is the headline, unless --best-metric names another."] * told


def _named(sheet: Sheet, features: Any) -> Sheet:
    """Class names of a streamed data set, whose rows carry ids."""
    for column, feature in features.items():
        inner = getattr(feature, "feature", None)
        names = getattr(inner or feature, "names", None)
        if names and column in sheet.columns:
            sheet.class_names[column] = list(names)
            values = [v if inner else [v] for v in sheet.columns[column]]
            named = [[names[v] if isinstance(v, int) and v >= 0 else None for v in row or []] for row in values]
            sheet.columns[column] = named if inner else [row[0] for row in named]
    return sheet


def _frame(frame: Any, name: str) -> Sheet:
    """A pandas DataFrame (or Series of texts), column by column; NaN in a text column becomes None."""
    import pyarrow as pa

    if not hasattr(frame, "columns"):
        return _python(rows_of(frame.tolist(), name), name)
    if not len(frame):
        raise DataError(f"{name}: there are no rows (the columns are {listed(frame.columns)}).")
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        raise DataError(
            f"{name}: two columns have the same name ({listed(sorted({n for n in names if names.count(n) > 1}))})."
        )
    columns: dict[str, Any] = {}
    for at, column in enumerate(names):
        series = frame.iloc[:, at]
        try:
            array = pa.Array.from_pandas(series)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            columns[column] = [None if v is None or v != v else v for v in map(_value, series.tolist())]
            continue
        table = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
        columns[column] = table_columns(pa.table({column: table}), name)[0][column]
    return _python(columns, name)
