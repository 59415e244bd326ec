"""What `byeori bench` may be told beside the task's own: the one source of its flags.

(measuring,) = settings.read({"rounds": "5"}, Measuring)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byeori.predict.options import same
from byeori.settings import Batches, Data, Model, Optimization, setting

# Settings of reading that a benchmark has no use for: --rows takes some of the rows, whichever way they came.
UNUSED = ("max_rows", "streaming")
# What a call may be told where it is benchmarked, of the tasks that know it; with its help here.
CALLS = {
    "candidate_labels": "the labels to choose from, a,b,c (zero-shot-classification)",
    "hypothesis_template": "the sentence a label is put into (zero-shot-classification)",
}
DECODING = {
    "max_new_tokens": "most tokens to write; 64 if not given",
    "num_beams": "beams of beam search; 1, greedy, if not given",
}


@dataclass(kw_only=True)
class Measuring:
    """How it is measured."""

    rounds: int = setting(3, "how often each contestant is measured; they take turns", least=1)
    rows: int | str | None = setting(
        None, "rows to take, drawn with the seed; 1,000 to train or predict, 100 to generate, 20,000 to tokenize, if not given",
        choices=("all",), least=1,
    )  # fmt: skip
    only: str | list[str] | None = setting(
        None, "take these contestants alone (a,b): tutorial, tuned, byeori, and what else there is", metavar="NAMES"
    )
    try_batches: str | list[str] | None = setting(
        None, "batch sizes (a,b) that the tuned contestant is first tried in; the fastest takes part", metavar="SIZES"
    )
    seed: int = setting(
        0, "seed of the rows that are drawn; of a training the first round's, one more each round", least=0
    )
    output: str | None = setting(
        None,
        "write every measurement to this file as it comes; the same command goes on from there",
        metavar="FILE.jsonl",
    )
    overwrite: bool = setting(False, "replace what is in the file")


@dataclass(kw_only=True)
class Running:
    """What runs it."""

    device: str = same(Model, "device", choices=(), metavar="auto|cpu|cuda[:N]|mps")
    precision: str = same(
        Model, "precision", help="arithmetic of Byeori and of the tuned contestants; auto is bfloat16 where the processor has it"
    )  # fmt: skip
    threads: int | None = same(
        Model, "threads", help="CPU threads of each; OMP_NUM_THREADS, else all cores, if not given"
    )
    max_length: int | None = same(Model, "max_length", help="longest input in tokens, of all contestants alike")


@dataclass(kw_only=True)
class Learning:
    """What is trained, and on what."""

    model: Any = same(Model, "model")
    train: Any = same(Data, "train")
    test: Any = same(Data, "test", help="rows to score on; split off the training rows if not given")
    test_rows: int = setting(500, "rows to score on, at most", least=8)
    epochs: float = same(Optimization, "epochs", 1.0)
    batch_size: int = same(Batches, "batch_size", help="rows an update, of Byeori and of the tuned Trainer")
