"""Label values → problem type, names and arrays."""

from __future__ import annotations

import numpy as np
import pytest

from byeori.data.labels import encode_labels, resolve_labels
from byeori.errors import DataError, SettingError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b"], ("single_label", ["a", "b"])),
        (["10", "9", "9", "10"], ("single_label", ["9", "10"])),
        (["none", "NA", "null", "none"], ("single_label", ["NA", "none", "null"])),
        (["1", "2   ", "2", "1"], ("single_label", ["1", "2"])),
        (["class 10", "class 2"] * 3, ("single_label", ["class 2", "class 10"])),
        ([1, 0, 1], ("single_label", ["0", "1"])),
        ([True, False], ("single_label", ["False", "True"])),
        ([1.0, 0.0, 1.0], ("single_label", ["0", "1"])),
        (["1.0", "0.0", "1.0"], ("single_label", ["0", "1"])),
        (["-1", "1", "0"], ("single_label", ["-1", "0", "1"])),
        (["4.900", "1.2", "3"], ("regression", None)),
        ([0.5, 1.5], ("regression", None)),
        ([float(i) for i in range(30)], ("regression", None)),
        ([["a", "b"], [], ["c"]], ("multi_label", ["a", "b", "c"])),
        ([[0, 1, 1], [0, 0, 0]], ("multi_label", ["label_0", "label_1", "label_2"])),
    ],
)
def test_what_values_say(values, expected):
    assert resolve_labels(values) == expected


def test_single_label_ids():
    ids = encode_labels(["b", "a ", "b"], "single_label", ["a", "b"])
    assert ids.dtype == np.int64
    assert ids.tolist() == [1, 0, 1]
    assert encode_labels(["1.0", "0", 1, True and "1"], "single_label", ["0", "1"]).tolist() == [1, 0, 1, 1]


def test_multi_label_rows():
    array = encode_labels([["c", "a"], [], "a|b", '["b"]'], "multi_label", ["a", "b", "c"])
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]]
    hot = [[0, 1], [1, 0]]
    assert encode_labels(hot, "multi_label", ["x", "y"]).tolist() == hot


def test_regression_numbers():
    array = encode_labels(["4.900", "1", 2], "regression", None)
    assert array.dtype == np.float32
    assert array.tolist() == pytest.approx([4.9, 1.0, 2.0])


def where(i):
    return f"nsmc.tsv, row {i + 1}"


@pytest.mark.parametrize(
    ("values", "kind", "what"),
    [
        (["a", "a"], None, 'one class only \\("a"'),
        ([f"a long text number {i}" for i in range(20)], None, "looks like text.*--label"),
        ([str(i) for i in range(20)], None, "looks like numbers.*--problem-type regression"),
        (["a", "", "b"], None, "nsmc.tsv, row 2: the label is empty"),
        (["a", None, "b"], None, "row 2: the label is empty"),
        ([0.5, float("inf")], None, "row 2: the label is inf, not a finite number"),
        (["1.5", "two"], "regression", 'row 2: the label "two" is not a number'),
        ([[], []], None, "no label in any"),
        ([], None, "no rows"),
    ],
)
def test_labels_that_cannot_be_used(values, kind, what):
    with pytest.raises(DataError, match=what):
        resolve_labels(values, kind, where=where)


def test_labels_that_training_lacks():
    with pytest.raises(DataError, match=r'nsmc.tsv, row 2: the labels "c" and "d" \(3 of 4 rows\) are not among'):
        encode_labels(["a", "c", "d", "c"], "single_label", ["a", "b"], where)
    with pytest.raises(DataError, match='the label "z"'):
        encode_labels([["a"], ["z"]], "multi_label", ["a", "b"], where)


def test_unknown_problem_type():
    with pytest.raises(SettingError, match="--problem-type"):
        resolve_labels(["a", "b"], "multilabel")


def test_an_order_given_is_kept():
    assert resolve_labels(["a", "b"], names=["b", "a"]) == ("single_label", ["b", "a"])
    with pytest.raises(DataError, match='"c"'):
        resolve_labels(["a", "c"], names=["b", "a"])
