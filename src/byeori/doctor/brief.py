"""Before every training, in brief: what is cheap to see in the rows and token stores that training has made anyway.

Invariants: linear in the rows, nothing is fitted or compared pairwise; training goes on whatever is found.

    for line in lines(brief(parts, stores, task, tokenizer)): progress.note(line)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.wording import count
from byeori.doctor import labels, splits, tags, texts, tokens
from byeori.doctor.findings import LOOK, NOTE, Finding, example, ordered
from byeori.doctor.inspection import copied_roles
from byeori.doctor.parts import Part, share
from byeori.doctor.source import part_of

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore

SAID = 5  # findings that a training says
UNKNOWN = 0.005  # share of the tokens from which their words are looked for


def brief(rows: Mapping[str, Rows], stores: Mapping[str, TokenStore], task: Task, tokenizer: Any) -> list[Finding]:
    """Copies, conflicts, rare classes, leakage between parts, decomposed, cut and unknown; the worst first."""
    if any("input_ids" in one.table.column_names for one in rows.values()):
        return []
    parts = {name: part_of(one, name) for name, one in rows.items()}
    found: list[Finding | None] = []
    train = parts["train"]
    roles = copied_roles(train)
    if not roles:
        return []
    judged: dict[str, list[Any]] = {}
    kind = getattr(task, "problem_type", None) if task.name == "text-classification" else None
    if kind is not None and train.has("label"):
        judged = {name: labels.names_of(part, kind) for name, part in parts.items() if part.has("label")}
        found.append(labels.conflicts(train, judged["train"], roles))
        counts = labels.facts(judged["train"], kind).get("counts") or {}
        found += labels.rare(train, counts) if counts else []
    elif train.has("tags"):
        found += [one for one in tags.check(train)[1] if one.kind in ("conflicting_labels", "rare_class", "tag_slips")]
    found.append(texts.copies(train, roles))
    for name, part in parts.items():
        found += [texts.decomposed(part), _cut(part, stores[name], task), _unknown(part, stores[name], tokenizer)]
        if name != "train":
            asked = [role for role in roles if role not in ("target", "completion") and part.has(role)]
            found.append(splits.leakage(train, part, asked, judged if name in judged else None))
    return ordered(one for one in found if one is not None)


def lines(findings: Sequence[Finding]) -> list[str]:
    """What a training says of them: one line each, notes left out, and where to see more; encoding has told what it cut."""
    worth = [one for one in findings if one.level != NOTE and one.kind != "truncated"]
    said = [f"{one.part}: {one.said}" for one in worth[:SAID]]
    if worth:
        more = f"{count(len(worth) - SAID, 'more finding')}. " if len(worth) > SAID else ""
        said.append(f"{more}`byeori inspect` shows these rows, and looks further.")
    return said


def _cut(part: Part, store: TokenStore, task: Task) -> Finding | None:
    """Rows that were cut, as the store counted them: those of full length, unless one of them just fitted."""
    if not store.truncated or task.name in tokens.WINDOWS:
        return None
    full = np.flatnonzero(np.diff(store.offsets) == store.decoding.get("max_length", 0))
    row = np.unique(np.searchsorted(store.row_offsets, full, side="right") - 1)
    rows = [int(i) for i in row[:20]] if len(full) == store.truncated and len(store) == len(part) else []
    part_cut = store.truncated / max(1, store.sequences)
    return Finding(
        "truncated", LOOK if part_cut > 0.01 else NOTE, part.name, store.truncated,
        f"{store.truncated:,} of {store.sequences:,} ({share(store.truncated, store.sequences)}) "
        f"{task.cut.format(length=store.decoding.get('max_length'))}.",
        "Give a larger --max-length if the model takes it, or choose what is kept with --truncation.",
        [part.number(i) for i in rows], [example([part.number(i)], part.shown(i)) for i in rows],
    )  # fmt: skip


def _unknown(part: Part, store: TokenStore, tokenizer: Any) -> Finding | None:
    """Rows with the unknown token, from the ids that are there."""
    unk = tokenizer.unk_token_id
    if unk is None or unk in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return None
    at = np.flatnonzero(np.asarray(store.input_ids) == unk)
    if not len(at):
        return None
    rate = len(at) / max(1, store.tokens)
    sequence = np.unique(np.searchsorted(store.offsets, at, side="right") - 1)
    row = np.unique(np.searchsorted(store.row_offsets, sequence, side="right") - 1)
    rows = [int(i) for i in row[:20]] if len(store) == len(part) else []
    words = ""
    if rate > UNKNOWN and rows:
        role = part.inputs[0]
        lost = np.zeros(len(part), np.int64)
        lost[row[:1_000]] = 1
        found = tokens.unknown_words(part.composed(role), lost, tokenizer)
        words = ", ".join(word for word, _ in found[:5])
    return Finding(
        "unknown_tokens", LOOK if rate > UNKNOWN else NOTE, part.name, len(row),
        f"{share(rate, 1)} of the tokens are unknown to the tokenizer, in {count(len(row), 'row')}" + (f": {words}." if words else "."),
        "Take a model whose vocabulary has these words, or clean the signs it lacks.",
        [part.number(i) for i in rows], [example([part.number(i)], part.shown(i)) for i in rows[:5]],
    )  # fmt: skip
