"""What a token of a training takes in memory, found by running a few through model, loss and backward pass.

Counted are the bytes of tensors that are alive at once, as torch makes and drops them: no clock is read and no free memory
asked, so the same model, task and precision on the same kind of device always give the same. The rows are of one length
each, made of the first ones of the store with every label counted, so that the data have no part in it. Weights, their
gradients and the random state stay as they are.

    cost = measured(model, task, store, packing, device, "float32", max_length=512)
    pack_tokens = budget.auto_pack_tokens("cpu", total_memory, cost, 512)
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from byeori.batches.budget import Cost
from byeori.batches.loader import Packing
from byeori.batches.pack import Pack, build
from byeori.doctor.estimate import STATE_BYTES, Size, activation_bytes
from byeori.models.checks import position_table
from byeori.models.device import autocast
from byeori.models.language import head_of
from byeori.models.packed import unwrapped
from byeori.models.seq2seq import _head
from byeori.models.vocabulary import LOGITS
from byeori.predict.engine import HEADS
from byeori.tasks.base import DRAW_SEED, Task
from byeori.text.blocks import IGNORED
from byeori.text.store import LIST, ROW, TOKEN, Encoded, TokenStore

WORK = 1e10  # operations that the run may take: a tenth of a second of one core
LEAST, MOST = 8, 128  # tokens of the shorter rows
STATE = STATE_BYTES - 4  # bytes a weight that trains, beside itself


def measured(
    model: Any, task: Task, store: TokenStore, packing: Packing, device: torch.device, precision: str, max_length: int
) -> Cost:
    """Bytes a training takes: what is there at all times, a token, a token and token of its row, a token's logits over a
    vocabulary. Raises whatever the task or the model raises on such rows."""
    inner: Any = unwrapped(model)
    weights = sum(p.numel() * p.element_size() for p in inner.parameters())
    trained = sum(p.numel() for p in inner.parameters() if p.requires_grad)
    # Forward and backward without gradients of weights: 4 operations a weight and token, of five times the shorter length.
    short = int(np.clip(2 ** int(math.log2(max(1.0, WORK / (20 * max(1, trained))))), LEAST, MOST))
    short = max(2, min(short, max_length // 2))
    rows = [_rows(inner, task, store, packing, *shape) for shape in ((1, short), (2, short), (1, 2 * short))]
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad(), autocast(precision, device):
        task.outputs(inner, rows[0][0].to(device))  # models are tried at the first call
    one, two, long = (_run(inner, task, pack.to(device), device, precision) for pack, _ in rows)
    tokens = rows[0][1]
    wide = max(0, two.wide - one.wide) / tokens
    own = [run.most - run.wide for run in (one, two, long)]
    pair = max(0.0, own[2] - own[1]) / (2 * tokens * short)  # as many tokens, in rows of twice the length
    token = max(1.0, (own[1] - own[0]) / tokens - pair * short)
    constant = max(0.0, own[0] - tokens * (token + pair * short))
    at_once = _at_once(inner, task)
    most = at_once * two.wide / two.numbers if at_once is not None and two.numbers else math.inf
    return Cost(token, pair, wide, most, weights + STATE * trained + constant)


def reckoned(model: Any) -> Cost:
    """What a training takes at most, by the model's size alone: twice what attention and layers keep in float32 (Korthikanti et al.,
    2022, table 2), and logits over a whole vocabulary as often as a loss holds them. Where that fits nothing need be measured."""
    inner: Any = unwrapped(model)
    size = Size.of(inner)
    layers = size.layers * (2 if inner.config.is_encoder_decoder else 1)
    heads = max((getattr(inner.config, name, None) or 0 for name in HEADS), default=0) or 12
    writes = hasattr(inner, "get_output_embeddings") and inner.get_output_embeddings() is not None
    wide = 16.0 * inner.get_input_embeddings().num_embeddings * writes
    return Cost(
        2.0 * activation_bytes(layers, size.width), 24.0 * layers * heads, wide, fixed=size.weights * STATE_BYTES
    )


def _at_once(model: Any, task: Task) -> int | None:
    """Numbers of a vocabulary's width that the head makes at a time; None where it makes all, or has no such head."""
    if task.auto_class == "AutoModelForSeq2SeqLM":
        return LOGITS if _head(model).catches else None
    if task.auto_class in ("AutoModelForMaskedLM", "AutoModelForCausalLM", "AutoModelForPreTraining"):
        return LOGITS if head_of(model).alone else None
    return None


