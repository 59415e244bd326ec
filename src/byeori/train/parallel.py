"""Training on ranks: one model on each (DistributedDataParallel) or a share of it on each (FSDP2), gradients added up once an update.

Invariants: an update's rows are those of one process, shared by tokens; losses are divided once, by the labels of the whole update on
all ranks, and gradients are sums; nothing goes from rank to rank before the last pack of an update, so that one that ran out of memory
is done again by all. Alone, all of it is nothing.

    parallel = Parallel(world, model, sharded=False); outputs = parallel.outputs(task, pack)
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import distributed, nn

from byeori.batches.loader import Batch
from byeori.batches.pack import Pack
from byeori.batches.ranks import costs, share
from byeori.errors import TrainingError
from byeori.models import adapters, heap
from byeori.models.device import autocast, full
from byeori.models.embedding import CompactEmbedding, full_weights
from byeori.models.world import World
from byeori.tasks.base import DRAW_SEED
from byeori.train.turns import turns

if TYPE_CHECKING:
    from byeori.batches.loader import Packing
    from byeori.tasks.base import Task
    from byeori.text.store import TokenStore
    from byeori.train.loop import Loop


class Elsewhere(torch.OutOfMemoryError):
    """Memory ran out on another rank."""


class Whole(nn.Module):
    """What ranks are wrapped around: all that a task does with the model runs inside one forward of it."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module  # the name by which `unwrapped` finds it

    def forward(self, task: Any, pack: Pack) -> dict[str, Any]:
        return dict(vars(task.outputs(self.module, pack)))  # a dict: hooks look for tensors in trees, not in namespaces


