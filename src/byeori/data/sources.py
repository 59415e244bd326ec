"""A source → its sheets by split: which kind of source it is, and each of its files or objects read.

Invariants: a place that exists is never taken for a Hub id; the splits asked for are read and no others; what names
alone decided is in the notes of the first sheet.

    sheets("korsts", Wish(settings))["validation"][0].rows == 1500
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from byeori.data import archives, conll, missing, parallel, slices, urls
from byeori.data.files import content, is_table, read_file, read_standard_input
from byeori.data.hub import load, looks_like_id
from byeori.data.objects import is_paths, is_splits, read_object
from byeori.data.places import DATA_SUFFIXES, absent, find, reachable, split_of
from byeori.data.rows import Sheet
from byeori.data.wish import Wish
from byeori.data.wording import listed, short
from byeori.errors import DataError, SettingError

Parts = dict[str | None, list[Sheet]]


class _Changed:
    """Settings with other values for some of them."""

    def __init__(self, settings: Any, values: Mapping[str, Any]):
        self._settings, self._values = settings, values

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__["_values"]
        return values[name] if name in values else getattr(self.__dict__["_settings"], name)


def changed(settings: Any, **values: Any) -> Any:
    """An object with the attributes of `settings`, these values in place of its own."""
    return _Changed(settings, values)


def sheets(source: Any, wish: Wish) -> Parts:
    """Everything the source stands for, by split (None: one set without a name); whole splits, whatever slice is asked.

    Raises DataError for what can't be read, SettingError for a `split` that is none.
    """
    if isinstance(source, bytes):
        raise DataError("Bytes are not data that can be read: give a path or rows.")
    split = wish.setting("split")
    asked = slices.parse(split) if split else ()
    with archives.held():
        if isinstance(source, (str, Path)):
            parts = _named(str(source), isinstance(source, str), wish, asked)
        else:
            parts = _given(source, wish, asked)
    words = missing.words_of(wish.setting("missing"))
    for one in (sheet for several in parts.values() for sheet in several):
        missing.blank(one, Path(one.file.path).name, words)
    return parts


def is_hub(source: Any) -> bool:
    """Whether a source is a Hub id, whose split the Hub's library takes."""
    if not isinstance(source, str) or not source.strip() or len(source) > 4096 or "\n" in source or source == "-":
        return False
    if source.startswith("hf://datasets/"):
        return looks_like_id(source)
    if urls.is_url(source) or Path(source).expanduser().exists() or archives.located(source):
        return False
    return looks_like_id(source)


def _named(text: str, may_be_id: bool, wish: Wish, asked: Sequence[slices.Part]) -> Parts:
    if text == "-":
        return {None: [read_standard_input(wish)]}
    if not text.strip():
        raise DataError("The name of the data is empty. Give a file, a folder, a glob, an address or a Hub id.")
    if "\n" in text or len(text) > 4096:
        raise DataError("A text was given where data is wanted. To read texts give a list of them.")
    if may_be_id and text.startswith("hf://datasets/") and is_hub(text):
        return _hub(text, wish)
    if urls.is_url(text):
        return _picked(_fetched(text, wish, asked), asked, text)
    path = Path(text).expanduser()
    reachable(path)
    pairs = _pairs(path, text, wish) if wish.wants("source") else {}
    if pairs:
        return _picked({part: _read_pairs(found, wish) for part, found in pairs.items()}, asked, text)
    if may_be_id and is_hub(text):
        return _hub(text, wish)
    if path.is_dir() and any((path / mark).exists() for mark in ("dataset_dict.json", "dataset_info.json")):
        return _picked(_saved(path, wish), asked, text)
    return _picked(_files(text, wish, asked), asked, text)


def _given(source: Any, wish: Wish, asked: Sequence[slices.Part]) -> Parts:
    """Paths, splits or a Python object."""
    if wish.wants("source") and (found := _listed_pairs(source, wish)):
        return _picked({None: _read_pairs(found, wish)}, asked, "the list of files")
    if is_paths(source):
        inside = replace(wish, settings=changed(wish.settings, split=None, missing=None))
        read = [sheets(name, inside) for name in source]
        return _picked(_one_behind_the_other(read, source), asked, "the list of files")
    if is_splits(source):
        inside = replace(wish, settings=changed(wish.settings, split=None, missing=None))
        wanted = None if not asked else {_key(part.name, source) for part in asked}
        parts: Parts = {}
        for key, inner in source.items():
            if wanted is not None and key not in wanted:
                continue
            for several in sheets(inner, inside).values():
                parts.setdefault(_free(key, parts, source), []).extend(several)
        return parts
    if asked:  # an iterator is not begun for a split that it hasn't
        _named_parts({None: []}, asked, type(source).__name__)
    return {None: [read_object(source, wish.setting("max_rows"), wish.roles)]}


