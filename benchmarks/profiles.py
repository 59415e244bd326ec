"""Where the time goes: the share of each kind of operator in a workload, and of the machine's own matrix rate.

Seconds are each operator's own, without those it calls; "outside operators" is what is left of the clock: Python, NumPy
(dropout's numbers). Real tokens count with 6 operations a weight of the body in training and 2 in prediction.

    OMP_NUM_THREADS=1 python -m benchmarks.profiles --only sentences,nsmc --precision bfloat16
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import SETS

KINDS = {
    "matrix products": ("mm", "addmm", "linear", "mkldnn_linear", "_addmm_activation", "_linear_pointwise"),
    "attention's products": ("bmm", "baddbmm"),
    "copies": ("copy_", "cat", "clone", "contiguous", "index_select", "index", "gather", "stack", "_to_copy"),
    "activations": ("gelu", "gelu_backward", "relu", "threshold_backward", "tanh", "tanh_backward", "silu"),
    "norms": ("native_layer_norm", "native_layer_norm_backward", "rsqrt", "mean", "pow", "linalg_vector_norm"),
    "softmax, loss": (
        "_softmax", "_softmax_backward_data", "_log_softmax", "_log_softmax_backward_data", "nll_loss_forward", "nll_loss_backward",
        "argmax",
    ),
    "products and sums by element": (
        "mul", "mul_", "add", "add_", "addcmul", "sub", "div", "sum", "masked_fill", "masked_fill_", "where", "_foreach_mul_",
        "_foreach_norm",
    ),
    "random numbers": ("random_", "bernoulli_", "native_dropout"),
    "optimizer": ("_fused_adamw_", "_fused_adam_"),
    "zeros": ("zero_", "fill_", "zeros", "zeros_like", "new_zeros"),
    "word vectors": ("embedding", "embedding_dense_backward", "index_put_", "_index_put_impl_", "index_add_"),
}  # fmt: skip


@dataclass
class Work:
    """`steps` yields after each unit of work how many real tokens it had; `weights` of the body that a token meets."""

    steps: Callable[[], Iterator[int]]
    weights: int
    operations: int  # a weight and token


def classifier() -> tuple[Any, Any, Any]:
    import byeori
    from byeori.demo import model_folder

    task = byeori.tasks.find("text-classification")(labels=["a", "b"])
    model, tokenizer = byeori.load(str(model_folder()), task)
    return task, model, tokenizer


def body_weights(model: Any) -> int:
    words = model.get_input_embeddings().weight
    return sum(p.numel() for p in model.parameters() if p.ndim == 2 and p is not words)


def training(texts: list[str], precision: str) -> Work:
    import torch

    import byeori
    from byeori.batches import budget
    from byeori.batches.loader import Packing
    from byeori.models.device import autocast
    from byeori.settings import Train
    from byeori.train.optimize import adamw

    task, model, tokenizer = classifier()
    rows = byeori.read([{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)])
    store = byeori.encode(rows, task, tokenizer)
    from byeori.models import embedding

    compact = embedding.use_rows(model, embedding.used_ids(store, model.get_input_embeddings().num_embeddings, 0))
    optimizer = adamw(model, Train(learning_rate=1e-5))
    model.train()
    packing = Packing(group_cost=budget.of_a_group(True, precision, "cpu"))  # as `byeori train` has it

    def steps() -> Iterator[int]:
        for batch in byeori.batches(store, batch_size=32, seed=0, packing=packing):
            tokens = 0
            for pack in batch:
                with autocast(precision, torch.device("cpu")):
                    loss = task.loss(task.outputs(model, pack), pack)
                (loss.sum() * batch.scale).backward()
                tokens += pack.tokens
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            optimizer.step()
            if compact is not None:
                compact.stepped(0.0)
            optimizer.zero_grad()
            yield tokens

    return Work(steps, body_weights(model), 6)


def predicting(texts: list[str], precision: str) -> Work:
    from byeori.predict.engine import Engine

    task, model, tokenizer = classifier()
    engine = Engine(task, model, tokenizer, precision=precision)

    def steps() -> Iterator[int]:
        for first in range(0, len(texts), 4_096):
            before = engine.spent.tokens
            store = engine.encode({"text": texts[first : first + 4_096]})
            engine.decode(engine.run(store), store)
            yield engine.spent.tokens - before

    return Work(steps, body_weights(model), 2)


WORKS: dict[str, Callable[[str], Work]] = {
    "train sentences": lambda precision: training(SETS["sentences"](1_600)[0], precision),
    "train nsmc": lambda precision: training(SETS["nsmc"](960)[0], precision),
    "train questions": lambda precision: training(SETS["questions"](3_200)[0], precision),
    "predict questions": lambda precision: predicting(SETS["questions"](6_000)[0], precision),
    "predict nsmc": lambda precision: predicting(SETS["nsmc"](3_000)[0], precision),
}


def rate(precision: str) -> float:
    """The machine's own: a product of 2048³, operations a second, the best of three."""
    import torch

    from byeori.models.products import product

    one, other = torch.randn(2, 2048, 2048).to(getattr(torch, precision)).unbind()
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        product(one, other)
        best = min(best, time.perf_counter() - started)
    return 2 * 2048**3 / best


