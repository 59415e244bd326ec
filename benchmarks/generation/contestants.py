"""Who decodes: the tutorials' loop, a tuned one, Byeori and (runtime.py) CTranslate2; each in a process of its own.

Every one starts from the texts and ends with texts; what is timed is tokenizing, decoding and turning ids into text.
Loading is not, nor a few texts to warm up, in which Byeori takes the model apart once.

    work({"who": "tutorial", "model": "models/t5", "asked": [...], "settings": {"num_beams": 4, "max_new_tokens": 128}})
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byeori.bench import generating
from byeori.bench.clock import peak_mb
from byeori.bench.generating import WARM, Write, Written


def work(job: dict) -> dict:
    """{"seconds", "texts", "lengths" (in tokens), "tokens", "steps", "rate" (texts a second), "tokens_rate", "memory_mb"}."""
    import transformers

    transformers.logging.set_verbosity_error()
    if job["who"] == "ctranslate2":
        from benchmarks.generation.runtime import ctranslate2 as contestant
    else:
        import torch

        torch.set_num_threads(job.get("threads", 1))
        contestant = {"tutorial": tutorial, "tuned": tuned, "byeori": engine}[job["who"]]
    write, steps = contestant(job)
    asked = job["asked"]
    if isinstance(asked, str):
        asked = json.loads(Path(asked).read_text(encoding="utf-8"))
        asked = spread(asked, job.get("limit") or len(asked))
    write(spread(asked, WARM))
    before = steps()
    began = time.perf_counter()
    texts, lengths = write(asked)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds, "texts": texts, "lengths": lengths, "tokens": sum(lengths), "rate": len(texts) / seconds,
        "tokens_rate": sum(lengths) / seconds, "steps": None if before is None else steps() - before,
        "memory_mb": peak_mb(),
    }  # fmt: skip


def spread(asked: list[str], most: int) -> list[str]:
    """So many of the texts, from first to last at equal distances."""
    most = min(most, len(asked))
    return [asked[place * len(asked) // most] for place in range(most)]


Contestant = tuple[Write, Callable[[], int | None]]


def tutorial(job: dict) -> Contestant:
    parts = _loaded(job)
    return generating.tutorial(parts, job["settings"]), lambda: parts.runs


def tuned(job: dict) -> Contestant:
    parts = _loaded(job)
    return generating.tuned(parts, job["settings"], job["batch"]), lambda: parts.runs


def _loaded(job: dict) -> generating.Loaded:
    return generating.loaded(job["model"], job.get("precision", "float32"))


def engine(job: dict) -> Contestant:
    """Byeori's engine on the same ids; its steps are those of its batch, or of `generate` where it falls back to that."""
    from byeori.generate.continuous import Continuous
    from byeori.generate.decoding import Decoding
    from byeori.generate.write import write as written

    parts = _loaded(job)
    decoding = Decoding(do_sample=False, **job["settings"])
    step = Continuous.step

    def counted(self: Any) -> Any:
        parts.runs += 1
        return step(self)

    Continuous.step = counted

    def write(asked: list[str]) -> Written:
        pad = parts.tokenizer.pad_token_id
        found = [
            texts[0] for texts in written(parts.model, parts.ids(asked), decoding, pad=pad, tokenizer=parts.tokenizer)
        ]
        return parts.tokenizer.batch_decode(found, skip_special_tokens=True), [len(ids) for ids in found]

    return write, lambda: parts.runs
