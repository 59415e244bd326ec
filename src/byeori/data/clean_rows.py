"""Cleaning on tables and rows: a block of rows at a time, and the Unicode form that "auto" stands for.

Invariants: blocks in which nothing changes are the ones that were read; the result does not depend on how the rows were cut
into blocks.

    form, why = form_for(rows); rows, notes = cleaned(rows, Cleaner(form=form))
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.cleaning import LISTS, TEXTS, Cleaner, clean, told
from byeori.data.disk import BATCH, Spill, is_large
from byeori.data.wording import count
from byeori.errors import DataError

if TYPE_CHECKING:
    from byeori.data.rows import Rows

BLOCK = BATCH
ROLES = (*TEXTS, *LISTS, "messages", "answers", "entities")
_HANGUL = "[\\x{1100}-\\x{11ff}\\x{3130}-\\x{318f}\\x{a960}-\\x{a97f}\\x{ac00}-\\x{d7ff}]"
_SPACE = "\\t-\\r\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
# What each step may find something in (RE2), so that the others need not be looked at one by one.
MAY = {
    "html": "&",
    "control": "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{9f}]",
    "zero-width": "[\\x{ad}\\x{61c}\\x{200b}-\\x{200f}\\x{202a}-\\x{202e}\\x{2060}-\\x{206f}\\x{feff}\\x{fff9}-\\x{fffb}]",
    "lower": "\\p{Lu}|\\p{Lt}|[^\\x00-\\x7f\\x{1100}-\\x{11ff}\\x{3000}-\\x{318e}\\x{4e00}-\\x{9fff}\\x{ac00}-\\x{d7a3}]",
    "inner-spaces": f"[{_SPACE}]{{2}}|[\\t-\\r\\x1c-\\x1f\\x{{85}}-\\x{{a0}}\\x{{1680}}-\\x{{3000}}]",
    "spaces": f"\\A[{_SPACE}]|[{_SPACE}]\\z",
    # All but signs that the form leaves alone and that join none before them: letters and syllables as they mostly are.
    "nfc": "[^\\x{0}-\\x{2ff}\\x{2010}-\\x{2027}\\x{3000}-\\x{3029}"
    "\\x{3131}-\\x{318e}\\x{4e00}-\\x{9fff}\\x{ac00}-\\x{d7a3}\\x{ff01}-\\x{ff9d}]",
    "nfkc": "[^\\x{0}-\\x{7f}\\x{4e00}-\\x{9fff}\\x{ac00}-\\x{d7a3}]",
}
_JAMO = "[\\x{1100}-\\x{11ff}]"


@dataclass
class Table:
    """Cleaned columns, `changed` counts by step, and what is to be done about some rows: see `cleaning.Cleaned`."""

    columns: dict[str, pa.ChunkedArray]
    texts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    emptied: dict[str, list[int]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)


def clean_columns(columns: Mapping[str, pa.ChunkedArray], cleaner: Cleaner) -> Table:
    """Checked columns by role → the same, cleaned. Places of rows are those of the columns."""
    used = {role: columns[role] for role in ROLES if role in columns and _holds(columns[role].type)}
    found = Table(dict(columns), counts=Counter(dict.fromkeys(cleaner.named, 0)))
    if not cleaner or not used:
        return found
    rows = len(next(iter(used.values())))
    large = is_large(sum(values.nbytes for values in used.values()))
    blocks = {role: _Blocks(large) for role in used}
    for first in range(0, rows, BLOCK):
        block = {role: _one(values.slice(first, BLOCK)) for role, values in used.items()}
        at, texts = _candidates(block, cleaner)
        found.texts += texts
        made = (
            clean({role: values.take(at).to_pylist() for role, values in block.items()}, cleaner) if len(at) else None
        )
        for role, values in block.items():
            if made is not None and role in made.columns:
                blocks[role].change(_replaced(values, at, pa.array(made.columns[role], values.type)))
            else:
                blocks[role].stay(used[role].slice(first, BLOCK))
        if made is not None:
            found.counts.update(made.counts)
            found.problems |= {first + int(at[place]): why for place, why in made.problems.items()}
            for role, places in made.emptied.items():
                found.emptied.setdefault(role, []).extend(first + int(at[place]) for place in places)
    for role, several in blocks.items():
        if several.changed:
            found.columns[role] = pa.chunked_array(several.chunks(), used[role].type)
    return found


class _Blocks:
    """A column in blocks: what stays lies where it lay; what changes, of a large table, on disk."""

    def __init__(self, large: bool):
        self.changed = 0
        self._spill = Spill() if large else None
        self._blocks: list[list[pa.Array] | None] = []  # None: the next one of the spill

    def stay(self, values: pa.ChunkedArray) -> None:
        self._blocks.append(values.chunks)

    def change(self, values: pa.Array) -> None:
        self.changed += 1
        if self._spill is not None:
            self._spill.add(pa.table({"": values}))
        self._blocks.append([values] if self._spill is None else None)

    def chunks(self) -> list[pa.Array]:
        kept = iter(self._spill.close().column(0).chunks if self._spill is not None else ())
        return [chunk for block in self._blocks for chunk in (block if block is not None else [next(kept)])]


def _candidates(block: Mapping[str, pa.Array], cleaner: Cleaner) -> tuple[np.ndarray, int]:
    """The rows of a block in which a step may find something, int64, and how many texts there are."""
    rows, texts = len(next(iter(block.values()))), 0
    mask = np.full(rows, cleaner.function is not None)
    pattern = "|".join(MAY[name] for name in cleaner.named if name in MAY)
    for role, values in block.items():
        if role in ("answers", "entities"):
            continue
        flat, owners = _flat(values)
        texts += len(flat) - flat.null_count
        if pattern and cleaner.function is None:
            hits = pc.fill_null(pc.match_substring_regex(flat, pattern), False).to_numpy(zero_copy_only=False)
            mask[owners[hits]] = True
    return np.flatnonzero(mask), texts


def _flat(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """The texts of a column, and the row of each."""
    owners = np.arange(len(values))
    while pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        owners = owners[pc.list_parent_indices(values).to_numpy(zero_copy_only=False)]
        values = pc.list_flatten(values)
    return (pc.struct_field(values, "content") if pa.types.is_struct(values.type) else values), owners


def _replaced(values: pa.Array, at: np.ndarray, new: pa.Array) -> pa.Array:
    """A column with other values in some of its rows."""
    index = np.arange(len(values))
    index[at] = len(values) + np.arange(len(at))
    return pa.concat_arrays([values, new]).take(pa.array(index))


def _one(values: pa.ChunkedArray) -> pa.Array:
    found = values.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def _holds(kind: pa.DataType) -> bool:
    """Whether a column holds texts: not one of token ids, say."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds(kind.value_type) or pa.types.is_struct(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_struct(kind)


