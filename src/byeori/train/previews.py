"""Samples while a model trains: rows of a pack beside predictions and labels, from the outputs at hand.

Invariants: a task that generates writes the few rows shown; no other task runs the model again.

    for sample in samples(loop, pack, outputs, most=5): print(sample)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches.answers import of_sequences
from byeori.batches.pack import Pack
from byeori.errors import SettingError
from byeori.models import adapters
from byeori.models.packed import unwrapped
from byeori.models.world import World

if TYPE_CHECKING:
    from byeori.tasks.base import Task
    from byeori.train.loop import Loop


# Below so many updates "every min(500, updates / 10)" is each of them: all samples are written, the last ones shown.
FEW = 20
WRITTEN_EVERY = 200  # updates between samples that the model is asked for: some hundredth of the time


def every(updates: int, task: Task) -> int:
    """Updates between samples, where nobody says otherwise."""
    return max(WRITTEN_EVERY if task.generates else 1, min(500, updates // 10))


def samples(loop: Loop, pack: Pack, outputs: Any, most: int) -> list[dict[str, Any]]:
    """At most so many rows of a pack, from the shortest to the longest; pieces of long texts where none is whole in it."""
    store, task = loop.store, loop.task.for_samples()
    if task.generates and not loop.parallel.is_whole:
        raise SettingError(
            f"hooks: samples() of {task.name} writes texts with the model, of which this process holds but a share (fsdp), and "
            f"hooks are on one process alone. Take --previews and the hook's preview(run, samples), which all of them work at, or leave "
            f"--fsdp out."
        )
    owners, counts = np.unique(pack.rows, return_counts=True)
    whole = counts == store.row_offsets[owners + 1] - store.row_offsets[owners]
    owners = owners[whole]  # a row of many windows may lie in several packs
    in_pieces = task.in_pieces and not len(owners)
    if in_pieces:
        sequences = _some(pack.sequences, np.diff(store.offsets)[pack.sequences], most)
        few = store.pieces(sequences) if len(sequences) else None
    else:
        rows = _some(owners, store.lengths(owners), most)
        sequences, few = store.sequences_of(rows), store.select(rows)
    if few is None or not len(few):
        return []
    if task.generates:
        engine = loop.engine
        before = engine.world, engine.task
        engine.world, engine.task = World(), task  # of these rows no other rank knows
        try:
            with adapters.merged(unwrapped(loop.model)):
                answers = engine.run(few)
        finally:
            engine.world, engine.task = before
    else:
        values, lengths = task.gather(outputs, pack)
        answers = of_sequences(pack, values.detach().float().cpu().numpy(), lengths, sequences)
    found = []
    for place, prediction in enumerate(task.decode(answers, few)):
        row = few.row(place)
        right = task.right_answer(row)
        if "input_ids" in row:
            row = {"text": loop.tokenizer.decode(few[place]["input_ids"], skip_special_tokens=True)}
        found.append(task.show(row, prediction, right))
    return found


def _some(of: np.ndarray, lengths: np.ndarray, most: int) -> np.ndarray:
    """At most so many, from the shortest to the longest; int64."""
    of = np.asarray(of, np.int64)[np.argsort(lengths, kind="stable")]
    if not len(of) or most < 1:
        return of[:0]
    return of[np.unique(np.linspace(0, len(of) - 1, min(most, len(of))).round().astype(int))]
