"""Broken, hostile and odd archives. Bombs are small here, and never whole anywhere."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from broken.case import ROWS, Case, Reads, Stops, bad_row, file
from broken.good import CSV, LINES, PACKERS, TSV, jsonl, tarred, zipped

DATA = CSV.encode()
BLOCK = bytes(1 << 20)


def of(name: str, path: str, content: bytes, want: Reads | Stops, **more) -> Case:
    return Case(name, file(path, content), want, **more)


def gz_of(blocks: int, head: bytes = b"") -> bytes:
    """So many megabytes in a .gz."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(head)]
    parts += [packer.compress(BLOCK) for _ in range(blocks)]
    return b"".join(parts) + packer.flush()


def long_row(megabytes: int) -> bytes:
    """A CSV of one row of so many megabytes of one letter, in a .gz: a packed megabyte stands there again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"text,label\n") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"a" * len(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * megabytes + packer.flush()


def zip_of(blocks: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as stream:
        for _ in range(blocks):
            stream.write(BLOCK)
    return sink.getvalue()


def xz_of(blocks: int) -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    return b"".join([packer.compress(BLOCK) for _ in range(blocks)]) + packer.flush()


def later(path: str, content: Callable[[], bytes]) -> Callable[[Path], Path]:
    """A maker of a file whose bytes take a while to make."""
    return lambda folder: file(path, content())(folder)


def tar_head(size: int) -> bytes:
    info = tarfile.TarInfo("a.csv")
    info.size = size
    return info.tobuf()


def protected() -> bytes:
    raw = bytearray(zipped({"a.csv": DATA}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + at] |= 1  # the flag of encryption
    return bytes(raw)


def twice() -> bytes:
    """Two entries of one name."""
    raw = zipped({"a.csv": DATA, "b.csv": DATA})
    return raw.replace(b"b.csv", b"a.csv")


def damaged(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes(b ^ 0x55 for b in raw[middle : middle + 20]) + raw[middle + 20 :]


def nested(depth: int) -> bytes:
    raw = DATA
    for at in range(depth):
        raw = zipped({"a.csv" if not at else f"{at}.zip": raw})
    return raw


ZIP = zipped({"a.csv": DATA})
BOMB = "as a zip bomb does"
UNPACKED = "can't be unpacked"
LARGE = (CSV * 400).encode()

ONE = [
    *(of(f"whole{suffix}", f"a.csv{suffix}", pack(DATA), Reads(ROWS)) for suffix, pack in PACKERS.items()),
    *(of(f"cut{suffix}", f"a.csv{suffix}", pack(LARGE)[:-40], Stops(UNPACKED)) for suffix, pack in PACKERS.items()),
    *(
        of(f"damaged{suffix}", f"a.csv{suffix}", damaged(pack(LARGE)), Stops(UNPACKED))
        for suffix, pack in PACKERS.items()
    ),
    *(of(f"named{suffix}", f"a.csv{suffix}", DATA, Stops(UNPACKED)) for suffix in PACKERS),
    of("empty.gz", "a.csv.gz", b"", Stops("is empty")),
    of("empty-inside.gz", "a.csv.gz", gzip.compress(b""), Stops("is empty")),
    of(
        "wrong-checksum.gz", "a.csv.gz", gzip.compress(DATA)[:-8] + bytes(4) + gzip.compress(DATA)[-4:], Stops(UNPACKED)
    ),
    of("two-parts.gz", "a.csv.gz", gzip.compress(DATA[:30]) + gzip.compress(DATA[30:]), Reads(ROWS)),
    of("noise-behind.gz", "a.csv.gz", gzip.compress(DATA) + b"noise", Stops(UNPACKED)),
    of("gz-named-xz", "a.csv.xz", gzip.compress(DATA), Reads(ROWS)),
    of("gz-named-csv", "a.csv", gzip.compress(DATA), Reads(ROWS, ["it is packed (.gz)"])),
    of("zip-named-csv", "a.csv", ZIP, Reads(ROWS, ["it is packed (.zip)"])),
    of("gz-twice", "a.csv.gz.gz", gzip.compress(gzip.compress(DATA)), Reads(ROWS)),
    of(
        "broken-row.gz",
        "a.tsv.gz",
        gzip.compress(TSV.replace("Not for me\t", "Not for me ").encode()),
        bad_row(4, "1 field"),
    ),
    of("broken-line.xz", "a.jsonl.xz", lzma.compress(jsonl().replace("}\n", "\n", 1).encode()), bad_row(1, "not JSON")),
]

ZIPS = [
    of("zip", "a.zip", ZIP, Reads(ROWS)),
    *(of(f"zip-cut-{part}", "a.zip", ZIP[: len(ZIP) * part // 8], Stops(UNPACKED)) for part in (1, 4, 7)),
    of("zip-damaged", "a.zip", damaged(zipped({"a.csv": LARGE})), Stops(UNPACKED)),
    of("zip-empty", "a.zip", zipped({}), Stops("holds no file")),
    of("zip-of-nothing", "a.zip", b"", Stops(UNPACKED)),
    of("zip-of-a-folder", "a.zip", zipped({"a/": b""}), Stops("holds no file")),
    of("zip-of-litter", "a.zip", zipped({"__MACOSX/._a.csv": b"\0", ".DS_Store": b"\0"}), Stops("holds no file")),
    of("zip-with-litter", "a.zip", zipped({"__MACOSX/._a.csv": b"\0", "a.csv": DATA}), Reads(ROWS)),
    of(
        "zip-of-two",
        "a.zip",
        zipped({"a.csv": DATA, "b.csv": "\n".join(LINES[:2])}),
        Reads({role: [*v, v[0]] for role, v in ROWS.items()}, ["read rows"]),
    ),
    of("zip-of-two-kinds", "a.zip", zipped({"a.csv": DATA, "b.jsonl": jsonl()}), Stops(["several kinds", "a.zip::"])),
    of("zip-of-one-name-twice", "a.zip", twice(), Reads(ROWS)),
    of("zip-protected", "a.zip", protected(), Stops("protected by a password")),
    of("zip-in-a-zip", "a.zip", nested(2), Stops("holds another archive")),
    of("zips-nine-deep", "a.zip", nested(9), Stops("holds another archive")),
    of("gz-in-a-zip", "a.zip", zipped({"a.csv.gz": gzip.compress(DATA)}), Reads(ROWS)),
    of("zip-of-an-image", "a.zip", zipped({"a.png": b"\x89PNG\r\n" + bytes(50)}), Stops("an image (PNG)")),
    of("zip-that-climbs", "a.zip", zipped({"../../a.csv": DATA}), Stops("leads out of it")),
    of("zip-that-climbs-by-backslashes", "a.zip", zipped({"..\\..\\a.csv": DATA}), Stops("leads out of it")),
    of("zip-absolute", "a.zip", zipped({"/etc/a.csv": DATA}), Stops("leads out of it")),
    of("zip-absolute-on-windows", "a.zip", zipped({"C:\\a.csv": DATA}), Stops("leads out of it")),
    of(
        "zip-that-climbs-beside-a-good-one",
        "a.zip",
        zipped({"../a.csv": DATA, "a.csv": DATA}),
        Reads(ROWS, ["leads out of it"]),
    ),
    of(
        "zip-with-a-broken-row",
        "a.zip",
        zipped({"a.csv": CSV.replace("Not for me,", "Not for me")}),
        bad_row(4, "1 field"),
    ),
    of("zip-behind-a-program", "a.zip", b"#!/bin/sh\nexit\n" + ZIP, Reads(ROWS)),
    of("rar-named-zip", "a.zip", b"Rar!\x1a\x07\x01\x00" + bytes(60), Stops(UNPACKED)),
    of("7z-named-csv", "a.csv", b"7z\xbc\xaf\x27\x1c" + bytes(60), Stops("a 7-Zip archive")),
]

TARS = [
    of("tar", "a.tar", tarred({"a.csv": DATA}), Reads(ROWS)),
    of("tar-gz", "a.tar.gz", tarred({"a.csv": DATA}, mode="w:gz"), Reads(ROWS)),
    of("tar-cut", "a.tar", tarred({"a.csv": DATA})[:600], Stops(UNPACKED)),
    of("tar-gz-cut", "a.tgz", tarred({"a.csv": LARGE}, mode="w:gz")[:-60], Stops(UNPACKED)),
    of("tar-of-nothing", "a.tar", bytes(10240), Stops("holds no file")),
    of("tar-that-is-text", "a.tar", DATA, Stops(UNPACKED)),
    of(
        "tar-with-a-link-out",
        "a.tar",
        tarred({"a.csv": DATA}, {"b.csv": "/etc/passwd", "c.csv": "../../c"}),
        Reads(ROWS),
    ),
    of("tar-of-a-link", "a.tar", tarred({}, {"a.csv": "/etc/passwd"}), Stops("holds no file")),
    of("tar-that-climbs", "a.tar", tarred({"../a.csv": DATA}), Stops("leads out of it")),
    of("tar-absolute", "a.tar.xz", tarred({"/tmp/a.csv": DATA}, mode="w:xz"), Stops("leads out of it")),
    of("tar-in-a-tar", "a.tar", tarred({"b.tar": tarred({"a.csv": DATA})}), Stops("another archive")),
]

BOMBS = [
    Case("bomb.gz", later("a.csv.gz", lambda: gz_of(70)), Stops(BOMB)),
    Case("bomb.zip", later("a.zip", lambda: zip_of(70)), Stops(BOMB)),
    Case("bomb.xz", later("a.csv.xz", lambda: xz_of(70)), Stops(BOMB)),
    Case("bomb.tar", later("a.tar.gz", lambda: gz_of(70, tar_head(70 << 20))), Stops(BOMB)),
    Case("bomb-in-a-gz.gz", later("a.csv.gz.gz", lambda: gzip.compress(gz_of(70))), Stops(BOMB)),
    Case("row-of-a-billion-characters", later("a.csv.gz", lambda: long_row(954)), Stops(BOMB)),
]

CASES = [*ONE, *ZIPS, *TARS, *BOMBS]
