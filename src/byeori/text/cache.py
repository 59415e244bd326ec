"""Token stores kept from run to run: rows that were encoded before, by the same tokenizer in the same way, are not again.

A folder a store, named by the fingerprint of all that it is made of (`byeori.text.fingerprint`), in `BYEORI_CACHE` or the
platform's cache folder. It may be deleted at any time. Invariants: an entry is written whole or not at all, and read only
if each of its files is as it was written; the first chunk of rows is encoded anew each time, and its ids are those of the
entry; where anything is amiss, the rows are encoded as if there were no cache; the entries longest unused leave first.

    store = encode_cached(rows, task, encoder, note=print)
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import SettingError
from byeori.text.encode_rows import CHUNK, encode_rows, settled
from byeori.text.fingerprint import fingerprint, other_state, plain_state
from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN, TokenStore, lengths_of

if TYPE_CHECKING:
    from byeori.text.encode import Encoder

    Watch = Callable[[int, int], None]

FORMAT = 1
LEAST = 1 << 20  # bytes of the rows' columns: fewer are tokenized sooner than they are looked up
GIGABYTES = 20.0  # of all entries
ABOUT = "entry.json"
_FREE = 1 << 30  # bytes of disk that are left alone
_STALE = 86_400.0  # seconds after which an entry in part is nobody's
_AT_ONCE = 1 << 22


class Damaged(Exception):
    """An entry that isn't as it was written."""


def folder() -> Path:
    """Where the stores lie: `BYEORI_CACHE`, else `byeori` in the platform's folder for caches."""
    if named := os.environ.get("BYEORI_CACHE"):
        return Path(named).expanduser() / "stores"
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "byeori" / "stores"


def limit() -> int:
    """Bytes all entries may take: `BYEORI_CACHE_GB` gigabytes, 20 if not given. Raises SettingError."""
    given = os.environ.get("BYEORI_CACHE_GB", "")
    try:
        found = float(given or GIGABYTES)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise SettingError(f"BYEORI_CACHE_GB={given!r}: a number of gigabytes is needed; 0 keeps nothing.")
    return int(found * 1e9)


def encode_cached(
    rows: Any, task: Any, encoder: Encoder, note: Callable[[str], None], watch: Watch | None = None
) -> TokenStore:
    """As `encode_rows` with labels, from the cache if it is there, into it if not. Raises DataError, SettingError."""
    most = limit()
    key = home = None
    if most and _size(rows) >= LEAST and "input_ids" not in rows.table.column_names:
        try:
            home = folder()
        except RuntimeError as error:  # a user without a home, as in containers
            note(f"token ids can't be kept ({error}): BYEORI_CACHE names a folder, --no-cache doesn't try.")
        else:
            key = fingerprint(rows, task, encoder)
    if key is None or home is None:
        return encode_rows(rows, task, encoder, watch=watch)
    place = home / key
    before = copy.deepcopy(plain_state(task))
    try:
        found = _take(place, rows, task, encoder)
        if found is not None:
            note(f"token ids are taken as an earlier run made them ({place}; --no-cache makes them anew)")
            return found
    except Damaged as error:
        note(f"{place}: this entry of the cache of token ids is damaged ({error}); it is made anew.")
        _remove(place)
    vars(task).update(before)
    told = len(rows.notes)
    store = encode_rows(rows, task, encoder, watch=watch)
    after = {"plain": plain_state(task), "other": other_state(task, encoder), "notes": rows.notes[told:]}
    try:
        return _keep(store, place, most, {**after, "rows": len(rows)}, rows, encoder) or store
    except OSError as error:
        note(f"{place.parent}: token ids can't be kept there ({error.strerror or error}). --no-cache doesn't try.")
        return store


def _size(rows: Any) -> int:
    """Bytes of the rows' columns, about: those of a selection are its share."""
    data = rows.table.data
    return int(data.nbytes * len(rows) / max(1, data.num_rows))


