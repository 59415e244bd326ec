"""Pickles → rows, for whoever says that theirs is one to be trusted: opening a pickle runs whatever code it names.

Invariant: without `allow_pickle` not one byte of it is interpreted.

    read_pickle(raw, "reviews.pkl", info, Wish(SimpleNamespace(allow_pickle=True)))
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from byeori.data.objects import is_splits, read_object
from byeori.data.rows import FileInfo, Sheet
from byeori.data.wish import Wish
from byeori.data.wording import listed, short
from byeori.errors import DataError


def read_pickle(raw: bytes, name: str, info: FileInfo, wish: Wish) -> Sheet:
    """The DataFrame, rows or columns in a pickle. Raises DataError unless `allow_pickle` is set."""
    if not wish.setting("allow_pickle"):
        raise DataError(
            f"{name}: pickles run code when they are opened, so Byeori does not open them. Save the data as Parquet "
            f"(DataFrame.to_parquet) or JSONL; or, if you made this file yourself or trust who did, add --allow-pickle."
        )
    try:
        import pandas  # which also knows the pickles of its older releases
    except ImportError:
        raise DataError(f"{name}: opening pickles needs pandas (`pip install pandas`).") from None
    try:
        found = pandas.read_pickle(io.BytesIO(raw))
    except Exception as error:  # whatever its code raises
        reason = short(" ".join(f"{type(error).__name__}: {error}".split()), 200)
        raise DataError(f"{name}: the pickle can't be opened ({reason}). Save the data as Parquet or JSONL.") from None
    if isinstance(found, Mapping) and is_splits(found):
        raise DataError(
            f"{name}: the pickle holds the splits {listed(found)}. Save each as a file of its own, as Parquet or JSONL."
        )
    sheet = read_object(found, wish.setting("max_rows"), wish.roles)
    info.format, info.rows = "pickle", sheet.file.rows
    sheet.file = info
    sheet.notes.insert(0, f"{name}: a pickled {type(found).__name__}, opened because --allow-pickle is set.")
    return sheet
