"""Scores on each task's real data, Byeori beside a plain Trainer: same rows, same epochs, same learning rate and schedule.

Each contestant runs in a process of its own, on as many threads as OMP_NUM_THREADS says. A Trainer's answers are scored by
Byeori's metrics on the same test rows.

    OMP_NUM_THREADS=1 python -m benchmarks.tasks --only wnut17,klue_ner
    python -m benchmarks.tasks --table tasks.jsonl
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common import measure
from benchmarks.tasks.sets import SETS, Set


def work(job: dict) -> dict:
    one = SETS[job["set"]]
    train, test = one.rows()
    if job["most"]:
        train, test = (rows.select(range(min(job["most"], len(rows)))) for rows in (train, test))
    counts = {"train_rows": len(train), "test_rows": len(test)}
    job = {**job, "task": one.task, "settings": {**one.settings, **job["settings"]}}
    if job["who"] == "byeori":
        from benchmarks.tasks.ours import with_byeori

        train, validation = one.held(train) if one.held else (train, None)
        found = with_byeori(job, train, test, validation)
    else:
        found = _with_trainer(job, train, test)
    # Of the processor: those of the clock say more of what else runs.
    return {**found, **counts, "seconds": found["cpu_seconds"]}


def _with_trainer(job: dict, train: Any, test: Any) -> dict:
    from benchmarks.tasks import pairs
    from byeori import settings
    from byeori.bench import tagging
    from byeori.bench.trainer import Recipe
    from byeori.bench.training import TRAINERS
    from byeori.tasks import find

    asked = job["task"] == "zero-shot-classification"
    kind = find("text-classification" if asked else job["task"])
    own = job["settings"]
    task = kind(**{name: value for name, value in own.items() if name in settings.names(kind.Training)})
    task.prepare(train)
    recipe = Recipe(
        model=job["model"], epochs=own["epochs"], batch_size=own["batch_size"], learning_rate=own["learning_rate"],
        warmup_ratio=0.1, order=own.get("order", "grouped"), max_length=own["max_length"], seed=own.get("seed", 0), log_every=10,
    )  # fmt: skip
    way = (
        tagging.by_offsets
        if job["who"] == "trainer_offsets"
        else pairs.inference
        if asked
        else TRAINERS[job["task"]][0]
    )
    return way(recipe, task, train, test)


def run(name: str, one: Set, options: argparse.Namespace) -> None:
    from benchmarks.tasks.bodies import BODIES

    with tempfile.TemporaryDirectory() as folder:
        model = BODIES[one.body](folder, one.rows()[0])
        for who in one.contestants:
            if options.who and who not in options.who.split(","):
                continue
            job = {"set": name, "who": who, "model": model, "most": options.most, "settings": json.loads(options.set)}
            found = measure("benchmarks.tasks", job)
            with open(options.output, "a", encoding="utf-8") as file:
                file.write(json.dumps({"set": name, "who": who, **found}, ensure_ascii=False) + "\n")
            shown = {k: round(v["value"], 4) for k, v in found["scores"].items() if v["value"] is not None}
            print(name, who, f"{found['seconds']:.0f} s", found["losses"], shown, flush=True)


def table(path: str) -> str:
    """The last result of each contestant, as the table of RESULTS.md."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    found = {(line["set"], line["who"]): line for line in lines}
    made = [
        "| data (training → test rows, epochs) | score | Byeori | Trainer | linear baseline | trivial | s, Byeori / Trainer |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in SETS.items():
        if (name, "byeori") not in found or (name, "trainer") not in found:
            continue
        ours, theirs = found[name, "byeori"], found[name, "trainer"]
        baselines = ours["baseline"]
        rows = f"{ours['train_rows']:,} → {ours['test_rows']:,}, {one.settings['epochs']}"
        for place, score in enumerate(one.scores):
            cells = [f"{one.shown} ({rows})" if not place else "", score]
            cells += [_cell(side["scores"].get(score)) for side in (ours, theirs)]
            cells += [_cell(baselines.get(kind, {}).get(score)) for kind in ("linear", "trivial")]
            times = f"{ours['seconds']:.0f} / {theirs['seconds']:.0f} = {theirs['seconds'] / ours['seconds']:.2f}×"
            made.append("| " + " | ".join([*cells, times if not place else ""]) + " |")
    return "\n".join(made)


def _cell(score: dict | None) -> str:
    if score is None or score["value"] is None:
        return "–"
    digits = 1 if score["value"] >= 10 else 2 if score["value"] >= 3 else 3
    said = f"{score['value']:.{digits}f}"
    return said if score.get("low") is None else f"{said} ({score['low']:.{digits}f}–{score['high']:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", help="run one contestant (used by the benchmark itself)")
    parser.add_argument("--only", default="", help="sets by name (a,b); all if not given")
    parser.add_argument("--who", default="", help="contestants by name (a,b)")
    parser.add_argument("--together", type=int, default=1, help="sets that run at once")
    parser.add_argument("--most", type=int, default=0, help="at most so many rows, to try it")
    parser.add_argument("--set", default="{}", help="settings that replace the set's own, as JSON")
    parser.add_argument("--output", default="tasks.jsonl", help="results, a line a run, appended")
    parser.add_argument("--table", help="print the table of such a file")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker)), ensure_ascii=False))
        return
    if options.table:
        print(table(options.table))
        return
    names = options.only.split(",") if options.only else list(SETS)
    with ThreadPoolExecutor(options.together) as pool:
        for done in [pool.submit(run, name, SETS[name], options) for name in names]:
            done.result()


if __name__ == "__main__":
    main()
