"""Running a model over encoded rows, in any number, for logits in row order.

Invariants: rows are sorted by length inside a window, packed to a token budget and put back in order; no more than one
window's logits are held; a row's numbers don't depend on its company (float32: to 1e-5).

    engine = Engine(task, model, tokenizer); logits = engine.run(store)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from byeori.batches import budget
from byeori.batches.pack import build
from byeori.models.device import autocast
from byeori.models.load import uses_token_types
from byeori.models.packed import runner
from byeori.text.encode import Encoder
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.tasks.base import Task

WINDOW = 4_096  # rows sorted together
PACK_TOKENS = {"cpu": 4_096, "cuda": 65_536, "mps": 16_384}


@dataclass
class Spent:
    """What predicting cost so far: rows, real tokens, tokens computed on (padding included), seconds."""

    rows: int = 0
    tokens: int = 0
    computed: int = 0
    seconds: float = 0.0


class Engine:
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
    ):
        self.task, self.model, self.tokenizer = task, model, tokenizer
        self.device = torch.device(device)
        self.precision = precision
        self.pack_tokens = pack_tokens or PACK_TOKENS.get(self.device.type, 4_096)
        self.encoder = Encoder(tokenizer, max_length, truncation, uses_token_types(model, tokenizer))
        self.spent = Spent()

    def encode(self, rows: dict[str, list]) -> TokenStore:
        """Rows by role → a store in memory, without labels."""
        return TokenStore.of(self.task.encode(rows, self.encoder, labels=False), self.encoder.levels, self.encoder.pad)

    def run(self, store: TokenStore) -> np.ndarray:
        """Logits of all rows, float32 (rows, labels). Raises ValueError for a store without rows."""
        return np.concatenate(list(self.windows(store)))

    @torch.inference_mode()
    def windows(self, store: TokenStore) -> Iterator[np.ndarray]:
        """Logits window by window, in row order."""
        training = self.model.training
        self.model.eval()
        run = runner(self.model)
        kind = "packed" if run.packs else "rectangles"
        varlen = run.packs and run.varlen(self.precision)
        started = time.perf_counter()
        try:
            for first in range(0, len(store), WINDOW):
                rows = np.arange(first, min(first + WINDOW, len(store)))
                found: np.ndarray | None = None
                for part in budget.fill(store.lengths(rows), self.pack_tokens)[
                    ::-1
                ]:  # longest first: memory peaks early
                    pack = build(store, rows[part], group_cost=budget.GROUP[kind], varlen=varlen, columns=False).to(
                        self.device
                    )
                    with autocast(self.precision, self.device):
                        logits = self.task.outputs(self.model, pack).logits
                    values = logits.float().cpu().numpy()
                    if found is None:
                        found = np.empty((len(rows), *values.shape[1:]), np.float32)
                    found[pack.rows - first] = values
                    self.spent.tokens += pack.tokens
                    self.spent.computed += pack.computed
                assert found is not None
                self.spent.rows += len(rows)
                self.spent.seconds += time.perf_counter() - started
                yield found
                started = time.perf_counter()
        finally:
            self.model.train(training)

    def logits_of(self, rows: Iterable[dict[str, Any]], chunk: int = WINDOW) -> Iterator[np.ndarray]:
        """Rows by role, in any number → logits, a chunk of rows at a time."""
        for batch in chunks(rows, chunk):
            yield self.run(self.encode(columns(batch)))


def chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows → columns; a role that only some rows have stays out for none: it is None there."""
    names = {name: None for row in rows for name in row}
    return {name: [row.get(name) for row in rows] for name in names}
