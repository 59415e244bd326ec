"""The cache of token stores: what comes out is what would have been made, or it is made."""

from __future__ import annotations

import copy
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from tokenizers import normalizers

from byeori.data.rows import Origin, Rows
from byeori.errors import SettingError
from byeori.tasks import FillMask, TextClassification, TextGeneration, TokenClassification, Translation
from byeori.text import cache
from byeori.text.cache import ABOUT, encode_cached
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.store import TokenStore
from families import Family, texts, wordpiece

COUNT = 120


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch) -> Path:
    """An empty cache that takes small data too."""
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BYEORI_CACHE_GB", raising=False)
    monkeypatch.setattr(cache, "LEAST", 0)
    monkeypatch.setattr(cache, "_FREE", 0)
    return tmp_path / "cache" / "stores"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return Family("bert").tokenizer()


def columns(**changed: Any) -> dict[str, list]:
    some = [f"{texts()[row % 50]} {row}" for row in range(COUNT)]
    return {"text": some, "label": [str(row % 3) for row in range(COUNT)], **changed}


def rows_of(table: dict[str, list] | datasets.Dataset) -> Rows:
    table = table if isinstance(table, datasets.Dataset) else datasets.Dataset.from_dict(table)
    return Rows(table, Origin.of("rows", len(table)), {})


def classifier(**settings: Any) -> TextClassification:
    return TextClassification(labels=["0", "1", "2"], **settings)


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def encoded(
    table, task=None, tokenizer=None, length=20, truncation="head", types=True
) -> tuple[TokenStore, list[str], Rows]:
    """The store, what was said, and the rows with their notes."""
    said: list[str] = []
    rows = rows_of(table)
    return (
        encode_cached(rows, task or classifier(), Encoder(tokenizer, length, truncation, types), said.append),
        said,
        rows,
    )


def equal(one: TokenStore, other: TokenStore) -> None:
    assert one.digest == other.digest and one.levels == other.levels and one.pad == other.pad
    assert one.truncated == other.truncated and one.decoding == other.decoding
    for name in ("input_ids", "offsets", "row_offsets"):
        assert (
            np.array_equal(getattr(one, name), getattr(other, name))
            and getattr(one, name).dtype == getattr(other, name).dtype
        )
    for name, values in one.columns.items():
        assert np.array_equal(values, other.columns[name]) and values.dtype == other.columns[name].dtype


def test_a_kept_store_is_a_fresh_one(tokenizer, own):
    rows = rows_of(columns())
    fresh = encode_rows(rows, classifier(), Encoder(tokenizer, 20, token_types=True))
    assert fresh.truncated and rows.notes
    for said_so in (False, True):
        store, said, mine = encoded(columns(), tokenizer=tokenizer)
        equal(store, fresh)
        assert mine.notes == rows.notes and store.source is mine and store.row(7)["text"] == columns()["text"][7]
        assert any("earlier run" in one and "--no-cache" in one for one in said) is said_so
        assert store.folder.parent == own and isinstance(store.input_ids, np.memmap)
    assert len(entries(own)) == 1


def test_rows_are_known_by_what_they_hold(tokenizer, own):
    """However they came to be: in memory, selected of more, in several pieces."""
    first = columns()
    encoded(first, tokenizer=tokenizer)
    more = {name: [*values[::-1], *values] for name, values in first.items()}
    selected = datasets.Dataset.from_dict(more).select([*range(COUNT, 2 * COUNT)])
    pieces = datasets.concatenate_datasets([
        datasets.Dataset.from_dict({name: values[at : at + 40] for name, values in first.items()}) for at in (0, 40, 80)
    ])  # fmt: skip
    turned = datasets.Dataset.from_dict({name: values[::-1] for name, values in first.items()}).select(
        range(COUNT)[::-1]
    )
    for table in (selected, pieces, turned):
        _, said, _ = encoded(table, tokenizer=tokenizer)
        assert said and len(entries(own)) == 1


def altered(tokenizer, what: str) -> Any:
    made = copy.deepcopy(tokenizer)
    backend = made.backend_tokenizer
    if what == "normalizer":
        backend.normalizer = normalizers.BertNormalizer(lowercase=not backend.normalizer.lowercase)
    elif what == "vocabulary":
        state = json.loads(backend.to_str())
        vocabulary = state["model"]["vocab"]
        last = max(vocabulary, key=vocabulary.get)
        vocabulary[last + "x"] = vocabulary.pop(last)
        made._tokenizer = type(backend).from_str(json.dumps(state))
    elif what == "added":
        backend.add_tokens(["film"])
    elif what == "special":
        backend.encode_special_tokens = True
    return made


