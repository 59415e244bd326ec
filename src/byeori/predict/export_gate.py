"""Whether an export does as well as the model it was made of: the same rows through both, and what it costs.

Invariants: both see the same rows, encoded by each one's own tokenizer to the same ids; the difference of the headline score comes with
its paired bootstrap interval (byeori.metrics.paired); a score is judged in float32, a speed in the precision that the model is used in.

    found = judge(run, exported, rows, tolerance=0.01); found["passed"]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import ModelError
from byeori.metrics.intervals import collected
from byeori.metrics.paired import Joint
from byeori.predict.evaluate import evaluate
from byeori.predict.windows import window
from byeori.text.store import Encoded, TokenStore

if TYPE_CHECKING:
    from byeori.data.rows import Rows
    from byeori.predict.run import Run

SINGLE, WRITTEN = 100, 12  # rows that are run one by one for their times; of texts that are written
TIMED = 400  # rows that are run together for their rate
SECONDS = 20.0  # after which no further row is timed
PROBED, PROMPTS = 64, 16  # rows of random tokens, where there are no labelled ones; of a task that writes
NEW_TOKENS = 24  # that are written of these
LENGTHS = (3, 60)  # tokens of these


def judge(run: Run, exported: Run, rows: Rows | None, tolerance: float, note: Callable[[str], None]) -> dict[str, Any]:
    """{"rows", "score", "before", "after", "difference", "low", "high", "worse", "agreement", "passed", "speed"}.

    run: of the model, its engine in float32. Without `rows` what both answer to random tokens is compared: "agreement" alone.
    """
    store = _random(run) if rows is None else run.encode(rows, labels=True)
    call = run.task.call_settings({"max_new_tokens": NEW_TOKENS}) if rows is None and run.task.generates else None
    if rows is None:
        found = _agreement(run, exported, store, call)
    else:
        theirs = exported.encode(rows, labels=True)
        if not np.array_equal(store.input_ids[:], theirs.input_ids[:]):
            raise ModelError(
                f"{type(run.tokenizer).__name__}: its tokenizer.json reads these texts otherwise than it does itself, so no export "
                f"of it can be trusted. Save the tokenizer again with its own class (tokenizer.save_pretrained), or name "
                f"another with --tokenizer."
            )
        found = _scores(run, exported, rows, store, tolerance)
    note("measuring speed")
    found["speed"] = {"before": _speed(run, store, call), "after": _speed(exported, store, call)}
    return found


def _scores(run: Run, exported: Run, rows: Rows, store: TokenStore, tolerance: float) -> dict[str, Any]:
    task = run.task
    references = task.references(rows.table)
    judged = [evaluate(one.engine, store, references, resamples=0) for one in (run, exported)]
    predicted = [one.predictions for one in judged]
    name = task.best
    lower = name in task.lower_is_better
    before, after = (one.values.get(name) for one in judged)
    found: dict[str, Any] = {
        "rows": len(rows),
        "score": name,
        "before": before,
        "after": after,
        "agreement": _same(*predicted),
    }
    found |= _difference(task, predicted, references, name)
    change = None if before is None or after is None else after - before
    worse = 0.0 if change is None else max(0.0, change if lower else -change)
    if change is None and (before is None) != (after is None):
        worse = float("inf")
    return {**found, "difference": change, "worse": worse, "tolerance": tolerance, "passed": worse <= tolerance}


def _difference(task: Any, predicted: list[Any], references: Any, name: str) -> dict[str, Any]:
    """The paired interval and p of one score; None of a score that isn't made of predictions (AUROC)."""
    there = [
        row
        for row in range(len(references))
        if not any(not isinstance(one, np.ndarray) and one[row] is None for one in predicted)
    ]
    if not there:
        return {"low": None, "high": None, "p": None}
    if isinstance(predicted[0], np.ndarray):
        said: Any = np.concatenate(predicted)
        right: Any = np.concatenate([references, references])
    else:
        said, right = [one[row] for one in predicted for row in there], [references[row] for row in there] * 2
    with collected() as asked:
        task.score(said, right)
    for score, count in asked:
        joint = Joint(score, count // 2)
        if name in joint.values[0]:
            one = joint.difference(0, 1, permutations=1_000)[name]
            return {key: one[key] for key in ("low", "high", "p")}
    return {"low": None, "high": None, "p": None}


def _same(one: Any, other: Any) -> float:
    """The share of rows with the same prediction; of sums (likelihoods) within a thousandth."""
    if isinstance(one, np.ndarray) and np.issubdtype(one.dtype, np.floating):
        near = np.isclose(one, other, rtol=1e-3, atol=1e-3)
        return float(near.reshape(len(one), -1).all(1).mean())
    if isinstance(one, np.ndarray):
        return float((one == other).reshape(len(one), -1).all(1).mean())
    return sum(a == b for a, b in zip(one, other, strict=True)) / max(1, len(one))


def _random(run: Run) -> TokenStore:
    """Rows of random tokens, for a model without labelled rows."""
    rng = np.random.default_rng(0)
    tokenizer, size = run.tokenizer, run.model.get_input_embeddings().num_embeddings
    plain = np.setdiff1d(np.arange(min(size, len(tokenizer))), [*tokenizer.all_special_ids])
    longest = max(LENGTHS[0] + 1, min(LENGTHS[1], run.engine.encoder.max_length))
    lengths = rng.integers(LENGTHS[0], longest, PROMPTS if run.task.generates else PROBED)
    ids = rng.choice(plain, int(lengths.sum())).astype(np.int32)
    if getattr(tokenizer, "mask_token_id", None) is not None:
        ids[np.cumsum(lengths) - 2] = tokenizer.mask_token_id
    columns = {"token_type_ids": np.zeros(len(ids), np.uint8)} if run.engine.encoder.token_types else {}
    return TokenStore.of(Encoded(ids, lengths, columns), run.engine.encoder.levels, run.engine.encoder.pad)


def _agreement(run: Run, exported: Run, store: TokenStore, call: Any) -> dict[str, Any]:
    one, other = (each.engine.run(store, call=call) for each in (run, exported))
    if np.issubdtype(one.values.dtype, np.integer):
        same = float(np.mean([np.array_equal(one.of(at), other.of(at)) for at in range(len(store))]))
        apart: float | None = None
    else:
        same = float((one.values.argmax(-1) == other.values.argmax(-1)).mean())
        apart = float(np.abs(one.values - other.values).max())
    return {"rows": len(store), "score": None, "agreement": float(same), "apart": apart, "passed": None}


def _nothing(outputs: Any, pack: Any) -> None:
    """What is done with the losses of rows that are run for their time."""


def _speed(run: Run, store: TokenStore, call: Any) -> dict[str, Any]:
    """Milliseconds a row alone (p50, p99) and rows a second together, tokens in and answers out, in the precision it is used in."""
    engine = run.engine
    labelled = "labels" in store.levels
    writes = run.task.generates and not (labelled and run.task.teacher_forced)
    each = None if writes or not labelled else _nothing
    before = engine.precision
    if engine.has_losses:  # of torch
        from byeori.models.device import precision_for

        engine.precision = precision_for("auto", engine.device)
    try:
        few = min(len(store), WRITTEN if writes else SINGLE)
        many = min(len(store), 4 * WRITTEN if writes else TIMED)
        some = window(store, 0, many)
        for warm in (window(store, 0, 1), some):
            engine.run(warm, each, call)
        clock = time.perf_counter()
        engine.run(some, each, call)
        rate = many / max(time.perf_counter() - clock, 1e-9)
        times, began = [], time.perf_counter()
        for row in range(few):
            clock = time.perf_counter()
            engine.run(window(store, row, row + 1), each, call)
            times.append(time.perf_counter() - clock)
            if clock - began > SECONDS:
                break
        p50, p99 = np.quantile(times, [0.5, 0.99]) * 1_000
        return {
            "precision": engine.precision,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "rows_per_second": float(rate),
        }
    finally:
        engine.precision = before
