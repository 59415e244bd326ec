"""Decoding by `model.generate` in rectangles: rows of like length together, equal to transformers' own, row by row.

    ids = generate(model, rectangle, Decoding(num_beams=4), pad=0)      # a list of new token ids a text
"""

from __future__ import annotations

from typing import Any

import torch

from byeori.generate.decoding import Decoding, resolve


@torch.no_grad()
def generate(
    model: Any,
    rectangle: dict[str, torch.Tensor],
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    **forced: Any,
) -> list[list[int]]:
    """New tokens of each row, without the prompt, start and padding: rows × num_return_sequences lists, in row order.

    `rectangle`: input_ids and attention_mask (rows, length), padded on the right for an encoder, on the left for a
    decoder. `forced` are further values for `generate` (decoder_start_token_id, forced_bos_token_id…). `tokenizer` is
    needed for stop texts. Raises SettingError.
    """
    prompt = rectangle["input_ids"].shape[1]
    seq2seq = model.config.is_encoder_decoder
    config = resolve(decoding, model, _room(model, 1 if seq2seq else prompt))
    if config.pad_token_id is None:
        config.pad_token_id = pad
    options: dict[str, Any] = dict(forced)
    if decoding.stop:
        options |= {"stop_strings": [decoding.stop], "tokenizer": tokenizer}
    inputs = {name: rectangle[name] for name in ("input_ids", "attention_mask")}
    with _seeded(decoding.generation_seed, inputs["input_ids"].device):
        found = model.generate(**inputs, generation_config=config, **options)
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return [_new(row, ends) for row in found[:, 1 if seq2seq else prompt :].tolist()]


def _new(ids: list[int], ends: list[int | None]) -> list[int]:
    """Up to the first end token, which is left out."""
    return next((ids[:place] for place, one in enumerate(ids) if one in ends), ids)


def _room(model: Any, taken: int) -> int | None:
    """Positions left in the decoder's table; None for models without one."""
    config = model.config
    names = ("max_decoder_position_embeddings", "max_position_embeddings", "n_positions")
    table = next((found for name in names if (found := getattr(config, name, None))), None)
    if not isinstance(table, int) or getattr(config, "model_type", "") in ("t5", "mt5"):
        return None
    return max(1, table - taken)


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
