"""Columns beside those that are read: which name the rows, hold one value, or say the answer.

check(part, labels)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.names import IDS, NAMES
from byeori.data.roles import fold
from byeori.data.wording import listed, short
from byeori.doctor.findings import LOOK, NOTE, STOP, Finding
from byeori.doctor.labels import similar
from byeori.doctor.parts import Part, verb

LABELS = frozenset(("label", *NAMES["label"][0]))
FEW = 50  # values of a column that could say the answer


def others(part: Part) -> list[str]:
    """The columns that have no role."""
    return [name for name in part.table.column_names if not part.has(name)]


def check(part: Part, labels: list[Any] | None = None) -> list[Finding]:
    found: list[Finding] = []
    ids, constant, telling = [], [], []
    for name in others(part):
        values = _plain(part.table[name])
        if values is None or len(part) < 2:
            continue
        distinct = pc.count_distinct(values).as_py()
        if fold(name) in LABELS and pa.types.is_string(values.type) and distinct <= FEW:
            spelled = similar(part, Counter(values.drop_null().to_pylist()), values.to_pylist())
            found += [replace(spelled, said=f'In the column "{name}": {spelled.said}')] if spelled else []
        if distinct == 1:
            constant.append((name, values[0].as_py()))
        elif _is_id(name, values, distinct):
            ids.append(name)
        elif labels is not None and 2 <= distinct <= FEW and _says(values, labels):
            telling.append(name)
    for role in part.inputs[:2]:
        if role in ("text", "text_pair", "source") and len(part) >= 20:
            found += _of_role(part, role)
    if ids:
        found.append(Finding(
            "id_column", NOTE, part.name, len(ids),
            f"{listed(ids)} {verb(len(ids), 'names', 'name')} the rows and {verb(len(ids), 'is', 'are')} not read.",
            "Nothing to do; keep an id out of the text.",
        ))  # fmt: skip
    if constant:
        told = ", ".join(f'"{name}" ("{short(value, 20)}")' for name, value in constant[:6])
        found.append(
            Finding(
                "constant_column",
                NOTE,
                part.name,
                len(constant),
                f"One value in all rows: {told}.",
                "Nothing to do; these columns are not read.",
            )
        )
    if telling:
        found.append(Finding(
            "giveaway", NOTE, part.name, len(telling),
            f"{listed(telling)} {verb(len(telling), 'says', 'say')} the label: each value goes with one label only.",
            "Keep such a column out of the text, unless it is known when a prediction is asked for.",
        ))  # fmt: skip
    return found


def _of_role(part: Part, role: str) -> list[Finding]:
    """A text column that is no text: one value in all rows, or ids."""
    values = part.column(role)
    column = listed([part.rows.columns.get(role, role)])
    distinct = pc.count_distinct(values).as_py()
    if distinct == 1:
        value = short(values[0].as_py(), 40)
        said = f'The column {column}, read as the {role.replace("_", " ")}, holds "{value}" in all {len(part):,} rows.'
        return [
            Finding(
                "constant_column",
                STOP if role != "text_pair" else LOOK,
                part.name,
                1,
                said,
                f"Name another column with --{role.replace('_', '-')}.",
            )
        ]
    name = part.rows.columns.get(role, role)
    numbers = pc.match_substring_regex(values, r"^\s*[\w-]*\d[\w-]*\s*$")
    if distinct == len(part) and pc.mean(numbers.cast(pa.int8())).as_py() > 0.95 and isinstance(name, str):
        said = f'The column {column}, read as the {role.replace("_", " ")}, looks like ids: "{short(values[0].as_py(), 30)}", each once.'
        return [
            Finding(
                "id_column", STOP, part.name, 1, said, f"Name the column of the text with --{role.replace('_', '-')}."
            )
        ]
    return []


def _plain(values: pa.ChunkedArray) -> pa.Array | None:
    """A column of single values as one array; None for lists and objects."""
    if pa.types.is_nested(values.type) or pa.types.is_null(values.type):
        return None
    return pa.concat_arrays(values.chunks) if values.num_chunks else None


def _is_id(name: str, values: pa.Array, distinct: int) -> bool:
    """By its name, or a whole number (or a code) that each row has its own of."""
    if distinct < 0.99 * len(values):
        return fold(name) in IDS or (fold(name).endswith(("_id", "qid1", "qid2")) and distinct > 0.3 * len(values))
    if fold(name) in IDS or fold(name).endswith(("id", "_no", "number")):
        return True
    if pa.types.is_integer(values.type):
        return True
    if not pa.types.is_string(values.type):
        return False
    return bool(pc.all(pc.match_substring_regex(values, r"^[\w.:-]*\d[\w.:-]*$")).as_py())


def _says(values: pa.Array, labels: list[Any]) -> bool:
    """Whether each value goes with one label, of two labels or more, each value often enough for that to be no chance."""
    if any(isinstance(one, (list, float)) for one in labels[:100]):
        return False
    codes = pc.fill_null(values.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    _, classes = np.unique(np.asarray([str(one) for one in labels], dtype=object), return_inverse=True)
    if classes.max(initial=0) < 1 or len(classes) < 20 or np.unique(codes, return_counts=True)[1].min() < 3:
        return False
    table = np.zeros((int(codes.max()) + 1, int(classes.max()) + 1), np.int64)
    np.add.at(table, (codes, classes), 1)
    return bool((table.max(1).sum() == len(classes)) and (table.sum(0) > 0).sum() > 1)
