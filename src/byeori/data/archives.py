"""Packed files and archives → bytes, in a stream and within limits: gz, xz, bz2, zst; zip and tar of any of these.

Invariants: nothing is ever written to disk, so no path can climb out; no more is unpacked than memory holds, and what
grows beyond reason (a zip bomb) is refused while it is still small; each failure is one sentence.

    members(Path("nsmc.zip"))[0] == ["ratings_train.txt", "ratings_test.txt"]
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import IO, Any

from byeori.data.entries import climbs, few, is_litter, name_of
from byeori.data.wording import count, listed
from byeori.errors import DataError

SINGLE = (".gz", ".xz", ".bz2", ".zst", ".lzma")
_TARS = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst")
_ARCHIVES = (".zip", *_TARS)
PACKED = (*SINGLE, *_ARCHIVES)
MARK = "::"
_MAGIC = {
    b"\x1f\x8b": ".gz",
    b"\xfd7zXZ\x00": ".xz",
    b"BZh": ".bz2",
    b"\x28\xb5\x2f\xfd": ".zst",
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_RATIO, _RATIO_FROM = 200, 64 << 20  # text packs 3 to 50 times; a bomb 1,000 times and more
_SHARE = 4  # a file takes up to so many times its size in memory until it is rows
_CHUNK = 1 << 20
_FAILURES = (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, tarfile.TarError, RuntimeError,
             NotImplementedError, ValueError, struct.error, KeyError)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Whether a name is that of a zip or tar, which may hold several files."""
    return bool(_archive_kind(path.name))


def is_packed(name: str) -> bool:
    return PurePosixPath(name).suffix.casefold() in PACKED


def _archive_kind(name: str) -> str:
    """`.zip`, `.tar` or nothing."""
    suffixes = [suffix.casefold() for suffix in PurePosixPath(name).suffixes[-2:]]
    if suffixes and suffixes[-1] == ".zip":
        return ".zip"
    tar = suffixes and (suffixes[-1] in _TARS or len(suffixes) == 2 and suffixes[0] == ".tar" and suffixes[1] in SINGLE)
    return ".tar" if tar else ""


def inside(archive: Path, member: str) -> Path:
    """How a place in an archive is written."""
    return Path(f"{archive}{MARK}{member}")


def parted(path: Path) -> tuple[Path, str | None]:
    """(archive, member) of a path that `inside` wrote; (path, None) of any other."""
    if MARK in str(path) and not path.exists():
        archive, _, member = str(path).partition(MARK)
        return Path(archive), member
    return path, None


def located(source: str | Path) -> tuple[Path, str] | None:
    """(archive, place in it) where a name spells one: `a.zip::x.csv`, `zip://x.csv::a.zip` or `a.zip/x.csv`."""
    text = str(source)
    path = Path(text).expanduser()
    if path.exists():
        return None
    if MARK in text:
        first, _, second = text.partition(MARK)
        if "://" in first and first.partition("://")[0] in ("zip", "tar", "gzip", "xz", "bz2", "zstd"):
            first, second = second, first.partition("://")[2]
        archive = Path(first).expanduser()
        if archive.is_file() and is_archive(archive):
            return archive, second.lstrip("/")
        return None
    for parent in path.parents:
        if is_archive(parent) and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return None


