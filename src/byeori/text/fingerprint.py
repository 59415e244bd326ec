"""What a token store is made of, as a hash: the rows' own content, the tokenizer, what the task knows, how texts are cut.

Invariants: two of the same fingerprint give the same store, notes included; whatever can't be seen to the bottom has none
(a task or tokenizer with code of its own that comes before the ids, a data set that is changed as it is read).

    fingerprint(rows, task, encoder)      # 32 hexadecimal digits, or None
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 10_000  # of a table hashed at once
DEEP = 12  # levels of a value that are looked into
PLAIN = (type(None), bool, int, float, str, bytes)
# What somebody's own task may do in its own way: it comes after the ids. Of anything else, what it calls can't be seen.
AFTER = {
    "aliases", "baseline", "best", "decode", "gather", "generate", "given_back", "judging", "loss", "losses",
    "lower_is_better", "name", "named", "of_class", "outputs", "predictions", "references", "respond", "right_answer",
    "score", "show", "summary", "tune",
}  # fmt: skip
# What a tokenizer was called and where it lay, and what it said; not what it does.
_BESIDE = {
    "name_or_path",
    "vocab_file",
    "merges_file",
    "tokenizer_file",
    "deprecation_warnings",
    "verbose",
    "_auto_class",
}
_INSIDE = {"vocab", "merges", "tokenizer_object"}  # hashed with its files


class Unseen(Exception):
    """A value that can't be hashed for what it is."""


def fingerprint(rows: Any, task: Any, encoder: Any) -> str | None:
    """Of what `encode_rows(rows, task, encoder)` gives; None where that can't be told."""
    found = hashlib.blake2b(digest_size=16)
    try:
        _feed(found, versions())
        _feed(found, [*_code(type(task)), *_code(type(encoder))])
        _feed(found, {name: value for name, value in vars(encoder).items() if not name.startswith("_")}, encoder)
        _feed_tokenizer(found, encoder.tokenizer)
        _feed_task(found, task, encoder)
        _feed_table(found, rows.table)
    except Unseen:
        return None
    return found.hexdigest()


def plain_state(task: Any) -> dict[str, Any]:
    """Those of a task's attributes that JSON gives back as they are."""
    return {name: value for name, value in vars(task).items() if _is_json(value)}


def other_state(task: Any, encoder: Any) -> str | None:
    """A hash of its other attributes; None where one can't be seen to the bottom."""
    found = hashlib.blake2b(digest_size=16)
    try:
        _feed_task(found, task, encoder, beside=frozenset(plain_state(task)))
    except Unseen:
        return None
    return found.hexdigest()


# parts --------------------------------------------------------------------------------------------------------------
def _feed_table(found: Any, table: Any) -> None:
    """Names, types and values of all columns, in the order of the rows."""
    import pyarrow as pa

    if table.format["type"] is not None:
        raise Unseen(f"a data set in the format {table.format['type']}")
    _feed(found, [table.column_names, str(table.features), len(table)])
    arrow = table.with_format("arrow")
    for start in range(0, len(table), ROWS):
        part: pa.Table = arrow[start : start + ROWS]
        part = part.replace_schema_metadata(None).combine_chunks()
        found.update(part.schema.serialize())
        for batch in part.to_batches():
            found.update(batch.serialize())


def _feed_tokenizer(found: Any, tokenizer: Any) -> None:
    """Its class, all its files would hold, and what was set since it was loaded."""
    if any(kind.__module__.partition(".")[0] not in ("transformers", "builtins") for kind in type(tokenizer).__mro__):
        raise Unseen(f"{type(tokenizer).__name__} is somebody's own code")
    known = {name: value for name, value in vars(tokenizer).items() if name not in _BESIDE | _INSIDE}
    known["init_kwargs"] = {
        name: value for name, value in tokenizer.init_kwargs.items() if name not in _BESIDE | _INSIDE
    }
    plain = {name: _spelled(value) for name, value in known.items() if _is_spelled(value)}
    _feed(
        found, [type(tokenizer).__module__, type(tokenizer).__qualname__, sorted(plain.items(), key=lambda one: one[0])]
    )
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        if getattr(backend.model, "dropout", None):
            raise Unseen("it draws its pieces at random")
        _feed(found, [backend.to_str(), backend.encode_special_tokens])
        return
    with tempfile.TemporaryDirectory(prefix="byeori-tokenizer-") as folder:
        tokenizer.save_pretrained(folder)
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file() and file.name != "tokenizer_config.json":  # its values are above, its paths say nothing
                _feed(found, [str(file.relative_to(folder)), file.read_bytes()])


