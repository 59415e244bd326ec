"""A part's rows as the doctor looks at them: Arrow columns, texts by role, the numbers rows have in their file.

Invariants: `table`, `numbers` and every array made of them have one entry a usable row, in the file's order; unreadable rows
and those with an empty text are only in `bad` and `empty`.

    part.texts("text"), part.number(0), part.where(0)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.wording import short
from byeori.doctor.findings import Number

if TYPE_CHECKING:
    from byeori.data.rows import Origin, Rows

# What a model reads of a row, in this order; and what it is to write.
INPUTS = ("text", "text_pair", "question", "context", "source", "prompt", "tokens", "messages", "choices")
WRITTEN = ("target", "completion")
ROLES = (*INPUTS, *WRITTEN, "label", "tags", "entities", "answers", "references", "id", "title")


Row = int | np.integer[Any]


@dataclass
class Lost:
    """A row that is not looked at: its number, where it stands, and why."""

    number: int
    where: str
    reason: str


@dataclass
class Part:
    """One of train, validation and test.

    table: role columns and all others. numbers: int64 (n,), row numbers in the file. raw: labels as the file spells them,
    one a row, or None. bad, empty, unanswered: rows that `table` is without. of: how many rows these few stand for.
    """

    name: str
    rows: Rows
    table: pa.Table
    origin: Origin
    raw: list[Any] | None = None
    bad: list[Lost] = field(default_factory=list)
    empty: list[Lost] = field(default_factory=list)
    unanswered: list[Lost] = field(default_factory=list)
    found: int = 0
    of: int | None = None

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def size(self) -> int:
        """The number that shares are of."""
        return len(self) if self.of is None else self.of

    @property
    def numbers(self) -> np.ndarray:
        return self.origin.row_of

    def number(self, at: Row) -> Number:
        return Number(self.origin, int(at))

    def where(self, at: Row) -> str:
        return self.origin.where(int(at))

    def has(self, role: str) -> bool:
        """Whether the rows have this role; another column may be called so (KLUE-NLI's "source")."""
        return role in self.rows.columns and role in self.table.column_names

    @cached_property
    def _texts(self) -> dict[str, pa.Array]:
        return {}

    def column(self, role: str) -> pa.Array:
        """A role's texts as one Arrow array; lists (tokens, choices) joined, turns of a conversation by their content."""
        if role not in self._texts:
            values = self.table[role].combine_chunks()
            if isinstance(values, pa.ChunkedArray):
                values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
            kind = values.type
            if role == "messages":
                values = pa.array(
                    ["\n".join(str(turn.get("content", "")) for turn in turns) for turns in values.to_pylist()]
                )
            elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
                glue = "" if self.rows.facts.get("unit") == "character" else "\n" if role == "choices" else " "
                values = pc.binary_join(values.cast(pa.list_(pa.string())), glue)
            elif not pa.types.is_string(kind):
                values = values.cast(pa.string())
            self._texts[role] = pc.fill_null(values, "") if values.null_count else values
        return self._texts[role]

    @cached_property
    def _lists(self) -> dict[str, list[str]]:
        return {}

    def texts(self, role: str) -> list[str]:
        if role not in self._lists:
            self._lists[role] = self.column(role).to_pylist()
        return self._lists[role]

    def composed(self, role: str) -> list[str]:
        """Texts as training gives them to the tokenizer: NFC where there is Hangul (`--normalize auto`)."""
        values = self.column(role)
        if not pc.any(pc.match_substring_regex(values, "[\u1100-\u11ff\uac00-\ud7a3]")).as_py():
            return self.texts(role)
        composed = pc.utf8_normalize(values, form="NFC")
        return self.texts(role) if composed.equals(values) else composed.to_pylist()

    @property
    def inputs(self) -> list[str]:
        """The roles of what the model reads."""
        return [role for role in INPUTS if self.has(role)]

    @property
    def written(self) -> list[str]:
        return [role for role in (*INPUTS, *WRITTEN) if self.has(role)]

    def codes(self, roles: Sequence[str], plain: bool = False) -> np.ndarray:
        """int64 (n,): equal numbers for rows whose texts are equal in all of `roles`; `plain`: spaces and case aside."""
        return codes([self.column(role) for role in roles], plain)

    def shown(self, at: int, roles: Sequence[str] | None = None) -> list[str]:
        """The texts of a row, for an example."""
        return [self.texts(role)[at] for role in (roles or self.inputs)]

    def brief(self, at: int, most: int = 40) -> str:
        """A row's first text, short, in quotes."""
        roles = self.inputs
        return f'"{short(self.texts(roles[0])[at], most)}"' if roles else self.where(at)


def differing(one: Part, at: Row, other: Part, there: Row, roles: Sequence[str], most: int = 40) -> str:
    """Two rows that are nearly alike, beside each other: the first text in which they differ, from where it does."""
    pairs = [(one.texts(role)[int(at)], other.texts(role)[int(there)]) for role in roles]
    return " and ".join(
        f'"{text}"' for text in apart(*next((pair for pair in pairs if pair[0] != pair[1]), pairs[0]), most)
    )


def apart(first: str, second: str, most: int = 40) -> tuple[str, str]:
    """Two texts, short; a common beginning that would leave no room for their difference is cut to its last characters."""
    same = len(os.path.commonprefix([first, second]))
    start = same - most // 4 if same > most // 2 and max(len(first), len(second)) > most else 0
    left = "…" if start else ""
    return left + short(first[start:], most - len(left)), left + short(second[start:], most - len(left))


def plain(texts: pa.Array) -> pa.Array:
    """Texts without what a person would not call a difference: case, kinds and numbers of spaces, composition."""
    folded = pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, r"\s+", " "))