CHANGES: dict[str, Any] = {
    "one byte of a text": lambda t: {"table": columns(text=[*columns()["text"][:-1], columns()["text"][-1] + "."])},
    "one label": lambda t: {"table": columns(label=[*columns()["label"][:-1], "2" if columns()["label"][-1] != "2" else "1"])},
    "the order of rows": lambda t: {"table": {name: values[::-1] for name, values in columns().items()}},
    "one row less": lambda t: {"table": {name: values[:-1] for name, values in columns().items()}},
    "a text moved to the next row": lambda t: {"table": columns(text=[
        columns()["text"][0] + columns()["text"][1], "", *columns()["text"][2:]])},
    "a second text": lambda t: {"table": columns(text_pair=columns()["text"])},
    "a token of the vocabulary": lambda t: {"tokenizer": altered(t, "vocabulary")},
    "an added token": lambda t: {"tokenizer": altered(t, "added")},
    "whether special tokens in texts are text": lambda t: {"tokenizer": altered(t, "special")},
    "the normalizer": lambda t: {"tokenizer": altered(t, "normalizer")},
    "max_length": lambda t: {"length": 21},
    "truncation": lambda t: {"truncation": "tail"},
    "segments": lambda t: {"types": False},
    "a setting of the task": lambda t: {"task": classifier(threshold=0.25)},
    "the order of labels": lambda t: {"task": TextClassification(labels=["1", "0", "2"])},
    "the task": lambda t: {"task": FillMask()},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_makes_other_ids_makes_another_entry(tokenizer, own, change):
    encoded(columns(), tokenizer=tokenizer)
    given = {"table": columns(), "tokenizer": tokenizer, **CHANGES[change](tokenizer)}
    store, said, _ = encoded(**given)
    assert not said and len(entries(own)) == 2
    fresh = encode_rows(
        rows_of(given["table"]), given.get("task") or classifier(),
        Encoder(given["tokenizer"], given.get("length", 20), given.get("truncation", "head"), given.get("types", True)),
    )  # fmt: skip
    equal(store, fresh)


def test_versions_count(tokenizer, own, monkeypatch):
    from byeori.text import fingerprint

    encoded(columns(), tokenizer=tokenizer)
    monkeypatch.setattr(fingerprint, "versions", lambda: ["another"])
    assert not encoded(columns(), tokenizer=tokenizer)[1] and len(entries(own)) == 2


def spoil(entry: Path, how: str) -> None:
    ids = entry / "input_ids.npy"
    if how == "a byte":
        data = bytearray(ids.read_bytes())
        data[len(data) // 2] ^= 1
        ids.write_bytes(data)
    elif how == "cut short":
        ids.write_bytes(ids.read_bytes()[:-4])
    elif how == "a file gone":
        (entry / "labels.npy").unlink()
    elif how == "half":
        (entry / ABOUT).unlink()
    elif how == "notes":
        (entry / ABOUT).write_text((entry / ABOUT).read_text().replace("were cut", "were not"))
    elif how == "not JSON":
        (entry / ABOUT).write_text("{")


@pytest.mark.parametrize("how", ["a byte", "cut short", "a file gone", "half", "notes", "not JSON"])
def test_a_damaged_entry_is_made_anew(tokenizer, own, how):
    fresh, _, rows = encoded(columns(), tokenizer=tokenizer)
    digest = fresh.digest
    del fresh
    spoil(entries(own)[0], how)
    store, said, mine = encoded(columns(), tokenizer=tokenizer)
    assert len(said) == 1 and "damaged" in said[0] and "made anew" in said[0]
    assert store.digest == digest and mine.notes == rows.notes
    store, said, _ = encoded(columns(), tokenizer=tokenizer)
    assert store.digest == digest and "earlier run" in said[0] and len(entries(own)) == 1


def test_another_stores_ids_under_this_name_are_noticed(tokenizer, own):
    """Whole, with the right hashes: the first rows tell."""
    encoded(columns(), tokenizer=tokenizer)
    (mine,) = entries(own)
    encoded(columns(), tokenizer=tokenizer, truncation="tail")
    (other,) = set(entries(own)) - {mine}
    for file in mine.iterdir():
        file.write_bytes((other / file.name).read_bytes())
    store, said, _ = encoded(columns(), tokenizer=tokenizer)
    assert "damaged" in said[0]
    equal(store, encode_rows(rows_of(columns()), classifier(), Encoder(tokenizer, 20, token_types=True)))


def test_several_at_once_all_have_it(own, monkeypatch):
    """Each writes its own; the first to be done names it, the others take that."""
    together = threading.Barrier(3, timeout=20)
    copied = cache._copy

    def slowly(source: Path, target: Path) -> list[Any]:
        if source.name == "input_ids.npy":
            together.wait()
        return copied(source, target)

    monkeypatch.setattr(cache, "_copy", slowly)
    found: list[Any] = []
    tokenizers = [Family("bert").tokenizer() for _ in range(3)]
    threads = [threading.Thread(target=lambda t=t: found.append(encoded(columns(), tokenizer=t))) for t in tokenizers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and len({store.digest for store, _, _ in found}) == 1
    assert not any(said for _, said, _ in found) and len(entries(own)) == 1


def test_the_longest_unused_leave_first(tokenizer, own, monkeypatch):
    for length in (10, 11, 12):
        encoded(columns(), tokenizer=tokenizer, length=length)
    sizes = {one.name: sum(file.stat().st_size for file in one.iterdir()) for one in entries(own)}
    made = sorted(entries(own), key=lambda one: (one / ABOUT).stat().st_mtime_ns)
    for age, one in zip((300, 100, 200), made, strict=True):
        os.utime(one / ABOUT, (1_700_000_000 - age, 1_700_000_000 - age))
    assert encoded(columns(), tokenizer=tokenizer, length=10)[1]  # the oldest is used again
    monkeypatch.setenv("BYEORI_CACHE_GB", str(3.5 * max(sizes.values()) / 1e9))
    encoded(columns(), tokenizer=tokenizer, length=13)
    left = {one.name for one in entries(own)}
    assert len(left) == 3 and made[0].name in left and made[1].name in left and made[2].name not in left
    monkeypatch.setenv("BYEORI_CACHE_GB", str(0.5 * min(sizes.values()) / 1e9))
    store, said, _ = encoded(columns(), tokenizer=tokenizer, length=14)  # too large for it by itself
    assert {one.name for one in entries(own)} == left and store.folder.parent != own
    monkeypatch.setenv("BYEORI_CACHE_GB", "0")
    assert not encoded(columns(), tokenizer=tokenizer, length=10)[1]
    monkeypatch.setenv("BYEORI_CACHE_GB", "much")
    with pytest.raises(SettingError, match="BYEORI_CACHE_GB='much'"):
        encoded(columns(), tokenizer=tokenizer)


def test_what_others_left_half_made_goes_in_time(tokenizer, own):
    for name, age in ((".part-old", 90_000), (".gone-old", 90_000), (".part-new", 60)):
        (own / name).mkdir(parents=True)
        (own / name / "input_ids.npy").write_bytes(b"half")
        when = (own / name).stat().st_mtime - age
        os.utime(own / name, (when, when))
    encoded(columns(), tokenizer=tokenizer)
    assert {one.name for one in entries(own) if one.name.startswith(".")} == {".part-new"}


def test_a_folder_that_cant_be_written_is_told_and_nothing_more(tokenizer, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "file"))
    store, said, _ = encoded(columns(), tokenizer=tokenizer)
    assert len(said) == 1 and "can't be kept" in said[0] and "--no-cache" in said[0]
    equal(store, encode_rows(rows_of(columns()), classifier(), Encoder(tokenizer, 20, token_types=True)))


@pytest.mark.parametrize("where", ["no home", "not to be read", "damaged, not to be written"])
def test_what_can_not_be_used_is_told_and_never_stops(tokenizer, own, monkeypatch, where):
    """Folders of another user's, as far as they can be played by whoever runs this."""
    expected = encoded(columns(), tokenizer=tokenizer)[0]
    if where == "no home":
        monkeypatch.delenv("BYEORI_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(Path, "home", nobody)
    elif where == "not to be read":
        monkeypatch.setattr(cache, "_file_digest", refuse)
        monkeypatch.setattr(cache.os, "replace", refuse)
    else:
        (entries(own)[0] / ABOUT).write_text("{")
        made = cache.tempfile.mkdtemp
        monkeypatch.setattr(
            cache.tempfile,
            "mkdtemp",
            lambda *given, **named: refuse() if named.get("dir") == own else made(*given, **named),
        )
    store, said, _ = encoded(columns(), tokenizer=tokenizer)
    assert not any("earlier run" in one for one in said)
    assert where == "not to be read" or "can't be kept" in said[-1]
    equal(store, expected)


def nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def refuse(*_: Any, **__: Any) -> Any:
    raise PermissionError(13, "Permission denied")


def test_small_data_and_tokenized_rows_are_not_kept(tokenizer, own, monkeypatch):
    ids = tokenizer(columns()["text"])["input_ids"]
    encoded({"input_ids": ids, "label": columns()["label"]}, tokenizer=tokenizer, length=512)
    monkeypatch.setattr(cache, "LEAST", 1 << 20)
    encoded(columns(), tokenizer=tokenizer)
    assert not entries(own)


class OwnLoss(TextClassification):
    def loss(self, outputs, pack):
        return super().loss(outputs, pack) * 2


class OwnIds(TextClassification):
    def encode(self, rows, encoder, labels=True, call=None):
        return super().encode({**rows, "text": [text[::-1] for text in rows["text"]]}, encoder, labels, call)


class OwnHelp(TextClassification):
    def _by_position(self, values):
        return values


def test_own_code_is_kept_only_where_it_comes_after_the_ids(tokenizer, own):
    made = 0
    for kind, kept in ((OwnLoss, True), (OwnIds, False), (OwnHelp, False)):
        encoded(columns(), kind(labels=["0", "1", "2"]), tokenizer)
        made += kept
        assert len(entries(own)) == made
    task = classifier()
    task.encode = lambda *given: TextClassification.encode(task, *given)
    encoded(columns(), task, tokenizer)
    assert len(entries(own)) == made


def test_a_table_that_changes_as_it_is_read_is_not_kept(tokenizer, own):
    table = datasets.Dataset.from_dict(columns()).with_transform(
        lambda batch: {**batch, "text": [t[::-1] for t in batch["text"]]}
    )
    encoded(table, tokenizer=tokenizer)
    assert not entries(own)


def test_a_tokenizer_written_in_python(own, tmp_path):
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    def made(words: list[str]) -> Any:
        path = tmp_path / "vocab.txt"
        path.write_text("\n".join(words) + "\n", encoding="utf-8")
        return BertTokenizerLegacy(str(path), do_lower_case=False)

    first, _, _ = encoded(columns(), tokenizer=made(list(wordpiece())))
    again, said, _ = encoded(columns(), tokenizer=made(list(wordpiece())))
    assert said and again.digest == first.digest and len(entries(own)) == 1
    words = list(wordpiece())
    words[-1], words[-2] = words[-2], words[-1]
    assert not encoded(columns(), tokenizer=made(words))[1] and len(entries(own)) == 2


class Own(Family("bert").tokenizer().__class__):
    """Somebody's own class."""


def test_a_tokenizer_of_somebodys_own_class_is_not_kept(tokenizer, own):
    mine = copy.deepcopy(tokenizer)
    mine.__class__ = Own
    encoded(columns(), tokenizer=mine)
    assert not entries(own)


def others() -> dict[str, Any]:
    plain = columns()["text"]
    words = [text.split()[:9] for text in plain]
    return {
        "translation": ("t5", lambda: Translation(max_target_length=6), {"source": plain, "target": plain[::-1]}),
        "token-classification": ("bert", lambda: TokenClassification(labels=["O", "B-X", "I-X"]), {
            "tokens": words, "tags": [["B-X", *["O"] * (len(one) - 1)] for one in words]}),
        "text-generation": ("gpt2", lambda: TextGeneration(block_length=16), {"text": plain}),
        "fill-mask": ("bert", lambda: FillMask(mlm_probability=0.3), {"text": plain}),
        "prompts": ("gpt2", TextGeneration, {"prompt": plain, "completion": plain[::-1]}),
    }  # fmt: skip


@pytest.mark.parametrize("name", others())
def test_a_task_is_left_as_if_it_had_encoded(name, own):
    family, make, table = others()[name]
    tokenizer = Family(family).tokenizer()
    found, stores = [], []
    for way in ("fresh", "kept", "again"):
        task = make()
        said: list[str] = []
        rows, encoder = rows_of(table), Encoder(tokenizer, 20, token_types=family == "bert")
        store = encode_rows(rows, task, encoder) if way == "fresh" else encode_cached(rows, task, encoder, said.append)
        assert bool(said) is (way == "again") and task.tokenizer is tokenizer
        plain = {
            name: value for name, value in vars(task).items() if isinstance(value, str | int | float | list | None)
        }
        found.append((plain, rows.notes, task.told(), store.source is rows))
        stores.append(store)
        equal(store, stores[0])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(("platform", "expected"), [
    ("linux", "home/.cache/byeori/stores"), ("darwin", "home/Library/Caches/byeori/stores"),
    ("win32", "home/AppData/Local/byeori/stores"),
])  # fmt: skip
def test_where_it_lies(monkeypatch, tmp_path, platform, expected):
    monkeypatch.setattr(cache.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("BYEORI_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert cache.folder() == tmp_path / expected
    if platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache.folder() == tmp_path / "xdg" / "byeori" / "stores"
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "mine"))
    assert cache.folder() == tmp_path / "mine" / "stores"
