"""Before every training, in brief: what is cheap to see in the rows and token stores that training has made anyway.

Invariants: linear in the rows, nothing is fitted or compared pairwise; training goes on whatever is found. Of a large set a
block of rows is held at a time, and those together that have copies; the findings are the same.

    for line in lines(brief(parts, stores, task, tokenizer)): progress.note(line)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data import mapped
from byeori.data.wording import count
from byeori.doctor import labels, splits, tags, texts, tokens
from byeori.doctor.copied import Hashes, in_blocks
from byeori.doctor.findings import FIRST, LOOK, MOST, NOTE, Finding, example, ordered
from byeori.doctor.inspection import copied_roles
from byeori.doctor.parts import WRITTEN, Part, share
from byeori.doctor.source import part_of

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore

SAID = 5  # findings that a training says
HELD = 50_000  # rows, of all parts together, whose texts are held at once
CUT = 20_000  # cut sequences among which the first rows are looked for
LOST = 1_000  # rows with unknown tokens in which their words are looked for
UNKNOWN = 0.005  # share of the tokens from which their words are looked for


def brief(rows: Mapping[str, Rows], stores: Mapping[str, TokenStore], task: Task, tokenizer: Any) -> list[Finding]:
    """Copies, conflicts, rare classes, leakage between parts, decomposed, cut and unknown; the worst first."""
    if any("input_ids" in one.table.column_names for one in rows.values()):
        return []
    kind = getattr(task, "problem_type", None) if task.name == "text-classification" else None
    large = sum(map(len, rows.values())) > HELD and not any(one.errors for one in rows.values())
    found = _streamed(rows, kind) if large else _held(rows, kind)
    if found is None:
        return []
    for name, one in rows.items():
        found += [_cut(one, name, stores[name], task), _unknown(one, name, stores[name], tokenizer)]
    return ordered(one for one in found if one is not None)


def _held(rows: Mapping[str, Rows], kind: str | None) -> list[Finding | None] | None:
    """What the rows themselves show; None where they have no texts."""
    parts = {name: part_of(one, name) for name, one in rows.items()}
    train = parts["train"]
    roles = copied_roles(train)
    if not roles:
        return None
    found: list[Finding | None] = []
    if kind is not None and train.has("label"):
        counts = labels.facts(labels.names_of(train, kind), kind).get("counts") or {}
        found += labels.rare(train, counts) if counts else []
    elif train.has("tags"):
        found += _tags(train)
    found += _beside(parts, roles, kind)
    return found + [texts.decomposed(part) for part in parts.values()]


def _beside(
    parts: Mapping[str, Part], roles: list[str], kind: str | None, spread: float | None = None
) -> list[Finding | None]:
    """What rows show beside each other: contradictions, copies, leakage. `spread`: of all training numbers."""
    train, judged = parts["train"], {}
    found: list[Finding | None] = []
    if kind is not None and train.has("label"):
        judged = {name: labels.names_of(part, kind) for name, part in parts.items() if part.has("label")}
        found.append(labels.conflicts(train, judged["train"], roles, spread))
    found.append(texts.copies(train, roles))
    for name, part in parts.items():
        if name != "train":
            asked = [role for role in roles if role not in WRITTEN and part.has(role)]
            found.append(splits.leakage(train, part, asked, judged if name in judged else None))
    return found


def _tags(train: Part) -> list[Finding]:
    return [one for one in tags.check(train)[1] if one.kind in ("conflicting_labels", "rare_class", "tag_slips")]


def _streamed(rows: Mapping[str, Rows], kind: str | None) -> list[Finding | None] | None:
    """As `_held`, in two passes: a block of rows at a time, then those together that have copies."""
    first = {name: _few(one, name, np.arange(1)) for name, one in rows.items()}
    train = first["train"]
    roles = copied_roles(train)
    if not roles:
        return None
    shared = [role for role in roles if all(part.has(role) for part in first.values())]
    # Leakage looks at inputs alone: what agrees there is a superset of what agrees in all.
    asked = [role for role in shared if role not in WRITTEN] or shared
    hashes = Hashes({name: len(one) for name, one in rows.items()}, asked)
    found: list[Finding | None] = []
    counts: Counter[str] = Counter()
    counted = kind in ("single_label", "multi_label") and train.has("label")
    for name, one in rows.items():
        apart = mapped.Column()
        for at, part in in_blocks(one, name):
            hashes.add(at, part)
            apart.add(at + texts.undone(part))
            if counted and name == "train":
                names = labels.names_of(part, str(kind))
                counts.update(one for label in names for one in label) if kind == "multi_label" else counts.update(
                    names
                )
        undone = apart.done()
        few = _few(one, name, undone[: texts.APART])
        found.append(texts.decomposed(few, np.arange(len(few)), len(undone)) if len(undone) else None)
    found += _rare(rows["train"], dict(counts.most_common())) if counts else []
    if train.has("tags") and not counted:
        some = np.sort(
            np.random.default_rng(0).choice(len(rows["train"]), min(HELD, len(rows["train"])), replace=False)
        )
        found += [
            _told(one, f" Seen in {count(len(some), 'row')}.") for one in _tags(_few(rows["train"], "train", some))
        ]
    copied = hashes.copied()
    parts = {name: _few(rows[name], name, places, copied.one_in) for name, places in copied.places.items()}
    if len(parts["train"]):
        spread = _spread(rows["train"]) if kind == "regression" and train.has("label") else None
        met = _beside({name: part for name, part in parts.items() if len(part)}, roles, kind, spread)
        found += [one and _told(one, copied.said) for one in met]
    return found


def _spread(rows: Rows) -> float:
    """The standard deviation of the labels of a regression."""
    numbers = mapped.Column()
    for _, part in in_blocks(rows, "train"):
        numbers.add(np.array(labels.names_of(part, "regression"), np.float64))
    return float(np.std(numbers.done()))


def _few(rows: Rows, name: str, at: np.ndarray, one_in: int = 1) -> Part:
    """Some rows as a part that stands for all of them, or for one in so many."""
    part = part_of(rows.select(at), name)
    if not len(at):
        part.table = part.table.slice(0, 0)
    part.of = round(len(rows) / one_in)
    return part


def _told(finding: Finding, more: str) -> Finding:
    finding.said += more
    return finding


def _rare(rows: Rows, counts: dict[str, int]) -> list[Finding]:
    few, _ = labels.few_of(counts, len(rows))
    at: list[int] = []
    for first, part in in_blocks(rows, "train") if few else ():
        at += [first + place for place in labels.rows_with(part, few)]
        if len(at) >= MOST:
            break
    return labels.rare(_few(rows, "train", np.array(at, np.int64)), counts)


def lines(findings: Sequence[Finding]) -> list[str]:
    """What a training says of them: one line each, notes left out, and where to see more; encoding has told what it cut."""
    worth = [one for one in findings if one.level != NOTE and one.kind != "truncated"]
    said = [f"{one.part}: {one.said}" for one in worth[:SAID]]
    if worth:
        more = f"{count(len(worth) - SAID, 'more finding')}. " if len(worth) > SAID else ""
        said.append(f"{more}`byeori inspect` shows these rows, and looks further.")
    return said


def _cut(rows: Rows, name: str, store: TokenStore, task: Task) -> Finding | None:
    """Rows that were cut, as the store counted them: those of full length, unless one of them just fitted."""
    if not store.truncated or task.name in tokens.WINDOWS:
        return None
    longest = store.decoding.get("max_length", 0)
    full = mapped.where(
        store.sequences,
        lambda block: store.offsets[block.start + 1 : block.stop + 1] - store.offsets[block] == longest,
    )
    told = len(full) == store.truncated and len(store) == len(rows)
    at = np.unique(np.searchsorted(store.row_offsets, full[: CUT if told else 0], side="right") - 1)[:MOST]
    part = _few(rows, name, at)
    part_cut = store.truncated / max(1, store.sequences)
    return Finding(
        "truncated", LOOK if part_cut > 0.01 else NOTE, name, store.truncated,
        f"{store.truncated:,} of {store.sequences:,} ({share(store.truncated, store.sequences)}) "
        f"{task.cut.format(length=store.decoding.get('max_length'))}.",
        "Give a larger --max-length if the model takes it, or choose what is kept with --truncation.",
        [part.number(i) for i in range(len(part))], [example([part.number(i)], part.shown(i)) for i in range(len(part))],
    )  # fmt: skip


def _unknown(rows: Rows, name: str, store: TokenStore, tokenizer: Any) -> Finding | None:
    """Rows with the unknown token, from the ids that are there."""
    unk = tokenizer.unk_token_id
    if unk is None or unk in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return None
    many, owners = 0, mapped.Column()
    for block in mapped.spans(store.tokens):
        at = block.start + np.flatnonzero(store.input_ids[block] == unk)
        many += len(at)
        sequence = np.unique(np.searchsorted(store.offsets, at, side="right") - 1)
        owners.add(np.unique(np.searchsorted(store.row_offsets, sequence, side="right") - 1))
    if not many:
        return None
    row = owners.done()
    row = row[mapped.where(len(row), lambda block: _fresh(row, block))]  # a row may lie across two blocks of tokens
    rate = many / max(1, store.tokens)
    first = row[:MOST] if len(store) == len(rows) else row[:0]
    part = _few(rows, name, first)
    words = ""
    if rate > UNKNOWN and len(part):
        lost = _few(rows, name, row[:LOST])
        found = tokens.unknown_words(lost.composed(lost.inputs[0]), np.ones(len(lost), np.int64), tokenizer)
        words = ", ".join(word for word, _ in found[:5])
    return Finding(
        "unknown_tokens", LOOK if rate > UNKNOWN else NOTE, name, len(row),
        f"{share(rate, 1)} of the tokens are unknown to the tokenizer, in {count(len(row), 'row')}" + (f": {words}." if words else "."),
        "Take a model whose vocabulary has these words, or clean the signs it lacks.",
        [part.number(i) for i in range(len(part))],
        [example([part.number(i)], part.shown(i)) for i in range(min(FIRST, len(part)))],
    )  # fmt: skip


def _fresh(values: np.ndarray, block: slice) -> np.ndarray:
    """Whether each is another one than that before it."""
    before = (
        values[block.start - 1 : block.stop - 1] if block.start else np.append(values[0] - 1, values[: block.stop - 1])
    )
    return values[block] != before
