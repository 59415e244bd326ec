"""Where the room is: a T5 of t5-small's shape (60M parameters) whose outputs end, without having been trained.

Random weights never write an end. Here its embeddings and the last feed-forward of its decoder are set so that it follows one
rule: every word stands for a number from 1 to 127; a source says one number k over and over, in words of it; what is written
counts down from k, in any words, and ends behind 1. All other weights are as transformers draws them, and every contestant
loads the same folder and computes everything: which weights a matrix holds makes it no faster. The map from the
decoder's hidden state to the next number is fitted by least squares, in about a minute of one core.

    DIR/room/, DIR/room.json        the model, 96 sources of lognormal length for outputs of 30 words on average

    make("models")
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY, WIDTH, INNER, LAYERS, HEADS = 32_128, 512, 2_048, 6, 8  # t5-small's
PAD, END, WORDS = 0, 1, 3  # ids; words begin at the last
LARGEST = 127  # number
NOISE = 0.7  # by which words of one number differ: the spread of their logits
SOURCES, SOURCE, OUTPUT, SPREAD = 96, 40, 30, 0.6  # rows; mean lengths; of the logarithm
FITTED = 400  # rows the map is fitted on
LOUD = 20.0  # the fitted map over what stands in the decoder's residual


def make(folder: str) -> None:
    import torch
    import transformers

    began = time.process_time()
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=VOCABULARY, d_model=WIDTH, d_kv=WIDTH // HEADS, d_ff=INNER, num_layers=LAYERS, num_heads=HEADS,
        pad_token_id=PAD, eos_token_id=END, decoder_start_token_id=PAD, dropout_rate=0.0,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config).eval()
    drawn = np.random.default_rng(0)
    numbers = torch.zeros(VOCABULARY, dtype=torch.int64)  # of each id; 0 is the end
    numbers[WORDS:] = torch.arange(VOCABULARY - WORDS) % LARGEST + 1
    with torch.no_grad():
        codes = torch.randn(LARGEST + 1, WIDTH)
        embeddings = model.shared.weight
        embeddings[WORDS:] = codes[numbers[WORDS:]] + NOISE * torch.randn(VOCABULARY - WORDS, WIDTH)
        embeddings[END] = codes[0]
        _fit(model, codes, drawn)
    model.save_pretrained(f"{folder}/room")
    _tokenizer().save_pretrained(f"{folder}/room")
    asked = [" ".join(f"w{one}" for one in ids) for ids in _sources(drawn)]
    Path(folder, "room.json").write_text(json.dumps(asked, indent=0), encoding="utf-8")
    size = sum(one.numel() for one in model.parameters())
    print(f"room: {size / 1e6:.1f}M parameters, fitted in {time.process_time() - began:.0f} s of the processor")


def _lengths(drawn: np.random.Generator, count: int, mean: float, most: int) -> np.ndarray:
    """int64 (count,), lognormal, of this mean."""
    found = drawn.lognormal(0, SPREAD, count)
    return np.clip((found * mean / found.mean()).round(), 1, most).astype(np.int64)


def _words(drawn: np.random.Generator, numbers: np.ndarray) -> list[int]:
    """A word for each number, any of its own."""
    each = (VOCABULARY - WORDS) // LARGEST
    return (WORDS + numbers - 1 + LARGEST * drawn.integers(0, each, len(numbers))).tolist()


def _sources(drawn: np.random.Generator) -> list[list[int]]:
    lengths, outputs = (_lengths(drawn, SOURCES, mean, LARGEST) for mean in (SOURCE, OUTPUT))
    return [_words(drawn, np.full(n, k)) for n, k in zip(lengths, outputs, strict=True)]


def _fit(model: Any, codes: Any, drawn: np.random.Generator) -> None:
    """Sets the decoder's last feed-forward to the linear map, x = relu(x) − relu(−x), that points at the next number's code."""
    import torch

    last = model.decoder.block[-1].layer[-1]
    states, wanted = [], []
    seen: list[torch.Tensor] = []
    handle = last.layer_norm.register_forward_hook(lambda module, given, made: seen.append(made))
    for _ in range(FITTED):
        k = int(drawn.integers(1, LARGEST + 1))
        source = [*_words(drawn, np.full(int(drawn.integers(4, 64)), k)), END]
        down = np.arange(k, 0, -1)
        given = torch.tensor([[PAD, *_words(drawn, down)]])
        model(input_ids=torch.tensor([source]), decoder_input_ids=given)
        states.append(seen.pop()[0])
        wanted.append(codes[np.append(down, 0)])
    handle.remove()
    # The first place, which has only the source to go by, is one of sixty-four.
    weights = torch.cat([torch.tensor([8.0] + [1.0] * (len(part) - 1)) for part in states])[:, None]
    x, y = torch.cat(states), torch.cat(wanted)
    square = x.T @ (weights * x)
    square += 1e-3 * square.diagonal().mean() * torch.eye(WIDTH)
    across = torch.linalg.solve(square, x.T @ (weights * y)).T  # (to, from)
    inner, outer = last.DenseReluDense.wi.weight, last.DenseReluDense.wo.weight
    inner.zero_(), outer.zero_()
    identity = torch.eye(WIDTH)
    inner[: 2 * WIDTH] = torch.cat([identity, -identity])
    outer[:, : 2 * WIDTH] = LOUD * torch.cat([across, -across], 1)


def _tokenizer() -> Any:
    """A word is `w` and its id."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = ["<pad>", "</s>", "<unk>", *(f"w{one}" for one in range(WORDS, VOCABULARY))]
    backend = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
