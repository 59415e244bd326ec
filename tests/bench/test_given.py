"""The rows of a benchmark: as many as asked, every class in training, laid down and loaded the same, too few refused."""

from __future__ import annotations

import pytest

from byeori import settings
from byeori.bench import given
from byeori.data.read import read_rows
from byeori.errors import DataError
from byeori.tasks import TextClassification


def table(rows: int, classes: int = 3) -> list[dict[str, str]]:
    return [{"text": f"text {place}", "label": f"class {place % classes}"} for place in range(rows)]


def parts(train: list, rows=None, test_rows: int = 20, test=None, seed: int = 0) -> dict:
    values = {"train": train, "test": test, "validation_size": 0, "test_size": 0, "seed": seed}
    (asked,) = settings.read(values, settings.Train)
    return given.parts_of(asked, TextClassification(), rows, test_rows)


@pytest.mark.parametrize("count, rows, test_rows, wanted", [
    (300, 100, 50, (100, 50)),
    (300, "all", 50, (250, 50)),
    (300, None, 50, (250, 50)),
    (60, 100, 50, (48, 12)),
    (40, 100, 50, (32, 8)),
])  # fmt: skip
def test_as_many_rows_as_asked_and_there_are(count, rows, test_rows, wanted):
    found = parts(table(count), rows, test_rows)
    assert (len(found["train"]), len(found["test"])) == wanted
    assert not set(found["train"].table["text"][:]) & set(found["test"].table["text"][:])
    assert set(found["train"].table["label"][:]) == {"class 0", "class 1", "class 2"}


def test_drawing_is_a_function_of_the_seed():
    first, again, other = (parts(table(300), 100, seed=seed) for seed in (0, 0, 1))
    texts = [(one["train"].table["text"][:], one["test"].table["text"][:]) for one in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]


def test_rows_of_its_own_are_scored_on_where_there_are_some():
    found = parts(table(100), "all", 20, test=[{"text": f"other {n}", "label": "class 0"} for n in range(30)])
    assert len(found["train"]) == 100 and len(found["test"]) == 20
    assert all(text.startswith("other") for text in found["test"].table["text"][:])


def test_too_few_rows_are_refused_with_how_many_it_takes():
    with pytest.raises(DataError, match="39 rows; a benchmark needs 40, 32 to train on and 8 to score on"):
        parts(table(39))
    with pytest.raises(DataError, match="31 rows; a benchmark needs 32, 32 to train on. Give more"):
        parts(table(31), test=table(9))
    with pytest.raises(DataError, match="3 rows; 8 are needed to score on"):
        parts(table(40), test=table(3))
    with pytest.raises(DataError, match="few.txt: 1 row; a benchmark needs 8"):
        given.enough(read_rows([{"text": "one"}]), "predict", "few.txt")


def test_rows_come_back_as_they_were_laid(tmp_path):
    rows = read_rows(
        [{"text": "좋아요", "text_pair": "b", "label": "1"}, {"text": "c\u2028d", "text_pair": "e", "label": "0"}]
    )
    given.lay(tmp_path, "train", rows)
    found = given.load(tmp_path, "train")
    assert found.table[:] == rows.table[:] and found.columns == rows.columns and found.label_names == rows.label_names
    assert given.digest(found) == given.digest(rows) != given.digest(rows.select([1, 0]))
    given.lines(rows, tmp_path / "rows.jsonl")
    assert given.read_lines(tmp_path / "rows.jsonl") == list(rows.table)


def test_some_rows_stay_in_their_order():
    rows = read_rows(table(50))
    found = given.drawn(rows, 10, seed=3)
    places = [int(text.split()[1]) for text in found.table["text"][:]]
    assert len(places) == 10 and places == sorted(places)
    assert given.drawn(rows, "all", 3) is rows and len(given.drawn(rows, 99, 3)) == 50