def codes(columns: Sequence[pa.Array], fold: bool = False) -> np.ndarray:
    """int64 (n,): equal numbers for rows that are equal in all columns, numbered by their first row."""
    groups = np.zeros(len(columns[0]) if columns else 0, np.int64)
    for place, column in enumerate(columns):
        found = (plain(column) if fold else column).dictionary_encode()
        new = found.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        if not place:
            groups = new
        else:
            both = groups * (len(found.dictionary) + 1) + new
            _, first, inverse = np.unique(both, return_index=True, return_inverse=True)
            rank = np.empty(len(first), np.int64)
            rank[np.argsort(first, kind="stable")] = np.arange(len(first))
            groups = rank[inverse]
    return groups


def histogram(values: np.ndarray, bins: int = 20) -> dict[str, list]:
    """{"edges": [k + 1], "counts": [k]}; whole numbers get edges between whole numbers; the last bin ends at the most.

    Where a few values lie far out, the last bin holds the highest hundredth: bins as wide as all of it would be one bar.
    """
    if not len(values):
        return {"edges": [0, 1], "counts": [0]}
    low, high = float(values.min()), float(values.max())
    usual = float(np.percentile(values, 99))
    far = high - low > 2 * (usual - low) > 0
    top, bins = (usual, bins - 1) if far else (high, bins)
    if np.issubdtype(values.dtype, np.integer):
        step = max(1, int(np.ceil((top - low + 1) / bins)))
        edges = np.arange(low, top + step + 1, step)
        edges = edges[: int(np.searchsorted(edges, top, side="right")) + 1]
    else:
        edges = np.linspace(low, top if top > low else low + 1, bins + 1)
    if far:
        edges = np.append(edges, high + 1 if np.issubdtype(values.dtype, np.integer) else high)
    counts, edges = np.histogram(values, edges)
    tidy = [int(edge) if float(edge).is_integer() else round(float(edge), 6) for edge in edges]
    return {"edges": tidy, "counts": counts.tolist()}


def summary(values: np.ndarray) -> dict[str, Any]:
    """min, mean, median, p90, p99, max and histogram of whole numbers."""
    if not len(values):
        return {"min": 0, "mean": 0.0, "median": 0.0, "p90": 0.0, "p99": 0.0, "max": 0, "histogram": histogram(values)}
    median, p90, p99 = (round(float(one), 2) for one in np.percentile(values, (50, 90, 99)))
    return {
        "min": int(values.min()), "mean": round(float(values.mean()), 2), "median": median, "p90": p90, "p99": p99,
        "max": int(values.max()), "histogram": histogram(np.asarray(values, np.int64)),
    }  # fmt: skip


def share(count: float, of: float) -> str:
    """`1.5%`, `33 of …` is left to the caller; never 0% for something that is there."""
    part = 100 * count / max(1, of)
    return f"{part:.0f}%" if part >= 10 else f"{part:.1f}%" if part >= 0.1 else "under 0.1%"


def verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many
