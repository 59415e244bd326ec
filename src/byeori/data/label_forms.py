"""The forms that label values are written in: objects, lists and objects as text, zeros and ones by name, spellings.

Nothing is guessed in silence: what was made of a column is a sentence for its notes.

    parsed(['["기쁨"]', '["슬픔", "분노"]']) == [["기쁨"], ["슬픔", "분노"]]
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from byeori.data.wording import listed, short

# The key of an object that names its class, the likeliest first.
INNER = ("label", "name", "class", "class_name", "category", "value", "라벨", "레이블", "이름", "명칭", "분류",
         "카테고리")  # fmt: skip
TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_MOST = 5000  # distinct values that are looked at one by one
_SIGNS = re.compile(r"[|;,]")


def inner_key(values: Iterable[Any]) -> tuple[str | None, list[str]]:
    """(the key of these objects that says the class, None where none does or several may; all their keys)."""
    keys = list(dict.fromkeys(str(key) for value in values if isinstance(value, Mapping) for key in value))
    if len(keys) == 1:
        return keys[0], keys
    folded = {key.strip().casefold(): key for key in keys}
    return next((folded[name] for name in INNER if name in folded), None), keys


def parsed(values: Sequence[Any]) -> list[Any] | None:
    """Objects or lists that stand in the values as text (JSON, or as Python prints them); None for any other column."""
    texts = {value: None for value in values if isinstance(value, str) and value.strip()}
    if not texts or any(not isinstance(value, str) and value is not None and value == value for value in values):
        return None
    if not all(text.strip()[0] + text.strip()[-1] in ("[]", "{}") for text in texts):
        return None
    found = {text: _literal(text.strip()) for text in texts}
    kinds = {dict if isinstance(value, Mapping) else type(value) for value in found.values()}
    if kinds not in ({dict}, {list}):
        return None
    return [found.get(value) if isinstance(value, str) else None for value in values]


def _literal(text: str) -> Any:
    if len(text) > 10_000:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # then as Python prints it
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def flags(values: Sequence[Any]) -> dict[str, list[Any]] | None:
    """Objects that say yes or no to each label (`{"욕설": 1, "비하": 0}`) as a column a label; None for any other objects."""
    full = [value for value in values if isinstance(value, Mapping) and value]
    keys = list(dict.fromkeys(key for value in full for key in value))
    if len(keys) < 2 or inner_key(full)[0] is not None:
        return None
    said = [one for value in full for one in value.values() if one is not None]
    if not said or not all(isinstance(one, (bool, int, float)) and one in (0, 1) for one in said):
        return None
    return {
        str(key): [None if not isinstance(value, Mapping) else value.get(key) or 0 for value in values] for key in keys
    }


def names_of(value: Sequence[Any], key: str) -> list[Any]:
    """A list of objects as the list of what each says under `key`."""
    return [one.get(key) if isinstance(one, Mapping) else one for one in value]


def same_but_for_spaces(written: Mapping[str, int]) -> str:
    """What is to be said of labels that differ from others by outer spaces only (label → rows); "" for nothing.

    They are joined: nobody means a class by a space, and one of a row or two could neither be learnt nor be split.
    """
    joined = [name for name in written if name != name.strip() and name.strip() in written]
    if not joined:
        return ""
    few = ", ".join(
        f'"{name}" ({written[name]:,}) is taken for "{name.strip()}" ({written[name.strip()]:,})' for name in joined[:3]
    )
    return few + (f" and {len(joined) - 3:,} more" if len(joined) > 3 else "")


def several_in_one(distinct: Sequence[Any]) -> str | None:
    """The hint for values such as "분노|혐오", whose parts are fewer than the values: several labels in one; else None."""
    if not 3 <= len(distinct) <= _MOST or not all(isinstance(value, str) for value in distinct):
        return None
    compound = [value for value in distinct if _SIGNS.search(value)]
    parts = {part.strip() for value in distinct for part in _SIGNS.split(value)}
    if not compound or "" in parts or len(parts) >= len(distinct):
        return None
    return (
        f'some labels look like several at once ("{short(compound[0])}"), and are taken as they stand: --problem-type multi_label '
        f"takes them apart"
    )


def of_several_types(column: Sequence[Any], kinds: Iterable[type]) -> tuple[list[Any], str] | None:
    """Truth values among zeros and ones as zeros and ones, with what is to be said; None for other mixtures."""
    known = set(kinds)
    if known - {bool, int, float} or bool not in known or any(v not in (0, 1) for v in column if v is not None):
        return None
    said = f"labels of several types ({listed(sorted(kind.__name__ for kind in known))}) read as 0 and 1"
    return [None if value is None else int(value) for value in column], said


def merged(counts: Counter[str]) -> set[str]:
    """Class names with spellings of one number or truth value as one class: "1.0" and "1", "TRUE" and "True"."""
    if len(counts) > 2 and {name.casefold() for name in counts} == {"true", "false"}:
        return {"False", "True"}
    try:
        numbers = {name: float(name) for name in counts}
    except ValueError:
        return set(counts)
    if all(number.is_integer() for number in numbers.values()) and any("." in name for name in counts):
        return {str(int(number)) for number in numbers.values()}
    return set(counts)


def truth(name: str, ids: Mapping[str, int]) -> int | None:
    """The id of a truth value in another spelling ("true", "1", "True"), where the two labels are truth values."""
    value = TRUTH.get(name.casefold())
    if value is None or len(ids) != 2:
        return None
    known = {TRUTH.get(one.casefold()): at for one, at in ids.items()}
    return known.get(value) if set(known) == {True, False} else None
