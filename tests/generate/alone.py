"""What `model.generate` writes for one prompt alone, and the one comparison with it that all families and methods share.

Invariants: each prompt goes by itself, in float32, with no padding. Texts are equal token for token, or parted where rivals
stood closer than 1e-5: that is, they are token for token what `generate` itself writes once each of its scores is moved by
less than 5e-6, at random. Scores of beam search are equal to 1e-4.

    same(model, prompts, texts(model, prompts, Decoding(num_beams=4), pad=PAD), num_beams=4)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pytest
import torch
from transformers import LogitsProcessor
from transformers.utils import logging

MOVED = 5e-6  # two scores moved by less than this change places only where they are less than 1e-5 apart
TRIES = 12  # a tie falls either way every second time
CLOSE = 1e-4  # of scores of hypotheses


@dataclass(frozen=True)
class Hypothesis:
    """New ids up to the end token, which stands apart; of beam search also the score, log-probabilities over length ** penalty."""

    ids: tuple[int, ...]
    score: float | None
    end: int | None = None


class Moved(LogitsProcessor):
    """Scores moved by less than MOVED each."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores + (2 * torch.rand(scores.shape, generator=self.generator) - 1) * MOVED


_known: WeakKeyDictionary[Any, dict[Any, list[Hypothesis]]] = WeakKeyDictionary()


def alone(model: Any, prompt: Sequence[int], **asked: Any) -> list[Hypothesis]:
    """`num_return_sequences` hypotheses, the best first; asked for twice, run once, so that `model` must stay as it is."""
    known = _known.setdefault(model, {})
    key = (tuple(prompt), repr(sorted(asked.items())), repr(model.generation_config))
    if key not in known:
        known[key] = _run(model, prompt, [], asked)
    return known[key]


def _run(
    model: Any, prompt: Sequence[int], processors: list[LogitsProcessor], asked: dict[str, Any]
) -> list[Hypothesis]:
    ids = torch.tensor([list(prompt)])
    seen = {"attention_mask": torch.ones_like(ids)}
    if type(model).__name__.startswith(
        "LED"
    ):  # as its checkpoints were trained, and as Byeori trains it: the first sees all
        seen["global_attention_mask"] = torch.eye(1, len(prompt), dtype=torch.int64)
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # LED says that it pads
    try:
        made = model.generate(
            input_ids=ids, **seen, logits_processor=processors, return_dict_in_generate=True, output_scores=True,
            **{"do_sample": False, **asked},
        )  # fmt: skip
    finally:
        logging.set_verbosity(before)
    ends = asked.get("eos_token_id", model.generation_config.eos_token_id)
    ends = ends if isinstance(ends, list) else [ends]
    start = 1 if model.config.is_encoder_decoder else len(prompt)
    scores = getattr(made, "sequences_scores", None)
    if scores is None:  # nothing is ever filled up behind the one text of a prompt alone
        return [_cut(row[start:], ends, None) for row in made.sequences.tolist()]
    return [_cut(row[start:], ends, score) for row, score in zip(made.sequences.tolist(), scores.tolist(), strict=True)]


def _cut(new: list[int], ends: list[int | None], score: float | None) -> Hypothesis:
    for place, one in enumerate(new):
        if one in ends:
            return Hypothesis(tuple(new[:place]), score, one)
    return Hypothesis(tuple(new), score)


def same(model: Any, prompts: Sequence[Sequence[int]], found: Sequence[Sequence[Any]], **asked: Any) -> None:
    """Each prompt's texts (of byeori.generate.write.texts) are those that it gets alone. `asked`: in generate's names."""
    assert len(found) == len(prompts)
    for place, (prompt, ours) in enumerate(zip(prompts, found, strict=True)):
        theirs = alone(model, prompt, **asked)
        new = [tuple(text.ids) for text in ours]
        for seed in range(TRIES):
            if new == [one.ids for one in theirs]:
                break
            theirs = _run(model, prompt, [Moved(seed)], asked)
        else:
            pytest.fail(_parted(model, place, prompt, new, asked))
        for text, one in zip(ours, theirs, strict=True):
            if (
                one.score is None or "stop_strings" not in asked
            ):  # beams that met one are filled up, be it with an end token
                assert text.end == one.end, f"prompt {place}: {text} or {one}"
            if one.score is not None:
                assert text.score == pytest.approx(one.score, abs=CLOSE), f"prompt {place}: {text} or {one}"


def _parted(model: Any, place: int, prompt: Sequence[int], new: list[tuple[int, ...]], asked: dict[str, Any]) -> str:
    theirs = alone(model, prompt, **asked)
    lines = [f"{type(model).__name__}, {asked}: prompt {place}, of {len(prompt)} ids, is not written as alone."]
    for number in range(max(len(new), len(theirs))):
        mine = list(new[number]) if number < len(new) else None
        right = theirs[number] if number < len(theirs) else None
        if right is None or mine != list(right.ids):
            lines.append(f"text {number}\n  ours  {mine}\n  alone {right and list(right.ids)} {right and right.score}")
    return "\n".join(lines)


@torch.no_grad()
def log_probabilities(model: Any, prompt: Sequence[int], new: Sequence[int]) -> torch.Tensor:
    """Of each new id, the model reading prompt and ids at once: float32 (ids,). No cache, no beams, no `generate`."""
    if model.config.is_encoder_decoder:
        begun = [model.config.decoder_start_token_id, *new[:-1]]
        logits = model(input_ids=torch.tensor([list(prompt)]), decoder_input_ids=torch.tensor([begun])).logits[0]
    else:
        logits = model(input_ids=torch.tensor([[*prompt, *new[:-1]]])).logits[0, len(prompt) - 1 :]
    return logits.float().log_softmax(-1)[torch.arange(len(new)), torch.tensor(list(new))]