def cleaned(rows: Rows, cleaner: Cleaner) -> Rows:
    """Rows that were read, cleaned further; every row stays. Raises DataError for a row that can't be used then."""
    import datasets

    if not cleaner or not len(rows):
        return rows
    whole = rows.table.with_format("arrow")[:]
    made = clean_columns({name: whole[name] for name in whole.column_names if name in ROLES}, cleaner)
    emptied = {
        place: f"of its {role} nothing is left once it is cleaned"
        for role, places in made.emptied.items()
        for place in places
    }
    wrong = {place: why for place, why in {**emptied, **made.problems}.items() if place not in rows.errors}
    if wrong:
        place, why = min(wrong.items())
        more = f" {count(len(wrong), 'row')} are like this." if len(wrong) > 1 else ""
        raise DataError(f"{rows.origin.where(place)}: {why}.{more} Leave such rows out, or clean less.")
    table = rows.table
    if any(made.columns[name] is not whole[name] for name in made.columns):
        columns = [made.columns.get(name, whole[name]) for name in whole.column_names]
        table = datasets.Dataset(
            pa.table(dict(zip(whole.column_names, columns, strict=True))),
            fingerprint=datasets.fingerprint.generate_random_fingerprint(),  # else the whole table is hashed for a name
        )
    before = rows.cleaner or Cleaner()
    both = Cleaner(before.steps + cleaner.steps, cleaner.function or before.function, cleaner.form or before.form)
    counts = Counter(rows.cleaned)
    counts.update(made.counts)
    counts["texts"] = max(rows.cleaned.get("texts", 0), made.texts)
    return replace(rows, table=table, cleaner=both, cleaned=dict(counts), notes=list(rows.notes))


