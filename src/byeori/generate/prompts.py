"""Prompts of any length → what a decoder writes after each: few rectangles, padded on the left.

Invariants: each prompt gets what it would get alone, unless tokens are drawn: one draw is for a whole rectangle, so that what a
seed gives a prompt goes by its company too. Whether a model stands padding on the left is tried, not taken from
a list; where it doesn't (its positions would count the padding), and where a prompt's own length decides how much it
may get, only prompts of equal length go together.

    texts = write(model, [[5, 9, 2], [7]], Decoding(max_new_tokens=20), pad=0)      # a list of lists of new ids a prompt
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch

from byeori.generate.decoding import DEFAULT_NEW_TOKENS, Decoding
from byeori.generate.plain import generate

TOKENS = 16_384  # of a rectangle, its beams and what is to be written included: what its cache holds
TOLERANCE = 1e-3
Prompts = Sequence[Sequence[int]]


def write(
    model: Any,
    prompts: Prompts,
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    limit: int | None = None,
    ends: bool = False,
) -> list[list[list[int]]]:
    """`num_return_sequences` lists of new ids for each prompt, in order; `pad` fills rectangles up.

    `limit`: the tokens the model takes, prompt and new ones; `ends`: with the end token of a text that has one. Raises
    SettingError.
    """
    config = model.generation_config
    asked = decoding.max_new_tokens or decoding.max_length or config.max_new_tokens or DEFAULT_NEW_TOKENS
    beams = max(decoding.num_beams or config.num_beams or 1, decoding.num_return_sequences)
    alike = not stands_padding(model, pad)
    found: dict[int, list[list[int]]] = {}
    for places in _rectangles(prompts, lambda longest: (longest + asked) * beams, alike, asked, limit):
        length = len(prompts[places[-1]])
        rows = [list(prompts[place]) for place in places]
        device = next(model.parameters()).device
        rectangle = {
            "input_ids": torch.tensor([[pad] * (length - len(row)) + row for row in rows], device=device),
            "attention_mask": torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device),
        }
        new = generate(model, rectangle, decoding, pad=pad, tokenizer=tokenizer, ends=ends)
        each = len(new) // len(places)
        found |= {place: new[at * each : (at + 1) * each] for at, place in enumerate(places)}
    return [found[place] for place in range(len(prompts))]


def _rectangles(
    prompts: Prompts, cost: Callable[[int], int], alike: bool, asked: int, limit: int | None
) -> list[list[int]]:
    """The prompts, by length, cut into rectangles. `cost`: tokens of a row in a rectangle whose longest is so long."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    made: list[list[int]] = []
    for place in order:
        length = len(prompts[place])
        # Where the room ends before what is asked, its own length says how much a prompt gets.
        own = alike or (limit is not None and length + asked > limit)
        fits = made and (len(made[-1]) + 1) * cost(length) <= TOKENS
        if fits and (not own or len(prompts[made[-1][0]]) == length):
            made[-1].append(place)
        else:
            made.append([place])
    return made


_stands: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()


def stands_padding(model: Any, pad: int) -> bool:
    """Whether a prompt padded on the left gets the logits it gets alone; tried once a model."""
    if model not in _stands:
        _stands[model] = _probe(model, pad)
    return _stands[model]


@torch.no_grad()
def _probe(model: Any, pad: int) -> bool:
    from transformers import GenerationConfig

    device = next(model.parameters()).device
    ids = torch.tensor([[one for one in range(8) if one != pad][:5]], device=device)
    config = GenerationConfig(
        max_new_tokens=2, min_new_tokens=2, do_sample=False, pad_token_id=pad, output_logits=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    padded = torch.cat([torch.full((1, 3), pad, device=device), ids], 1)
    mask = torch.cat([torch.zeros_like(padded[:, :3]), torch.ones_like(ids)], 1)
    both = []
    for inputs, seen in ((ids, torch.ones_like(ids)), (padded, mask)):
        both.append(torch.stack(model.generate(input_ids=inputs, attention_mask=seen, generation_config=config).logits))
    return torch.allclose(both[0].float(), both[1].float(), atol=TOLERANCE, rtol=TOLERANCE)
