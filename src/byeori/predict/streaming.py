"""A text as it is being written, a few characters at a time.

Invariants: joined, the pieces are the text that a call gives; a character of several tokens comes when it is whole.

    for piece in streamed(run, "Once upon", run.task.call_settings({"max_new_tokens": 20})): ...
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from byeori.errors import SettingError
from byeori.generate.decoding import own_way
from byeori.generate.write import stream
from byeori.models.device import autocast
from byeori.models.packed import unwrapped
from byeori.predict.engine import columns
from byeori.predict.run import Run

BYTE = re.compile("<0x[0-9A-F]{2}>")  # a token of tokenizers that fall back to bytes
HALF = "\ufffd"  # what a decoder shows of bytes that are no character yet


def streamed(run: Run, given: Any, call: Any) -> Iterator[str]:
    """Pieces of the new text of one input. Raises SettingError for a task that writes nothing, or several texts at once."""
    task, engine = run.task, run.engine
    if not hasattr(task, "way"):
        raise SettingError(f"{task.name} writes no text that could be streamed. Call the pipeline instead.")
    if call.num_return_sequences > 1:
        raise SettingError(
            f"num_return_sequences={call.num_return_sequences}: one text can be streamed. Call the pipeline instead."
        )
    rows, single = task.inputs(given if isinstance(given, str | dict | list | tuple) else [given])
    if not single:
        raise SettingError("a list of inputs can't be streamed: give one text, or call the pipeline.")
    store = engine.encode(columns(rows), call)
    prompt = store[0]["input_ids"]
    model: Any = unwrapped(run.model)
    decoding, own, forced = task.way(model, run.tokenizer, call)
    within = partial(autocast, engine.precision, engine.device)
    with own_way(model, own):
        tokens = stream(
            model, prompt, decoding, pad=int(store.pad["input_ids"]), tokenizer=run.tokenizer, within=within, **forced
        )  # fmt: skip
    return _pieces(task, prompt, tokens, call)


def _pieces(task: Any, prompt: list[int], tokens: Iterator[int], call: Any) -> Iterator[str]:
    """What the next token can't change any more: a token behind, half characters and bytes held back."""
    new: list[int] = []
    said = text = before = ""
    for token in tokens:
        new.append(token)
        text = task.words(prompt, new, call)
        if text.endswith(HALF) or BYTE.fullmatch(task.tokenizer.convert_ids_to_tokens(token) or ""):
            continue
        stable = os.path.commonprefix([before, text])
        before = text
        if len(stable) > len(said):
            yield stable[len(said) :]
            said = stable
    if len(text) > len(said):
        yield text[len(said) :]