def free_memory() -> int:
    """Bytes of memory that can be taken now, the limit of a container included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
    except OSError:
        return free  # no such limits on this system
    return min(free, int(most) - int(used)) if most.isdecimal() and used.isdecimal() else free


class _Bounded(io.RawIOBase):
    """A stream that is read at most as far as memory allows and the packed size makes likely."""

    def __init__(self, stream: Any, name: str, packed: int):
        self.stream, self.name, self.packed, self.taken = stream, name, packed, 0
        self.most = free_memory() // _SHARE

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        data = self.stream.read(size)
        self.taken += len(data)
        check_size(self.taken, self.packed, self.name, self.most)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        parts = []
        while part := self.read(_CHUNK):
            parts.append(part)
        return b"".join(parts)


class _Lent(io.RawIOBase):
    """A stream for somebody who would close it."""

    def __init__(self, stream: Any):
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.stream.readinto(buffer)


def check_size(size: int, packed: int, name: str, most: int | None = None) -> None:
    """Raises DataError where what is unpacked is more than `packed` bytes of data can be, or than memory holds."""
    if size > _RATIO_FROM and size > _RATIO * max(packed, 1):
        raise DataError(
            f"{name}: {_bytes(packed)} unpack to more than {_bytes(size)}, as a zip bomb does, so this was stopped. If "
            f"the file is what it should be, unpack it and give what was in it."
        )
    most = free_memory() // _SHARE if most is None else most
    if size > most:
        what, way = (
            ("it is", "Cut it into several files, or save it as Parquet")
            if size == packed
            else ("unpacked it is", "Unpack it on disk and give the file")
        )
        raise DataError(
            f"{name}: {what} {_bytes(size)} or more, too much for the memory that is free ({_bytes(most * _SHARE)}, of "
            f"which reading takes {_SHARE} times the size). {way}."
        )


def _bytes(size: int) -> str:
    for unit, value in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= value:
            return f"{size / value:,.1f} {unit}"
    return f"{size:,} bytes"


def read_all(stream: Any, name: str) -> bytes:
    """All of a stream that is not packed, as far as memory allows. Raises DataError."""
    parts, size, most = [], 0, free_memory() // _SHARE
    while part := stream.read(_CHUNK):
        size += len(part)
        check_size(size, size, name, most)
        parts.append(part)
    return b"".join(parts)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except _FAILURES as error:
        raise DataError(
            f"{name}: the archive can't be unpacked ({_reason(error)}). It is cut off, damaged, or no such archive: "
            f"fetch it again, or give the file that was packed."
        ) from None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:119] + "…"


def magic(head: bytes) -> str:
    """`.gz`, `.xz`, `.bz2`, `.zst` or `.zip` where the first bytes of a file say so; else nothing."""
    if head.startswith(_ZIP):
        return ".zip"
    if head.startswith(b"BZh") and head[4:8] != b"1AY&":  # a text may begin with these letters
        return ""
    return next((suffix for mark, suffix in _MAGIC.items() if head.startswith(mark)), "")


def _head(stream: IO[bytes]) -> bytes:
    head = stream.read(8)
    stream.seek(0)
    return head


def _plain(stream: IO[bytes], suffix: str) -> Any:
    """The unpacked stream of a packed one; by its first bytes, which are right more often than names."""
    found = magic(_head(stream)) or suffix
    if found == ".gz":
        return gzip.GzipFile(fileobj=stream)
    if found in (".xz", ".lzma"):
        return lzma.LZMAFile(stream)
    if found == ".bz2":
        return bz2.BZ2File(stream)
    if found == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(_Lent(stream), "r"), "zstd")
    return stream


def members(archive: Path) -> tuple[list[str], list[str]]:
    """(names of the files in a zip or tar in their order, notes). Raises DataError for what can't be opened."""
    try:
        stream = archive.open("rb")
    except OSError as error:
        raise DataError(
            f"{archive}: it can't be opened ({error.strerror}). Check the path, and the right to read it."
        ) from None
    with stream, _one_sentence(archive.name):
        names = Archive(stream, archive.name).names()
    good = [name for name in names if not climbs(name)]
    notes = []
    if len(good) < len(names):
        bad = [name for name in names if climbs(name)]
        notes.append(
            f"{archive.name}: {count(len(bad), 'file')} left out whose path leads out of it ({listed(bad, most=2)})."
        )
    return good, notes


_Member = tuple[str, tarfile.TarInfo, tarfile.TarFile]


