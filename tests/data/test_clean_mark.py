"""What `byeori.read` cleaned goes with the data set, and from there with the model; nothing is cleaned twice."""

from __future__ import annotations

import datasets
import pytest

import byeori
from byeori.data import clean_mark
from byeori.data.cleaning import Cleaner
from byeori.data.read import read_rows
from byeori.errors import SettingError
from byeori.settings import Train
from byeori.tasks import TextClassification
from byeori.train.parts import read_parts

ROWS = [
    {"text": f" &amp;lt; {word} ", "label": str(at % 2)} for at, word in enumerate(("빵", "우유", "a", "b", "c", "d"))
]
CLEAN = [f"&lt; {row['text'].split()[1]}" for row in ROWS]  # html once, then spaces


def no_bars(text):
    return text.replace("|", "")


def parts_of(train, **values):
    task = TextClassification()
    given = {"validation_size": 0, "test_size": 0, "normalize": "none", **values}
    return read_parts(Train(train=train, **given), task)["train"], task


@pytest.mark.parametrize(
    "change",
    [
        lambda rows, folder: rows,
        lambda rows, folder: rows.map(lambda row: {"n": 1}).filter(lambda row: True).shuffle(seed=0).sort("text"),
        lambda rows, folder: rows.train_test_split(0.5, seed=0)["train"],
        lambda rows, folder: datasets.DatasetDict(train=rows),
        lambda rows, folder: rows.save_to_disk(folder / "saved") or str(folder / "saved"),
        lambda rows, folder: datasets.DatasetDict(train=rows).save_to_disk(folder / "dict") or str(folder / "dict"),
    ],
    ids=["as read", "changed", "split", "dict", "saved", "saved dict"],
)
def test_a_training_on_rows_that_were_read_clean_knows(change, tmp_path):
    rows = change(byeori.read(ROWS, clean="html,spaces"), tmp_path)
    for asked in ({}, {"clean": "spaces,html"}):
        found, task = parts_of(rows, **asked)
        assert set(found.table["text"][:]) <= set(CLEAN)
        assert task.cleaning == Cleaner(("html", "spaces"))
    with pytest.raises(SettingError, match="cleaned already, and in another way"):
        parts_of(rows, clean="lower")
    predicted = read_rows(rows, roles=("text",), required=("text",))
    assert predicted.cleaner == Cleaner(("html", "spaces"))  # a prediction cleans no rows that have one


def test_rows_that_nobody_cleaned_say_nothing():
    rows = byeori.read(ROWS)
    assert clean_mark.of(rows) is None and not rows.info.description
    found, task = parts_of(rows, clean="html,spaces")
    assert found.table["text"][:] == CLEAN and task.cleaning == Cleaner(("html", "spaces"))


def test_a_form_comes_on_top():
    rows = byeori.read(ROWS, clean="html", normalize="nfc")
    assert parts_of(rows)[1].cleaning == Cleaner(("html",), None, "nfc")
    assert parts_of(rows, normalize="nfkc")[1].cleaning == Cleaner(("html",), None, "nfkc")
    assert parts_of(byeori.read(ROWS, normalize="auto"), clean="html")[1].cleaning == Cleaner(("html",), None, "nfc")
    wide = byeori.read([{"text": f"Ａ{at}", "label": str(at % 2)} for at in range(4)], normalize="nfkc")
    with pytest.raises(SettingError, match="became NFKC when they were read, which NFC can't take back"):
        parts_of(wide, normalize="nfc")


def test_rows_in_memory_get_the_form_that_is_asked():
    """They were returned as they were: cleaned by the same steps, but in no Unicode form."""
    rows = read_rows(
        [{"text": " Ａ ", "label": "x"}, {"text": "b", "label": "y"}], Train(clean="spaces", normalize="none")
    )
    found, task = parts_of(rows, clean="spaces", normalize="nfkc")
    assert found.table["text"][:] == ["A", "b"] and task.cleaning == Cleaner(("spaces",), None, "nfkc")


def test_an_own_function_is_asked_for_again():
    rows = byeori.read([{"text": f"|{row['text']}", "label": row["label"]} for row in ROWS], clean_function=no_bars)
    with pytest.raises(SettingError, match=r"cleaned by an own function, test_clean_mark.py:no_bars, .* Give the same"):
        parts_of(rows)
    assert parts_of(rows, clean_function=no_bars)[1].cleaning == Cleaner(function=no_bars)


def test_columns_that_were_not_cleaned_are():
    rows = byeori.read([{**row, "other": row["text"]} for row in ROWS], clean="html,spaces", text="text", label="label")
    found, task = parts_of(rows, text="other", clean="spaces")
    assert found.table["text"][:] == [row["text"].strip() for row in ROWS] and task.cleaning == Cleaner(("spaces",))
    with pytest.raises(SettingError, match='"text" was cleaned when byeori.read read them, and "other" not'):
        parts_of(rows, text="text", text_pair="other")
