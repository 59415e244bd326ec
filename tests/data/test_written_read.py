"""What was written is what is read: the same rows in the same order under the same numbers, whatever the texts hold."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from broken.good import parquet
from byeori.data.delimited import separator_for
from byeori.data.names import header_names
from byeori.data.read import ROLES, read_rows
from byeori.data.wish import wanted
from byeori.tasks import find

MANY = settings(
    max_examples=60, deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=list(HealthCheck)
)
# Letters of several scripts, and every sign that has a meaning in some format.
SIGNS = "가나다힣abcÉ漢あ😀,;|\t\n\r\"'\\ .:{}[]#=<>&\u2028\x85\x0b\x0c\x1f\x7f\u200b\xa0\u3000"
WORDS = (
    "NA",
    "null",
    "none",
    "nan",
    "true",
    "1",
    "-1.0",
    "1e5",
    '"',
    '""',
    "'",
    "text",
    "label",
    " NA ",
    "2026-03-01",
    "=1+1",
    "#",
)


def texts(without: str = "", signs: str = SIGNS) -> st.SearchStrategy[str]:
    """Texts that are not blank, of anything but half characters and the characters `without`."""
    few = st.text(st.sampled_from([c for c in signs if c not in without]), min_size=1, max_size=12)
    any_ = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters=without + "\0\ufeff"), min_size=1, max_size=20
    )
    words = st.sampled_from([word for word in WORDS if not set(word) & set(without)])
    return st.one_of(few, any_, words).filter(lambda text: bool(text.strip()))


LABELS = st.sampled_from(["good", "bad", "NA", "null", "none", "긍정", "a b", "0", "1"])


def rows(without: str = "") -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(texts(without), LABELS), min_size=1, max_size=12)


@contextmanager
def written(name: str, content: str | bytes) -> Iterator[Path]:
    """A file of its own an example; line ends as they are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        yield path


def same(path: Path, pairs: Sequence[tuple[str, Any]], **asked: Any) -> None:
    found = read_rows(path, SimpleNamespace(**asked), required=("text", "label"))
    assert list(found.table["text"]) == [text for text, _ in pairs]
    assert list(found.table["label"]) == [label for _, label in pairs]
    assert found.origin.row_of.tolist() == list(range(1, len(pairs) + 1))
    assert found.origin.files[0].rows == len(pairs)


def as_csv(pairs: Sequence[tuple[str, str]], **dialect: Any) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, **dialect).writerows([("text", "label"), *pairs])
    return sink.getvalue()


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("separator", [",", ";", "|"], ids=["comma", "semicolon", "pipe"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL], ids=["minimal", "all"])
@MANY
@given(pairs=rows())
@example(pairs=[("a\r b", "good")])
@example(pairs=[("a,\nb", "good"), ("a;\nb", "bad"), ("a|\nb", "bad")])
@example(pairs=[('"', "good"), ('""', "bad"), ('a"b', "good")])
@example(pairs=[(" outer ", "good"), ("text", "bad")])
def test_csv(pairs: list[tuple[str, str]], separator: str, quoting: int, ends: str) -> None:
    content = as_csv(pairs, delimiter=separator, quoting=quoting, lineterminator=ends)
    with written("a.csv", content) as path:
        same(path, pairs)


@MANY
@given(pairs=rows(without="\t\n\r"))
def test_tsv_without_quotes(pairs: list[tuple[str, str]]) -> None:
    """Quotes are text there, wherever they stand; nothing is escaped."""
    with written("a.tsv", "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in pairs)) as path:
        same(path, pairs)


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@MANY
@given(pairs=rows(), ascii_=st.booleans(), ends=st.sampled_from(["\n", "\r\n", "\n\n"]))
@example(pairs=[("a\0b", "good"), ("\ufeffa", "bad")], ascii_=False, ends="\n")
def test_jsonl(pairs: list[tuple[str, str]], ascii_: bool, ends: str, suffix: str) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_) for text, label in pairs]
    with written(f"a{suffix}", ends.join(lines) + ends) as path:
        same(path, pairs)


@MANY
@given(pairs=rows(), indent=st.sampled_from([None, 0, 2]), columns=st.booleans())
def test_json(pairs: list[tuple[str, str]], indent: int | None, columns: bool) -> None:
    value: Any = [{"text": text, "label": label} for text, label in pairs]
    if columns:
        value = {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}
    with written("a.json", json.dumps(value, ensure_ascii=False, indent=indent)) as path:
        same(path, pairs)


@MANY
@given(pairs=rows(), size=st.integers(1, 5), coded=st.booleans())
@example(pairs=[("a\0b", "good"), ("\ufeffa", "bad")], size=1, coded=True)
def test_parquet(pairs: list[tuple[str, str]], size: int, coded: bool) -> None:
    columns = {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}
    with written("a.parquet", parquet(columns, row_group_size=size, use_dictionary=coded)) as path:
        same(path, pairs)


@MANY
@given(lines=st.lists(texts("\n\r"), min_size=1, max_size=12))
def test_text(lines: list[str]) -> None:
    """Of what does not look like a table or like JSON."""
    content = "".join(line + "\n" for line in lines)
    assume(separator_for(content.encode(), ".txt", None, header_names(ROLES)) is None)
    assume(content.lstrip()[:1] not in ("{", "[", "<"))
    with written("a.txt", content) as path:
        found = read_rows(path)
        assert list(found.table["text"]) == lines
        assert found.origin.row_of.tolist() == list(range(1, len(lines) + 1))


TAGS = st.sampled_from(["O", "B-LOC", "I-LOC", "B-PER"])
# A token that begins with # and a space can't be told from KLUE's comment lines, which have tabs too.
WORD = texts("\t\n\r").filter(lambda word: word == word.strip() and word != "-DOCSTART-" and not re.match("#+ ", word))


@MANY
@given(
    sentences=st.lists(st.lists(st.tuples(WORD, TAGS), min_size=1, max_size=6), min_size=1, max_size=6),
    ended=st.booleans(),
)
def test_conll(sentences: list[list[tuple[str, str]]], ended: bool) -> None:
    content = "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in sentences)
    with written("a.conll", content + "\n" * ended) as path:
        found = read_rows(path, **wanted(find("token-classification")(), labels=True))
        assert list(found.table["tokens"]) == [[word for word, _ in sentence] for sentence in sentences]
        assert list(found.table["tags"]) == [[tag for _, tag in sentence] for sentence in sentences]
        assert found.origin.row_of.tolist() == list(range(1, len(sentences) + 1))