class Meter(TorchDispatchMode):
    """Bytes of the storages that come to be while it is on and are still there: now, and at most.

    `known` are tensors that were there before. `wide` and `numbers` are bytes and numbers, at the moment of most, of tensors as
    wide as a `vocabulary`.
    """

    def __init__(self, known: Any, vocabulary: int):
        super().__init__()
        self.vocabulary = vocabulary
        self.now = self.most = self.wide = self.numbers = 0
        self._known = {one.untyped_storage()._cdata for one in tree_leaves(known) if isinstance(one, torch.Tensor)}
        self._alive: dict[int, tuple[int, int, int]] = {}  # storage → bytes; of wide ones bytes and numbers

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operation(*args, **(kwargs or {}))
        for one in tree_leaves((args, kwargs, found)):  # what NumPy made is first seen as an argument
            if isinstance(one, torch.Tensor):
                self._see(one)
        return found

    def _see(self, one: torch.Tensor) -> None:
        storage = one.untyped_storage()
        key = storage._cdata
        if key in self._known or key in self._alive:
            return
        size = storage.nbytes()
        wide = one.ndim > 1 and one.shape[-1] == self.vocabulary
        self._alive[key] = (size, size if wide else 0, one.numel() if wide else 0)
        weakref.finalize(storage, self._gone, key)
        self.now += size
        if self.now > self.most:
            self.most = self.now
            self.wide = sum(bytes for _, bytes, _ in self._alive.values())
            self.numbers = max((numbers for _, _, numbers in self._alive.values()), default=0)

    def _gone(self, key: int) -> None:
        self.now -= self._alive.pop(key)[0]


def _run(model: Any, task: Task, pack: Pack, device: torch.device, precision: str) -> Meter:
    """What a pack takes through model, loss and backward pass, without gradients of weights."""
    caught: list[torch.Tensor] = []
    reads = model.get_encoder() if model.config.is_encoder_decoder else model
    hook = reads.get_input_embeddings().register_forward_hook(lambda module, given, made: caught.append(made))
    training = model.training
    model.train()
    known = [
        *model.parameters(),
        *model.buffers(),
        pack.input_ids,
        pack.position_ids,
        pack.token_type_ids,
        pack.columns,
    ]
    meter = Meter(known, model.get_input_embeddings().num_embeddings)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad(), meter:
            with autocast(precision, device):
                outputs = task.outputs(model, pack)
            loss = task.losses(outputs, pack).sum()
            first = caught[0] if caught[0].requires_grad else next(p for p in model.parameters() if p.requires_grad)
            torch.autograd.grad(loss, first)
    finally:
        hook.remove()
        model.train(training)
    return meter


def _rows(model: Any, task: Task, store: TokenStore, packing: Packing, count: int, length: int) -> tuple[Pack, int]:
    """Rows of one sequence of `length` tokens each, and targets as long where they have some; every label counts."""
    lengths = np.diff(store.offsets[:101])
    chosen = int(np.argmax(lengths))  # among the first: one that is more than special tokens
    row = int(np.searchsorted(store.row_offsets, chosen, side="right")) - 1
    begin, end = int(store.offsets[chosen]), int(store.offsets[chosen + 1])
    # Special tokens stand at the ends: a task that draws labels of its own may ask for none of them.
    inside = slice(begin + 1, end - 1) if end - begin > 2 else slice(begin, end)
    columns: dict[str, np.ndarray] = {}
    listed = 0
    for name, values in store.columns.items():
        level = store.levels[name]
        if level == LIST:
            listed = min(length, position_table(model.config, "decoder") or length)
            columns[name] = np.tile(_stretched(store.list_of(name, row), listed, name == "labels"), count)
            columns[f"{name}_lengths"] = np.full(count, listed)
        elif level == TOKEN:
            columns[name] = np.tile(_stretched(values[inside], length, name == "labels"), count)
        else:
            one = np.asarray(values[row if level == ROW else chosen])
            if np.issubdtype(one.dtype, np.integer):  # places in the row, if they are such
                one = np.minimum(one, length - 1)
            columns[name] = np.repeat(one[None], count, 0)
    ids = np.tile(_stretched(store.input_ids[inside], length), count)
    made = TokenStore.of(Encoded(ids, np.full(count, length), columns), store.levels, store.pad)
    pack = build(made, np.arange(count), group_cost=packing.group_cost, varlen=packing.varlen)
    return task.draw(pack, DRAW_SEED, 0), count * (length + listed)


def _stretched(values: np.ndarray, length: int, counted: bool = False) -> np.ndarray:
    """So many of them, from the first on again where there are fewer; of labels that are `counted` none is −100."""
    found = np.resize(np.asarray(values), (length, *np.shape(values)[1:]))
    if counted and np.issubdtype(found.dtype, np.integer):
        right = found[found != IGNORED]
        found = np.where(found == IGNORED, right[0] if len(right) else 0, found)
    return found
