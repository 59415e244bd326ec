"""Rows by role → a token store, and what a model answered → predictions: the two ends of prediction, whatever runs the model.

Invariants: rows are cleaned as those of training were; nothing of torch is imported.

    class Engine(Reader): ...
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byeori.data import cleaning
from byeori.data.cleaning import Cleaner
from byeori.errors import RowsError
from byeori.models.legible import unread
from byeori.predict.rows import WINDOW
from byeori.text.encode import Encoder
from byeori.text.normalizer import holds
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.batches.answers import Answers
    from byeori.tasks.base import Task


@dataclass
class Spent:
    """What predicting cost so far: rows, real tokens, tokens computed on (padding included), seconds."""

    rows: int = 0
    tokens: int = 0
    computed: int = 0
    seconds: float = 0.0


class Reader:
    """A task with its tokenizer. `encoder` says how long a text may be, and what is cut."""

    has_losses = True  # whether `each` is given what a task's loss is made of

    def __init__(self, task: Task, tokenizer: Any, encoder: Encoder):
        self.task, self.tokenizer, self.encoder = task, tokenizer, encoder
        self._tried = False  # whether the tokenizer has been seen to read what it is given
        wanted = task.cleaning or Cleaner()
        # What the tokenizer does by itself need not be done to texts.
        self.cleaner = wanted.alone if holds(tokenizer, wanted.form) else wanted

    def encode(
        self, rows: dict[str, list], call: Any | None = None, *, read: bool = False, clean: bool = True
    ) -> TokenStore:
        """Rows by role → a store in memory, without labels; cleaned as those of training were, unless not `clean`.

        `read`: of rows of a file one of which cleaning leaves nothing can't be used; an empty text of a call can.
        Raises ModelError for a tokenizer that makes nothing of them, RowsError for rows that can't be used.
        """
        given = rows
        if clean and self.cleaner:
            rows = self._cleaned(rows, read)
        if not self._tried:
            self._tried = True
            texts = [one for role in self.task.roles for one in rows.get(role) or [] if isinstance(one, str)]
            if (note := unread(self.tokenizer, texts[:WINDOW])) is not None:
                print(note, file=sys.stderr)
        encoded = self.task.encode(rows, self.encoder, labels=False, call=call)
        levels = {name: level for name, level in self.levels.items() if name in encoded.columns}
        store = TokenStore.of(encoded, levels, self.encoder.pad)
        store.source, store.given = rows, given if given is not rows else None
        return store

    def _cleaned(self, rows: dict[str, list], read: bool) -> dict[str, list]:
        made = cleaning.clean(rows, self.cleaner)
        empty = {
            place: f"cleaning leaves nothing of the {role.replace('_', ' ')}"
            for role, places in made.emptied.items()
            for place in places
        }
        if wrong := {**(empty if read else {}), **made.problems}:
            raise RowsError(dict(sorted(wrong.items())))
        return {**rows, **made.columns} if made.columns else rows

    def decode(self, answers: Answers, store: TokenStore, call: Any | None = None) -> list[Any]:
        """A prediction a row, as the pipeline returns them; what they say of a text is said of it as it was given."""
        found = self.task.decode(answers, store, call)
        if store.given is None:
            return found
        roles = [role for role, values in store.source.items() if values is not store.given[role]]
        said = []
        for place, prediction in enumerate(found):
            sides = (store.source, store.given)
            row, given = ({role: values[place] for role, values in side.items()} for side in sides)
            changed = any(not _same(row[role], given[role]) for role in roles)
            said.append(self.task.given_back(prediction, row, given, self.cleaner, call) if changed else prediction)
        return said

    @property
    def levels(self) -> dict[str, str]:
        return {**self.encoder.levels, **self.task.levels}


def _same(one: Any, other: Any) -> bool:
    return one == other if isinstance(other, str) or other is None else list(one) == list(other)
