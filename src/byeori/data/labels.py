"""Label column → problem type, label names, and the arrays a model learns from.

What a label column is follows from its values: strings and whole numbers are classes, numbers with fractions a
regression, lists (or several columns) multi-label. `none`, `NA` and the like are class names like any other.

    resolve_labels(["neg", "pos", "neg"]) == ("single_label", ["neg", "pos"])
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from byeori.data.label_forms import merged, truth
from byeori.data.wording import listed, short
from byeori.errors import DataError, SettingError

PROBLEM_TYPES = ("single_label", "multi_label", "regression")
_MOST_CLASSES = 1000
_DIGITS = re.compile(r"(\d+)")

Where = Callable[[int], str]


def _row(i: int) -> str:
    return f"row {i + 1}"


def natural(name: str) -> tuple[Any, ...]:
    """Sort key: numbers by value and before words, digits inside words by value ("class 2" before "class 10")."""
    try:
        number = float(name)
        if math.isfinite(number):
            return (0, number, name)
    except ValueError:
        pass
    parts = _DIGITS.split(name.casefold())
    return (1, tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts), name)


def label_name(value: Any) -> str:
    """The name of a class value: text without outer spaces; 1, 1.0 and True as they are written in Python's `str`."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def as_list(value: Any) -> list[str]:
    """The label names in one multi-label value: a list, a JSON list in text, or text cut at `|`, `;` or `,`."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                return [label_name(v) for v in json.loads(text)]
            except ValueError:
                text = text[1:-1]
        return [part.strip().strip("'\"") for part in re.split(r"[|;,]", text) if part.strip()]
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [label_name(v) for v in value]
    return [label_name(value)]


def resolve_labels(
    values: Sequence[Any], problem_type: str | None = None, names: Sequence[str] | None = None, where: Where = _row
) -> tuple[str, list[str] | None]:
    """Problem type and label names of a training column.

    values: (n,) strings, ints, floats, bools, or lists (multi-label). names: the order to keep, where it is known.
    Returns ("single_label" | "multi_label", names) or ("regression", None); names are in natural order.
    Raises DataError for empty labels, a single class, and a column that looks like text; `where(i)` names row i.
    """
    if problem_type is not None and problem_type not in PROBLEM_TYPES:
        raise SettingError(f'--problem-type: "{problem_type}" is none of {listed(PROBLEM_TYPES, "or")}.')
    values = values if isinstance(values, list) else list(values)
    if not values:
        raise DataError("There are no rows to learn labels from.")
    if problem_type not in (None, "multi_label"):
        values = _alone(values, where)
    kind = problem_type or _problem_type(values)
    if kind != "multi_label":
        _refuse_empty(values, where)
    if kind == "regression":
        encode_labels(values, kind, None, where)
        return kind, None
    if kind == "multi_label":
        hot = _multi_hot(values)
        if hot:
            seen = [f"label_{i}" for i in range(hot)]
            return kind, list(names) if names is not None and len(names) == hot else seen
        counts = Counter(name for value in values for name in as_list(value))
        if not counts:
            raise DataError(
                f"The label column holds no label in any of {len(values):,} rows ({where(0)} is the first)."
            )
    else:
        counts = Counter(map(label_name, values))
        if problem_type is None:
            _refuse_text(counts, values, where)
    if names is not None:
        missing = [name for name in sorted(counts, key=natural) if name not in set(names)]
        if missing:
            raise DataError(f"The labels {listed(missing)} are not among those given ({listed(names)}).")
        counts = Counter(dict.fromkeys(names, 1))
    found = list(names) if names is not None else sorted(merged(counts), key=natural)
    if len(found) < 2 and kind == "single_label":
        name = where(0).rpartition(", row ")[0]
        raise DataError(
            f"{name + ': the' if name else 'The'} label column holds one class only ({listed(found)} in all {len(values):,} rows): "
            f"there is nothing to learn. Name another column with --label, or add rows of another class."
        )
    return kind, found


def masked(values: Sequence[Any], known: Sequence[Any]) -> bool:
    """Whether labels are −1 in every row and in none of the `known` ones: how GLUE and others hide those of their test rows."""
    return bool(len(values)) and all(map(_is_mask, values)) and not any(map(_is_mask, known))


def refuse_masked(rows: Any, problem_type: str | None, where: Where = _row) -> None:
    """Numbers to be judged by (column `label`) that are −1 in every row: no answers, though a score would come out. Raises DataError."""
    values = rows["label"][:] if problem_type == "regression" else ()
    if len(values) > 1 and masked(values, ()):
        raise DataError(
            f"{where(0)}: the label is −1 in every one of {len(values):,} rows, which is how hidden answers are marked: there is "
            f"nothing to score. Predict these rows, or name others."
        )


def _is_mask(value: Any) -> bool:
    return value == -1 or isinstance(value, str) and value.strip() in ("-1", "-1.0")


def _alone(values: list[Any], where: Where) -> list[Any]:
    """Lists of one label each as that label: for classes of which each row has one."""
    lists = [i for i, value in enumerate(values) if isinstance(value, (list, tuple))]
    if not lists:
        return values
    wrong = [i for i in lists if len(values[i]) != 1]
    if wrong:
        raise DataError(
            f"{where(wrong[0])}: the label is a list of {len(values[wrong[0]])} ({len(wrong):,} rows have other than one label), and "
            f"one label a row is wanted. Say --problem-type multi_label, or give each row one label."
        )
    return [value[0] if isinstance(value, (list, tuple)) else value for value in values]


def _problem_type(values: Sequence[Any]) -> str:
    if any(isinstance(value, (list, tuple, set, np.ndarray)) for value in values):
        return "multi_label"
    numbers = _numbers(values)
    if numbers is None:
        return "single_label"
    finite = numbers[np.isfinite(numbers)]
    if len(finite) < len(numbers):
        return "regression"  # whose encoding names the row
    if (finite % 1 != 0).any():
        return "regression"
    floats = any(isinstance(v, float) or isinstance(v, str) and "." in v for v in values)
    return "regression" if floats and len(np.unique(finite)) > 20 else "single_label"


def _numbers(values: Sequence[Any]) -> np.ndarray | None:
    """float64 (n,), or None where some value is no number. `nan`, `inf` written as text are words, not numbers."""
    numbers = []
    for value in values:
        if isinstance(value, (bool, np.bool_)):
            return None
        if isinstance(value, str):
            text = value.strip()
            if not text or text[-1] not in "0123456789.":
                return None
            try:
                numbers.append(float(text))
            except ValueError:
                return None
        elif isinstance(value, (int, float, np.integer, np.floating)):
            numbers.append(float(value))
        else:
            return None
    return np.asarray(numbers, np.float64)


def _refuse_empty(values: Sequence[Any], where: Where) -> None:
    empty = [i for i, v in enumerate(values) if v is None or v != v or isinstance(v, str) and not v.strip()]
    if empty:
        more = f" ({len(empty):,} rows are like this)" if len(empty) > 1 else ""
        raise DataError(
            f"{where(empty[0])}: the label is empty{more}. Drop such rows with --drop-empty-labels, or fix the file."
        )


def _refuse_text(counts: Counter[str], values: Sequence[Any], where: Where) -> None:
    distinct, rows = len(counts), len(values)
    spaced = sum(" " in name for name in counts)
    numeric = all(not isinstance(value, str) for value in values[:100])
    if (distinct > rows / 2 and rows >= 10) or (distinct > _MOST_CLASSES and spaced > distinct / 2):
        kind, hint = (
            "text",
            "Name another column with --label, or say --problem-type single_label if these are classes.",
        )
        if numeric or _numbers(values) is not None:
            kind, hint = (
                "numbers",
                "If they are to be predicted say --problem-type regression, else name another column with --label.",
            )
        raise DataError(
            f"{where(0)}: the label column looks like {kind}, not like classes: {distinct:,} different values in "
            f'{rows:,} rows, for example "{short(next(iter(counts)))}". {hint}'
        )


def _multi_hot(values: Sequence[Any], size: int | None = None) -> int:
    """The length of 0/1 vectors, or 0 where the values are lists of labels.

    [0, 1] could be two class ids: unless `size` says what length is expected, some row must repeat a value.
    """
    lengths = {len(v) if isinstance(v, (list, tuple, np.ndarray)) else -1 for v in values}
    if len(lengths) != 1 or (found := lengths.pop()) < 2 or (size is not None and found != size):
        return 0
    flat = {v if isinstance(v, (int, float, bool, np.number)) else None for value in values for v in value}
    if not flat <= {0, 1}:
        return 0
    return found if size is not None or any(len(set(map(float, v))) < found for v in values) else 0


def encode_labels(
    values: Sequence[Any], problem_type: str, names: Sequence[str] | None, where: Where = _row
) -> np.ndarray:
    """Labels as a model takes them: int64 (n,) class ids, float32 (n, L) zeros and ones, or float32 (n,) numbers.

    Raises DataError for labels that `names` lacks (the labels, their rows and the first of them) and for values
    that are not finite numbers in a regression.
    """
    values = values if isinstance(values, list) else list(values)
    if problem_type != "multi_label":
        values = _alone(values, where)
    if problem_type == "regression":
        return _encode_numbers(values, where)
    if names is None:
        raise SettingError(f"Label names are needed to encode {problem_type} labels.")
    ids = {name: i for i, name in enumerate(names)}
    unknown: Counter[str] = Counter()
    first: int | None = None
    array: np.ndarray
    if problem_type == "multi_label":
        if not {"0", "1"} & set(names) and _multi_hot(values, len(names)):
            return np.asarray([list(map(float, v)) for v in values], np.float32)
        array = np.zeros((len(values), len(names)), np.float32)
        for i, value in enumerate(values):
            for name in as_list(value):
                at = _id(name, ids)
                if at is None:
                    unknown[name] += 1
                    first = i if first is None else first
                else:
                    array[i, at] = 1
    else:
        _refuse_empty(values, where)
        array = np.zeros(len(values), np.int64)
        for i, value in enumerate(values):
            name = label_name(value)
            at = _id(name, ids)
            if at is None:
                unknown[name] += 1
                first = i if first is None else first
            else:
                array[i] = at
    if unknown and first is not None:
        strange: list[str] = sorted(unknown, key=natural)
        raise DataError(
            f"{where(first)}: the {'label' if len(unknown) == 1 else 'labels'} {listed(strange)} "
            f"({sum(unknown.values()):,} of {len(values):,} rows) {'is' if len(unknown) == 1 else 'are'} not "
            f"among the labels "
            f"of the training data ({listed(names)}). Correct them, or add training rows of that class."
        )
    return array


def _id(name: str, ids: dict[str, int]) -> int | None:
    at = ids.get(name)
    if at is None and name[-2:] == ".0":  # "1.0" where training said "1"
        at = ids.get(name[:-2])
    if at is None and name and name[-1] in "0123456789.":
        try:
            number = float(name)
        except ValueError:
            return None
        at = ids.get(str(int(number))) if number.is_integer() else None
    return truth(name, ids) if at is None else at


def _encode_numbers(values: Sequence[Any], where: Where) -> np.ndarray:
    _refuse_empty(values, where)
    array = np.zeros(len(values), np.float64)
    for i, value in enumerate(values):
        try:
            array[i] = float(value.strip() if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise DataError(
                f'{where(i)}: the label "{short(value)}" is not a number, and this is a regression. '
                "Fix the row, or say --problem-type single_label if these are classes."
            ) from None
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise DataError(
            f"{where(int(wrong[0]))}: the label is {values[int(wrong[0])]}, not a finite number "
            f"({len(wrong):,} of {len(values):,} rows). Drop such rows, or fix the file."
        )
    return array.astype(np.float32)
