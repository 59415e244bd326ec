"""Reading a million rows: Byeori beside pyarrow alone, by format.

pyarrow is told to leave every column of CSV and TSV as text, as Byeori does; it neither finds out what quotes mean, nor checks
texts and labels, nor says which row is wrong. The hash of a large file, which is found when it is asked for, is in neither time.
Rows: id, text (20 to 120 characters, Korean and English, with commas and quotes), label.

    python -m benchmarks.reading --rows 1000000 --rounds 5
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import alternate, arguments, median, ratios
from byeori.bench.clock import peak_mb

KOREAN, ENGLISH = (
    words.split()
    for words in (
        "영화 배우 연기 정말 재미있게 봤습니다 감독 이야기 그리고 하지만 최고의 음악 장면 다시 보고 싶은 작품 시간 지루했다 추천",
        "the movie was really great and I would watch it again because actors director story music boring waste of time",
    )
)
FORMATS = ("csv", "tsv", "jsonl", "parquet")
DISTINCT = 50_000


def sentence(rng: np.random.Generator) -> str:
    words, found, size = KOREAN if rng.random() < 0.5 else ENGLISH, [], int(rng.integers(20, 120))
    while sum(map(len, found)) + len(found) < size:
        word, chance = words[rng.integers(len(words))], rng.random()
        found.append(f"{word}," if chance < 0.06 else f'"{word}"' if chance < 0.064 else word)
    return " ".join(found)[:112]


def write(folder: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    sentences = [sentence(rng) for _ in range(min(rows, DISTINCT))]
    drawn, labels = rng.integers(0, len(sentences), rows).tolist(), rng.integers(0, 2, rows).tolist()
    made = [(i, f"{sentences[at]} {i}", label) for i, (at, label) in enumerate(zip(drawn, labels, strict=True))]
    with open(folder / "rows.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "text", "label"))
        writer.writerows(made)
    with open(folder / "rows.tsv", "w", encoding="utf-8") as file:
        file.write("id\ttext\tlabel\n")
        file.writelines(f"{i}\t{text}\t{label}\n".replace('"', "") for i, text, label in made)
    with open(folder / "rows.jsonl", "w", encoding="utf-8") as file:
        for i, text, label in made:
            file.write(json.dumps({"id": i, "text": text, "label": label}, ensure_ascii=False) + "\n")
    names = ("id", "text", "label")
    columns = dict(zip(names, map(list, zip(*made, strict=True)), strict=True))
    parquet.write_table(pa.table(columns), folder / "rows.parquet")


def read_alone(path: str) -> int:
    """Rows found by pyarrow alone."""
    import pyarrow as pa
    from pyarrow import csv as tables
    from pyarrow import json as lines
    from pyarrow import parquet

    kind = path.rsplit(".", 1)[-1]
    if kind == "parquet":
        return parquet.read_table(path).num_rows
    if kind == "jsonl":
        return lines.read_json(path).num_rows
    parse = tables.ParseOptions() if kind == "csv" else tables.ParseOptions(delimiter="\t", quote_char=False)
    texts = tables.ConvertOptions(column_types={name: pa.string() for name in ("id", "text", "label")})
    return tables.read_csv(path, parse_options=parse, convert_options=texts).num_rows


def worker(work: dict[str, Any]) -> dict[str, float]:
    if work["who"] == "byeori":
        import datasets  # noqa: F401 - imports are not timed, pyarrow's are not either

        from byeori.data.read import read_rows
    else:
        import pyarrow.csv
        import pyarrow.json
        import pyarrow.parquet  # noqa: F401
    before, clock, cpu = peak_mb(), time.perf_counter(), time.process_time()
    rows = len(read_rows(work["path"])) if work["who"] == "byeori" else read_alone(work["path"])
    seconds, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {"rows": rows, "seconds": seconds, "cpu": cpu, "rate": rows / seconds, "peak": peak_mb() - before}


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rows=1_000_000, rounds=5)
    parser.add_argument("--formats", default=",".join(FORMATS), help="which of csv,tsv,jsonl,parquet")
    given = parser.parse_args()
    if given.worker:
        print(json.dumps(worker(json.loads(given.worker))))
        return
    print(f"{given.rows:,} rows, {given.rounds} rounds; peak memory over that of the imports\n")
    print(
        "| format | Byeori s | pyarrow s | ratio of seconds | of CPU seconds | Byeori rows/s | Byeori MB | pyarrow MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.rows)
        for kind in given.formats.split(","):
            path = str(Path(folder) / f"rows.{kind}")
            contestants = {who: {"who": who, "path": path} for who in ("byeori", "pyarrow")}
            found = alternate("benchmarks.reading", contestants, given.rounds)
            ours, theirs = found["byeori"], found["pyarrow"]
            print(
                f"| {kind} | {median(ours, 'seconds'):.2f} | {median(theirs, 'seconds'):.2f} | {ratios(ours, theirs, 'seconds')} "
                f"| {ratios(ours, theirs, 'cpu')} | {median(ours, 'rate'):,.0f} | {median(ours, 'peak'):.0f} "
                f"| {median(theirs, 'peak'):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
