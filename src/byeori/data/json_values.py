"""JSON text → values, and where it is none: what stands there instead, in a person's words.

Invariant: an object in which a key stands twice is a `Twice`, so that whoever takes it for a row can refuse it (Python's own
reader keeps the last of the two and says nothing).

    loads(b'{"text": "hi"}') == {"text": "hi"}
"""

from __future__ import annotations

import json
import re
from typing import Any

from byeori.data.wording import short


class Twice(dict):
    """An object in which `key` stands twice."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = Twice(found)
    names = [key for key, _ in pairs]
    twice.key = next(key for key in names if names.count(key) > 1)
    return twice


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def loads(data: bytes | str) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError as `json.loads` does, and RecursionError."""
    return _DECODER.decode(data if isinstance(data, str) else data.decode("utf-8"))


_HALF = re.compile("[\ud800-\udfff]")


def half(value: Any, data: bytes) -> str | None:
    """Where in a value half a character stands (a lone surrogate, which no text can hold); None for nowhere.

    data: the text of the value, in which one can only stand as an escape.
    """
    if b"\\u" not in data or b"\\ud" not in data.lower():
        return None
    rest: list[tuple[str, Any]] = [("", value)]
    while rest:
        place, one = rest.pop()
        if isinstance(one, str):
            if _HALF.search(one):
                return place
        elif isinstance(one, dict):
            rest += [(f"{place}.{key}".lstrip("."), inner) for key, inner in one.items()]
            if any(_HALF.search(key) for key in one):
                return place
        elif isinstance(one, list):
            rest += [(f"{place}[{at}]", inner) for at, inner in enumerate(one)]
    return None


def sequence(data: bytes) -> list[Any] | None:
    """The values of a text of JSON values one behind the other, with or without line ends between; None for other texts."""
    text = data.decode("utf-8")
    found, at = [], 0
    space = re.compile(r"[\s\ufeff]*")
    while (at := space.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        found.append(value)
    return found


def reason(error: Exception) -> str:
    """Why a text is no JSON, in a few words."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "a number of too many digits" if "digits" in str(error) else short(error, 80)


def remedy(error: Exception) -> str:
    """What to do about it, by what stands where reading stopped."""
    if not isinstance(error, json.JSONDecodeError):
        return "Shorten the number, or write it as a text."
    rest, before = error.doc[error.pos :].lstrip(), error.doc[: error.pos].rstrip()
    if not rest or error.msg.startswith("Unterminated"):
        return "The file may be cut off: fetch or write it again."
    if rest[:1] in "]}" and before.endswith(",") or rest[:1] == "," and rest[1:].lstrip()[:1] in ("]", "}"):
        return "Remove the comma before the closing bracket."
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments: remove them."
    if rest.startswith("'"):
        return "JSON wants double quotes: write it with json.dumps."
    return "Fix the file there; it may also be cut off, or no JSON at all, whatever its name says."
