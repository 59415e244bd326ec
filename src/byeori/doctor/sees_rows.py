"""Rows of a token store, row by row and sequence by sequence, with what each task learns beside their tokens.

What a task adds is read from the store's columns: tags and next tokens (one a token), answers of windows and right choices
(one a sequence), labels (one a row), targets (a list a row), and what its draw hides.

    views(task, loaded, rows, store, 3)[0]["sequences"][0]["tokens"]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import short
from byeori.doctor.sees_tokens import counts, described, name_of, placed
from byeori.errors import DataError
from byeori.tasks.base import DRAW_SEED, Task
from byeori.tasks.likelihood import Likelihood
from byeori.tasks.token_classification import TokenClassification
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, ROW, SEQUENCE, TOKEN
from byeori.text.windows import null_places

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.models.load import Loaded
    from byeori.text.store import TokenStore

GIVEN = 300  # characters of a row's text that are shown
NOT_LEARNT = "−100"


@dataclass(frozen=True)
class Shown:
    """What is being shown, and what its parts ask for."""

    task: Task
    loaded: Loaded
    rows: Rows
    store: TokenStore
    drawn: dict[int, tuple[np.ndarray, np.ndarray]]  # sequence → ids as the model sees them, labels a token or targets
    corrupted: bool = False  # the draw makes inputs and targets of a sequence, not a label a token

    @property
    def tokenizer(self) -> Any:
        return self.loaded.tokenizer

    def tokens(self, sequence: int) -> slice:
        return slice(int(self.store.offsets[sequence]), int(self.store.offsets[sequence + 1]))

    def name(self, token: int) -> str:
        return NOT_LEARNT if token == IGNORED else name_of(self.tokenizer, token)


def views(task: Task, loaded: Loaded, rows: Rows, store: TokenStore, most: int) -> list[dict[str, Any]]:
    """A dict a row: where it is from, what it says, its label, its sequences, and its decoder's inputs and targets."""
    from byeori.doctor.sees import decoder_of

    shown = Shown(task, loaded, rows, store, *draws(task, store, most))
    found = [_row(shown, row) for row in range(most)]
    if store.levels.get("labels") == LIST:
        targets = [store.list_of("labels", row).tolist() for row in range(most)]
        for one, decoder in zip(found, decoder_of(loaded.model, loaded.tokenizer, targets), strict=True):
            one["decoder"] = decoder
    return found


def draws(task: Task, store: TokenStore, most: int) -> tuple[dict[int, tuple[np.ndarray, np.ndarray]], bool]:
    """What evaluation's draw makes of the rows' sequences, and whether that is targets; {} for a task that draws nothing."""
    from byeori.batches.pack import build

    draw = task.drawing(DRAW_SEED, 0)
    if draw is None or not most:
        return {}, False
    rows = np.arange(most)
    sequences = store.sequences_of(rows)
    owners = np.repeat(rows, np.diff(store.row_offsets)[rows])
    pack = draw(build(store, sequences, rows=owners))
    ids, labels = pack.input_ids.numpy(), pack.labels.numpy()
    inside = [
        slice(start, start + length)
        for start, length in zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
    ]
    targets = pack.levels["labels"] == LIST
    return {
        int(sequence): (ids[part], labels[place] if targets else labels[part])
        for place, (sequence, part) in enumerate(zip(pack.sequences, inside, strict=True))
    }, targets


def _row(shown: Shown, row: int) -> dict[str, Any]:
    store, task = shown.store, shown.task
    given = store.row(row)
    first, last = int(store.row_offsets[row]), int(store.row_offsets[row + 1])
    found: dict[str, Any] = {"where": f"block {row + 1}", "row": row + 1, "given": {}}
    if given and len(shown.rows) > row:
        found |= {"where": shown.rows.origin.where(row), "row": int(shown.rows.origin.row_of[row])}
        found["given"] = {role: _given(value) for role, value in given.items() if value is not None}
    if store.levels.get("labels") == ROW:
        found["label"] = _label(task, store.columns["labels"][row])
    found["sequences"] = [_sequence(shown, row, one, one - first, last - first) for one in range(first, last)]
    if store.levels.get("char_starts") == TOKEN:
        _overlaps(found["sequences"])
    return found


def _given(value: Any) -> Any:
    if isinstance(value, str):
        return short(value, GIVEN)
    if isinstance(value, list):
        return [_given(one) for one in value[:40]] + ([f"… {len(value) - 40:,} more"] if len(value) > 40 else [])
    return {name: _given(one) for name, one in value.items()} if isinstance(value, dict) else value


