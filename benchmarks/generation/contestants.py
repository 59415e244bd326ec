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

from benchmarks.common import peak_mb

WARM = 8  # texts decoded before the clock starts
Written = tuple[list[str], list[int]]  # texts, and the new tokens of each, its end left out


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


Contestant = tuple[Callable[[list[str]], Written], Callable[[], int | None]]


def _loaded(job: dict) -> tuple[Any, Any, list[int]]:
    """The model in its job's precision, its tokenizer, and a list of one number: how often its decoder has run."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    config = transformers.AutoConfig.from_pretrained(job["model"])
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model = auto.from_pretrained(job["model"], dtype=getattr(torch, job.get("precision", "float32"))).eval()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right" if config.is_encoder_decoder else "left"
    runs = [0]
    model.get_decoder().register_forward_hook(lambda *_: runs.__setitem__(0, runs[0] + 1))
    return model, tokenizer, runs


def tutorial(job: dict) -> Contestant:
    """A DataLoader of 8 texts in the file's order, padded to the longest; `generate`; `batch_decode`."""
    import torch

    model, tokenizer, runs = _loaded(job)

    def padded(rows: list[dict]) -> Any:
        return tokenizer.pad(rows, return_tensors="pt")

    def write(asked: list[str]) -> Written:
        rows = [{"input_ids": ids} for ids in tokenizer(asked)["input_ids"]]
        loader: Any = torch.utils.data.DataLoader(rows, batch_size=8, collate_fn=padded)
        texts: list[str] = []
        lengths: list[int] = []
        for batch in loader:
            more, new = _rectangle(model, tokenizer, batch, job["settings"])
            texts, lengths = texts + more, lengths + new
        return texts, lengths

    return write, lambda: runs[0]


def tuned(job: dict) -> Contestant:
    """Sorted by length, the longest first, in batches of job["batch"]; everything else as in the tutorials."""
    model, tokenizer, runs = _loaded(job)

    def write(asked: list[str]) -> Written:
        rows = tokenizer(asked)["input_ids"]
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        texts, lengths = [""] * len(rows), [0] * len(rows)
        for at in range(0, len(order), job["batch"]):
            places = order[at : at + job["batch"]]
            batch = tokenizer.pad({"input_ids": [rows[place] for place in places]}, return_tensors="pt")
            for place, text, new in zip(places, *_rectangle(model, tokenizer, batch, job["settings"]), strict=True):
                texts[place], lengths[place] = text, new
        return texts, lengths

    return write, lambda: runs[0]


def _rectangle(model: Any, tokenizer: Any, batch: Any, settings: dict) -> Written:
    import torch

    with torch.no_grad():
        made = model.generate(**batch, do_sample=False, pad_token_id=tokenizer.pad_token_id, **settings)
    new = made[:, 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1] :]
    return tokenizer.batch_decode(new, skip_special_tokens=True), [_length(row, tokenizer) for row in new.tolist()]


def _length(ids: list[int], tokenizer: Any) -> int:
    """Tokens before the end, or before the padding of a text that has none."""
    end = tokenizer.eos_token_id
    return ids.index(end) if end in ids else len(ids)


def engine(job: dict) -> Contestant:
    """Byeori's engine on the same ids; its steps are those of its batch, or of `generate` where it falls back to that."""
    from byeori.generate.continuous import Continuous
    from byeori.generate.decoding import Decoding
    from byeori.generate.write import write as written

    model, tokenizer, runs = _loaded(job)
    decoding = Decoding(do_sample=False, **job["settings"])
    step = Continuous.step

    def counted(self: Any) -> Any:
        runs[0] += 1
        return step(self)

    Continuous.step = counted

    def write(asked: list[str]) -> Written:
        rows = tokenizer(asked)["input_ids"]
        found = [texts[0] for texts in written(model, rows, decoding, pad=tokenizer.pad_token_id, tokenizer=tokenizer)]
        return tokenizer.batch_decode(found, skip_special_tokens=True), [len(ids) for ids in found]

    return write, lambda: runs[0]
