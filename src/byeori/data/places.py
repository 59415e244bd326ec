"""A name → the files it stands for, by split: a file, a folder, a glob, an archive or a place inside one.

Invariants: nothing is opened but archives' lists of contents; a file that is passed over in silence is no data file by
its name; what lies inside an archive is written `archive.zip::inner/train.csv`.

    find("korsts")["validation"] == [Path("korsts/sts-dev.tsv")]
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from byeori.data import archives
from byeori.data.wording import count, listed, nearest, short
from byeori.errors import DataError

DELIMITED = (".csv", ".tsv", ".tab", ".psv")
TEXT = (".txt", ".text")
TABLES = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
LINES = (".jsonl", ".ndjson", ".jsonlines")
BOOKS = (".xlsx", ".xlsm", ".ods")
DATA_SUFFIXES = (*DELIMITED, *TEXT, *TABLES, *LINES, ".json", *BOOKS)

_SPLIT = re.compile(r"(?:^|[^a-z])(train|training|dev|devel|valid|validation|val|eval|test)(?![a-z])")
_SPLITS = {
    "training": "train",
    "dev": "validation",
    "devel": "validation",
    "valid": "validation",
    "val": "validation",
    "eval": "validation",
}
_NOT_DATA = re.compile(r"^(readme|licen[cs]e|source|notice|changelog|citation)\b", re.IGNORECASE)
_MOST_FILES = 100_000
_DEPTH = 6


def split_of(name: str) -> str | None:
    """`train`, `validation` or `test` from a file, folder or key name; None where it says nothing."""
    found = _SPLIT.findall(name.casefold())
    return _SPLITS.get(found[-1], found[-1]) if found else None


def find(
    source: str | Path, more: tuple[str, ...] = (), notes: list[str] | None = None
) -> dict[str | None, list[Path]]:
    """The files that a path, folder, glob or archive stands for, by split (None where no name tells).

    more: suffixes that count as data in a folder besides DATA_SUFFIXES, all of one kind. notes: takes sentences on what
    was taken where names alone decided. Raises DataError for a missing path (with close names), a folder of mixed
    kinds, and a file of unknown split among others whose split is known.
    """
    notes = [] if notes is None else notes
    path = Path(source).expanduser()
    inside = archives.located(source)
    if inside:
        return _inside(*inside, more, notes)
    if path.is_dir():
        try:
            return _folder(path, more, notes)
        except PermissionError as error:
            raise DataError(refused(Path(error.filename or path), error)) from None
    if path.exists():
        return _inside(path, "", more, notes) if archives.is_archive(path) else {None: [path]}
    if any(c in str(source) for c in "*?["):
        hits = sorted(Path(hit) for hit in glob.glob(str(path), recursive=True) if Path(hit).is_file())
        if not hits:
            raise DataError(f"{source}: no file matches. Check the pattern and the folder.")
        found = [(split, one) for hit in hits for split, paths in find(hit, more, notes).items() for one in paths]
        named = dict.fromkeys(split or split_of(one.stem) or "no split" for split, one in found)
        if len(named) > 1:
            notes.append(
                f"{source}: {count(len(found), 'file')}, by their names of {listed(named)}, read as one set. To keep these apart "
                f"give the folder, or each with --train, --validation and --test."
            )
        return {None: [one for _, one in found]}
    raise DataError(absent(path))


def absent(path: Path) -> str:
    """The message for a path that isn't there, with what lies near it."""
    folder = path.parent
    if path.is_symlink():
        return f"{path}: this is a link to {path.readlink()}, which isn't there or leads back to itself. Give the file itself."
    if not folder.is_dir():
        return f"{path}: there is no such file, and no folder {folder}. Check the path."
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    close = nearest(path.name, names)
    data = [name for name in names if Path(name).suffix.casefold() in DATA_SUFFIXES]
    hint = f" Did you mean {folder / close}?" if close else f" The folder holds {listed(data, most=6)}." if data else ""
    return f"{path}: there is no such file.{hint or ' Check the path.'}"


def is_pipe(name: str) -> bool:
    """Whether a name is that of a pipe, which can be read but once."""
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