def _one_behind_the_other(several: Sequence[Parts], source: Sequence[Any]) -> Parts:
    """One set of all of a list, or, where one of it is a folder or archive of several splits, a set a split."""
    if all(len(parts) == 1 for parts in several):
        return {None: [sheet for parts in several for found in parts.values() for sheet in found]}
    together: Parts = {}
    for parts in several:
        for split, found in parts.items():
            together.setdefault(split, []).extend(found)
    if None in together:
        unnamed = [str(name) for name, parts in zip(source, several, strict=True) if None in parts]
        raise DataError(
            f"the list of files: some hold several splits, but {listed(unnamed, most=5)} none. Give the files one by one "
            f"with --train, --validation and --test."
        )
    return together


def _key(name: str, splits: Mapping[str, Any]) -> str:
    """The key of a dict of splits that a name stands for."""
    if name in splits:
        return name
    same = [key for key in splits if split_of(key) == split_of(name)]
    if not name and len(splits) == 1:
        same = list(splits)
    if not same:
        raise DataError(slices.absent(name or "train", list(splits), type(splits).__name__))
    return same[0]


def _free(key: str, parts: Parts, splits: Mapping[str, Any]) -> str | None:
    """What a split is called here: by its kind, or by its own name where another has that (MNLI's `test_mismatched`)."""
    kind = split_of(key)
    first = next((other for other in splits if split_of(other) == kind), key)
    return kind if kind and first == key else key


def _files(text: str, wish: Wish, asked: Sequence[slices.Part], name: str | None = None) -> Parts:
    notes: list[str] = []
    found = find(text, _suffixes(wish), notes)
    if asked:  # before reading: the splits asked for
        found = _named_parts(found, asked, name or text)
    parts = {split: [read_file(path, wish) for path in paths] for split, paths in found.items()}
    first = parts.get("train") or next(iter(parts.values()))  # notes of one part may be all that is shown
    first[0].notes[:0] = notes
    return parts


def _named_parts(found: dict, asked: Sequence[slices.Part], source: str) -> dict:
    """The splits asked for, whole; raises DataError for one that isn't there."""
    try:
        names = [slices.found_in(part.name, found) for part in asked]
    except KeyError:
        raise DataError(slices.absent("+".join(p.name or "train" for p in asked), list(found), source)) from None
    return {name: found[name] for name in dict.fromkeys(names)}


def _picked(parts: Parts, asked: Sequence[slices.Part], source: str) -> Parts:
    return _named_parts(parts, asked, source) if asked else parts


def _fetched(text: str, wish: Wish, asked: Sequence[slices.Part]) -> Parts:
    """What an address holds; `https://…/a.zip::train.csv` is a place in an archive."""
    after = text.find("/", text.find("://") + 3)  # behind the host, which may hold the mark: http://[::1]/a.csv
    path, mark, place = text[after:].partition(archives.MARK) if after > 0 else ("", "", "")
    address = text[:after] + path if after > 0 else text
    fetched = urls.fetch(address)
    parts = _files(f"{fetched.path}{mark}{place}", wish, asked, urls.shown(text))
    for number, one in enumerate(sheet for several in parts.values() for sheet in several):
        one.file.sha256 = fetched.sha256 if archives.MARK not in one.file.path else one.file.sha256
        one.file.path = one.file.path.replace(str(fetched.path), urls.shown(address), 1)
        one.notes[:0] = fetched.notes if number == 0 else []
    return parts


def _hub(text: str, wish: Wish) -> Parts:
    streaming, most = bool(wish.setting("streaming")), wish.setting("max_rows")
    if streaming and most is None:
        raise SettingError(
            f"streaming: {text} is read row by row and has no known end. Say how many rows to take with --max-rows, or leave "
            f"--streaming out."
        )
    loaded, name, where = load(text, wish.setting("split"), wish.setting("revision"), streaming)
    parts = _objects(loaded, most, wish)
    if list(parts) == [None]:
        parts = {name: parts[None]}
    for sheet in (sheet for several in parts.values() for sheet in several):
        sheet.file.path, sheet.file.format, sheet.file.hub = text, "hub", where
        if streaming:
            sheet.notes.append(f"{text}: the first {sheet.rows:,} rows, streamed.")
    return parts


