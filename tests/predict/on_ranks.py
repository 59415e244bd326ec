"""What test_ranks.py asks of two processes: each compares what they find together with what it finds alone.

torchrun --nproc-per-node 2 tests/predict/on_ranks.py FOLDER
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byeori
from byeori.cli import main
from byeori.errors import ByeoriError, DataError, SettingError
from byeori.models.world import World
from byeori.predict import engine, evaluate, files, parts
from byeori.predict.files import predict_file
from labelled import close

USING: dict[str, Any] = {"device": "cpu", "precision": "float32", "threads": 1}
folder = Path(sys.argv[1])
world = World.start("cpu")
assert world.size == 2


def run_of(task: str) -> Any:
    run = byeori.load_run(str(folder / task), task=task, **USING)
    run.engine.pack_tokens = 300
    return run


def same_answers() -> None:
    """Answers, predictions, losses and scores; of windows that end anywhere, and of fewer rows than ranks."""
    engine.WINDOW = evaluate.WINDOW = 7
    for task in ("text-classification", "token-classification", "question-answering", "summarization"):
        rows, run = json.loads((folder / f"{task}.json").read_text(encoding="utf-8")), run_of(task)
        short = {"max_new_tokens": 5} if task == "summarization" else {}
        for some in (rows, rows[:1], rows[:8]):
            store = run.encode(run.read(some), labels=True)
            references = run.task.references(run.read(some).table)
            found = []
            for one in (World(), world):
                run.engine.world = one
                told: list[Any] = []
                answers = run.engine.run(store, call=run.task.call_settings(short))
                with run.scoring(**short):
                    judged = evaluate.evaluate(run.engine, store, references, resamples=50, tell=told.extend)
                found.append((answers, judged.scores, told))
            (alone, scores, said), (answers, shared, told) = found
            assert (
                np.allclose(alone.values, answers.values, atol=1e-5)
                and len(alone) == len(answers) == len(store.offsets) - 1
            )
            assert (alone.offsets is None) == (answers.offsets is None) or len(some) < 2
            assert alone.offsets is None or answers.offsets is None or (alone.offsets == answers.offsets).all()
            assert len(said) == len(told) == len(some)
            assert close(shared, scores), task
            every = world.texts(json.dumps([shared, told]))
            assert every[0] == every[1], "all ranks find the same, bit by bit"
        run.engine.world = World()
    engine.WINDOW = evaluate.WINDOW = 4_096


def same_files() -> None:
    parts.WINDOW = 6  # some rounds
    for task, names in (("text-classification", ["a.jsonl"]), ("feature-extraction", ["v.parquet", "v.npy", "v.npz"])):
        run = run_of(task)
        for name in names:
            call = {"pooling": "mean"} if name.startswith("v") else {"top_k": 2}
            found = predict_file(
                run,
                str(folder / "rows.tsv"),
                folder / f"both-{name}",
                call=call,
                read={"text": "text"},
                with_inputs="np" not in name,
            )
            assert (found["rows"], found["errors"]) == (31, 1), "all ranks know of all errors"
    world.wait()


def failures() -> None:
    """Whoever fails, wherever: all end, with its words, and nothing is left."""
    run, before = run_of("text-classification"), sorted(folder.iterdir())
    with pytest.raises(DataError, match="^rank 1 finds no text$"), world.together(), world.together():
        if world.rank == 1:
            raise DataError("rank 1 finds no text")
    with pytest.raises(ByeoriError if world.main else KeyError, match="no such key"), world.together():
        if world.rank == 1:
            raise KeyError("no such key")
    for rank, place in ((0, "write"), (0, "model"), (1, "model")):
        calls = 0

        def failing(*given: Any, rank: int = rank, **named: Any) -> None:
            nonlocal calls
            calls += 1
            if world.rank == rank and calls == 2:
                raise SettingError(f"rank {rank} can't")

        with pytest.MonkeyPatch.context() as patch:
            if place == "write":

                class Full(io.StringIO):
                    write = failing  # type: ignore[assignment]

                patch.setattr(files, "_opened", lambda *_: contextlib.nullcontext(Full() if world.main else None))
            hook = run.model.register_forward_pre_hook(failing) if place == "model" else None
            with pytest.raises(SettingError, match=f"^rank {rank} can't$"):
                predict_file(run, str(folder / "rows.tsv"), folder / "x.jsonl", call={}, read={"text": "text"})
            if hook is not None:
                hook.remove()
    run.engine.world, engine.WINDOW = world, 7
    hook = run.model.register_forward_pre_hook(partial(_fails_second, [0]))
    with pytest.raises(ByeoriError, match="the second call"):
        run.evaluate(json.loads((folder / "text-classification.json").read_text(encoding="utf-8")))
    hook.remove()
    assert sorted(folder.iterdir()) == before
    with pytest.raises(SettingError, match="2 processes can't share one standard input"):
        predict_file(run, "-", folder / "x.jsonl", call={}, read={})


def _fails_second(calls: list[int], *_: Any) -> None:
    calls[0] += 1
    if world.rank == 1 and calls[0] == 2:
        raise ByeoriError("the second call")


def commands() -> None:
    model, flags = (
        str(folder / "text-classification"),
        ["--task", "text-classification", "--precision", "float32", "--json"],
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main(["evaluate", model, str(folder / "text-classification.json"), *flags])
    assert stop.value.code == 0 and bool(out.getvalue()) == bool(err.getvalue()) == world.main, err.getvalue()
    if world.main:
        (folder / "scores.json").write_text(out.getvalue(), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main(["predict", model, str(folder / "nowhere.tsv"), *flags, "--output", str(folder / "x.jsonl")])
    said = world.texts(err.getvalue())
    assert stop.value.code == 3 and not out.getvalue() and "".join(said).count("nowhere.tsv") == 1, said


for check in (same_answers, same_files, failures, commands):
    check()
world.wait()
world.stop()
print(f"rank {world.rank} is done", flush=True)
