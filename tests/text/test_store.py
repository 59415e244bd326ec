"""The token store: what goes in comes out, from disk as from memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from byeori.errors import DataError
from byeori.text.store import ROW, TOKEN, Encoded, StoreWriter, TokenStore

LEVELS = {"token_type_ids": TOKEN, "labels": ROW}


def encoded(seed: int, rows: int, windows: bool = False, shape: tuple[int, ...] = ()) -> Encoded:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, rows) if windows else None
    sequences = rows if counts is None else int(counts.sum())
    lengths = rng.integers(1, 9, sequences)
    tokens = int(lengths.sum())
    columns = {
        "token_type_ids": rng.integers(0, 2, tokens).astype(np.uint8),
        "labels": rng.random((rows, *shape)).astype(np.float32),
    }
    return Encoded(rng.integers(0, 1000, tokens).astype(np.int32), lengths, columns, counts, truncated=seed)


def parts(store: TokenStore) -> dict[str, np.ndarray]:
    return {"ids": store.input_ids, "offsets": store.offsets, "rows": store.row_offsets, **store.columns}


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_disk_equals_memory(tmp_path, windows, shape):
    pieces = [encoded(seed, rows, windows, shape) for seed, rows in ((1, 5), (2, 1), (3, 40))]
    writer = StoreWriter(LEVELS, {"input_ids": 7}, tmp_path / "store")
    for piece in pieces:
        writer.add(piece)
    written = writer.close()
    whole = Encoded(
        np.concatenate([piece.input_ids for piece in pieces]),
        np.concatenate([piece.lengths for piece in pieces]),
        {name: np.concatenate([piece.columns[name] for piece in pieces]) for name in LEVELS},
        np.concatenate([piece.counts for piece in pieces]),
        truncated=6,
    )
    memory = TokenStore.of(whole, LEVELS, {"input_ids": 7})
    for store in (written, TokenStore.open(tmp_path / "store")):
        assert store.levels == LEVELS and store.pad == {"input_ids": 7} and store.truncated == memory.truncated == 6
        for name, values in parts(memory).items():
            assert np.array_equal(parts(store)[name], values), name
            assert parts(store)[name].dtype == values.dtype, name
        assert isinstance(store.input_ids, np.memmap)
        assert (len(store), store.sequences, store.tokens) == (46, memory.sequences, len(whole.input_ids))
        assert store.one_sequence_a_row is (not windows)


def test_rows_and_their_sequences():
    store = TokenStore.of(
        Encoded(
            np.arange(10, dtype=np.int32),
            np.array([2, 3, 1, 4]),
            {"token_type_ids": np.arange(10, dtype=np.uint8), "labels": np.array([5, 6])},
            np.array([3, 1]),
        ),
        LEVELS,
    )
    assert store.lengths(np.array([0, 1, 0])).tolist() == [6, 4, 6]
    assert store.sequences_of(np.array([1, 0])).tolist() == [3, 0, 1, 2]
    assert store[0] == {"input_ids": [0, 1, 2, 3, 4, 5], "token_type_ids": [0, 1, 2, 3, 4, 5], "labels": 5}
    assert store[1] == {"input_ids": [6, 7, 8, 9], "token_type_ids": [6, 7, 8, 9], "labels": 6}


def test_a_file_is_an_ordinary_npy(tmp_path):
    StoreWriter({"labels": ROW}, folder=tmp_path).add(encoded(1, 9, shape=(2,))).close()
    assert np.load(tmp_path / "labels.npy").shape == (9, 2)
    assert np.load(tmp_path / "offsets.npy").tolist()[0] == 0


def test_no_rows(tmp_path):
    store = StoreWriter({"labels": ROW}, folder=tmp_path).close()
    assert (len(store), store.sequences, store.tokens) == (0, 0, 0)


def test_a_temporary_store_goes_with_its_object():
    store = StoreWriter({"labels": ROW}).add(encoded(1, 3)).close()
    folder = Path(store.input_ids.filename).parent
    assert folder.is_dir()
    del store
    gc.collect()
    assert not folder.exists()


class Tokenized:
    """A task as `encode_rows` sees it where rows come tokenized."""

    levels = {"labels": ROW}
    cut = "texts are longer than {length} tokens and were cut"

    def label_ids(self, values):
        return np.asarray(values, np.int64)

    def notes(self, store):
        return []


def take(table: dict[str, list], tokenizer, max_length: int = 16, token_types: bool = True):
    import datasets

    from byeori.data.rows import Origin, Rows
    from byeori.text.encode import Encoder
    from byeori.text.encode_rows import encode_rows

    rows = Rows(datasets.Dataset.from_dict(table), Origin.of("rows", len(table["label"])), {})
    return encode_rows(rows, Tokenized(), Encoder(tokenizer, max_length, token_types=token_types)), rows


@pytest.fixture(scope="module")
def bert_tokenizer():
    from families import Family

    return Family("bert").tokenizer()


def test_tokenized_rows_lose_their_padding(bert_tokenizer):
    texts = ["How do we swap them?", "번역이 어색해서 무슨 말인지 모르겠다.", "ok"]
    padded = bert_tokenizer(texts, ["a pair"] * 3, padding="max_length", max_length=60)
    store, rows = take({**padded, "label": [0, 1, 2]}, bert_tokenizer, max_length=60)
    for row, (text, label) in enumerate(zip(texts, (0, 1, 2), strict=True)):
        alone = bert_tokenizer(text, "a pair")
        expected = {"input_ids": alone["input_ids"], "token_type_ids": alone["token_type_ids"], "labels": label}
        assert store[row] == expected
    assert store.source is rows
    pads = sum(mask.count(0) for mask in padded["attention_mask"])
    assert any(f"{pads} padded places" in note for note in rows.notes)


def test_tokenized_rows_without_a_mask(bert_tokenizer):
    """Only a tail of pads is padding; a pad id inside stays."""
    store, _ = take({"input_ids": [[2, 9, 0, 9, 3, 0, 0], [2, 3]], "label": [0, 1]}, bert_tokenizer)
    assert [store[row]["input_ids"] for row in (0, 1)] == [[2, 9, 0, 9, 3], [2, 3]]
    assert "token_type_ids" not in store.columns


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"input_ids": [[2, 3], [0, 0]], "label": [0, 1]}, "row 2: input_ids hold nothing but padding"),
        (
            {"input_ids": [[2, 3]], "attention_mask": [[1]], "label": [0]},
            "row 1: input_ids and attention_mask differ in length",
        ),
        (
            {"input_ids": [[2, 3]], "token_type_ids": [[0]], "label": [0]},
            "row 1: token_type_ids has 1 values for 2 input_ids",
        ),
    ],
)
def test_tokenized_rows_that_are_wrong(bert_tokenizer, table, said):
    with pytest.raises(DataError, match=said):
        take(table, bert_tokenizer)


@pytest.mark.parametrize("tokens", [10, 100_000])
def test_a_disk_that_takes_no_more_is_said(tokens):
    """As it grows, and as what is left is written at its end. A limit of the system's on the size of a file stands for the disk's."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    one = Encoded(np.arange(tokens, dtype=np.int32), np.array([tokens]), {})
    store = StoreWriter({})
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(DataError, match="There is no room left in .*set TMPDIR"):
            store.add(one).close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    folder = store.folder
    del store, one
    gc.collect()
    assert not folder.exists()


def test_what_a_killed_process_leaves_goes_with_the_next_one(tmp_path):
    code = (
        "import os, signal, sys\nimport numpy as np\nfrom byeori.text.store import Encoded, StoreWriter\n"
        "one = Encoded(np.arange(3, dtype=np.int32), np.array([3]), {})\nstore = StoreWriter({}).add(one).close()\n"
        "print(store.folder)\nsys.stdout.flush()\nif sys.argv[1:]: os.kill(os.getpid(), signal.SIGKILL)"
    )
    places = []
    for arguments in (["killed"], []):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
        )  # fmt: skip
        places.append(Path(done.stdout.strip()))
        assert places[-1].is_relative_to(tmp_path), done.stderr
        assert places[-1].is_dir() == bool(arguments)
    assert list(tmp_path.iterdir()) == []
