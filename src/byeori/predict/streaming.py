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
    pieces = Pieces(task, prompt, call)
    for token in tokens:
        if piece := pieces.add(token):
            yield piece
    if piece := pieces.rest():
        yield piece


class Pieces:
    """What the next token can't change any more: a token behind, half characters and bytes held back."""

    def __init__(self, task: Any, prompt: list[int], call: Any):
        self.task, self.prompt, self.call = task, prompt, call
        self.new: list[int] = []
        self.said = self.text = self._before = ""

    def add(self, token: int) -> str:
        """What is certain once this token is there too."""
        self.new.append(token)
        self.text = text = self.task.words(self.prompt, self.new, self.call)
        if text.endswith(HALF) or BYTE.fullmatch(self.task.tokenizer.convert_ids_to_tokens(token) or ""):
            return ""
        stable = os.path.commonprefix([self._before, text])
        self._before = text
        return self._say(stable)

    def rest(self) -> str:
        """What is left once there are no more tokens."""
        return self._say(self.text)

    def _say(self, stable: str) -> str:
        piece = stable[len(self.said) :]
        self.said += piece
        return piece