def _label(task: Task, value: Any) -> dict[str, Any]:
    """The number that the loss takes and the words for it."""
    plain = value.tolist()
    try:
        words = task.named(value)
    except (TypeError, ValueError, LookupError):
        words = plain
    return {"id": plain, "name": words if isinstance(words, str | int | float | list) else str(words)}


def _sequence(shown: Shown, row: int, sequence: int, number: int, of: int) -> dict[str, Any]:
    if shown.corrupted:
        return _corrupted(shown, sequence, number, of)
    store, part = shown.store, shown.tokens(sequence)
    types = store.columns.get("token_type_ids")
    tokens = described(shown.tokenizer, store.input_ids[part].tolist(), None if types is None else types[part])
    found: dict[str, Any] = {
        "number": number + 1,
        "of": of,
        "counts": counts(tokens),
        "tokens": tokens,
        "kind": "sequence",
    }
    _place(shown, row, number, tokens)
    if sequence in shown.drawn:
        _hidden(shown, found, *shown.drawn[sequence])
    elif store.levels.get("char_starts") == TOKEN:
        _window(shown, row, sequence, found)
    elif isinstance(shown.task, TokenClassification):
        _tags(shown, row, sequence, found)
    elif isinstance(shown.task, Likelihood) and store.levels.get("labels") == TOKEN:
        _next(shown, found, store.columns["labels"][part])
    elif store.levels.get("labels") == SEQUENCE and store.columns["labels"].ndim == 1:
        _choice(shown, row, found, int(store.columns["labels"][sequence]))
    elif of > 1:
        _choice(shown, row, found, None)
    if "next" in store.columns and store.levels["next"] == SEQUENCE:
        follows = int(store.columns["next"][sequence]) == 0
        found["kind"] = "pair"
        which = "the second sentence " + ("follows the first (label 0)" if follows else "is from elsewhere (label 1)")
        found["said"] = "; ".join(filter(None, (which, found.get("said"))))
    return found


def _corrupted(shown: Shown, sequence: int, number: int, of: int) -> dict[str, Any]:
    """A piece of text without what was taken out of it, and the decoder's table of what was."""
    from byeori.doctor.sees import decoder_of

    ids, labels = shown.drawn[sequence]
    tokens = described(shown.tokenizer, ids.tolist())
    whole = int(shown.store.offsets[sequence + 1] - shown.store.offsets[sequence])
    return {
        "number": number + 1, "of": of, "counts": counts(tokens), "tokens": tokens, "kind": "piece", "whole": whole,
        "said": f"of {whole:,} tokens the runs behind the sentinels are taken out; training draws anew each epoch",
        "decoder": decoder_of(shown.loaded.model, shown.tokenizer, [labels[labels != IGNORED].tolist()])[0],
    }  # fmt: skip


def _place(shown: Shown, row: int, number: int, tokens: list[dict[str, Any]]) -> None:
    """The text that each token stands for, where the row's own texts give just these ids: [UNK] says of which word."""
    from byeori.doctor.sees import place

    given = shown.store.row(row)
    text, pair = given.get("text", given.get("source")), given.get("text_pair")
    if isinstance(given.get("choices"), list) and number < len(given["choices"]):
        pair = given["choices"][number]
    how = shown.store.decoding
    if isinstance(text, str) and how:
        place(shown.tokenizer, tokens, text, pair, how["max_length"], how["truncation"])


def _hidden(shown: Shown, found: dict[str, Any], ids: np.ndarray, labels: np.ndarray) -> None:
    """Masked words: behind the mask, replaced, or in plain sight; each is asked for."""
    mask = shown.tokenizer.mask_token_id
    kinds = {"masked": 0, "replaced": 0, "kept": 0}
    for token, seen, right in zip(found["tokens"], ids.tolist(), labels.tolist(), strict=True):
        if right == IGNORED:
            continue
        kind = "masked" if seen == mask else "kept" if seen == right else "replaced"
        kinds[kind] += 1
        token |= {"drawn": kind, "seen": shown.name(seen), "seen_id": seen, "label": right}
    found["kind"], found["drawn"] = "piece", kinds
    asked = sum(kinds.values())
    found["said"] = (
        f"{asked:,} asked for ({asked / max(1, len(ids)):.0%}): {kinds['masked']:,} behind {shown.tokenizer.mask_token}, "
        f"{kinds['replaced']:,} replaced, {kinds['kept']:,} kept; training draws anew each epoch"
    )


