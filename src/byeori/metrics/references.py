"""One or several reference texts a row, and the check that they are given by row.

Invariant: what comes back is one non-empty list of texts a row, or a DataError names the row.

    from byeori.metrics.references import by_row; by_row(["a cat"], [["the cat", "a cat"]])

sacrebleu takes streams, one list per set of references (`[[first of each row], [second of each row]]`), `evaluate`
takes rows. Handed over the wrong way round, sacrebleu scores the first pair only and says nothing; here it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from byeori.errors import DataError
from byeori.metrics.intervals import check_lengths

CLEARLY = 0.2  # how much more alike texts must be across rows than in them before rows are taken for streams


def by_row(predicted: Sequence[str], references: Sequence) -> list[list[str]]:
    """The references of each row: a list (n,) of lists of texts.

    predicted: texts (n,); references: (n,), a text or a list of texts a row. Raises DataError for no rows, for
    different lengths, for references given as streams, for a row without a reference and for what isn't text.
    """
    n, lists = len(predicted), [row for row in references if not isinstance(row, str)]
    streams = bool(lists) and len(lists) == len(references) and all(_is_list(row) and len(row) == n for row in lists)
    if streams and (
        len(references) != n or (n > 1 and _alike(list(zip(*lists, strict=True))) > _alike(lists) + CLEARLY)
    ):
        raise DataError(
            f"The references are {len(references)} lists of {n} texts, one list per set of references, for {n} "
            "predictions: the way sacrebleu takes them. Give one list a row: "
            "[list(row) for row in zip(*references)]."
        )
    check_lengths(predicted, references)
    rows = []
    for number, (text, row) in enumerate(zip(predicted, references, strict=True), start=1):
        if not isinstance(text, str):
            raise DataError(f"Row {number}: the prediction is {text!r} ({type(text).__name__}), not a text.")
        row = [row] if isinstance(row, str) else list(row) if _is_list(row) else [row]
        if not row:
            raise DataError(f"Row {number} has no reference. Give one text or a list of texts a row, or drop the row.")
        for reference in row:
            if not isinstance(reference, str):
                raise DataError(
                    f"Row {number}: a reference is {reference!r} ({type(reference).__name__}), not a text. Give one "
                    "text or a list of texts a row."
                )
        rows.append(row)
    return rows


def flat(rows: Sequence[Sequence[str]]) -> list[str]:
    """The references of all rows, one after the other."""
    return [text for row in rows for text in row]


def _is_list(row) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, str | bytes)


def _alike(rows: Sequence[Sequence[str]]) -> float:
    """How alike the first two texts of a row are, 0–1: shared character pairs (Dice), the mean over 100 rows."""
    shares = []
    for row in rows[:100]:
        first, second = ({text[i : i + 2] for i in range(len(text) - 1)} for text in map(str, row[:2]))
        shares.append(2 * len(first & second) / max(1, len(first) + len(second)))
    return sum(shares) / max(1, len(shares))