def profiled(work: Work, precision: str, warm: int = 3) -> dict[str, Any]:
    """Shares of the time by kind, seconds a step, real operations a second, and those of the machine, measured between steps."""
    from torch.profiler import ProfilerActivity, profile

    for number, _ in enumerate(work.steps()):
        if number + 1 == warm:
            break
    seconds, tokens, count, own = 0.0, 0, 0, []
    started = time.perf_counter()
    for found in work.steps():  # without the profiler, which costs time of its own
        seconds += time.perf_counter() - started
        tokens, count = tokens + found, count + 1
        # The machine's, at the same moment: hosts are busy and idle by turns. It leaves cold caches to the next step.
        own.append(rate(precision))
        started = time.perf_counter()
    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in work.steps():
            pass
    watched = time.perf_counter() - began
    shares: dict[str, float] = {}
    rest: dict[str, float] = {}
    for event in seen.key_averages():
        name = event.key.rpartition("::")[2]
        kind = next((kind for kind, names in KINDS.items() if name in names), None)
        spent = event.self_cpu_time_total / 1e6 / watched
        if kind is None:
            rest[name] = rest.get(name, 0.0) + spent
        else:
            shares[kind] = shares.get(kind, 0.0) + spent
    shares["other operators"] = sum(rest.values())
    shares["outside operators"] = 1 - sum(shares.values())
    most = sorted(rest.items(), key=lambda item: -item[1])[:12]
    return {
        "shares": shares, "rest": most, "seconds": seconds / count, "tokens": tokens / seconds,
        "rate": work.operations * work.weights * tokens / seconds, "own": float(np.median(own)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="workloads whose name holds one of these (a,b)")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--rest", action="store_true", help="name the other operators")
    options = parser.parse_args()
    import torch

    from byeori.models.heap import kept

    said = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(said) if said else os.cpu_count() or 1)
    print(f"{torch.get_num_threads()} threads, {options.precision}")
    for name, make in WORKS.items():
        if not any(part in name for part in options.only.split(",")):
            continue
        with kept():  # as a training and an engine do
            found = profiled(make(options.precision), options.precision)
        print(
            f"\n{name}: {found['seconds'] * 1e3:.0f} ms a step, {found['tokens']:,.0f} tokens/s, "
            f"{found['rate'] / 1e9:.0f} GFLOP/s = {found['rate'] / found['own']:.0%} of the machine's "
            f"{found['own'] / 1e9:.0f} (2048³, measured between steps)"
        )
        for kind, share in sorted(found["shares"].items(), key=lambda item: -item[1]):
            print(f"  {share:6.1%}  {kind}")
        if options.rest:
            print("  " + ", ".join(f"{name} {share:.1%}" for name, share in found["rest"]))


if __name__ == "__main__":
    main()
