"""One contestant's round of `byeori bench tokenize`: texts in memory to token ids, cut to the model's length.

tokenize({"model": "DIR", "given": "DIR", "answers": "answers.jsonl", "max_length": 512, "how": {…}, …})["rate"]
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from byeori.bench import given
from byeori.bench.clock import Clock, peak_mb
from byeori.run import dumps

if TYPE_CHECKING:
    from byeori.data.rows import Rows

WARM = 64  # rows tokenized before the clock starts
Ids = Callable[[], Iterable[Any]]  # a row's ids, read once the clock has stopped


def tokenize(job: dict[str, Any]) -> dict[str, Any]:
    """{"rate": rows a second, …, what it took}; a hash of each row's ids is in the file job["answers"]."""
    rows = given.load(job["given"], "rows")
    contestant = {"byeori": _ours, "rust": _rust}.get(job["name"], _mapped)(job)
    contestant(rows.select(range(min(WARM, len(rows)))))
    with Clock() as clock:
        ids = contestant(rows)
    took = clock.found()
    memory = peak_mb()
    with open(job["answers"], "w", encoding="utf-8") as file:
        file.writelines(dumps(_digest(one)) + "\n" for one in ids())
    return {**took, "rate": len(rows) / max(took["seconds"], 1e-9), "memory_mb": memory, "padding": None}


def _digest(ids: Any) -> str:
    import numpy as np

    return hashlib.blake2b(np.asarray(ids, np.int32).tobytes(), digest_size=8).hexdigest()


def _tokenizer(job: dict[str, Any]) -> Any:
    from byeori.models.tokenizers import load_tokenizer

    return load_tokenizer(job["model"], job["model"], {})


def _pairs(table: Any) -> list[str] | None:
    return table["text_pair"][:] if "text_pair" in table.column_names else None


def _mapped(job: dict[str, Any]) -> Callable[[Rows], Ids]:
    """`datasets.map(batched=True)`; tuned with larger batches and processes, and without the columns that were read."""
    import datasets

    # Else the second round finds the first one's result on the disk.
    datasets.disable_caching()
    datasets.disable_progress_bars()
    tokenizer, how = _tokenizer(job), job["how"]
    names = tokenizer.model_input_names

    def cut(batch: dict[str, list]) -> Any:
        return tokenizer(batch["text"], batch.get("text_pair"), truncation=True, max_length=job["max_length"])

    def run(rows: Rows) -> Ids:
        table, more = rows.table, {}
        if "processes" in how:
            more = {
                "num_proc": _processes(job) if len(table) > how["batch_size"] else None,
                "remove_columns": table.column_names,
            }
        found = table.map(cut, batched=True, batch_size=how["batch_size"], **more)
        return lambda: (row[names[0]] for row in found)

    return run


def _processes(job: dict[str, Any]) -> int | None:
    """As many as threads; none but this one where there is one thread."""
    count = job["threads"] or multiprocessing.cpu_count()
    return count if count > 1 else None


def _rust(job: dict[str, Any]) -> Callable[[Rows], Ids]:
    """The tokenizer of the tokenizers library by itself, and reading its ids into Python."""
    tokenizer = _tokenizer(job)
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(job["max_length"])

    def run(rows: Rows) -> Ids:
        pairs = _pairs(rows.table)
        texts = rows.table["text"][:]
        found = backend.encode_batch_fast(texts if pairs is None else list(zip(texts, pairs, strict=True)))
        ids = [one.ids for one in found]
        return lambda: ids

    return run


def _ours(job: dict[str, Any]) -> Callable[[Rows], Ids]:
    """As a training or a prediction encodes its rows, into the token store."""
    from byeori.tasks import FeatureExtraction
    from byeori.text.encode import Encoder
    from byeori.text.encode_rows import encode_rows

    tokenizer = _tokenizer(job)
    encoder = Encoder(tokenizer, job["max_length"], "head", "token_type_ids" in tokenizer.model_input_names)

    def run(rows: Rows) -> Ids:
        store = encode_rows(rows, FeatureExtraction(), encoder, labels=False)
        return lambda: (store[place]["input_ids"] for place in range(len(store)))

    return run