def _window(shown: Shown, row: int, sequence: int, found: dict[str, Any]) -> None:
    """A question and a piece of its context, and where the answer stands in it."""
    store, part = shown.store, shown.tokens(sequence)
    context = store.row(row).get("context") or ""
    starts, ends = store.columns["char_starts"][part], store.columns["char_ends"][part]
    tokens = found["tokens"]
    placed(tokens, context, starts, ends)
    inside = np.flatnonzero(starts >= 0)
    for token, start in zip(tokens, starts.tolist(), strict=True):
        token["part"] = "context" if start >= 0 else "" if token["special"] else "question"
    null = int(null_places(store.columns["no_answer"][sequence : sequence + 1])[0])
    found |= {"kind": "window", "no_answer": null, "characters": None}
    if len(inside):
        found["characters"] = [int(starts[inside[0]]), int(ends[inside[-1]])]
    if "labels" not in store.columns:
        return
    first, last = (int(one) for one in store.columns["labels"][sequence])
    if (first, last) == (null, null):
        found["answer"] = None
        found["said"] = f"no answer in it: the label is {tokens[null]['token']} at {null}"
        return
    text = context[int(starts[first]) : int(ends[last])]
    for token in tokens[first : last + 1]:
        token["answer"] = "answer"
    found["answer"] = {"first": first, "last": last, "text": text}
    where = f"token {first}" if first == last else f"tokens {first}–{last}"
    found["said"] = f"the answer is {where}: {short(text, 60)!r}"


def _overlaps(windows: list[dict[str, Any]]) -> None:
    """How many tokens each window shares with the one before it."""
    for before, one in zip(windows, windows[1:], strict=False):
        behind = before["characters"][1] if before["characters"] else 0
        shared = [token for token in one["tokens"] if token.get("part") == "context" and token["start"] < behind]
        for token in shared:
            token["part"] = "context, shared"
        one["shared"] = len(shared)


def _tags(shown: Shown, row: int, sequence: int, found: dict[str, Any]) -> None:
    """Words (or characters) and the tag of each token that carries one, −100 elsewhere."""
    from byeori.tasks import tagged
    from byeori.text.align import Units, align

    store, part, task = shown.store, shown.tokens(sequence), shown.task
    unit = getattr(task, "unit", None) or "word"
    columns = {role: [value] for role, value in store.row(row).items() if role in task.roles and value is not None}
    if not columns:
        raise DataError("the rows that these tokens were made of are not known, so their words can't be shown.")
    text, places = tagged.placed(columns, unit)[0]
    starts, ends = store.columns["starts"][part], store.columns["ends"][part]
    placed(found["tokens"], text, starts, ends)
    if places is None:
        places = [(at, at + 1) for at, one in enumerate(text) if not one.isspace()]
    sides = np.array(places, np.int64).reshape(-1, 2)
    met = align(Units([text], sides[:, 0], sides[:, 1], np.array([len(sides)])), starts, ends, np.array([len(starts)]))
    names = task.labels or []
    labels = store.columns["labels"][part] if "labels" in store.columns else None
    for at, token in enumerate(found["tokens"]):
        if met.unit[at] >= 0:
            own = text[slice(*sides[met.unit[at]])]
            token["word"] = f"{met.unit[at]} {short(own, 24)}" if met.first[at] else f"{met.unit[at]} …"
        if labels is not None:
            token["tag"] = NOT_LEARNT if labels[at] == IGNORED else names[int(labels[at])]
            token["label"] = int(labels[at])
    lost = int((met.covered < 0).sum())
    found |= {"unit": unit, "units": len(sides), "without_token": lost}
    if labels is not None:
        found["said"] = (
            f"{len(sides):,} {unit}s, {int((labels != IGNORED).sum()):,} tokens carry a label, the others {NOT_LEARNT}"
        )
        found["said"] += f"; {lost:,} {unit}s have no token of their own" if lost else ""


def _next(shown: Shown, found: dict[str, Any], labels: np.ndarray) -> None:
    """Running text and replies: the token that each place is to say."""
    counted = int((labels != IGNORED).sum())
    for token, label in zip(found["tokens"], labels.tolist(), strict=True):
        token |= {"next": shown.name(label), "label": label}
    found["kind"] = "sequence" if shown.store.source is not None else "document"
    found["learnt"] = counted
    found["said"] = f"the loss counts at {counted:,} of {len(labels):,} places"


def _choice(shown: Shown, row: int, found: dict[str, Any], label: int | None) -> None:
    """A choice of a question, or a candidate label of a text."""
    given = shown.store.row(row)
    names = given.get("choices") or getattr(shown.task.settings, "candidate_labels", None) or shown.task.labels
    names = names.split(",") if isinstance(names, str) else names
    own = names[found["number"] - 1] if names and len(names) == found["of"] else None
    found["kind"] = "choice"
    found["choice"] = own
    if label is not None:
        found["right"] = label != IGNORED
    found["said"] = (f"{short(own, 60)!r}" if own is not None else "") + (
        ", the right one" if found.get("right") else ""
    )
