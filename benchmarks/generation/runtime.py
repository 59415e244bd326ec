"""CTranslate2 in float32, as a yardstick: it is no dependency, and takes part only where it is installed.

Its own sorting and batching, `max_batch_size` and threads tried as the tuned loop's batches are.

    convert("models/t5", "models/t5.ctranslate2")
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAYOUTS = ("together", "apart")  # all threads at one batch, or each at its own


def installed() -> bool:
    return importlib.util.find_spec("ctranslate2") is not None


def convert(model: str, output: str) -> str:
    """The folder in CTranslate2's format, made anew where the model is newer."""
    from ctranslate2.converters import TransformersConverter

    made, weights = Path(output, "model.bin"), Path(model, "model.safetensors")
    if not made.is_file() or made.stat().st_mtime < weights.stat().st_mtime:
        TransformersConverter(model).convert(output, force=True)
    return output


def ctranslate2(job: dict) -> tuple[Callable[[list[str]], tuple[list[str], list[int]]], Callable[[], None]]:
    """As the contestants in contestants.py: a function from texts to texts and lengths; it doesn't say its steps."""
    import ctranslate2 as runtime
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    config = json.loads((Path(job["model"]) / "config.json").read_text(encoding="utf-8"))
    seq2seq = config.get("is_encoder_decoder", config["model_type"] in ("t5", "mt5"))
    threads = job.get("threads", 1)
    apart = job.get("layout") == "apart"
    kind = runtime.Translator if seq2seq else runtime.Generator
    model = kind(
        job["converted"], device="cpu", compute_type="float32", inter_threads=threads if apart else 1,
        intra_threads=1 if apart else threads,
    )  # fmt: skip
    beams, most = job["settings"]["num_beams"], job["settings"]["max_new_tokens"]
    common: dict[str, Any] = {"beam_size": beams, "max_batch_size": job["batch"]}

    def write(asked: list[str]) -> tuple[list[str], list[int]]:
        rows = [tokenizer.convert_ids_to_tokens(ids) for ids in tokenizer(asked)["input_ids"]]
        if seq2seq:
            found = [one.hypotheses[0] for one in model.translate_batch(rows, max_decoding_length=most, **common)]
        else:
            made = model.generate_batch(rows, max_length=most, include_prompt_in_result=False, **common)
            found = [one.sequences[0] for one in made]
        new = [tokenizer.convert_tokens_to_ids(tokens) for tokens in found]
        return tokenizer.batch_decode(new, skip_special_tokens=True), [len(ids) for ids in new]

    return write, lambda: None
