"""How the inspection grows with the rows: near duplicates of 30,000, 100,000 and 300,000 texts, and all of NSMC's 30,000.

Larger sets are made from NSMC's reviews in two ways: "fresh" draws each text's words from all reviews (by frequency, with
the lengths of real reviews, a fiftieth of the texts being edited copies of others), "copied" repeats a tenth as many
reviews ten times with edits, so that most rows have near copies, which is the most work there can be.

    python -m benchmarks.inspection --rounds 3
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from benchmarks.common import DATA, alternate, median
from byeori.bench.clock import peak_mb

SIZES = (30_000, 100_000, 300_000)


def reviews() -> list[str]:
    lines = (DATA / "nsmc" / "nsmc_30k.txt").read_text(encoding="utf-8").split("\n")[1:]
    return [line.split("\t")[0] for line in lines if line]


def edited(text: str, rng: np.random.Generator) -> str:
    """One character dropped, doubled or moved."""
    if len(text) < 2:
        return text
    place = int(rng.integers(0, len(text) - 1))
    kind = rng.integers(0, 3)
    if kind == 0:
        return text[:place] + text[place + 1 :]
    if kind == 1:
        return text[:place] + text[place] + text[place:]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def fresh(rows: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    real = reviews()
    words = np.array([word for text in real for word in text.split()], dtype=object)
    lengths = np.array([max(1, len(text.split())) for text in real])[rng.integers(0, len(real), rows)]
    drawn = words[rng.integers(0, len(words), int(lengths.sum()))]
    ends = np.cumsum(lengths)
    texts = [" ".join(drawn[end - length : end]) for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]
    for place in rng.integers(0, rows, rows // 50).tolist():
        texts[place] = edited(texts[int(rng.integers(0, rows))], rng)
    return texts


def copied(rows: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    real = reviews()[: rows // 10]
    return [text if turn == 0 else edited(text, rng) for turn in range(rows // len(real)) for text in real]


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def spent(begun: tuple[float, float]) -> dict:
    """Seconds on the clock, and of this process's own work: what counts on a machine that is busy with other things."""
    now = clocks()
    return {"seconds": now[0] - begun[0], "cpu": now[1] - begun[1]}


def near(job: dict) -> dict:
    from byeori.doctor.near import near_duplicates

    texts = {"fresh": fresh, "copied": copied}[job["kind"]](job["rows"], job["seed"])
    near_duplicates(texts[:100])  # imports
    before, begun = peak_mb(), clocks()
    found = near_duplicates(texts)
    return {**spent(begun), "found": found.count, "more_mb": peak_mb() - before}


def leakage(job: dict) -> dict:
    from byeori.doctor.near import near_copies

    texts = fresh(job["rows"] * 11 // 10, job["seed"])
    near_copies(texts[:100], texts[:100])
    before, begun = peak_mb(), clocks()
    found = near_copies(texts[: job["rows"]], texts[job["rows"] :])
    return {**spent(begun), "found": len(found), "more_mb": peak_mb() - before}


def doubt(job: dict) -> dict:
    from byeori.doctor.doubt import suspicious_labels

    lines = (DATA / "nsmc" / "nsmc_30k.txt").read_text(encoding="utf-8").split("\n")[1:]
    rows = [line.split("\t") for line in lines if line]
    texts, labels = [row[0] for row in rows], np.array([int(row[1]) for row in rows])
    suspicious_labels("single_label", texts[:200], None, labels[:200])
    before, begun = peak_mb(), clocks()
    found = suspicious_labels("single_label", texts, None, labels)
    return {**spent(begun), "found": found.count, "more_mb": peak_mb() - before}


def whole(job: dict) -> dict:
    """From the start of the program on, the task guessed; with a model its tokenizer reads every row."""
    import byeori
    from byeori.demo import model_folder

    begun = clocks()
    model = {"model": str(model_folder())} if job["model"] else {}
    found = byeori.inspect(str(DATA / "nsmc" / "nsmc_30k.txt"), **model)
    return {**spent(begun), "found": len(found.findings), "more_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", help="run one measurement (used by the benchmark itself)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="measurements whose names begin so")
    chosen = parser.parse_args()
    if chosen.worker:
        job = json.loads(chosen.worker)
        print(json.dumps({"near": near, "leakage": leakage, "doubt": doubt, "whole": whole}[job["what"]](job)))
        return
    jobs = {
        f"near duplicates, {kind}, {rows:,} rows": {"what": "near", "kind": kind, "rows": rows}
        for kind in ("fresh", "copied")
        for rows in SIZES
    }
    jobs |= {f"near leakage, {rows:,} rows": {"what": "leakage", "rows": rows} for rows in SIZES}
    jobs |= {
        "suspicious labels, NSMC": {"what": "doubt"},
        "whole inspection, NSMC": {"what": "whole", "model": False},
        "whole inspection, NSMC, with MiniLM": {"what": "whole", "model": True},
    }
    jobs = {name: job for name, job in jobs.items() if name.startswith(chosen.only)}
    found = alternate("benchmarks.inspection", jobs, chosen.rounds)
    print("| what | seconds | CPU seconds | found | memory more, MB |\n|---|---|---|---|---|")
    for name, results in found.items():
        print(
            f"| {name} | {median(results, 'seconds'):.2f} | {median(results, 'cpu'):.2f} | {median(results, 'found'):,.0f} "
            f"| {median(results, 'more_mb'):,.0f} |"
        )
    for name in ("near duplicates, fresh", "near duplicates, copied", "near leakage"):
        if f"{name}, {SIZES[0]:,} rows" not in found:
            continue
        for clock in ("seconds", "cpu"):
            small, _, large = (median(found[f"{name}, {rows:,} rows"], clock) for rows in SIZES)
            print(f"{name}: 30,000 → 300,000 rows: {large / small:.1f}× ({clock})")


if __name__ == "__main__":
    main()
