"""Rows of a call, a few at a time: what prediction needs of them before any model is there.

columns([{"text": "a"}, {"text": "b"}]) == {"text": ["a", "b"]}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from byeori.errors import DataError, RowsError
from byeori.models.shortage import placed
from byeori.text.encode import Encoder

WINDOW = 4_096  # rows sorted together


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def numbered_from(first: int) -> Iterator[None]:
    """For inputs taken a few at a time: errors that name one by its place among these name it by that among all."""
    try:
        with placed(lambda place: first + place):
            yield
    except RowsError as error:
        if not first:
            raise
        raise RowsError({first + place: reason for place, reason in error.reasons.items()}) from error
    except DataError as error:
        said = re.sub(r"^input (\d+)", lambda found: f"input {first + int(found[1])}", str(error))
        if not first or said == str(error):
            raise
        raise DataError(said) from error


def cutting(encoder: Encoder, length: int) -> Encoder:
    """The same encoder for texts of another length."""
    return Encoder(encoder.tokenizer, length, encoder.truncation, encoder.token_types)


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows → columns; a role that only some rows have stays out for none: it is None there."""
    names = {name: None for row in rows for name in row}
    return {name: [row.get(name) for row in rows] for name in names}