def _feed_task(found: Any, task: Any, encoder: Any, beside: frozenset[str] = frozenset()) -> None:
    """All a task knows, but how texts were cleaned: what came of it is in the rows."""
    beside |= {"cleaning"}
    _feed(found, {name: value for name, value in vars(task).items() if name not in beside}, encoder)


def _code(kind: type) -> list[str]:
    """A class by name; raises Unseen where somebody's own code comes before the ids."""
    for one in kind.__mro__:
        if one.__module__.partition(".")[0] in ("byeori", "builtins"):
            continue
        own = {name for name in vars(one) if not (name.startswith("__") and name.endswith("__"))} - AFTER
        if own or "__init__" in vars(one):
            raise Unseen(f"{one.__qualname__} has its own {', '.join(sorted(own)) or '__init__'}")
    return [kind.__module__, kind.__qualname__]


@cache
def versions() -> list[str]:
    """Of all whose code makes ids; of this package the code itself, which changes without a version while it is worked on."""
    import tokenizers
    import transformers

    code = hashlib.blake2b(digest_size=16)
    package = Path(__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        code.update(str(file.relative_to(package)).encode() + b"\0" + file.read_bytes())
    return [sys.version, tokenizers.__version__, transformers.__version__, np.__version__, code.hexdigest()]


# values -------------------------------------------------------------------------------------------------------------
def _feed(found: Any, value: Any, encoder: Any = None, depth: int = 0) -> None:
    """A value with its type and size, so that no two spell the same. Raises Unseen."""
    kind = type(value)
    if depth > DEEP:
        raise Unseen(f"{kind.__name__} goes too deep")

    def head(size: int | str) -> None:
        found.update(f"{kind.__module__}.{kind.__qualname__}:{size}:".encode())

    def each(values: Any) -> None:
        for one in values:
            _feed(found, one, encoder, depth + 1)

    if encoder is not None and value is encoder.tokenizer:
        found.update(b"the encoder's tokenizer:")
    elif kind in PLAIN:
        data = value if kind is bytes else repr(value).encode("utf-8", "surrogatepass")
        head(len(data))
        found.update(data)
    elif kind in (list, tuple):
        head(len(value))
        each(value)
    elif kind is dict:
        head(len(value))
        each(one for item in value.items() for one in item)
    elif kind in (set, frozenset) and all(type(one) in PLAIN for one in value):
        head(len(value))
        each(sorted(value, key=repr))
    elif kind is np.ndarray and not value.dtype.hasobject:
        head(f"{value.dtype.str}{value.shape}")
        found.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, np.generic):
        head(repr(value))
    elif isinstance(value, Path):
        head(str(value))
    elif isinstance(value, type):
        head(f"{value.__module__}.{value.__qualname__}")
    elif kind.__module__.partition(".")[0] == "byeori" or dataclasses.is_dataclass(value):
        if not dataclasses.is_dataclass(value):
            _code(kind)
        head("")
        slots = [name for one in kind.__mro__ for name in getattr(one, "__slots__", ()) if hasattr(value, name)]
        known = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
        _feed(found, known, encoder, depth + 1)
    else:
        raise Unseen(f"{kind.__module__}.{kind.__qualname__}")


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and _is_json(one) for name, one in value.items())
    return all(map(_is_json, value)) if kind is list else kind in (type(None), bool, int, float, str)


def _is_spelled(value: Any) -> bool:
    """Whether it is made of plain values and the tokenizers' own AddedToken, which writes out all it is."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return all(map(_is_spelled, value))
    if kind is dict:
        return all(_is_spelled(one) for item in value.items() for one in item)
    return kind in PLAIN or kind.__name__ == "AddedToken"


def _spelled(value: Any) -> Any:
    kind = type(value)
    if kind in (set, frozenset):
        return sorted(map(repr, value))
    if kind in (list, tuple):
        return list(map(_spelled, value))
    if kind is dict:
        return [(_spelled(name), _spelled(one)) for name, one in value.items()]
    return value if kind in PLAIN else repr(value)
