"""Running a model over encoded rows, in any number, for what a task gathers of it, in row order.

Invariants: rows are sorted by length inside a window, packed to a token budget and put back in order; a row's numbers
don't depend on its company (float32: to 1e-5). What finds no memory at once is computed in parts.

    engine = Engine(task, model, tokenizer); answers = engine.run(store)
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.batches import budget, fixed
from byeori.batches.answers import Answers, Gathered, joined
from byeori.batches.budget import Cost, affordable, checked
from byeori.batches.pack import Pack, build
from byeori.errors import ByeoriError
from byeori.generate.watching import Progress, watched
from byeori.models.checks import position_table
from byeori.models.device import Later, asynchronous, autocast, failure, total_memory
from byeori.models.heap import kept
from byeori.models.load import uses_token_types
from byeori.models.packed import runner
from byeori.models.shortage import SHORTER, OutOfMemory, attempted, halves, placed
from byeori.models.world import World
from byeori.predict.reader import Reader, Spent
from byeori.predict.rows import WINDOW, chunks, columns, cutting, numbered_from
from byeori.predict.sharing import shared
from byeori.tasks.base import DRAW_SEED
from byeori.text.ahead import ahead
from byeori.text.encode import Encoder
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.tasks.base import Task

__all__ = ["WINDOW", "Engine", "Spent", "chunks", "columns", "cutting", "numbered_from"]
AHEAD = 2  # packs built, by a thread, while a device that works by itself is at another one
Each = Callable[[Any, Pack], None]  # counts nothing before all that could find no memory is done
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")
PACK_TOKENS = {"cpu": 4_096, "cuda": 65_536, "mps": 16_384}


@dataclass(frozen=True)
class _Way:
    """How the packs of a store are laid and run."""

    each: Each | None
    call: Any | None
    cost: float  # of a group, in tokens
    varlen: bool
    draw: Any | None
    writes: bool
    together: bool  # a row's sequences lie in one pack
    shapes: fixed.Shapes | None = None  # of packs that are computed on; texts that are written are no packs


class Engine(Reader):
    """A task's model made ready to predict. `max_length` and `truncation` are those of training."""

    def __init__(
        self,
        task: Task,
        model: torch.nn.Module,
        tokenizer: Any,
        *,
        max_length: int = 512,
        truncation: str = "head",
        device: torch.device | str = "cpu",
        precision: str = "float32",
        pack_tokens: int | None = None,
        pad_to: int | None = None,
    ):
        super().__init__(
            task, tokenizer, Encoder(tokenizer, max_length, truncation, uses_token_types(model, tokenizer))
        )
        self.model = model
        self.device = torch.device(device)
        self.precision = precision
        if pack_tokens is None:
            wished, cost = PACK_TOKENS.get(self.device.type, 4_096), _cost(model)
            pack_tokens = affordable(wished, self.device.type, total_memory(self.device), cost, max_length)
        self.pack_tokens = checked(pack_tokens)
        fixed.check(pad_to, max_length)
        self.pad_to = pad_to
        self.spent = Spent()
        self.watch: Progress | None = None  # told how many of the texts that are being written are done
        # Of a model that ranks share layer by layer: how all of them run a pack (train/turns.py).
        self.turns: Any = None
        self.world = World()  # the ranks that share the rows of each window; all of them must ask for the same
        self._short = False  # whether it was said that memory is
        task.meet(model, tokenizer)

    def run(self, store: TokenStore, each: Each | None = None, call: Any | None = None) -> Answers:
        """What the task gathers for every sequence, in the store's order. Raises ValueError for a store without rows.

        `each` gets what the task's `outputs` gave for every pack, and the pack, its labels and other columns included.
        `call`: the settings of a prediction.
        """
        return joined(self.windows(store, each, call))

    @torch.inference_mode()
    def windows(
        self, store: TokenStore, each: Each | None = None, call: Any | None = None
    ) -> Generator[Answers, None, None]:
        """The answers window by window, in the store's order; `each` and `call` as in `run`.

        On ranks all of them get all answers; `each` is given what a rank itself computed. Raises OutOfMemory for a row that finds
        no memory alone.
        """
        model: Any = self.model
        training = model.training
        if any(part.training for part in model.modules()):  # to set it anew takes a tenth of a call for one text
            model.eval()
        run = runner(self.model)
        packed = run.packs_for(self.task)
        shapes = None
        if self.pad_to is not None:
            shapes = fixed.Shapes(self.pad_to, self.encoder.max_length, position_table(model.config, "decoder"))
        varlen = packed and run.varlen(self.precision) and shapes is None
        way = _Way(
            each, call, 0.0 if varlen else budget.of_a_group(packed, self.precision, self.device.type), varlen,
            self.task.drawing(DRAW_SEED, 0) if each is not None else None,
            self.task.generates and (each is None or not self.task.teacher_forced),
            bool(store.list_offsets) or (each is not None and not self.task.apart), shapes,
        )  # fmt: skip
        try:
            for first in range(0, len(store), WINDOW):
                rows = np.arange(first, min(first + WINDOW, len(store)))
                compute = partial(self._gathered, store, rows, way=way)
                if self.turns is not None:
                    compute = partial(self.turns.window, compute)
                if self.world.alone:
                    yield compute(rows).done()
                else:
                    yield shared(self.world, store, rows, way.writes, compute)
        finally:
            if training:
                model.train()

    def _gathered(self, store: TokenStore, rows: np.ndarray, mine: np.ndarray, way: _Way) -> Gathered:
        """What is answered of some rows of a window."""
        started = time.perf_counter()
        begin, end = int(store.row_offsets[rows[0]]), int(store.row_offsets[rows[-1] + 1])
        gathered = Gathered(begin, end - begin)
        if not len(mine):
            return gathered
        late = asynchronous(self.device)
        try:
            parts = [] if way.writes and way.each is None else self._parts(store, mine, way)
            laid = self._laid(store, reversed(parts), way)  # the longest first: memory peaks early
            coming: deque[tuple[Pack, Later, np.ndarray | None]] = deque()
            with kept(), ahead(laid, AHEAD if late else 0) as packs:
                for pack in packs:
                    for part, answer in self._answers(store, pack, way):
                        if not way.writes:
                            coming.append((part, *answer))
                        while len(coming) > late:  # a GPU is at the next pack while the host takes this one's answers
                            gathered.add(*_come(*coming.popleft()))
                        self._spend(part)
            while coming:
                gathered.add(*_come(*coming.popleft()))
            if way.writes:  # all rows of the window, in one continuous batch
                sequences = store.sequences_of(mine)
                pack = build(store, sequences, rows=np.repeat(mine, self._counts(store, mine)), varlen=True)
                with placed(lambda place: int(pack.rows[place]), _where(store)):
                    gathered.add(pack, *self._written(pack, way.call))
                if way.each is None:
                    self._spend(pack)
        except (RuntimeError, MemoryError) as error:
            if (said := failure(error, self.device, self.pack_tokens)) is None:
                raise
            raise ByeoriError(f"rows {rows[0] + 1:,} to {rows[-1] + 1:,} of {len(store):,}: {said}") from error
        self.spent.rows += len(mine)
        self.spent.seconds += time.perf_counter() - started
        return gathered

    def _spend(self, pack: Pack) -> None:
        self.spent.tokens += pack.tokens
        self.spent.computed += pack.computed

    def _answers(self, store: TokenStore, pack: Pack, way: _Way) -> Iterator[tuple[Pack, tuple]]:
        """A pack and what is answered of it; of one that finds no memory its halves, down to one."""
        waiting = [pack]
        while waiting:
            one = waiting.pop()
            answer, said = attempted(partial(self._answer, one, way), self.device)
            if answer is not None:
                yield one, answer
                continue
            tokens = _tokens(store, one.sequences, one.rows)
            parts = halves(tokens, one.rows if way.together else one.sequences)
            if parts is None:
                row, where = int(one.rows[0]), _where(store)
                raise OutOfMemory(row, int(tokens.sum()), self.device, said, SHORTER, where(row) if where else None)
            self._shrink(store, one, int(tokens.sum()), way, said)
            waiting += [self._built(store, one.sequences[part], one.rows[part], way) for part in parts]

    def _shrink(self, store: TokenStore, pack: Pack, tokens: int, way: _Way, said: str) -> None:
        """Half of a pack that found no memory is what packs hold from here on; but where the longest row fits, others of as many
        tokens do too."""
        first = int(pack.rows.min()) // WINDOW * WINDOW
        longest = int(self._lengths(store, np.arange(first, min(first + WINDOW, len(store))), way).max())
        self.pack_tokens = min(self.pack_tokens, max(longest, tokens // 2, 1))
        if not self._short:
            self._short = True
            print(
                f"There is no memory for {tokens:,} tokens at once on {self.device} ({said}); from here on it is fewer, which changes "
                f"no result.", file=sys.stderr,
            )  # fmt: skip

    @staticmethod
    def _counts(store: TokenStore, rows: np.ndarray) -> np.ndarray:
        """Sequences of each row."""
        return store.row_offsets[rows + 1] - store.row_offsets[rows]

    def _lengths(self, store: TokenStore, rows: np.ndarray, way: _Way) -> np.ndarray:
        """Tokens of what isn't parted: of each of these rows, or of each of their sequences."""
        if way.together:
            return store.lengths(rows) + store.list_lengths(rows)
        sequences = store.sequences_of(rows)
        return store.offsets[sequences + 1] - store.offsets[sequences]

    def _parts(self, store: TokenStore, rows: np.ndarray, way: _Way) -> list[tuple[np.ndarray, np.ndarray]]:
        """The sequences of each pack, and the rows they are of; the longest come last.

        A loss may be over all sequences of a row, which then stay together; answers are a sequence's own, and a row of a
        thousand labels, or of a book's windows, need not fit into one pack.
        """
        counts, lengths = self._counts(store, rows), self._lengths(store, rows, way)
        if way.shapes is not None:
            every, owners = store.sequences_of(rows), np.repeat(rows, counts)
            units = np.split(every, np.cumsum(counts)[:-1]) if way.together else list(every[:, None])
            of = rows if way.together else owners
            filled = fixed.fill(store, units, of, self.pack_tokens, way.shapes)
            filled.sort(key=lambda part: int(lengths[part].max()))
            return [
                (np.concatenate([units[i] for i in part]), np.repeat(of[part], [len(units[i]) for i in part]))
                for part in filled
            ]
        parts = budget.fill(lengths, self.pack_tokens, lambda part: budget.computed(lengths[part], way.cost))
        if way.together:
            return [(store.sequences_of(rows[part]), np.repeat(rows[part], counts[part])) for part in parts]
        sequences, owners = store.sequences_of(rows), np.repeat(rows, counts)
        return [(sequences[part], owners[part]) for part in parts]

    def _laid(self, store: TokenStore, parts: Iterable[tuple[np.ndarray, np.ndarray]], way: _Way) -> Iterator[Pack]:
        """The packs of these sequences and rows, with their final labels, on the host."""
        planned = self.pack_tokens
        for sequences, owners in parts:
            if self.pack_tokens == planned:
                yield self._built(store, sequences, owners, way)
                continue
            waiting = [(sequences, owners)]  # less fits than was thought
            while waiting:
                one, rows = waiting.pop()
                tokens = _tokens(store, one, rows)
                cut = halves(tokens, rows if way.together else one) if tokens.sum() > self.pack_tokens else None
                if cut is None:
                    yield self._built(store, one, rows, way)
                else:
                    waiting += [(one[part], rows[part]) for part in cut]

    def _built(self, store: TokenStore, sequences: np.ndarray, owners: np.ndarray, way: _Way) -> Pack:
        """Pinned for a GPU."""
        pack = build(store, sequences, rows=owners, group_cost=way.cost, varlen=way.varlen, shapes=way.shapes)
        pack = pack if way.draw is None else way.draw(pack)
        return pack.pinned() if self.device.type == "cuda" else pack

    def _answer(self, pack: Pack, way: _Way) -> tuple:
        """What the task gathers of a pack: (values on their way, counts); () of a task that writes, whose losses `each` takes."""
        pack = pack.to(self.device)
        found: tuple = ()
        with autocast(self.precision, self.device):
            outputs = (self.task.outputs if self.turns is None else self.turns.outputs)(self.model, pack)
            if not way.writes:
                values, counts = self.task.gather(outputs, pack, way.call)
                found = Later(values.float() if values.is_floating_point() else values), counts
            if way.each is not None:  # last: what finds no memory is asked again, and must not have been counted
                way.each(outputs, pack)
        return found

    def _written(self, pack: Pack, call: Any | None) -> tuple[np.ndarray, np.ndarray]:
        with autocast(self.precision, self.device), watched(self.watch):
            values, counts = self.task.generate(self.model, self.tokenizer, pack, call)
        return values.cpu().numpy(), counts


def _tokens(store: TokenStore, sequences: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Of each sequence, int64; the lists of its row included."""
    tokens: np.ndarray = store.offsets[sequences + 1] - store.offsets[sequences]
    return tokens + store.list_lengths(owners) if store.list_offsets else tokens


def _where(store: TokenStore) -> Callable[[int], str] | None:
    """What names a row by its file, where that is known."""
    origin = getattr(store.source, "origin", None)
    return None if origin is None else origin.where


def _cost(model: Any) -> Cost:
    """What predicting takes at most: a few of a layer's widest results, its attention's weights, and logits over a vocabulary
    with what is made of them."""
    words = model.get_input_embeddings().num_embeddings
    shapes = [p.shape for p in model.parameters() if p.ndim == 2 and words not in p.shape]
    heads = max((getattr(model.config, name, None) or 0 for name in HEADS), default=0) or 12
    writes = hasattr(model, "get_output_embeddings") and model.get_output_embeddings() is not None
    return Cost(
        token=16.0 * max((sum(shape) for shape in shapes), default=words), pair=8.0 * heads, wide=8.0 * words * writes,
        fixed=sum(p.numel() * p.element_size() for p in model.parameters()),
    )  # fmt: skip


def _come(pack: Pack, values: Later, counts: np.ndarray | None) -> tuple[Pack, np.ndarray, np.ndarray | None]:
    return pack, values.read().numpy(), counts
