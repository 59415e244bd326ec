"""One contestant's round of `byeori bench generate`: the tutorials' loop, a tuned one, or Byeori from file to file.

Every one starts from texts and ends with texts; what is timed is tokenizing, decoding and turning ids into text.
Loading is not, nor a few texts to warm up.

    write, steps = tutorial(loaded("models/t5"), {"num_beams": 4, "max_new_tokens": 128}); write(["…"])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from byeori.bench import given
from byeori.bench.clock import Clock, peak_mb
from byeori.bench.padding import Padding
from byeori.run import dumps

WARM = 8  # texts decoded before the clock starts
TASKS = ("translation", "summarization", "text2text-generation", "text-generation")
DECODED = {"max_new_tokens": 64, "num_beams": 1}  # where nobody says
Written = tuple[list[str], list[int]]  # texts, and the new tokens of each, its end left out
Write = Callable[[list[str]], Written]


@dataclass
class Loaded:
    """A model with its tokenizer; `runs` is how often its decoder has run, `longest` a source's tokens at most."""

    model: Any
    tokenizer: Any
    padding: Padding
    longest: int | None = None
    runs: int = 0

    def ids(self, asked: list[str]) -> list[list[int]]:
        cut = {} if self.longest is None else {"truncation": True, "max_length": self.longest}
        return self.tokenizer(asked, **cut)["input_ids"]


def loaded(name: str, precision: str = "float32", device: Any = "cpu", longest: int | None = None) -> Loaded:
    """As the tutorials load it: padded on the left where it is a decoder, with the end token where it has no other padding."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    config = transformers.AutoConfig.from_pretrained(name)
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model = auto.from_pretrained(name, dtype=getattr(torch, precision)).to(device).eval()
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right" if config.is_encoder_decoder else "left"
    found = Loaded(model, tokenizer, Padding(), longest)

    def ran(*_: Any) -> None:
        found.runs += 1

    model.get_decoder().register_forward_hook(ran)
    return found


def tutorial(parts: Loaded, settings: dict[str, Any], batch_size: int = 8) -> Write:
    """A DataLoader of 8 texts in the file's order, padded to the longest; `generate`; `batch_decode`."""
    import torch

    def padded(rows: list[dict]) -> Any:
        return parts.tokenizer.pad(rows, return_tensors="pt")

    def write(asked: list[str]) -> Written:
        rows: Any = [{"input_ids": ids} for ids in parts.ids(asked)]
        loader: Any = torch.utils.data.DataLoader(rows, batch_size=batch_size, collate_fn=padded)
        texts: list[str] = []
        lengths: list[int] = []
        for batch in loader:
            more, new = _rectangle(parts, batch, settings)
            texts, lengths = texts + more, lengths + new
        return texts, lengths

    return write


def tuned(parts: Loaded, settings: dict[str, Any], batch_size: int) -> Write:
    """Sorted by length, the longest first, in batches of this size; everything else as in the tutorials."""

    def write(asked: list[str]) -> Written:
        rows = parts.ids(asked)
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        texts, lengths = [""] * len(rows), [0] * len(rows)
        for at in range(0, len(order), batch_size):
            places = order[at : at + batch_size]
            batch = parts.tokenizer.pad({"input_ids": [rows[place] for place in places]}, return_tensors="pt")
            for place, text, new in zip(places, *_rectangle(parts, batch, settings), strict=True):
                texts[place], lengths[place] = text, new
        return texts, lengths

    return write


def _rectangle(parts: Loaded, batch: Any, settings: dict[str, Any]) -> Written:
    import torch

    model, tokenizer = parts.model, parts.tokenizer
    batch = batch.to(model.device)
    parts.padding.add(batch)
    with torch.no_grad():
        made = model.generate(**batch, do_sample=False, pad_token_id=tokenizer.pad_token_id, **settings)
    new = made[:, 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1] :]
    return tokenizer.batch_decode(new, skip_special_tokens=True), [_length(row, tokenizer) for row in new.tolist()]


def _length(ids: list[int], tokenizer: Any) -> int:
    """Tokens before the end, or before the padding of a text that has none."""
    end = tokenizer.eos_token_id
    return ids.index(end) if end in ids else len(ids)


# a round --------------------------------------------------------------------------------------------------------------
def generate(job: dict[str, Any]) -> dict[str, Any]:
    """{"rate": texts a second, …, what it took}; the texts are in the file job["answers"], a line a row."""
    from byeori.models.device import device_for, precision_for

    device = device_for(job["device"])
    job = {**job, "precision": precision_for(job["how"]["precision"], device)}
    clock, padding, texts = _ours(job) if job["ours"] else _theirs(job, device)
    with open(job["answers"], "w", encoding="utf-8") as file:
        file.writelines(dumps(text) + "\n" for text in texts)
    took = clock.found()
    return {
        **took, "rate": job["count"] / max(took["seconds"], 1e-9), "memory_mb": peak_mb(device), "padding": padding,
        "precision": job["precision"],
    }  # fmt: skip


def _theirs(job: dict[str, Any], device: Any) -> tuple[Clock, float | None, list[str]]:
    import transformers

    from byeori.models.device import set_threads

    transformers.logging.set_verbosity_error()
    set_threads(job["threads"])
    parts = loaded(job["model"], job["precision"], device, job["max_length"])
    way = tuned if job["how"].get("order") == "sorted" else tutorial
    write = way(parts, job["call"], job["how"]["batch_size"])
    write([job["prefix"] + one for one in _texts(job)[:WARM]])
    parts.padding.places = parts.padding.tokens = 0
    with Clock() as clock:
        texts, _ = write([job["prefix"] + one for one in _texts(job)])
    return clock, parts.padding.share, texts


def _texts(job: dict[str, Any]) -> list[str]:
    """What a row has to go on from: its source, its prompt or its text."""
    return [
        next(row[role] for role in ("source", "prompt", "text") if role in row) for row in given.read_lines(job["rows"])
    ]


def _ours(job: dict[str, Any]) -> tuple[Clock, float | None, list[str]]:
    """As `byeori predict` does it. Its decoding pads nothing that could be counted."""
    from byeori.predict.files import predict_file
    from byeori.predict.run import load_run

    using = {name: job[name] for name in ("device", "precision", "threads")}
    run = load_run(job["model"], task=job["task"], **using)
    if job["max_length"] is not None:
        run = run.cut_to(job["max_length"])
    new = {"return_full_text": False} if job["task"] == "text-generation" else {}
    call = {"do_sample": False, **job["call"], **new}
    run.predict(_texts(job)[:WARM], **call)
    written = f"{job['answers']}.jsonl"
    with Clock() as clock:
        predict_file(run, job["rows"], written, call=call, read={})
    return clock, None, [_text(line["prediction"]) for line in given.read_lines(written)]


def _text(prediction: Any) -> str:
    """Of what a pipeline gives: the only text in it."""
    while isinstance(prediction, list):
        (prediction,) = prediction
    return next(value for value in prediction.values() if isinstance(value, str))
