"""JSON in the shapes people have: rows inside are found or asked for, never one row in silence."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas
import pytest

from byeori.data.read import read_rows
from byeori.errors import DataError

ROWS = [{"text": f"글 번호 {i}", "label": i % 2} for i in range(6)]
TEXTS = [row["text"] for row in ROWS]
COLUMNS = {"text": TEXTS, "label": [0, 1] * 3}
FRAME = pandas.DataFrame(ROWS)


def read(tmp_path, value, **settings):
    path = tmp_path / "a.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return read_rows(path, SimpleNamespace(**settings))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"version": "1", "data": ROWS}, "data"),
        ({"result": {"items": ROWS, "page": 1}, "status": "ok"}, "result.items"),
        ({"a": {"b": {"c": {"rows": ROWS}}}, "n": 3}, "a.b.c.rows"),
        ({"version": "1", "data": COLUMNS}, "data"),
        ({"meta": {"tags": ["x"], "n": 1}, "rows": ROWS}, "rows"),
    ],
)
def test_rows_inside_are_found_and_said(tmp_path, value, field):
    rows = read(tmp_path, value)
    assert rows.table[:] == COLUMNS
    assert any(f'the rows are in the field "{field}"' in note for note in rows.notes)
    assert read(tmp_path, value, field=field).table[:] == COLUMNS


@pytest.mark.parametrize("orient", ["records", "columns", "split", "index", "table"])
def test_what_pandas_writes(tmp_path, orient):
    assert read(tmp_path, FRAME.to_json(orient=orient, force_ascii=False)).table[:] == COLUMNS


@pytest.mark.parametrize(
    "value",
    [
        {"train": ROWS, "rest": ROWS[:2]},
        {"result": {"one": ROWS, "two": ROWS[:2]}, "status": "ok"},
        {"a": {"rows": ROWS}, "b": {"rows": ROWS}},
    ],
)
def test_several_places_are_asked_about(tmp_path, value):
    with pytest.raises(DataError, match="each hold a list of objects. Name one with --field, for example --field"):
        read(tmp_path, value)


def test_a_field_through_lists_and_dots(tmp_path):
    value = [{"page": 1, "rows": ROWS[:4]}, {"page": 2, "rows": ROWS[4:]}]
    assert read(tmp_path, value, field="rows").table[:] == COLUMNS
    assert read(tmp_path, {"my.rows": ROWS, "x": ROWS}, field="my.rows").table[:] == COLUMNS
    with pytest.raises(
        DataError, match=r'no field "row" \(--field row\). The fields are "page" and "rows". Did you mean "rows"'
    ):
        read(tmp_path, value, field="row")
    with pytest.raises(DataError, match='The columns are "page" and "rows"|The only column'):
        read(tmp_path, value)


def test_objects_by_key_and_columns_of_objects(tmp_path):
    rows = read(tmp_path, {f"id-{i}": row for i, row in enumerate(ROWS)})
    assert rows.table[:] == COLUMNS
    assert any("one object a row, by its key" in note for note in rows.notes)
    value = {"text": TEXTS, "label": [0, 1] * 3, "more": [{"n": i} for i in range(6)]}
    assert read(tmp_path, value).table[:] == COLUMNS


def test_one_object_is_one_row_and_said(tmp_path):
    rows = read(tmp_path, {"text": "하나", "label": 1})
    assert len(rows) == 1
    assert any("one JSON object, taken as one row" in note for note in rows.notes)
    with pytest.raises(DataError, match="no list of rows was found .*--field"):
        read(tmp_path, {"meta": {"a": 1}, "text": "x"})


def test_deep_and_wide_objects_end(tmp_path):
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(DataError, match="nested too deeply|not JSON"):
        read(tmp_path, deep)
    wide = {f"k{i}": {f"x{j}": {} for j in range(100)} for i in range(2_000)}
    with pytest.raises(DataError, match="no list of rows"):
        read(tmp_path, wide)


def test_lists_that_lie_deeper_are_said(tmp_path):
    """The highest are the rows; what else could be rows is named."""
    path = tmp_path / "a.json"
    rows = [{"text": f"film {i}", "label": i % 2} for i in range(4)]
    path.write_text(json.dumps({"rows": rows, "more": {"rows": rows, "old": {"rows": rows}}, "by": {"name": "a"}}))
    read = read_rows(str(path))
    assert len(read) == 4
    assert 'a.json: the rows are in the field "rows", not those in "more.rows" (--field).' in read.notes


def test_rows_of_a_list_that_are_none_are_left_out_or_kept_in_place(tmp_path):
    whole = [{"text": "fine", "label": "a"}, 5, {"text": "bad", "label": "b"}, None]
    with pytest.raises(DataError, match="a.json, row 2: a int, where the first row is a dict"):
        read(tmp_path, whole)
    rows = read(tmp_path, whole, skip_bad_rows=True)
    assert rows.table["text"][:] == ["fine", "bad"] and rows.origin.row_of.tolist() == [1, 3]
    assert rows.origin.files[0].rows == 4 and rows.origin.files[0].format == "json"
    assert any("2 of 4" in note or "2 rows" in note for note in rows.notes), rows.notes
    kept = read_rows(tmp_path / "a.json", SimpleNamespace(), on_bad="keep")
    assert len(kept) == 4 and sorted(kept.errors) == [1, 3]


def test_the_text_of_an_object_is_never_its_label():
    rows = [{"id": i, "content": {"label": "neg", "text": f"film {i}"}} for i in range(4)]
    assert read_rows(rows).table["text"][:] == [f"film {i}" for i in range(4)]