def _saved(path: Path, wish: Wish) -> Parts:
    """A folder that `save_to_disk` wrote."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = short(" ".join(str(error).split()), 160)
        raise DataError(
            f"{path}: this folder of `save_to_disk` can't be loaded ({reason}). Save it again, or name a file in it."
        ) from None
    parts = _objects(loaded, wish.setting("max_rows"), wish)
    for one in (sheet for several in parts.values() for sheet in several):
        one.file.path, one.file.format = str(path), "datasets"
    return parts


def _objects(loaded: Any, most: int | None, wish: Wish) -> Parts:
    if not isinstance(loaded, Mapping):
        return {None: [read_object(loaded, most, wish.roles)]}
    parts: Parts = {}
    for key, inner in loaded.items():
        parts[_free(key, parts, loaded)] = [read_object(inner, most, wish.roles)]
    more = [name for name in parts if name and split_of(name) in parts and split_of(name) != name]
    if more:
        first = (parts.get("train") or next(iter(parts.values())))[0]
        first.notes.append(
            f"There is more than one split of a kind; {listed(more)} {'is' if len(more) == 1 else 'are'} read where --split or the id "
            f"names {'it' if len(more) == 1 else 'them'}."
        )
    return parts


def _suffixes(wish: Wish) -> tuple[str, ...]:
    """What counts as data in a folder besides the usual."""
    return conll.SUFFIXES if wish.wants("tokens") else ()


# Line files side by side ------------------------------------------------------------------------------------------
def _pairs(path: Path, text: str, wish: Wish) -> dict[str | None, list[parallel.Pair]]:
    """The pairs of line files that a name stands for (`a,b`, a stem, a folder, an archive, a glob) by split; or nothing."""
    packed = archives.is_archive(path) and path.is_file()
    if path.is_file() and not packed:
        return {}
    if path.is_dir() or packed:
        inside = (
            [archives.inside(path, name) for name in archives.members(path)[0]]
            if packed
            else sorted(p for p in path.iterdir() if p.is_file())
        )
        found = parallel.pairs_of([p for p in inside if parallel.language_of(p)], wish.settings, wish.before)
        return _held_out(found)
    if any(c in text for c in "*?["):
        files = [p for paths in find(text).values() for p in paths]
    elif together := parallel.split_source(text):
        return {None: [together]}
    else:
        gone = [part for part in map(Path, text.split(",")) if not part.expanduser().is_file()]
        if text.count(",") == 1 and len(gone) == 1:
            raise DataError(absent(gone[0]))
        files = parallel.beside(path)
    found = parallel.pairs_of(files, wish.settings, wish.before)
    return {None: found} if found else {}


def _held_out(found: Sequence[parallel.Pair]) -> dict[str | None, list[parallel.Pair]]:
    """Pairs by split. Beside a development set, what is called eval is the test set."""
    parts: dict[str | None, list[parallel.Pair]] = {}
    names = {pair[0].name for pair in found}
    held_out = not any(split_of(name) == "test" for name in names) and any("dev" in name for name in names)
    for pair in found:
        last = held_out and "eval" in pair[0].name.casefold()
        parts.setdefault("test" if last else split_of(pair[0].name), []).append(pair)
    return parts


def _listed_pairs(source: Any, wish: Wish) -> list[parallel.Pair]:
    """A list of two line files, the source first; or of several pairs told by their languages."""
    if not isinstance(source, (list, tuple)) or not all(isinstance(one, (str, PathLike)) for one in source):
        return []
    if any(isinstance(one, str) and (len(one) > 1000 or "\n" in one) for one in source):
        return []
    paths = [Path(one).expanduser() for one in source]
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return []
    if len(paths) > 2:
        return parallel.pairs_of(paths, wish.settings, wish.before)
    told = all(parallel.language_of(path) for path in paths)
    plain = all(path.suffix.casefold() in ("", ".txt") or path.suffix.casefold() not in DATA_SUFFIXES for path in paths)
    return [(paths[0], paths[1])] if told or plain and not any(is_table(path) for path in paths) else []


def _read_pairs(pairs: Sequence[parallel.Pair], wish: Wish) -> list[Sheet]:
    return [parallel.read_pair(pair, wish.settings, wish.bad, content) for pair in pairs]
