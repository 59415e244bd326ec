"""Tokenizing side by side: Byeori's token store, `datasets.map` as tutorials have it and tuned, and the Rust tokenizer alone.

    python -m benchmarks.tokenizing --rows 1000000 --rounds 3                        # MiniLM's tokenizer
    python -m benchmarks.tokenizing --rows 1000000 --rounds 3 --tokenizer korean     # KoELECTRA's word pieces
    python -m benchmarks.tokenizing --rows 20000 --long                              # texts of some 1,500 tokens, cut to 512

All begin with the same table on disk (texts and labels) and end with token ids and labels: a memory-mapped store, a table's
file, or an array. `rust` is `encode_batch_fast` in chunks, its ids read into an array in the plain way, and nothing else;
`again` is Byeori's second run, from its cache. The ids of all contestants are compared.

More rows than the set has are made of it again, each word with a chance of 15% to get another last letter: about as many
words are new as in as much real text. Caches of results are off, but for `again`.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import common
from byeori.bench.clock import peak_mb

CHUNK = 2_000
CHANGED = 0.15
LONG = 32  # rows joined to a long text


def texts_of(name: str, rows: int, long: bool) -> tuple[list[str], list[int]]:
    """So many texts of a set, repeated with changes, and their labels as numbers."""
    most = {"nsmc": 29_999, "questions": 11_000, "sentences": 6_000}[name]
    texts, labels = common.SETS[name](min(rows * (LONG if long else 1), most))
    names = {label: number for number, label in enumerate(sorted(set(labels)))}
    known = [names[label] for label in labels]
    rng = np.random.default_rng(0)
    letters = list("".join(texts[:2_000]).replace(" ", ""))

    def changed(text: str) -> str:
        words = text.split(" ")
        for place in np.flatnonzero(rng.random(len(words)) < CHANGED):
            words[place] = words[place][:-1] + letters[rng.integers(len(letters))]
        return " ".join(words)

    wanted = rows * (LONG if long else 1)
    made = texts + [changed(texts[place % len(texts)]) for place in range(len(texts), wanted)]
    if long:
        made = [" ".join(made[first : first + LONG]) for first in range(0, wanted, LONG)]
    return made, [known[place % len(known)] for place in range(len(made))]


def tokenizer_of(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name)


def by_byeori(table: Any, work: dict) -> tuple[Callable[[], np.ndarray], float, float]:
    from byeori.api import as_rows
    from byeori.tasks import TextClassification
    from byeori.text.cache import encode_cached
    from byeori.text.encode import Encoder
    from byeori.text.encode_rows import encode_rows

    labels = sorted(set(table["label"][:]))
    task = TextClassification(labels=[str(label) for label in labels])
    rows = as_rows(table, task, True)
    encoder = Encoder(tokenizer_of(work["tokenizer"]), work["length"], token_types=True)
    clock, cpu = time.perf_counter(), _cpu()
    if work["kind"] == "again":
        store = encode_cached(rows, task, encoder, note=lambda text: print(text, file=sys.stderr))
    else:
        store = encode_rows(rows, task, encoder)
    return lambda: store.input_ids, time.perf_counter() - clock, _cpu() - cpu


def by_map(table: Any, work: dict) -> tuple[Callable[[], np.ndarray], float, float]:
    tokenizer, length = tokenizer_of(work["tokenizer"]), work["length"]
    options = {"batch_size": work["batch"], "num_proc": work["processes"]} if work["kind"] == "tuned" else {}
    clock, cpu = time.perf_counter(), _cpu()
    found = table.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=length), batched=True,
        load_from_cache_file=False, **options,
    )  # fmt: skip
    seconds, cpu = time.perf_counter() - clock, _cpu() - cpu
    column = found.data.column("input_ids")
    return lambda: np.concatenate([chunk.values.to_numpy() for chunk in column.chunks]), seconds, cpu


def by_rust(table: Any, work: dict) -> tuple[Callable[[], np.ndarray], float, float]:
    backend = tokenizer_of(work["tokenizer"]).backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(work["length"])
    clock, cpu = time.perf_counter(), _cpu()
    parts = []
    for first in range(0, len(table), CHUNK):
        found = backend.encode_batch_fast(table[first : first + CHUNK]["text"], add_special_tokens=True)
        parts += [np.array(one.ids, np.int32) for one in found]
    ids = np.concatenate(parts)
    return lambda: ids, time.perf_counter() - clock, _cpu() - cpu


def worker(work: dict) -> dict:
    from datasets import disable_progress_bars, load_from_disk

    disable_progress_bars()
    table = load_from_disk(work["data"])
    way = {"byeori": by_byeori, "again": by_byeori, "map": by_map, "tuned": by_map, "rust": by_rust}[work["kind"]]
    found, seconds, cpu = way(table, work)
    # A process of `num_proc` counts as much as the largest; what they share is counted more than once.
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024 * (work.get("processes") or 0)
    peak, ids = round(peak_mb() + children), found()
    digest = hashlib.blake2b(np.ascontiguousarray(ids, np.int32).tobytes(), digest_size=8).hexdigest()
    return {
        "rate": round(len(table) / seconds), "seconds": round(seconds, 2), "cpu": round(cpu, 2),
        "peak_mb": peak, "tokens": len(ids), "digest": digest,
    }  # fmt: skip


def _cpu() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--tokenizer", choices=("minilm", "korean"), default="minilm")
    parser.add_argument("--long", action="store_true", help="texts of some 1,500 tokens, cut to 512")
    parser.add_argument("--length", type=int, help="tokens a text is cut to; 128, or 512 with --long, if not given")
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(worker(json.loads(asked.worker))))
        return
    from datasets import Dataset

    from byeori.demo import model_folder

    with tempfile.TemporaryDirectory(prefix="byeori-benchmark-") as folder:
        os.environ["BYEORI_CACHE"] = f"{folder}/cache"
        texts, labels = texts_of(asked.set, asked.rows, asked.long)
        data = f"{folder}/data"
        Dataset.from_dict({"text": texts, "label": labels}).save_to_disk(data)
        del texts, labels
        tokenizer = str(model_folder())
        if asked.tokenizer == "korean":
            tokenizer = common.korean_bert(f"{folder}/tokenizer", 32, 1, 2)
        base = {"data": data, "tokenizer": tokenizer, "length": asked.length or (512 if asked.long else 128)}
        batch = 200 if asked.long else 10_000
        contestants = {
            "Rust alone": {**base, "kind": "rust"},
            "Byeori": {**base, "kind": "byeori"},
            "map, as it is": {**base, "kind": "map"},
            "map, large batches": {**base, "kind": "tuned", "batch": batch, "processes": None},
            "map, 2 processes": {**base, "kind": "tuned", "batch": 1_000, "processes": 2},
            "Byeori again": {**base, "kind": "again"},
        }  # fmt: skip
        few = asked.only.split(",")
        contestants = {name: work for name, work in contestants.items() if any(one in name for one in few)}
        if any(work["kind"] == "again" for work in contestants.values()):
            common.measure("benchmarks.tokenizing", contestants["Byeori again"])  # the entry is made
        found = common.alternate("benchmarks.tokenizing", contestants, asked.rounds)
    if len({one["digest"] for results in found.values() for one in results}) > 1:
        sys.exit("the contestants' ids differ")
    print(
        f"\n{asked.rows:,} rows, {asked.set}, {asked.tokenizer}; {next(iter(found.values()))[0]['tokens']:,} tokens\n"
    )
    print("| | rows/s | CPU seconds | peak MB | Byeori is |\n|---|---:|---:|---:|---:|")
    for name, results in found.items():
        ratio = common.ratios(found["Byeori"], results) if "Byeori" in found and name != "Byeori" else ""
        rate, cpu, peak = (common.median(results, key) for key in ("rate", "cpu", "peak_mb"))
        print(f"| {name} | {rate:,.0f} | {cpu:.1f} | {peak:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