# reading ------------------------------------------------------------------------------------------------------------
def _take(place: Path, rows: Any, task: Any, encoder: Encoder) -> TokenStore | None:
    """The store of an entry, with the task and the rows' notes as if it had been made now; None where there is none.

    Raises Damaged.
    """
    if not os.path.isdir(place):
        return None
    try:
        about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
        files, kept = about["files"], about["kept"]
        if about["digest"] != _digest(json.dumps([files, kept]).encode()):
            raise Damaged(f"{ABOUT} is not as it was written")
        for name, written in files.items():
            if _file_digest(place / name) != written:
                raise Damaged(f"{name} is not as it was written")
        store = settled(TokenStore.open(place), rows, encoder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        # Somebody else's entry, which is not for us to read; or it had to leave while it was looked at.
        if isinstance(error, PermissionError) or not os.path.isdir(place):
            return None
        raise Damaged(str(error) or type(error).__name__) from None
    if len(rows) != kept["rows"]:
        raise Damaged(f"it is of {kept['rows']:,} rows")
    # The task meets the tokenizer as it would have, and what it makes of the first rows is a last look at the entry.
    first = task.encode(rows.table[:CHUNK], encoder, True)
    if not _begins_with(store, first):
        raise Damaged("its ids are others than these rows have")
    vars(task).update(copy.deepcopy(kept["plain"]))
    if other_state(task, encoder) != kept["other"] or kept["other"] is None:
        return None
    rows.notes += kept["notes"]
    with contextlib.suppress(OSError):  # of somebody else's cache, which may be read alone
        os.utime(place / ABOUT)
    return store


def _begins_with(store: TokenStore, first: Any) -> bool:
    """Whether a store's first rows are these."""
    counts = first.counts
    owned = {TOKEN: len(first.input_ids), SEQUENCE: len(first.lengths), ROW: len(counts)}
    same = np.array_equal(store.input_ids[: owned[TOKEN]], first.input_ids)
    same = same and np.array_equal(np.diff(store.offsets[: owned[SEQUENCE] + 1]), first.lengths)
    same = same and np.array_equal(np.diff(store.row_offsets[: owned[ROW] + 1]), counts)
    if store.levels.keys() - first.columns.keys():
        return False
    for name, level in store.levels.items():
        own = first.columns[name]
        if level == LIST:
            same = same and np.array_equal(
                np.diff(store.list_offsets[name][: owned[ROW] + 1]), first.columns[lengths_of(name)]
            )
        same = same and np.array_equal(
            store.columns[name][: owned.get(level, len(own))], own, equal_nan=own.dtype.kind == "f"
        )
    return same


# writing ------------------------------------------------------------------------------------------------------------
def _keep(
    store: TokenStore, place: Path, most: int, kept: dict[str, Any], rows: Any, encoder: Encoder
) -> TokenStore | None:
    """The store as an entry; None where it can't be one. Raises OSError."""
    home = store.folder
    if home is None or kept["other"] is None:
        return None
    sources = sorted(home.iterdir())
    size = sum(file.stat().st_size for file in sources)
    place.parent.mkdir(parents=True, exist_ok=True)
    if size > most or shutil.disk_usage(place.parent).free < size + _FREE:
        return None
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
    try:
        files = {file.name: _copy(file, part / file.name) for file in sources}
        about = {"format": FORMAT, "files": files, "kept": kept, "digest": _digest(json.dumps([files, kept]).encode())}
        (part / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        try:
            os.replace(part, place)
        except OSError:
            if not (place / ABOUT).is_file():
                raise
            shutil.rmtree(part, ignore_errors=True)  # another process was sooner: the same entry
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _make_room(place, most)
    try:
        return settled(TokenStore.open(place), rows, encoder)
    except OSError:  # another process had no room for it
        return None


def _make_room(own: Path, most: int) -> None:
    """The entries longest unused leave until the rest fit; `own` stays."""
    entries = []
    for one in own.parent.iterdir():
        try:
            used = (one / ABOUT if not one.name.startswith(".") else one).stat().st_mtime
            size = sum(file.stat().st_size for file in one.iterdir())
        except OSError:  # no entry, or one that is leaving
            continue
        if one.name.startswith("."):
            if time.time() - used > _STALE:
                shutil.rmtree(one, ignore_errors=True)
        else:
            entries.append((used, size, one))
    total = sum(size for _, size, _ in entries)
    for _, size, one in sorted(entries):
        if total <= most:
            return
        if one != own:
            _remove(one)
            total -= size


def _remove(place: Path) -> None:
    """Out of the way first, so that nobody finds half of it."""
    try:
        gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=place.parent))
    except OSError:  # where nothing can be written, nothing can be kept either, which is said then
        return
    with contextlib.suppress(OSError):  # gone already, or in use where that forbids it
        os.replace(place, gone / "entry")
    shutil.rmtree(gone, ignore_errors=True)


def _copy(source: Path, target: Path) -> list[Any]:
    """Copy a file; returns its size and hash."""
    found, size = hashlib.blake2b(digest_size=16), 0
    with source.open("rb") as opened, target.open("wb") as made:
        while data := opened.read(_AT_ONCE):
            made.write(data)
            found.update(data)
            size += len(data)
    return [size, found.hexdigest()]


def _file_digest(file: Path) -> list[Any]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, partial(hashlib.blake2b, digest_size=16)).hexdigest()
        return [opened.tell(), digest]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
