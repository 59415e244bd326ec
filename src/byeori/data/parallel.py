"""Two languages side by side → `source` and `target`: line files (`dev.ko`, `dev.en`), `translation` objects, columns.

Line i of one file is the translation of line i of the other, so both must have equally many lines. Which language is
the source: what is asked (`source_lang`, `target_lang`, or `source` and `target` as columns or suffixes), the order in
which the files are given, or the order in a name such as `jhe-koen-dev`; where none of these says, it is asked.

    read_pair((Path("dev.ko"), Path("dev.en"))).columns.keys() == {"ko", "en"}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from byeori.data.columns import as_list, sample
from byeori.data.conll import lines_of
from byeori.data.encoding import decode
from byeori.data.languages import HEADERS, code, script, written_in
from byeori.data.names import IDS
from byeori.data.roles import fold
from byeori.data.rows import FileInfo, Sheet
from byeori.data.wording import listed
from byeori.errors import DataError

Pair = tuple[Path, Path]
_ROLES = {"source": "source", "src": "source", "target": "target", "tgt": "target"}
_AFTER = ("txt", "gz", "xz", "bz2", "zst", "zip")
_NAMES = {"ko": ("ko", "kor", "korean"), "en": ("en", "eng", "english"), "ja": ("ja", "jpn", "japanese"),
          "zh": ("zh", "zho", "chinese")}  # fmt: skip


# Which files ------------------------------------------------------------------------------------------------------
def language_of(path: Path) -> str | None:
    """The language that a file's name ends with (`dev.ko`, `dev.ko.txt`, `dev.ko.gz`); `source` and `target` count too."""
    return _split(path)[1]


def _split(path: Path) -> tuple[str, str | None]:
    """(a file's name without its language and what follows, the language)."""
    stem = path.name
    while "." in stem:
        stem, _, suffix = stem.rpartition(".")
        found = _ROLES.get(suffix.casefold()) or code(suffix)
        if found or suffix.casefold() not in _AFTER:
            return stem, found
    return stem, None