class Parallel:
    """How the ranks of a training share its model. `sharded`: each holds a part of every weight, gradient and moment."""

    def __init__(self, world: World, model: nn.Module, sharded: bool = False):
        self.world, self.sharded = world, sharded and not world.alone
        self.model: Any = model
        self.is_whole = not self.sharded  # whether this rank can call the model by itself
        self.proven = 0  # tokens of the largest pack that memory sufficed for
        self.wrapped: Any = None
        if world.alone:
            return
        if self.sharded:
            self.wrapped = _sharded(model, world)
        else:
            from torch.nn.parallel import DistributedDataParallel

            # A last pack may leave parameters without a gradient (a head without labels), which would be waited for; a forward
            # without adding up would still send buffers.
            # torch 2.13 warns of a name it calls old, and has none that does the same.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                self.wrapped = DistributedDataParallel(
                    Whole(model), find_unused_parameters=True, broadcast_buffers=False, gradient_as_bucket_view=True
                )
            self.wrapped.register_comm_hook(None, _summed)

    def outputs(self, task: Any, pack: Pack) -> Any:
        if self.wrapped is None:
            return task.outputs(self.model, pack)
        return SimpleNamespace(**self.wrapped(task, pack))

    def mine(self, store: Any, rows: np.ndarray) -> np.ndarray:
        """Those rows of an update that this rank computes."""
        if self.world.alone:
            return rows
        return rows[share(costs(store, rows), self.world.size)[self.world.rank]]

    def norm(self, norm: torch.Tensor) -> torch.Tensor:
        """A gradient's norm over all ranks, of what `clip_grad_norm_` gave."""
        given: Any = norm
        return given.full_tensor() if self.sharded else given

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All weights are on every rank for its time: models are called any number of times and saved."""
        if not self.sharded:
            yield
            return
        self._write_words()
        parts = _parts(self.wrapped)
        self.wrapped.set_reshard_after_forward(False)
        for part in parts:
            part.unshard()
        self.is_whole = True
        try:
            yield
        finally:
            self.is_whole = False
            for part in parts:
                part.reshard()
            self.wrapped.set_reshard_after_forward(True)
            self.wrapped.set_reshard_after_forward(False, recurse=False)  # the root stays, as fully_shard has it

    @contextmanager
    def judging(self, loop: Loop) -> Iterator[None]:
        """The loop's engine predicts with the model as it would be saved; on shares layer by layer, where each row is read but once."""
        writes = loop.task.generates and not loop.task.teacher_forced
        if not self.sharded or writes or adapters.adapter_of(self.model) is not None:
            with self.whole(), adapters.merged(self.model):
                yield
            return
        self._write_words()
        with turns(self, loop.engine, self._row(loop.store, loop.packing, loop.device, loop.task)):
            yield
        self.wrapped.reshard()  # fully_shard leaves the root whole

    def heap(self) -> AbstractContextManager[None]:
        """What becomes of freed memory while it trains."""
        return heap.returned() if self.sharded else heap.kept()

    def _write_words(self) -> None:
        """Word vectors that train are put among the others, by all ranks at once."""
        for part in self.model.modules():
            if isinstance(part, CompactEmbedding):
                part.write_back()

    def weights(self) -> dict[str, torch.Tensor] | None:
        """All weights of a model that ranks share, by name, on the main rank's CPU, for saving; else None. One after the other is put
        together, by all ranks. (A `state_dict` of the model itself is one of shares, also while it is whole.)"""
        if not self.sharded:
            return None
        if adapters.adapter_of(self.model) is not None:  # only where all weights are there can it be merged into them
            with self.whole(), adapters.merged(self.model):
                return (
                    {name: value.detach().cpu().clone() for name, value in _saved(self.model)}
                    if self.world.main
                    else None
                )
        found: dict[str, torch.Tensor] = {}
        made: dict[int, torch.Tensor] = {}  # tied ones once
        with full_weights(self.model):
            shares = self.model.state_dict(keep_vars=True)
        for name, value in shares.items():
            if id(value) not in made:
                shared: Any = value
                whole = shared.full_tensor() if hasattr(value, "full_tensor") else value
                made[id(value)] = whole.detach().cpu() if self.world.main else value
            found[name] = made[id(value)]
        return found if self.world.main else None

    def read_again(self, loop: Loop) -> Any:
        """After a training on shares: the model that was kept, whole on every rank; the shares and what moved them are given up."""
        from byeori.models.load import quiet

        kind: Any = type(self.model)
        self.world.wait()  # until the main rank has written it
        optimizer = loop.optimizer.optimizer
        optimizer.state.clear()
        optimizer.param_groups.clear()
        # What is kept beside a model (its runner, its word vectors in use) knows its layers, these their wrapper, and that the model.
        del self.wrapped.module
        self.wrapped = self.model = loop.model = loop.compact = None
        loop.engine.model = None  # type: ignore[assignment]
        for _ in range(2):  # what is kept beside it goes once the model has gone
            gc.collect()
        with quiet():
            loop.model = kind.from_pretrained(loop.folder.model, dtype=torch.float32).to(loop.device)
        self.model = loop.model
        return loop.model

    # an update ----------------------------------------------------------------------------------------------------------
    def backward(self, loop: Loop, batch: Batch, at: list[Pack]) -> tuple[Pack, Any, torch.Tensor]:
        """Gradients of an update, added up over ranks; the last pack here, its outputs and the loss of all ranks.

        `at`: the pack it is at. Raises what an own pack raises; Elsewhere on the others where one had no memory.
        """
        packs = list(batch) if len(batch.rows) else []
        packs.sort(key=lambda pack: -pack.computed)  # the largest while nobody waits for another
        told = (batch.labels if packs else 0, sum(p.tokens for p in packs), sum(p.computed for p in packs))
        labels, tokens, computed = self.world.sums(*told)
        scale = 1.0 / max(1, labels)
        empty = self._row(loop.store, batch.packing, batch.device, loop.task)
        total = torch.zeros((), device=loop.device)
        found: tuple[Pack, Any] = empty, None

        def one(pack: Pack, scale: float) -> None:
            nonlocal total, found
            at[:] = [pack]
            with autocast(loop.precision, loop.device):
                outputs = self.outputs(loop.task, pack)
            loss = loop.task.losses(outputs, pack).sum() * scale
            loop.accelerator.backward(loop.scaler.scale(loss))
            total = total + loss.detach()
            if scale:
                found = pack, outputs

        if self.sharded:
            # Every forward and backward is one of all ranks, so that all make as many. Each adds up: gradients that wait for the last
            # one are whole ones, on every rank.
            (most,) = self.world.most(len(packs))
            try:
                for number in range(most):
                    one(*((packs[number], scale) if number < len(packs) else (empty, 0.0)))
            except (RuntimeError, MemoryError) as error:
                if not full(error):
                    raise
                tokens = max(1, at[-1].computed // 2)
                if at[-1] is not empty:
                    loop.remember(tokens)
                # The others wait at a layer, and can't be asked to begin again.
                raise TrainingError(
                    f"step {loop.step + 1}: there is no memory left on {loop.device} for {at[-1].computed:,} tokens, and with fsdp an "
                    f"update can't be done again in smaller parts, as its processes wait for each other at every layer. Give fewer at once "
                    f"(--pack-tokens {tokens}; it changes no result), and --resume goes on from the last checkpoint."
                ) from error
        else:
            # The last one adds up, if memory surely suffices for it; else one of a single row does, which counts nothing.
            sure = bool(packs) and packs[-1].computed <= self.proven
            last = (packs.pop(), scale) if sure else (empty, 0.0)
            failure: BaseException | None = None
            try:
                for pack in packs:
                    with self.wrapped.no_sync():
                        one(pack, scale)
            except (RuntimeError, MemoryError) as error:
                if not full(error):
                    raise
                failure = error
            (failed,) = self.world.most(int(failure is not None))
            if failed:
                raise failure or Elsewhere("out of memory on another rank")
            self.proven = max([self.proven, *(pack.computed for pack in packs)])
            try:
                one(*last)
            except (RuntimeError, MemoryError) as error:
                if not full(error):
                    raise
                # The others are adding up already, and can't be asked to begin again.
                raise TrainingError(
                    f"step {loop.step + 1}: there is no memory left on {loop.device} for as many tokens as there was before "
                    f"({last[0].computed:,}). Give fewer at once (--pack-tokens {max(1, last[0].computed // 2)}) and go on with --resume."
                ) from error
        distributed.all_reduce(total)
        loop.account.tokens(tokens, computed)
        pack, outputs = found
        if outputs is None:  # no rows here
            outputs = SimpleNamespace()
        return pack, outputs, total

    @staticmethod
    def _row(store: TokenStore, packing: Packing, device: torch.device, task: Task) -> Pack:
        """The shortest of the first ones, for a rank that has none of its own."""
        first = np.arange(min(len(store), 64))
        row = first[[int(np.argmin(store.lengths(first) + store.list_lengths(first)))]]
        return next(iter(Batch(store, row, packing, device, task.drawing(DRAW_SEED, 0), task.apart)))


def _summed(group, bucket):  # torch reads types where there are some, and not as text
    """DDP divides by the number of ranks before it adds; here losses are divided already."""
    sent = distributed.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert sent is not None
    return sent.get_future().then(lambda done: done.value()[0])


def _sharded(model: nn.Module, world: World) -> Any:
    """FSDP2: each layer a group, what is left (embeddings, a head that may be tied to them) the root's."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from transformers.modeling_layers import GradientCheckpointingLayer

    mesh = init_device_mesh(next(model.parameters()).device.type, (world.size,))
    for part in model.modules():
        if isinstance(part, GradientCheckpointingLayer):  # transformers' class of all layers that repeat
            fully_shard(part, mesh=mesh)
    # The table behind word vectors in use is read between updates only: whole on each rank it need not be fetched at each of them.
    tables: set[Any] = {part.weight for part in model.modules() if isinstance(part, CompactEmbedding)}
    for table in tables:  # else all of the checkpoint's file stays mapped for it
        table.data = table.data.clone()
    whole: Any = fully_shard(Whole(model), mesh=mesh, ignored_params=tables)
    parts = _parts(whole)
    layers = parts[1:]
    for place, part in enumerate(parts):  # neither reaches into what is inside
        part.set_force_sum_reduction_for_comms(True)  # gloo adds up and has no means
        part.set_gradient_divide_factor(1.0)
        # By itself a layer fetches the one that ran before it, also where that was in a preview which another rank had no part in:
        # ranks would fetch different ones. Here it is the layer before it, and on the CPU, where nothing waits meanwhile, none.
        before = layers[place - 2] if place >= 2 and mesh.device_type != "cpu" else part
        part.set_modules_to_backward_prefetch([before])
    return whole


def _saved(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """As `state_dict` names them, which would share a whole model out again."""
    yield from model.named_parameters(remove_duplicate=False)
    for path, part in model.named_modules():
        for name, value in part.named_buffers(recurse=False):
            if name not in part._non_persistent_buffers_set:
                yield f"{path}.{name}".removeprefix("."), value


def _parts(whole: nn.Module) -> list[Any]:
    from torch.distributed.fsdp import FSDPModule

    return [part for part in whole.modules() if isinstance(part, FSDPModule)]
