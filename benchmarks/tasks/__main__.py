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

from benchmarks.common import measure, peak_mb
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
    return {**found, **counts, "memory_mb": peak_mb()}


def _with_trainer(job: dict, train: Any, test: Any) -> dict:
    from benchmarks.tasks import language, pairs, questions, tagging, writing
    from byeori import settings
    from byeori.tasks import find

    trainers = {
        "token-classification": tagging.by_offsets if job["who"] == "trainer_offsets" else tagging.tagging,
        "question-answering": questions.questions,
        "translation": writing.writing,
        "summarization": writing.writing,
        "text-generation": language.causal,
        "fill-mask": language.masked,
        "multiple-choice": pairs.choices,
        "zero-shot-classification": pairs.inference,
    }
    kind = find("text-classification" if job["task"] == "zero-shot-classification" else job["task"])
    own = {name: value for name, value in job["settings"].items() if name in settings.names(kind.Training)}
    task = kind(**own)
    task.prepare(train)
    return trainers[job["task"]]({**job, "test": test}, task, train.table, test.table)


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
