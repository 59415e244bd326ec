"""Rows → the token store: in chunks, so that nothing but the store grows; rows that come tokenized are taken too.

While one chunk is read and tokenized, by threads of its own, the one before it is written.

store = encode_rows(rows, task, encoder)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import DataError, RowsError, SettingError
from byeori.text.ahead import ahead
from byeori.text.blocks import around
from byeori.text.store import LIST, ROW, TOKEN, Encoded, StoreWriter, TokenStore

if TYPE_CHECKING:
    from byeori.text.encode import Encoder

CHUNK = 2_000


def encode_rows(
    rows: Any, task: Any, encoder: Encoder, labels: bool = True, watch: Callable[[int, int], None] | None = None
) -> TokenStore:
    """Encode `rows` (byeori.data.Rows) by their task; token ids on disk. Raises DataError.

    The store keeps `rows` as its `source`, for samples, references and messages. `watch` is told now and then how many
    rows are done, and of how many.
    """
    table = rows.table
    levels = {**encoder.levels, **(task.levels if labels else {})}
    tokenized = "input_ids" in table.column_names
    if tokenized and "token_type_ids" not in table.column_names:
        levels.pop("token_type_ids", None)
    writer = StoreWriter(levels, encoder.pad)

    def encoded(chunk: tuple[int, dict[str, list]]) -> tuple[Encoded, int]:
        first, batch = chunk
        if tokenized:
            return _take_tokenized(batch, task, levels, encoder, first, rows, labels)
        try:
            return task.encode(batch, encoder, labels), 0
        except RowsError as error:
            place, reason = min(error.reasons.items())
            raise DataError(f"{rows.origin.where(first + place)}: {reason}") from error

    tell = watch or (lambda done, total: None)
    pads, total = 0, len(table)
    chunks = ((first, table[first : first + CHUNK]) for first in range(0, total, CHUNK))
    tell(0, total)
    with ahead(map(encoded, chunks), int(total > CHUNK)) as ready:
        for number, (found, padded) in enumerate(ready, 1):
            writer.add(found)
            pads += padded
            tell(min(number * CHUNK, total), total)
    store = settled(writer.close(), rows, encoder)
    if pads:
        rows.notes.append(f"{pads:,} padded places of the tokenized rows were taken out (their labels would be −100).")
    if store.truncated:
        share = store.truncated / max(1, store.sequences)
        rows.notes.append(
            f"{store.truncated:,} of {store.sequences:,} ({share:.1%}) {task.cut.format(length=encoder.max_length)}."
        )
    if labels:
        rows.notes += task.notes(store)
    return store


def settled(store: TokenStore, rows: Any, encoder: Encoder) -> TokenStore:
    """The store with what it is told of the rows it was made of."""
    store.source = rows if len(store) == len(rows) else None  # blocks of running text have no rows of their own
    store.decoding = {"max_length": encoder.max_length, "truncation": encoder.truncation}
    return store


def _take_tokenized(
    batch: dict[str, list], task: Any, levels: dict[str, str], encoder: Encoder, first: int, rows: Any, labels: bool
) -> tuple[Encoded, int]:
    """Rows with input_ids → flat ids without their padding; returns also how many padded places there were."""
    masks, pad = batch.get("attention_mask"), encoder.tokenizer.pad_token_id
    # Where the padding is the end token, and texts end in one, the first of a tail of them is the text's own.
    ended = masks is None and pad is not None and pad == encoder.tokenizer.eos_token_id
    ended = ended and pad in around(encoder.tokenizer)[1]
    ids: list[np.ndarray] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name, level in levels.items() if level == TOKEN}
    pads = truncated = 0
    for place, one in enumerate(batch["input_ids"]):
        one = np.asarray(one, np.int64)
        real = np.ones(len(one), bool) if masks is None else np.asarray(masks[place]) > 0
        if one.ndim != 1 or len(real) != len(one):
            raise DataError(f"{rows.origin.where(first + place)}: input_ids and attention_mask differ in length.")
        if masks is None and pad is not None:
            # Without a mask only a tail of pads is padding; a pad token inside a text would be content.
            tail = np.flatnonzero(one != pad)
            real[tail[-1] + 1 + ended if len(tail) else 0 :] = False
        pads += int((~real).sum())
        kept = np.flatnonzero(real)
        if not len(kept):
            raise DataError(f"{rows.origin.where(first + place)}: input_ids hold nothing but padding.")
        if len(kept) > encoder.max_length:
            if encoder.truncation != "head":
                raise SettingError(
                    f"truncation={encoder.truncation!r}: {rows.origin.where(first + place)} is token ids already, and where its special "
                    f"tokens stand is not known, so only its end can be cut. Give --truncation head, or tokenize the rows shorter."
                )
            kept, truncated = kept[: encoder.max_length], truncated + 1
        ids.append(one[kept])
        for name in columns:
            values = np.asarray(batch[name][place])
            if len(values) != len(one):
                raise DataError(
                    f"{rows.origin.where(first + place)}: {name} has {len(values)} values for {len(one)} input_ids."
                )
            columns[name].append(values[kept])
    made: dict[str, np.ndarray] = {name: np.concatenate(parts) for name, parts in columns.items()}
    if labels and levels.get("labels") == ROW:
        made["labels"] = task.label_ids(batch["label"])
    if labels and levels.get("labels") == LIST:
        for place, target in enumerate(batch["label"]):
            if not target or all(value < 0 or value == pad for value in target):
                raise DataError(
                    f"{rows.origin.where(first + place)}: its labels hold nothing but −100 and padding, so there is nothing to learn from "
                    f"it. Leave such rows out, or tokenize their targets."
                )
        made |= task.label_lists(batch["label"], encoder.tokenizer)
    lengths = np.array([len(one) for one in ids], np.int64)
    return Encoded(np.concatenate(ids).astype(np.int32), lengths, made, truncated=truncated), pads