def form_for(rows: Rows) -> tuple[str | None, str]:
    """The Unicode form that "auto" stands for, and why, for a note ("" where there is nothing to say).

    NFC where a text holds Hangul, which macOS and some keyboards write decomposed; and where texts are decomposed and NFC
    does nothing but compose them. Else none: NFC also replaces single signs (Å, the sign of a unit, by the letter Å).
    """
    decomposed, other = 0, ""
    for texts in _texts(rows):
        if pc.any(pc.match_substring_regex(texts, _HANGUL)).as_py():
            return "nfc", "the texts hold Hangul"
        for text in texts.filter(pc.not_equal(pc.utf8_normalize(texts, "NFC"), texts)).to_pylist():
            if unicodedata.is_normalized("NFC", text):
                continue
            decomposed += 1
            other = other or next((one for one in text if unicodedata.normalize("NFC", one) != one), "")
    if decomposed and not other:
        return "nfc", f"{count(decomposed, 'text')} {'is' if decomposed == 1 else 'are'} decomposed, which NFC composes"
    if decomposed:
        return None, (
            f"{count(decomposed, 'text')} {'is' if decomposed == 1 else 'are'} not NFC, and left so, for NFC would also replace "
            f"single signs (U+{ord(other):04X}): --normalize nfc does it"
        )
    return None, ""


def normalized(parts: dict[Any, Rows], form: str | None = "auto") -> dict[Any, Rows]:
    """Parts of one set in a Unicode form; "auto": the one for the training rows, or the first part. Notes say so."""
    first = next(name for name in (*(one for one in parts if one in ("train", None)), *parts))
    why = ""
    if form == "auto":
        form, why = form_for(parts[first])
    if form is None:
        parts[first].notes += [f"normalize none: {why}."] if why else []
        return parts
    cleaner = Cleaner(form=form)
    found = {name: cleaned(rows, cleaner) for name, rows in parts.items()}
    for name, rows in found.items():
        changed, texts = rows.cleaned.get(form, 0), rows.cleaned.get("texts", 0)
        if changed or name == first:
            said = f" ({why})" if why and name == first else ""
            rows.notes.append(f"normalize {form}{said}: {changed:,} of {texts:,} texts changed.")
    return found


def conjoining(rows: Rows) -> int:
    """How many texts have conjoining jamo, which few vocabularies know: what NFKC makes of letters such as ㅋㅋ and ㅠㅠ."""
    return sum(pc.sum(pc.match_substring_regex(texts, _JAMO)).as_py() or 0 for texts in _texts(rows))


def _texts(rows: Rows) -> Iterator[pa.ChunkedArray]:
    """All texts of rows, flat, a block of a column at a time."""
    names = [name for name in rows.table.column_names if name in (*TEXTS, *LISTS, "messages")]
    if not names:
        return
    table = rows.table.select_columns(names).with_format("arrow")
    for first in range(0, len(table), BLOCK):
        block: Any = table[first : first + BLOCK]
        for name in names:
            values = block[name]
            if not _holds(values.type):
                continue
            while pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
                values = pc.list_flatten(values)
            if pa.types.is_struct(values.type):
                values = pc.struct_field(values, "content")
            yield pc.drop_null(values)


def notes_of(name: str, made: Table, cleaner: Cleaner) -> list[str]:
    """What was cleaned of a file, one line a step."""
    return [f"{name}: {one}." for one in told(made.counts, made.texts, cleaner)]