def reachable(path: Path) -> None:
    """Raises DataError where the system does not even say whether there is a file of that name."""
    try:
        if path.is_dir():
            with os.scandir(path):
                os.stat(path / ".")
        else:
            path.stat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DataError(
                f"{short(path, 100)}: there is no such file, and its name is too long for one. To read texts give a list of them."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise DataError(refused(path, error)) from None
    except ValueError:
        raise DataError(
            f"{short(str(path).replace(chr(0), '?'), 100)}: a NUL stands in this name. Check the path."
        ) from None


def refused(path: Path, error: OSError) -> str:
    """The message for a file or folder that is there and can't be opened."""
    return f"{path}: it can't be opened ({error.strerror}). Check the path, and the right to read it."


def kind_of(name: str) -> str:
    """The last suffix of a name, in lower case, that of its content where it is packed: `.csv` of `a.csv.gz`."""
    suffixes = [s.casefold() for s in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in archives.SINGLE:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _folder(folder: Path, more: tuple[str, ...], notes: list[str]) -> dict[str | None, list[Path]]:
    inner = _walk(folder)
    chosen, said = _chosen(inner, more)
    if not chosen:
        packed = [folder / name for name in inner if archives.is_archive(folder / name) and "/" not in name]
        if packed:
            parts: dict[str | None, list[Path]] = {}
            for one in packed:
                for split, paths in _inside(one, "", more, notes).items():
                    parts.setdefault(split or split_of(one.stem), []).extend(paths)
            return _all_or_none(parts, str(folder))
        raise DataError(f"{folder}: the folder holds no data file ({', '.join(DATA_SUFFIXES)}). Name the file.")
    notes += [f"{folder}: {one}" for one in said]
    beside = [name for name in inner if archives.is_archive(Path(name))]
    if beside:
        notes.append(
            f"{folder}: {count(len(beside), 'archive')} beside the files not opened ({listed(beside, most=3)})."
        )
    _one_kind([folder / name for name in chosen], more, str(folder), f"{folder}/")
    return _by_split({name: folder / name for name in chosen}, str(folder))


def _walk(folder: Path) -> list[str]:
    """Names of the files in a folder and, some levels deep, in those inside it; hidden ones left out."""
    found: list[str] = []
    rest = [(folder, "", 0)]
    while rest:
        place, before, depth = rest.pop()
        for path in sorted(place.iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                if depth < _DEPTH and not path.is_symlink():
                    rest.append((path, f"{before}{path.name}/", depth + 1))
            elif path.is_file():
                found.append(before + path.name)
                if len(found) > _MOST_FILES:
                    raise DataError(f"{folder}: the folder holds more than {_MOST_FILES:,} files. Name a smaller one.")
    return sorted(found)


def _inside(archive: Path, asked: str, more: tuple[str, ...], notes: list[str]) -> dict[str | None, list[Path]]:
    """The data files in an archive: all of them, or those asked for (a name, a folder, a glob)."""
    names, said = archives.members(archive)
    notes += said
    if not names:
        raise DataError(
            f"{archive}: the archive holds no file. {' '.join([*said, 'Unpack it and give what is in it.'])}"
        )
    if asked:
        folder = asked.rstrip("/") + "/"
        exact = [name for name in names if name == asked]
        hits = exact or [n for n in names if n.startswith(folder) or PurePosixPath(n).match(asked)]
        if not hits:
            close = nearest(asked, names)
            hint = f' Did you mean "{close}"?' if close else f" It holds {listed(names, most=8)}."
            raise DataError(f'{archive}: the archive holds no "{asked}".{hint}')
        if exact:
            return {None: [archives.inside(archive, asked)]}
        names = hits
    if len(names) == 1:
        return {None: [archives.inside(archive, names[0]) if asked else archive]}
    chosen, passed = _chosen(names, more)
    if not chosen:
        raise DataError(
            f"{archive}: the archive holds {len(names):,} files ({listed(names, most=5)}), none of them a data file by "
            f"its name. Name one as {archive}::{names[0]}."
        )
    notes += [f"{archive.name}: {one}" for one in passed]
    _one_kind([Path(name) for name in chosen], more, str(archive), f"{archive}::")
    parts = _by_split({name: archives.inside(archive, name) for name in chosen}, str(archive))
    if len(chosen) > 1 or len(chosen) < len(names):
        shown = "; ".join(
            f"{split or 'rows'}: {listed((str(p).partition('::')[2] for p in paths), most=4)}"
            for split, paths in parts.items()
        )
        notes.append(f"{archive.name}: read {shown}.")
    return parts


def _chosen(names: Sequence[str], more: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The data files among these: those that lie highest (all, where folders are named for splits), and what to say."""
    data = [
        name
        for name in names
        if kind_of(name) in (*DATA_SUFFIXES, *more)
        and not _NOT_DATA.match(PurePosixPath(name).name)
        and not any(part.startswith((".", "__MACOSX", "~$")) for part in PurePosixPath(name).parts)
    ]
    if not data:
        return [], []
    top = min(name.count("/") for name in data)
    highest = [name for name in data if name.count("/") == top]
    if top and top == max(name.count("/") for name in data):
        return data, []
    deeper = [name for name in data if name.count("/") > top]
    if top and any(split_of(name) for name in deeper):
        return data, []
    said = f"{count(len(deeper), 'file')} in folders inside it left out, such as {deeper[0]}." if deeper else ""
    return highest, [said] if said else []


def _one_kind(paths: Sequence[Path], more: tuple[str, ...], name: str, prefix: str) -> None:
    kinds = Counter(more[0] if kind_of(path.name) in more else kind_of(path.name) for path in paths)
    if len(kinds) > 1:
        shown = ", ".join(f"{number} × {kind}" for kind, number in kinds.most_common())
        first = paths[0].name if prefix.endswith("/") else paths[0]
        raise DataError(
            f"{name}: the {'folder' if prefix.endswith('/') else 'archive'} holds files of several kinds ({shown}). "
            f"Name one, for example {prefix}{first}, or use a glob such as {prefix}*{sorted(kinds)[0]}."
        )


def _by_split(paths: dict[str, Path], name: str) -> dict[str | None, list[Path]]:
    """Files by the split that their names, or those of the folders they lie in, say."""
    parts: dict[str | None, list[Path]] = {}
    by_name = all(split_of(PurePosixPath(inner).stem) for inner in paths)
    for inner, path in paths.items():
        spelled = PurePosixPath(inner)
        words = (spelled.stem,) if by_name else (*reversed(spelled.parent.parts), spelled.stem)
        parts.setdefault(next((split for word in words if (split := split_of(word))), None), []).append(path)
    return _all_or_none(parts, name)


def _all_or_none(parts: dict[str | None, list[Path]], name: str) -> dict[str | None, list[Path]]:
    """The parts, where all files are of a split, or none is. Raises DataError."""
    if None in parts and len(parts) > 1:
        raise DataError(
            f"{name}: some files are named for a split, but {listed(_last(parts[None]))} for none. "
            "Give the files one by one with --train, --validation and --test."
        )
    return parts


def _last(paths: Iterable[Path]) -> list[str]:
    return [path.name.rpartition("::")[2] for path in paths]
