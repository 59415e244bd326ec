"""Trainings of several processes, whose runs test_ranks.py compares with those of one.

torchrun --nproc-per-node 2 tests/trained_together.py FOLDER NAME...
"""

from __future__ import annotations

import json
import os
import signal
import sys
import weakref
from pathlib import Path
from typing import Any

import torch

import byeori
from byeori.models import embedding
from byeori.models.world import World
from byeori.tasks import TextClassification

# Of gradients that are nothing but rounding a smaller epsilon makes whole steps.
SMALL: dict[str, Any] = {
    "batch_size": 10, "max_steps": 6, "learning_rate": 1e-3, "adam_epsilon": 1e-5, "threads": 1, "precision": "float32", "log_every": 1,
    "evaluate_every": 3, "baselines": False, "device": "cpu", "pack_tokens": 150, "validation_size": 0.2, "test_size": 0.2,
    "previews": 2, "cache": False,
}  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "labels": ("text-classification", {}),
    "tags": ("token-classification", {}),
    "masked": ("fill-mask", {}),
    "causal": ("text-generation", {}),
    "written": ("summarization", {"max_new_tokens": 4}),
    "few": ("text-classification", {"batch_size": 1, "max_steps": 4}),
    "lora": ("text-classification", {"adapter": "lora", "adapter_rank": 2}),
    "frozen": ("text-classification", {"freeze": "embeddings,layers.0"}),
    "again": ("text-classification", {"gradient_checkpointing": True}),
}
WAYS: dict[str, dict[str, Any]] = {"ddp": {}, "fsdp": {"fsdp": True}}


class Stop(byeori.Hook):
    """A signal that only the main rank gets."""

    def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
        if run.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)


def train(folder: Path, case: str, output: str, **values: Any) -> Any:
    task, own = CASES[case]
    embedding.SMALLEST, embedding.WORTH = 0, 1.0  # the words in use alone train, where that is exact
    rows = json.loads((folder / f"{task}.json").read_text(encoding="utf-8"))
    return byeori.train(task, str(folder / task), train=rows, output=str(folder / output), **{**SMALL, **own, **values})


class Scored(byeori.Hook):
    """Stops and saves in another event than `step_end`."""

    def evaluate_end(self, run: Any, metrics: dict[str, Any]) -> None:
        run.save()
        run.stop("scored")


class Asks(byeori.Hook):
    """For samples of a model that this process can't call by itself."""

    def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
        run.samples(pack, outputs, 1)


class Held(byeori.Hook):
    """How many of the weights that were trained there still are, as a score of each evaluation."""

    def train_start(self, run: Any) -> None:
        self.weights = [weakref.ref(one) for one in run.model.parameters()]

    def held(self, predictions: Any, references: Any) -> float:
        return float(sum(one() is not None for one in getattr(self, "weights", ())))


def without_memory(rank: int, world: World, at: tuple[int, ...], trains: bool = True) -> None:
    """Some of one rank's packs find no memory: of updates, or of evaluations."""
    calls, loss = [], TextClassification.loss

    def failing(self: Any, outputs: Any, pack: Any) -> Any:
        if outputs.logits.requires_grad == trains and world.rank == rank and len(pack) > 1:
            calls.append(1)
            if len(calls) in at:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return loss(self, outputs, pack)

    TextClassification.loss = failing  # type: ignore[method-assign]


def main() -> None:
    folder, *names = sys.argv[1:]
    world = World.start("cpu")
    for name in names:
        way, _, case = name.partition("-")
        case, _, of = case.partition("_")
        if case == "cut":
            try:
                train(Path(folder), of or "labels", name, hooks=[Stop()], **WAYS[way])
            except KeyboardInterrupt:
                if world.main:
                    print("stopped", name)
        elif case == "resumed":
            cut = f"{way}-cut_{of}" if of else f"{way}-cut"
            train(Path(folder), of or "labels", cut, resume=True, **WAYS[way])
        elif case == "full":
            without_memory(1, world, (5,))
            train(Path(folder), "labels", name, checkpoint_every=1, **WAYS[way])
        elif case == "judged":
            without_memory(1, world, (1, 2), trains=False)
            hook = Held()
            train(Path(folder), "labels", name, hooks=[hook], metrics=[hook.held], **WAYS[way])
        elif case == "asked":
            train(Path(folder), "written", name, hooks=[Asks()], **WAYS[way])
        elif case == "scored":
            train(Path(folder), "labels", name, hooks=[Scored()], keep_checkpoints=True, **WAYS[way])
        elif case == "single":
            without_memory(1, world, (1,))
            train(Path(folder), "labels", name, **{**WAYS[way], "pack_tokens": 4_000})
        elif case == "short":
            without_memory(1, world, (1, 3))
            train(Path(folder), "labels", name, **WAYS[way])
        else:
            train(Path(folder), case, name, **WAYS[way])
    world.wait()
    World.stop()


if __name__ == "__main__":
    main()
