"""Somebody's own cleaning function: FILE.py:NAME or a callable, one text in, one text out; saved by name and hash alone.

load("clean.py:strip_tags")("<b>빵</b>")
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byeori.data.own_file import module_of
from byeori.data.wording import listed, nearest
from byeori.errors import SettingError


def load(given: Any) -> Callable[[str], str] | None:
    """A callable as it is, FILE.py:NAME from its file, which runs once for as long as it stays the same.

    Raises SettingError where there is no such file or function.
    """
    if given is None or callable(given):
        return given
    file, parted, name = str(given).rpartition(":")
    if not parted or not file.endswith(".py") or not name:
        raise SettingError(
            f"clean_function={given!r}: FILE.py:NAME is needed, the name being that of a function in it."
        )
    module = module_of(Path(file).expanduser(), f"clean_function={given!r}")
    found = getattr(module, name, None)
    if not callable(found):
        known = [one for one in vars(module) if inspect.isfunction(getattr(module, one))]
        close = nearest(name, known)
        hint = f'Did you mean "{close}"?' if close else f"It has {listed(known)}."
        raise SettingError(f"clean_function={given!r}: {file} has no function {name}. {hint}")
    return found


def source(function: Any) -> dict[str, str]:
    """Name of a function, name and hash of its file, for byeori.json; of one without a file (a notebook's) the hash of its
    source, where there is any."""
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(inspect.unwrap(function), "__code__", None)
    path = Path(code.co_filename) if code is not None else None
    if path is not None and path.is_file():
        return {"function": name, "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        text = ""
    return {"function": name, "file": "", "sha256": hashlib.sha256(text.encode()).hexdigest() if text else ""}


def reference(function: Any) -> str | None:
    """What --clean-function would say for a function: None where it lies in no file, or not by that name."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__name__", "")
    if code is None or not Path(code.co_filename).is_file() or not name.isidentifier():
        return None
    return f"{Path(code.co_filename).resolve()}:{name}" if function.__qualname__ == name else None
