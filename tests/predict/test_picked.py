"""Sequences of several stores as one store."""

from __future__ import annotations

import numpy as np

from byeori.predict.picked import Part, parts_of, picked
from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, TokenStore


def store(first: int) -> TokenStore:
    """Two rows, of one and of two sequences, with a column of each level."""
    arrays = {
        "input_ids": np.arange(first, first + 9, dtype=np.int32), "offsets": np.array([0, 2, 5, 9]), "row_offsets": np.array([0, 1, 3]),
        "t": np.arange(9) + first, "s": np.arange(3) + first, "r": np.arange(2) + first, "l": np.arange(5) + first,
        "l_offsets": np.array([0, 2, 5]),
    }  # fmt: skip
    made = TokenStore(arrays, {"t": TOKEN, "s": SEQUENCE, "r": ROW, "l": LIST}, {"input_ids": 0})
    made.source = {"text": [f"a{first}", f"b{first}"]}
    return made


def test_rows_are_those_they_were():
    one, other = store(0), store(100)
    other.given = {"text": ["A", "B"]}
    made = picked([Part(other, 1, 1, 3), Part(one, 0, 0, 1)])
    assert made.input_ids.tolist() == [*range(102, 109), 0, 1] == made.columns["t"].tolist()
    assert made.offsets.tolist() == [0, 3, 7, 9] and made.row_offsets.tolist() == [0, 2, 3]
    assert made.columns["s"].tolist() == [101, 102, 0] and made.columns["r"].tolist() == [101, 0]
    assert made.columns["l"].tolist() == [102, 103, 104, 0, 1] and made.list_offsets["l"].tolist() == [0, 3, 5]
    assert made.source == {"text": ["b100", "a0"]} and made.given == {"text": ["B", "a0"]}


def test_a_row_longer_than_a_batch_is_parted_between_its_sequences():
    one = store(0)
    assert parts_of(one, 1, 3) == [Part(one, 1, 1, 3)]  # a list goes with the whole row
    plain = TokenStore({"input_ids": one.input_ids, "offsets": one.offsets, "row_offsets": one.row_offsets}, {}, {})
    assert [(p.first, p.last) for p in parts_of(plain, 1, 4)] == [(1, 2), (2, 3)]
    assert [(p.first, p.last) for p in parts_of(plain, 1, 7)] == [(1, 3)]
    assert [(p.first, p.last) for p in parts_of(plain, 1, 1)] == [(1, 2), (2, 3)]
