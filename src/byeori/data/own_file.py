"""A Python file of the user's, run once for as long as it stays the same.

module_of(Path("mine.py"), "task='mine.py:Mine'")
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from byeori.errors import ByeoriError, SettingError

_LOADED: dict[tuple[str, str], ModuleType] = {}  # file and hash → what running it gave
_OURS: list[ModuleType] = []  # that were made findable here


def module_of(path: Path, asked: str) -> ModuleType:
    """What running the file gives. `asked`: how messages name what was asked for.

    Raises SettingError where there is no such file, or where running it fails.
    """
    if not path.is_file():
        raise SettingError(f"{asked}: there is no file {path}.")
    key = (str(path.resolve()), hashlib.sha256(path.read_bytes()).hexdigest())
    if key not in _LOADED:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        _make_findable(path.stem, module)
        try:
            spec.loader.exec_module(module)
        except ByeoriError:
            raise
        except Exception as error:
            raise SettingError(f"{asked}: running {path} failed: {type(error).__name__}: {error}") from error
        _LOADED[key] = module
    _make_findable(path.stem, _LOADED[key])  # another file of that name may have taken its place
    return _LOADED[key]


def _make_findable(name: str, module: ModuleType) -> None:
    """Dataclasses and pickling look their module up by name; a library of that name (html) stays what it is."""
    there = sys.modules.get(name)
    if there is None or there is module or there in _OURS:
        _OURS.append(module)
        sys.modules[name] = module
