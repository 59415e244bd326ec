"""Decoding by `model.generate`, for models and settings that the continuous engine can't run: rectangles of rows of like length.

Invariants: each prompt gets what it would get alone, unless tokens are drawn: one draw is for a whole rectangle, so that what a
seed gives a prompt goes by its company too. Whether a decoder stands padding on the left is tried, not taken from
a list; where it doesn't (its positions would count the padding), and where a prompt's own length decides how much it
may get, only prompts of equal length go together.

    texts = by_generate(model, [[5, 9, 2], [7]], Decoding(max_new_tokens=20), pad=0)      # a list of Texts a prompt
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

from byeori.errors import ModelError
from byeori.generate.decoding import Decoding, counts_prompt, only, resolve, room
from byeori.generate.lines import Text
from byeori.models.seq2seq import globally
from byeori.models.shortage import LESS, OutOfMemory, attempted

TOKENS = 16_384  # of a rectangle, its beams and what is to be written included: what its cache holds
ROWS = {"cpu": 32, "cuda": 256, "mps": 64}  # written together at most; more made beam search slower on a CPU
LOGITS = {"cpu": 1 << 25, "cuda": 1 << 28, "mps": 1 << 26}  # rows × beams × vocabulary of one step at most
TOLERANCE = 1e-3
Prompts = Sequence[Sequence[int]]


@torch.no_grad()
def by_generate(
    model: Any,
    prompts: Prompts,
    decoding: Decoding,
    *,
    pad: int,
    tokenizer: Any = None,
    short: Callable[[torch.device], None] | None = None,
    **forced: Any,
) -> list[list[Text]]:
    """`num_return_sequences` texts for each prompt (an encoder-decoder: source), in order; arguments as in `write.texts`.

    A rectangle that finds no memory is written in halves, and `short` told the device. Raises SettingError, ModelError where the
    model can't generate as it is configured, OutOfMemory for a prompt that finds no memory alone.
    """
    seq2seq = bool(model.config.is_encoder_decoder)
    found: dict[int, list[Text]] = {}
    device = next(model.parameters()).device

    def run(rows: list[list[int]]) -> list[Text]:
        filled = rectangle(rows, pad, device, left=not seq2seq)
        if seq2seq:
            filled = globally(model, filled)
        return _rectangle(model, filled, decoding, pad, tokenizer, forced)

    waiting = _rectangles(model, prompts, decoding, pad)[::-1]
    while waiting:
        places = waiting.pop()
        made, said = attempted(partial(run, [list(prompts[place]) for place in places]), device)
        if made is None:
            if len(places) == 1:
                raise OutOfMemory(places[0], len(prompts[places[0]]), device, said, LESS)
            if short is not None:
                short(device)
            half = (len(places) + 1) // 2
            waiting += [places[half:], places[:half]]
            continue
        each = len(made) // len(places)
        found |= {place: made[at * each : (at + 1) * each] for at, place in enumerate(places)}
    return [found[place] for place in range(len(prompts))]


def rectangle(
    rows: Sequence[Sequence[int]], pad: int, device: torch.device, left: bool = False
) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask int64 (rows, longest), padded on the right, or on the left."""
    longest = max(map(len, rows))
    ids, mask = torch.full((len(rows), longest), pad), torch.zeros(len(rows), longest, dtype=torch.int64)
    for place, row in enumerate(rows):
        at = slice(longest - len(row), None) if left else slice(0, len(row))
        ids[place, at], mask[place, at] = torch.tensor(row), 1
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def _rectangles(model: Any, prompts: Prompts, decoding: Decoding, pad: int) -> list[list[int]]:
    """The prompts' places, by length, cut into rectangles."""
    config, seq2seq = model.generation_config, bool(model.config.is_encoder_decoder)
    device = next(model.parameters()).device.type
    asked = resolve(decoding, model, None).max_new_tokens or 1
    beams = max(decoding.num_beams or config.num_beams or 1, decoding.num_return_sequences)
    head = model.get_output_embeddings()
    rows = max(1, min(ROWS.get(device, 32), LOGITS.get(device, 1 << 25) // (beams * head.weight.shape[0])))
    alike = not seq2seq and (counts_prompt(decoding, config) or not stands_padding(model, pad))
    made: list[list[int]] = []
    for place in sorted(range(len(prompts)), key=lambda place: len(prompts[place])):
        length = len(prompts[place])
        # Where the room ends before what is asked, its own length says how much a prompt gets.
        left = None if seq2seq else room(model, length)
        own = alike or (left is not None and left < asked)
        fits = made and len(made[-1]) < rows and (len(made[-1]) + 1) * (length + asked) * beams <= TOKENS
        if fits and (not own or len(prompts[made[-1][0]]) == length):
            made[-1].append(place)
        else:
            made.append([place])
    return made


def _rectangle(
    model: Any, inputs: dict[str, torch.Tensor], decoding: Decoding, pad: int, tokenizer: Any, forced: dict[str, Any]
) -> list[Text]:
    taken = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    config = resolve(decoding, model, room(model, taken), taken)
    for name, value in forced.items():
        setattr(config, name, value)
    if config.pad_token_id is None:
        config.pad_token_id = pad
    config.return_dict_in_generate = config.output_scores = True
    stops = [decoding.stop] if isinstance(decoding.stop, str) else decoding.stop or []
    options = {"tokenizer": tokenizer} if stops else {}
    if stops:
        config.stop_strings = stops
    with _seeded(decoding.generation_seed, inputs["input_ids"].device), only(model, config):
        try:
            made = model.generate(**inputs, generation_config=config, **options)
        except ValueError as error:  # how transformers says that a configuration makes no sense
            raise ModelError(f"{type(model).__name__} can't generate as it is configured: {error}") from error
    known = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    scores = getattr(made, "sequences_scores", None)
    found = []
    for place, row in enumerate(made.sequences.tolist()):
        ids, end = _new(row[taken:], known, config.pad_token_id)
        if end is not None and any(stop in tokenizer.decode(ids) for stop in stops):
            end = None  # what follows a stop text is padding, an end token or not
        found.append(Text(ids, None if scores is None else float(scores[place]), end))
    return found


def _new(ids: list[int], ends: list[int | None], pad: int) -> tuple[list[int], int | None]:
    """Up to the first end token, and that; of a row that ended otherwise (a stop text) all without its padding."""
    for place, one in enumerate(ids):
        if one in ends:
            return ids[:place], one
    while ids and ids[-1] == pad:
        ids.pop()
    return ids, None


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