def split_source(text: str) -> Pair | None:
    """`dev.ko,dev.en` as two paths, where the whole is no file and both parts are."""
    parts = [Path(part.strip()).expanduser() for part in text.split(",")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(part.is_file() for part in parts) else None


def beside(stem: Path) -> list[Path]:
    """The files `STEM.xx` of a stem that is no file itself, where xx is a language."""
    if not stem.parent.is_dir():
        return []
    found = (p for p in stem.parent.iterdir() if _split(p)[0] == stem.name and language_of(p) and p.is_file())
    return sorted(found)


def pairs_of(paths: Iterable[Path], settings: Any, before: Mapping[str, Any]) -> list[Pair]:
    """Files of two languages as (source, target) pairs, one a stem; empty where they are no such files.

    Raises DataError for a file without its partner, and where nothing says which language is the source.
    """
    groups: dict[Path, dict[str, Path]] = {}
    for path in paths:
        language = language_of(path)
        if language is None:
            return []
        groups.setdefault(path.parent / _split(path)[0], {})[language] = path
    languages = sorted({language for group in groups.values() for language in group})
    if len(languages) < 2:
        return []
    first, second = _direction(languages, next(iter(groups)), settings, before)
    pairs = []
    for stem, group in groups.items():
        missing = next((one for one in (first, second) if one not in group), None)
        if missing:
            raise DataError(
                f"{stem}: there is {listed(p.name for p in group.values())}, but no file of language {missing}."
            )
        pairs.append((group[first], group[second]))
    return pairs


def _direction(languages: Sequence[str], stem: Path, settings: Any, before: Mapping[str, Any]) -> tuple[str, str]:
    if {"source", "target"} == set(languages):
        return "source", "target"
    asked = [_asked(role, settings, before) for role in ("source", "target")]
    for language in asked:
        if language and language not in languages:
            raise DataError(f"{stem}: there is no file of language {language}. There are {listed(languages)}.")
    source, target = asked
    rest = [one for one in languages if one not in (source, target)]
    if source and not target and len(rest) == 1:
        target = rest[0]
    if target and not source and len(rest) == 1:
        source = rest[0]
    if not source and not target and len(languages) == 2:
        found = in_name(stem.name, languages) or in_name(stem.parent.name, languages)
        if found:
            return found
    if source and target and source != target:
        return source, target
    one, other = languages[:2]
    raise DataError(
        f"{stem}: there are files in {listed(languages)}, and nothing says which is translated. Give the source first, "
        f"as {stem.name}.{one},{stem.name}.{other}, or say --source-lang {one} --target-lang {other}."
    )


def _asked(role: str, settings: Any, before: Mapping[str, Any]) -> str | None:
    """The language asked for a role: by its setting, by a column that is called so, or as in training."""
    for value in (getattr(settings, f"{role}_lang", None), getattr(settings, role, None), before.get(role)):
        found = code(value) if isinstance(value, str) else None
        if found:
            return found
    return None


def in_name(name: str, languages: Sequence[str]) -> tuple[str, str] | None:
    """The two languages in the order in which a name has them: `koen`, `ko-en`, `ko2en`, `korean-english`."""
    one, other = languages
    folded = fold(name)
    found = []
    for first, second in ((one, other), (other, one)):
        joints = [a + joint + b for a in _NAMES.get(first, (first,)) for b in _NAMES.get(second, (second,))
                  for joint in ("_", "", "2", "_to_", "_2_")]  # fmt: skip
        words = "_" + folded.replace(".", "_") + "_"
        if any(f"_{joint}_" in words for joint in joints):
            found.append((first, second))
    return found[0] if len(found) == 1 else None


# Line files -------------------------------------------------------------------------------------------------------
def read_pair(pair: Sequence[Path], settings: Any = None, bad: str = "raise", content: Any = None) -> Sheet:
    """Two line files, the source first, as one sheet; its columns are called by their languages.

    content: path → (bytes, FileInfo), for packed files and those in archives. Raises DataError for different numbers of
    lines and broken bytes.
    """
    info = FileInfo(f"{pair[0]},{pair[1].name}", format="parallel", bytes=0)
    texts: list[list[str]] = []
    notes: list[str] = []
    hashes: list[str] = []
    broken: dict[int, str] = {}
    for path in pair:
        raw, found = content(path) if content else (path.read_bytes(), FileInfo.of_file(path))
        hashes.append(found.sha256 or "")
        info.bytes = (info.bytes or 0) + (found.bytes or 0)
        decoded = decode(raw, path.name, getattr(settings, "encoding", None))
        lines = lines_of(decoded.data)
        if not lines[-1]:
            lines.pop()
        if not any(line.strip() for line in lines):
            raise DataError(f"{path.name}: the file is empty.")
        texts.append(lines)
        broken |= {i: f"bytes in {path.name} that are not {decoded.encoding.upper()}" for i in decoded.broken}
        notes += [decoded.note] if decoded.note else []
        info.encoding = decoded.encoding
    info.sha256, info.rows = ",".join(hashes), len(texts[0])
    one, other = (path.name for path in pair)
    if len(texts[0]) != len(texts[1]):
        raise DataError(
            f"{one} has {len(texts[0]):,} lines and {other} has {len(texts[1]):,}. Line by line one is the other's "
            f"translation, so both need equally many: look for a line end inside a sentence, or for a line left out."
        )
    if broken and bad == "raise":
        at = min(broken)
        raise DataError(
            f"{one},{other}, row {at + 1}: {broken[at]}. Save the file again as UTF-8, or name its --encoding."
        )
    names = [language_of(path) or "" for path in pair]
    if not all(names) or names[0] == names[1]:
        names = ["source", "target"]
    columns: dict[str, Any] = dict(zip(names, texts, strict=True))
    notes.append(f"{one},{other}: {info.rows:,} pairs of lines.")
    numbers = None
    if broken and bad == "skip":
        kept = [i for i in range(info.rows) if i not in broken]
        columns = {name: [lines[i] for i in kept] for name, lines in columns.items()}
        notes.append(f"{one},{other}: {len(broken):,} rows with broken bytes left out.")
        numbers, broken = np.asarray([i + 1 for i in kept], np.int64), {}
    source, target = (_asked(role, settings, {}) for role in ("source", "target"))
    turned = names[1] in (source, "source") or names[0] in (target, "target")
    suggested = dict(zip(("source", "target"), names[::-1] if turned else names, strict=True))
    return Sheet(columns, len(columns[names[0]]), info, notes, numbers, broken, {}, suggested)


# Columns ----------------------------------------------------------------------------------------------------------
def reshape(sheet: Sheet, name: str, given: Mapping[str, Any], settings: Any, before: Mapping[str, Any]) -> None:
    """Suggest those wanted of source and target, the keys of `given`, where columns (or fields of `translation` objects) are
    languages, or have no names."""
    if given.get("source") and given.get("target"):
        return
    found = _by_language(sheet)
    if not found and all(column.startswith("column_") for column in sheet.columns):
        found = _by_place(sheet)
    if len(found) < 2 or any(given.get(role) and given[role] not in found for role in ("source", "target")):
        return
    asked = {role: _column(role, found, given, settings, before, sheet, name) for role in ("source", "target")}
    rest = [column for column in found if column not in asked.values()]
    open_roles = sum(one is None for one in asked.values())
    if len(rest) > open_roles and any(asked[role] is None for role in given if role in asked):
        raise DataError(
            f"{name}: there are texts in {listed(found)}, and nothing says which is translated. "
            f"Say which with --source and --target."
        )
    chosen = {role: column or rest.pop(0) for role, column in asked.items()}
    wanted = {role: column for role, column in chosen.items() if role in given}
    sheet.suggested |= wanted
    languages = {f"{role}_lang": found.get(column) for role, column in wanted.items()}
    sheet.facts |= {fact: one for fact, one in languages.items() if one and one != "latin"}
    said = " → ".join(f'"{column}"' for column in wanted.values())
    sheet.notes.append(f"{name}: {said} (turn it with {' and '.join('--' + role for role in wanted)}).")


def _by_language(sheet: Sheet) -> dict[str, str | None]:
    """column (dotted in objects) → language, of columns named for one and fields of a `translation`."""
    for column in sheet.columns:
        if fold(column) in ("translation", "translations"):
            first = next((value for value in sample(sheet.columns[column], 50) if value), None)
            if isinstance(first, Mapping):
                return {f"{column}.{key}": code(key) for key in first if code(key)}
    named = [c for c in sheet.columns if fold(c) not in IDS and (fold(c) in HEADERS or len(fold(c)) == 2 and code(c))]
    texts = {c: code(c) for c in named if any(isinstance(v, str) and v.strip() for v in sample(sheet.columns[c], 50))}
    return texts if len(texts) > 1 else {}


def _by_place(sheet: Sheet) -> dict[str, str | None]:
    """Columns without names: those of running text, without the licence that Tatoeba's files carry."""
    found: dict[str, str | None] = {}
    for column, values in sheet.columns.items():
        texts = [value for value in sample(values, 300) if isinstance(value, str) and value.strip()]
        letters = sum(any(c.isalpha() for c in text) for text in texts)
        credit = sum("Attribution:" in text or "CC-BY" in text for text in texts)
        if texts and letters > len(texts) / 2 and credit < len(texts) / 2 and len(set(texts)) > len(texts) / 4:
            found[column] = script(texts)
    return found


def _column(
    role: str, found: Mapping[str, str | None], given: Mapping[str, Any], settings: Any, before: Mapping[str, Any],
    sheet: Sheet, name: str,
) -> str | None:  # fmt: skip
    """The column asked for a role, by name, by language, or as in training."""
    for wanted in (given.get(role), before.get(role)):
        if wanted in found:
            return wanted
    language = getattr(settings, f"{role}_lang", None)
    if not language:
        return None
    short = code(language) or language
    hits = [column for column, one in found.items() if one == short]
    if not hits and any(column.startswith("column_") for column in found):
        hits = [
            c for c in found if written_in(short, [v for v in as_list(sheet.columns[c][:300]) if isinstance(v, str)])
        ]
    if len(hits) == 1:
        return hits[0]
    if role not in given:  # not wanted: it only helps to tell the other
        return None
    raise DataError(
        f"{name}: no column is of language {language} (--{role}-lang). The texts are in {listed(found)}; say "
        f"which with --{role}."
    )
