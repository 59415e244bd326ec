"""Decoding by `model.generate` in rectangles: rows of like length together, equal to transformers' own, row by row.

ids = generate(model, rectangle, Decoding(num_beams=4), pad=0)      # a list of new token ids a text
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from byeori.errors import ModelError
from byeori.generate.decoding import LENGTHS, Decoding, counts_prompt, resolve

INPUTS = ("input_ids", "attention_mask", "global_attention_mask")


@torch.no_grad()
def generate(
    model: Any,
    rectangle: dict[str, torch.Tensor],
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    ends: bool = False,
    **forced: Any,
) -> list[list[int]]:
    """New tokens of each row, without the prompt, start, end and padding: rows × num_return_sequences lists, in row order.

    `rectangle`: input_ids and attention_mask (rows, length), padded on the right for an encoder, on the left for a
    decoder; global_attention_mask where the model has one. `ends`: with the end token of a row that has one, and an
    encoder-decoder's start token, as `model.generate` gives a row alone. `forced` are further values of generation_config
    (decoder_start_token_id, forced_bos_token_id…). `tokenizer` is needed for stop texts. Raises SettingError, and
    ModelError where the model can't generate as it is configured.
    """
    inputs = {name: rectangle[name] for name in INPUTS if name in rectangle}
    if model.config.is_encoder_decoder or not counts_prompt(decoding, model.generation_config):
        return _rectangle(model, inputs, decoding, pad, tokenizer, ends, forced)
    # Prompts of each length by themselves: what is left of a length that counts the prompt is another for each.
    lengths = inputs["attention_mask"].sum(1)
    texts = decoding.num_return_sequences
    found: list[list[int]] = [[]] * (len(lengths) * texts)
    for length in sorted(set(lengths.tolist())):
        rows = (lengths == length).nonzero()[:, 0]
        alike = {name: values[rows, values.shape[1] - length :] for name, values in inputs.items()}
        made = _rectangle(model, alike, decoding, pad, tokenizer, ends, forced)
        for place, row in enumerate(rows.tolist()):
            found[row * texts : (row + 1) * texts] = made[place * texts : (place + 1) * texts]
    return found


def _rectangle(
    model: Any,
    inputs: dict[str, torch.Tensor],
    decoding: Decoding,
    pad: int,
    tokenizer: Any,
    ends: bool,
    forced: dict[str, Any],
) -> list[list[int]]:
    seq2seq = model.config.is_encoder_decoder
    taken = 1 if seq2seq else inputs["input_ids"].shape[1]
    config = resolve(decoding, model, room(model, taken), taken)
    for name, value in forced.items():
        setattr(config, name, value)
    if config.pad_token_id is None:
        config.pad_token_id = pad
    stops = [decoding.stop] if isinstance(decoding.stop, str) else decoding.stop or []
    options = {"tokenizer": tokenizer} if stops else {}
    if stops:
        config.stop_strings = stops
    with _seeded(decoding.generation_seed, inputs["input_ids"].device), _only(model, config):
        try:
            made = model.generate(**inputs, generation_config=config, **options)
        except ValueError as error:  # how transformers says that a configuration makes no sense
            raise ModelError(f"{type(model).__name__} can't generate as it is configured: {error}") from error
    known = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    found = []
    for row in made.tolist():
        new, end = _new(row[taken:], known, config.pad_token_id)
        if ends:
            if any(stop in tokenizer.decode(new) for stop in stops):  # what follows is padding, an end token or not
                end = []
            new = [*(row[:taken] if seq2seq else ()), *new, *end]
        found.append(new)
    return found


def _new(ids: list[int], ends: list[int | None], pad: int) -> tuple[list[int], list[int]]:
    """Up to the first end token, and that; of a row that ended otherwise (a stop text) all without its padding."""
    for place, one in enumerate(ids):
        if one in ends:
            return ids[:place], [one]
    while ids and ids[-1] == pad:
        ids.pop()
    return ids, []


def room(model: Any, taken: int) -> int | None:
    """Positions left in the decoder's table; None for models without one."""
    config = model.config
    names = ("max_decoder_position_embeddings", "max_position_embeddings", "n_positions")
    table = next((found for name in names if (found := getattr(config, name, None))), None)
    if not isinstance(table, int) or getattr(config, "model_type", "") in ("t5", "mt5"):
        return None
    return max(1, table - taken)


@contextmanager
def own_way(model: Any, said: dict[str, Any]) -> Iterator[None]:
    """The model with these values in its generation_config: how its checkpoint says that it writes for one task (the
    task_specific_params of T5, BART and GPT-2).

    As in transformers 4's pipelines they are its defaults, nothing that was asked for. Names that generation_config
    doesn't know (a prefix) are left; a length hides the one that the model has under its other name.
    """
    config = copy.deepcopy(model.generation_config)
    for names in LENGTHS:
        if any(said.get(name) is not None for name in names):
            for name in names:
                setattr(config, name, None)
    for name, value in said.items():
        if name in vars(config):
            setattr(config, name, value)
    with _only(model, config):
        yield


@contextmanager
def _only(model: Any, config: Any) -> Iterator[None]:
    """The model with this generation_config: transformers fills what is None from the model's own again."""
    before, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = before


class _seeded:
    """Draws from a seed of their own, and leaves the generator as it was."""

    def __init__(self, seed: int | None, device: torch.device):
        self.seed = seed
        self.fork = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [], enabled=seed is not None)

    def __enter__(self) -> None:
        self.fork.__enter__()
        if self.seed is not None:
            torch.manual_seed(self.seed)

    def __exit__(self, *raised: Any) -> None:
        self.fork.__exit__(*raised)