class Archive:
    """A zip or tar that is open: its names, and the bytes of its members; in the order of a tar without going back in it.

    Of several members of one name the first is taken.
    """

    def __init__(self, stream: IO[bytes], name: str):
        self.stream, self.name, self.size = stream, name, _size(stream)
        stream.seek(0)
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._rest: Iterator[_Member] = iter(())  # those of a tar that were not passed yet
        if _archive_kind(name) == ".zip" or magic(stream.read(8)) == ".zip":
            self._zip = zipfile.ZipFile(stream)
            few(len(self._zip.infolist()), name)
            for entry in self._zip.infolist():
                if not entry.is_dir() and not is_litter(shown := name_of(entry)):
                    self._entries.setdefault(shown, entry)

    def names(self) -> list[str]:
        return list(self._entries) if self._zip else [name for name, _, _ in self._walk()]

    def read(self, member: str) -> bytes:
        """Raises KeyError for a member that isn't there, DataError for one that is protected or too large."""
        shown = f"{self.name}{MARK}{member}"
        if self._zip:
            entry = self._entries[member]
            if entry.flag_bits & 0x1:
                raise DataError(f"{self.name}: {member} is protected by a password. Unpack it and give the file.")
            check_size(entry.file_size, entry.compress_size, shown)
            with self._zip.open(entry) as inner:
                return _Bounded(inner, shown, entry.compress_size).readall()
        for _ in range(2):  # from where it was read to, then from its beginning
            for name, info, tar in self._rest:
                if name == member:
                    check_size(info.size, self.size, shown)
                    content = tar.extractfile(info)
                    assert content is not None  # a regular file has content
                    return content.read()
            self._rest = self._walk()
        raise KeyError(member)

    def _walk(self) -> Iterator[_Member]:
        self.stream.seek(0)
        bounded: Any = _Bounded(_plain(self.stream, PurePosixPath(self.name).suffix.casefold()), self.name, self.size)
        seen = set()
        with tarfile.open(fileobj=io.BufferedReader(bounded, _CHUNK), mode="r|") as tar:
            for number, info in enumerate(tar):
                few(number, self.name)
                name = info.name.removeprefix("./")
                if info.isreg() and name not in seen and not is_litter(name):
                    seen.add(name)
                    yield name, info, tar


_HELD: ContextVar[list[tuple[Path, Archive]] | None] = ContextVar("the archive held open", default=None)


@contextmanager
def held() -> Iterator[None]:
    """The archive that was read last stays open, so that thousands of members take one look at its list, or one pass."""
    token = _HELD.set([])
    try:
        yield
    finally:
        for _, archive in _HELD.get() or ():
            archive.stream.close()
        _HELD.reset(token)


def unpack_member(place: Path, member: str) -> tuple[bytes, str]:
    """`unpack` for a member of an archive on disk. Raises OSError too."""
    kept = _HELD.get()
    if kept is None:
        with place.open("rb") as stream:
            return unpack(stream, place.name, member)
    if not kept or kept[0][0] != place:
        for _, archive in kept:
            archive.stream.close()
        kept.clear()
        stream = place.open("rb")
        with _one_sentence(place.name), ExitStack() as failed:
            failed.callback(stream.close)
            kept.append((place, Archive(stream, place.name)))
            failed.pop_all()
    return unpack(kept[0][1], place.name, member)


def _size(stream: IO[bytes]) -> int:
    at = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    return size


def unpack(raw: bytes | IO[bytes] | Archive, name: str, member: str | None = None) -> tuple[bytes, str]:
    """(bytes, name of the file that was packed) of a packed file, or of one member of an archive.

    raw: the packed bytes, or a stream of them, or an open archive. member: as `members` names it; needed where there are
    several. Raises DataError for what is damaged, protected, too large, or holds several files of which none is named.
    """
    stream = io.BytesIO(raw) if isinstance(raw, bytes) else raw
    with _one_sentence(name):
        if isinstance(stream, Archive):
            data, inner = _member(stream, member)
        elif _archive_kind(name) or magic(_head(stream)) == ".zip":
            data, inner = _member(Archive(stream, name), member)
        else:
            plain = _plain(stream, PurePosixPath(name).suffix.casefold())
            data, inner = _Bounded(plain, name, _size(stream)).readall(), PurePosixPath(name).stem
        if PurePosixPath(inner).suffix.casefold() in SINGLE and not _archive_kind(inner):
            packed = io.BytesIO(data)
            plain = _plain(packed, PurePosixPath(inner).suffix.casefold())
            return _Bounded(plain, f"{name}{MARK}{inner}", len(data)).readall(), PurePosixPath(inner).stem
    if _archive_kind(inner):
        raise DataError(f"{name}: it holds another archive ({inner}). Unpack {name} and give that.")
    return data, inner


def _member(archive: Archive, wanted: str | None) -> tuple[bytes, str]:
    """One member: that of the name, or the only one there is."""
    name = archive.name
    if wanted is None:
        names = [one for one in archive.names() if not climbs(one)]
        if len(names) != 1:
            raise DataError(
                f"{name}: the archive holds {count(len(names), 'file')} ({listed(names, most=5)}). Name one, as "
                f"{name}{MARK}{names[0] if names else 'FILE'}."
            )
        wanted = names[0]
    try:
        return archive.read(wanted), wanted
    except KeyError:
        known = listed([one for one in archive.names() if not climbs(one)], most=8)
        raise DataError(f'{name}: the archive holds no "{wanted}". It holds {known}.') from None
