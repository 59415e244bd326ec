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
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

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
_MOST_MEMBERS = 100_000
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


def _plain(stream: IO[bytes], suffix: str) -> Any:
    """The unpacked stream of a packed one; by its first bytes, which are right more often than names."""
    head = stream.read(8)
    stream.seek(0)
    found = magic(head) or suffix
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
        raise DataError(f"{archive}: the file can't be opened ({error.strerror}).") from None
    with stream, _one_sentence(archive.name):
        names = list(dict.fromkeys(name for name, _ in _listed(stream, archive.name)))
    good = [name for name in names if not _climbs(name)]
    notes = []
    if len(good) < len(names):
        bad = [name for name in names if _climbs(name)]
        notes.append(
            f"{archive.name}: {count(len(bad), 'file')} left out whose path leads out of it ({listed(bad, most=2)})."
        )
    return good, notes


def _climbs(name: str) -> bool:
    """Whether a path in an archive leads out of it: absolute, or up."""
    return name.startswith(("/", "\\")) or ":" in name[:3] or ".." in name.replace("\\", "/").split("/")


def _listed(stream: IO[bytes], name: str) -> Iterator[tuple[str, Any]]:
    """(name, entry) of each file in an archive."""
    if _archive_kind(name) == ".zip" or magic(stream.read(8)) == ".zip":
        stream.seek(0)
        with zipfile.ZipFile(stream) as opened:
            _few(len(opened.infolist()), name)
            for entry in opened.infolist():
                if not entry.is_dir() and not _is_litter(shown := _name(entry)):
                    yield shown, entry
        return
    stream.seek(0)
    with _tar(stream, name) as tar:
        for number, member in enumerate(tar):
            _few(number, name)
            if member.isreg() and not _is_litter(shown := member.name.removeprefix("./")):
                yield shown, member


def _tar(stream: IO[bytes], name: str) -> tarfile.TarFile:
    bounded: Any = _Bounded(_plain(stream, PurePosixPath(name).suffix.casefold()), name, _size(stream))
    return tarfile.open(fileobj=io.BufferedReader(bounded, _CHUNK), mode="r|")


def _size(stream: IO[bytes]) -> int:
    at = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(at)
    return size


def _few(number: int, name: str) -> None:
    if number > _MOST_MEMBERS:
        raise DataError(
            f"{name}: the archive holds more than {_MOST_MEMBERS:,} files. Unpack it and name those wanted."
        )


def _is_litter(name: str) -> bool:
    """What the packing system leaves in archives."""
    last = PurePosixPath(name).name
    return "__MACOSX" in name.split("/") or last.startswith("._") or last in (".DS_Store", "Thumbs.db", "desktop.ini")


def _name(entry: zipfile.ZipInfo) -> str:
    """A zip entry's name: where the entry doesn't say UTF-8, as UTF-8 or CP949 (Korean Windows) if it reads as these."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    for encoding in ("utf-8", "cp949"):
        try:
            return entry.filename.encode("cp437").decode(encoding).replace("\\", "/")
        except UnicodeError:
            continue
    return entry.filename


def unpack(raw: bytes | IO[bytes], name: str, member: str | None = None) -> tuple[bytes, str]:
    """(bytes, name of the file that was packed) of a packed file, or of one member of an archive.

    raw: the packed bytes, or a stream of them. member: as `members` names it; needed where there are several.
    Raises DataError for what is damaged, protected, too large, or holds several files of which none is named.
    """
    stream = io.BytesIO(raw) if isinstance(raw, bytes) else raw
    with _one_sentence(name):
        head = stream.read(8)
        stream.seek(0)
        if _archive_kind(name) or magic(head) == ".zip":
            data, inner = _member(stream, name, member)
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


def _member(stream: IO[bytes], name: str, wanted: str | None) -> tuple[bytes, str]:
    """One member: that of the name, or the only one there is."""
    names = list(dict.fromkeys(found for found, _ in _listed(stream, name) if not _climbs(found)))
    if wanted is None and len(names) != 1:
        raise DataError(
            f"{name}: the archive holds {count(len(names), 'file')} ({listed(names, most=5)}). Name one, as "
            f"{name}{MARK}{names[0] if names else 'FILE'}."
        )
    chosen = names[0] if wanted is None else wanted
    stream.seek(0)
    packed = _size(stream)
    for found, entry in _listed(stream, name):
        if found != chosen:
            continue
        if isinstance(entry, zipfile.ZipInfo):
            if entry.flag_bits & 0x1:
                raise DataError(f"{name}: {chosen} is protected by a password. Unpack it and give the file.")
            check_size(entry.file_size, entry.compress_size, f"{name}{MARK}{chosen}")
            stream.seek(0)
            with zipfile.ZipFile(stream) as opened, opened.open(entry) as inner:
                return _Bounded(inner, f"{name}{MARK}{chosen}", entry.compress_size).readall(), chosen
        check_size(entry.size, packed, f"{name}{MARK}{chosen}")
        stream.seek(0)
        with _tar(stream, name) as tar:
            for member in tar:
                if member.isreg() and member.name.removeprefix("./") == chosen:
                    opened_member = tar.extractfile(member)
                    assert opened_member is not None  # a regular file has content
                    return opened_member.read(), chosen
    raise DataError(f'{name}: the archive holds no "{chosen}". It holds {listed(names, most=8)}.')
