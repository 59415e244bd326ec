"""Separator and header of a delimited file, recognised from its first lines.

sniff(["a|1", "b|0"], ".txt") == "|"
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence

from byeori.data.languages import script
from byeori.data.roles import fold, is_known_name, is_label_like

SEPARATORS = ("\t", ",", ";", "|")
SEPARATOR_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe", " ": "space"}
_BY_NAME = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?$")


def separator_of(given: str) -> str:
    """The character behind a name such as `tab` or a shell's `\\\\t`."""
    return _BY_NAME.get(given, given)


def sniff(lines: Sequence[str], suffix: str, known: Collection[str] = ()) -> str | None:
    """The separator of a file that begins with these lines, or None where it is not a delimited file.

    A separator counts when most lines have the number of fields of the first. A `.csv` or `.tsv` is always
    delimited (by its own separator if nothing else fits: a file of one column); a `.txt` must show it.
    """
    own = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}.get(suffix)
    best, chosen = 0.0, None
    for separator in sorted(SEPARATORS, key=lambda s: s != own):
        share = max(_share([line.split(separator) for line in lines]), _share(_quoted(lines, separator)))
        if share > best + 1e-9:
            best, chosen = share, separator
    if own is not None:
        if chosen is not None and (best >= 0.5 or own not in lines[0]):
            return chosen
        return own
    if chosen is None or best < 0.95 or len(lines) < 2:
        return None
    if chosen == "\t":
        return chosen
    # Commas and the like also stand in running text: names or labels must speak for it.
    fields = [line.split(chosen) for line in lines]
    named = any(is_known_name(name) or fold(name) in known for name in fields[0])
    labelled = is_label_like([row[-1] for row in fields if len(row) == len(fields[0])])
    return chosen if named or labelled else None


def _quoted(lines: Sequence[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader([line + "\n" for line in lines], delimiter=separator))
    except csv.Error:
        return []


def _share(rows: Sequence[Sequence[str]]) -> float:
    """Share of rows with as many fields as the first, counted only where there are two fields or more."""
    if not rows or len(rows[0]) < 2:
        return 0.0
    # Where the quote-aware reader swallowed lines there are fewer rows: that is no evidence against the separator.
    return sum(len(row) == len(rows[0]) for row in rows) / len(rows)


def has_header(
    first: Sequence[str], rest: Sequence[Sequence[str]], known: Collection[str] = ()
) -> tuple[bool, str | None]:
    """Whether the first row holds names, and a sentence where that was a guess worth telling. known: more names."""
    cells = [cell.strip() for cell in first]
    if any(is_known_name(cell) or fold(cell) in known for cell in cells):
        return True, None
    rest = [row for row in rest if len(row) == len(cells)]
    if known and rest and _in_their_languages(cells, rest):
        return False, "there is no header: the cells of the first row are written as those below them, in two scripts"
    if _are_places(cells, rest):
        return True, "the first row numbers the columns, so it was taken as the header (--no-header if it is data)"
    for at, cell in enumerate(cells):
        column = [row[at].strip() for row in rest]
        if cell and cell in column and is_label_like([cell, *column]):
            return False, f'there is no header: the first row\'s "{cell}" is a value of its column'
    if any(_NUMBER.match(cell) for cell in cells):
        return False, "there is no header: the first row holds numbers"
    if any(len(cell) > 40 or cell.endswith((".", "?", "!", "…")) or cell.count(" ") > 4 for cell in cells):
        return False, "there is no header: the first row reads like a sentence"
    if not rest:
        return True, None
    return True, "the first row was taken as the header (--no-header if it is data)"


def _in_their_languages(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Two columns of different scripts, and a first row in the same two: a translated pair, where names would share one."""
    scripts = [script([cell]) for cell in cells]
    below = [script(row[at] for row in rest) for at in range(len(cells))]
    return scripts == below and len(set(scripts) - {None}) > 1


def _are_places(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether a first row counts its columns from 0 or 1, as pandas names them, over a column in which no number stands."""
    if cells and not cells[0]:
        cells, rest = cells[1:], [row[1:] for row in rest]  # over the index
    numbers = [[str(at + first) for at in range(len(cells))] for first in (0, 1)]
    if len(cells) < 2 or len(rest) < 2 or cells not in numbers:
        return False
    return any(not any(_NUMBER.match(row[at].strip()) for row in rest) for at in range(len(cells)))


_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"


def column_names(cells: Sequence[str]) -> list[str]:
    """Names from a header row: outer spaces and invisible marks cut, empty names numbered, doubled ones made distinct by column."""
    names = [cell.strip().strip(_INVISIBLE).strip() or f"column_{at}" for at, cell in enumerate(cells, 1)]
    many = Counter(names)
    return [f"{name} (column {at})" if many[name] > 1 else name for at, name in enumerate(names, 1)]


def names_without_header(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """`text`, `label` where two columns show which is which; `column_1`… else."""
    if width == 1:
        return ["text"]
    if width == 2:
        columns = [[row[at] for row in rows if len(row) == 2] for at in (0, 1)]
        labels = [is_label_like(column) for column in columns]
        if labels[1] and not labels[0]:
            return ["text", "label"]
        if labels[0] and not labels[1]:
            return ["label", "text"]
    return [f"column_{at}" for at in range(1, width + 1)]
