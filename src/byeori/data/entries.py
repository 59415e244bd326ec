"""The names of what lies in an archive: as they were written, told from litter, not leading out of it, and not too many.

climbs("../evil.csv") and is_litter("__MACOSX/._train.csv")
"""

from __future__ import annotations

import zipfile

from byeori.errors import DataError

_MOST = 100_000


def climbs(name: str) -> bool:
    """Whether a path in an archive leads out of it: absolute, or up."""
    return name.startswith(("/", "\\")) or ":" in name[:3] or ".." in name.replace("\\", "/").split("/")


def is_litter(name: str) -> bool:
    """What the packing system leaves in archives."""
    last = name.rpartition("/")[2]
    return "__MACOSX" in name.split("/") or last.startswith("._") or last in (".DS_Store", "Thumbs.db", "desktop.ini")


def name_of(entry: zipfile.ZipInfo) -> str:
    """A zip entry's name: where the entry doesn't say UTF-8, as UTF-8 or CP949 (Korean Windows) if it reads as these."""
    if entry.flag_bits & 0x800 or entry.filename.isascii():
        return entry.filename
    for encoding in ("utf-8", "cp949"):
        try:
            return entry.filename.encode("cp437").decode(encoding).replace("\\", "/")
        except UnicodeError:
            continue
    return entry.filename


def few(number: int, name: str) -> None:
    """Raises DataError for more files than anybody packs."""
    if number > _MOST:
        raise DataError(f"{name}: the archive holds more than {_MOST:,} files. Unpack it and name those wanted.")
