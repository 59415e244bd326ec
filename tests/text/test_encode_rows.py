"""Rows that come tokenized without a mask, in tokenizers that pad with their end token."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from byeori.data.rows import Origin, Rows
from byeori.errors import DataError
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.store import ROW
from families import Family


class Labelled:
    levels = {"labels": ROW}
    cut = "texts are longer than {length} tokens and were cut"

    def label_ids(self, values):
        return np.asarray(values, np.int64)

    def notes(self, store):
        return []


@pytest.mark.parametrize("name", ["t5", "gpt2"])
def test_of_pads_that_are_end_tokens_the_texts_own_stays(name):
    """T5 ends each text in one, GPT-2 none."""
    tokenizer = Family(name).tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    some = tokenizer(["a b", "a longer text than that"])["input_ids"]
    assert (some[0][-1] == tokenizer.eos_token_id) == (name == "t5")
    longest = max(map(len, some)) + 3
    for padded in (some, [ids + [tokenizer.eos_token_id] * (longest - len(ids)) for ids in some]):
        rows = Rows(datasets.Dataset.from_dict({"input_ids": padded, "label": [0, 1]}), Origin.of("rows", 2), {})
        store = encode_rows(rows, Labelled(), Encoder(tokenizer, 99))
        assert [store[row]["input_ids"] for row in range(2)] == some
        pads = sum(map(len, padded)) - sum(map(len, some))
        assert any(f"{pads} padded places" in note for note in rows.notes) == bool(pads)
    nothing = datasets.Dataset.from_dict({"input_ids": [[tokenizer.eos_token_id] * 3], "label": [0]})
    with pytest.raises(DataError, match="row 1: input_ids hold nothing but padding"):
        encode_rows(Rows(nothing, Origin.of("rows", 1), {}), Labelled(), Encoder(tokenizer, 99))
