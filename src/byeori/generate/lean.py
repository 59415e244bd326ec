"""A model taken apart for decoding: its encoder and decoder as stacks, and its head; checked against the model itself.

Invariants: its logits are the model's own, to 1e-4 of their size (tried on a few sequences when it is first taken apart);
of a model whose layers aren't known, or whose numbers differ, there is none, and a sentence says why.

    lean = lean_of(model)            # a Lean, or a str: why not
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from byeori.generate.attend import Whole, parts
from byeori.generate.plain import rectangle
from byeori.generate.pool import Pool
from byeori.generate.stacks import Map, Stack, Unfit, dense
from byeori.models.device import full
from byeori.models.ready import place, sampled
from byeori.models.seq2seq import decoder_inputs, globally

TOLERANCE, COARSE = 1e-4, 3e-2  # of float32 and of 16 bits
PACK = {"cpu": 512, "cuda": 65_536, "mps": 16_384}  # tokens encoded at once: more of them leave a processor's cache
PROBE = (5, 3, 7, 3)

Encode = Callable[[Sequence[Sequence[int]], int], list[torch.Tensor]]


def pack_of(device: torch.device) -> int:
    """Tokens of sources and prompts that are run at once."""
    return PACK.get(device.type, 512)


@dataclass
class Lean:
    """`model` is a weak reference: a Lean is kept for as long as its model lives."""

    model: Callable[[], Any]
    decoder: Stack
    head: Map  # hidden (rows, size) → logits float32 (rows, vocabulary)
    vocabulary: int
    device: torch.device
    weight: torch.Tensor  # of the head
    # Sources, and how many of their tokens are run at once → hidden states (tokens, size) each; None for a decoder alone.
    encode: Encode | None = None

    @property
    def pack(self) -> int:
        """Tokens of sources and prompts that are run at once."""
        return pack_of(self.device)

    @property
    def weight_bytes(self) -> int:
        return sum(one.nbytes for one in self.model().parameters())

    @property
    def dtype(self) -> torch.dtype:
        """Of keys and values: what autocast makes of them, else the weights' own."""
        if torch.is_autocast_enabled(self.device.type):
            return torch.get_autocast_dtype(self.device.type)
        return self.weight.dtype


def _stack(body: Any) -> Stack:
    """By the name of a body's class. Raises Unfit."""
    name = type(body).__name__
    if name in ("T5Stack", "MT5Stack"):
        from byeori.generate.stack_t5 import T5Stack

        return T5Stack(body)
    if name in ("GPT2Model", "CTRLModel"):
        from byeori.generate import stack_gpt2

        return stack_gpt2.Gpt2Stack(body) if name == "GPT2Model" else stack_gpt2.CtrlStack(body)
    if name in LLAMAS:
        from byeori.generate.stack_llama import LlamaStack

        return LlamaStack(body)
    if name in BARTS:
        from byeori.generate.stack_bart import BartStack

        return BartStack(body)
    raise Unfit(f"the layers of {name} aren't known here")


LLAMAS = (
    "LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "GemmaModel", "Gemma2Model", "Gemma3TextModel",
)  # fmt: skip
BARTS = (
    "BartDecoder", "BartEncoder", "MBartDecoder", "MBartEncoder", "MarianDecoder", "MarianEncoder", "PegasusDecoder",
    "PegasusEncoder", "LEDDecoder",
)  # fmt: skip


def _made(model: Any, scaled: bool) -> Lean:
    config, linear = model.config, model.get_output_embeddings()
    seq2seq = bool(config.is_encoder_decoder)
    if linear is None:
        raise Unfit(f"{type(model).__name__} has no head that writes")
    decoder = _stack(model.get_decoder())
    if decoder.crosses != seq2seq:
        raise Unfit("its decoder reads no source of the usual kind")
    device = linear.weight.device
    own = weakref.ref(model)
    lean = Lean(own, decoder, _head(model, linear, scaled), linear.weight.shape[0], device, linear.weight)
    if seq2seq:
        try:
            encoder = _stack(model.get_encoder())
        except Unfit:  # LED's: the model's own forward, in rectangles
            lean.encode = lambda sources, tokens: _by_model(own(), sources, tokens)
        else:
            lean.encode = lambda sources, tokens: _packed(encoder, sources, device, tokens)
    return lean


def _head(model: Any, linear: nn.Module, scaled: bool) -> Map:
    config, project = model.config, dense(linear)
    scale = config.d_model**-0.5 if scaled else None
    bias = getattr(model, "final_logits_bias", None)
    cap = getattr(config, "final_logit_softcapping", None)

    def head(hidden: torch.Tensor) -> torch.Tensor:
        logits = project(hidden if scale is None else hidden * scale).float()
        if bias is not None:
            logits = logits + bias
        return logits if cap is None else cap * torch.tanh(logits / cap)

    return head


def _packed(stack: Stack, sources: Sequence[Sequence[int]], device: torch.device, tokens: int) -> list[torch.Tensor]:
    """Hidden states of each source: sources end to end, by length, so many tokens at a time."""
    found: dict[int, torch.Tensor] = {}
    for part in parts(sources, tokens):
        lengths = [len(sources[place]) for place in part]
        ids = torch.tensor([one for place in part for one in sources[place]], device=device)
        places = torch.cat([torch.arange(length, device=device) for length in lengths])
        hidden = stack.run(ids, places, Whole(stack, lengths))
        found |= dict(zip(part, hidden.split(lengths), strict=True))
    return [found[place] for place in range(len(sources))]


def _by_model(model: Any, sources: Sequence[Sequence[int]], tokens: int) -> list[torch.Tensor]:
    found: dict[int, torch.Tensor] = {}
    body = model.get_encoder()
    device = next(body.parameters()).device
    for part in parts(sources, tokens, padded=True):
        given = [sources[place] for place in part]
        inputs = globally(model, rectangle(given, model.config.pad_token_id or 0, device))
        hidden = body(**inputs, return_dict=True).last_hidden_state
        found |= {place: hidden[row, : len(sources[place])] for row, place in enumerate(part)}
    return [found[place] for place in range(len(sources))]


@dataclass(frozen=True, eq=False)
class Seen:
    """What tells whether a model is still as it was: where its weights lie and how often they were written to, what autocast
    would make of them, and some of their values, for those that were changed through `.data`."""

    where: tuple
    values: torch.Tensor

    @classmethod
    def of(cls, model: Any) -> Seen:
        weights = list(model.parameters())
        kind = weights[0].device.type
        cast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        where = tuple((*place(one), one.dtype, one.device, one.shape) for one in weights)
        values = [sampled(one).double().cpu() for one in weights]
        return cls((cast, *where), torch.cat(values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self.where == other.where and torch.equal(self.values, other.values)


_leans: WeakKeyDictionary[nn.Module, tuple[Seen, Lean]] = WeakKeyDictionary()
# Whether hidden states are scaled by the root of the width before the head: T5 does, depending on what its configuration had
# once said; found by trying. Of models that can be taken apart.
_scaled: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
_judged: WeakKeyDictionary[nn.Module, tuple[Seen, str]] = WeakKeyDictionary()  # why one can't, as it was then


@torch.no_grad()
def lean_of(model: Any) -> Lean | str:
    """The model taken apart, anew where its weights have changed; or why it can't be."""
    seen = Seen.of(model)
    for known in (_leans.get(model), _judged.get(model)):
        if known is not None and known[0] == seen:
            return known[1]
    forget(model)  # before the new one is made: each holds copies of weights
    _judged.pop(model, None)
    try:
        lean = _taken_apart(model)
    except (Unfit, AttributeError, TypeError, RuntimeError, ValueError, LookupError) as error:
        if full(error):  # says nothing of the model
            raise
        _judged[model] = (seen, str(error))
        return str(error)
    _leans[model] = (seen, lean)
    return lean


def forget(model: Any) -> None:
    """Gives up what is kept of a model that changes with every step anyway."""
    _leans.pop(model, None)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model without dropout, each of its parts as it was afterwards."""
    active = [part for part in model.modules() if part.training]
    for part in active:
        part.training = False
    try:
        yield
    finally:
        for part in active:
            part.training = True
        if active:  # its weights change with the next update
            forget(model)


def _taken_apart(model: Any) -> Lean:
    """Raises Unfit, and whatever an unknown layer leads to."""
    if model in _scaled:  # judged before; its weights have changed since
        return _made(model, _scaled[model])
    for scaled in (False, True) if hasattr(model.config, "d_model") else (False,):
        lean = _made(model, scaled)
        if _agrees(model, lean):
            _scaled[model] = scaled
            return lean
    raise Unfit("its layers, taken out of it, give other numbers")


def _agrees(model: Any, lean: Lean) -> bool:
    """Whether the logits of a few sequences, packed, are those the model gives each alone."""
    size = min(lean.vocabulary, model.get_input_embeddings().num_embeddings)
    draw = torch.Generator().manual_seed(0)
    pad = model.config.pad_token_id
    rows = [[one for one in torch.randint(0, size, (4 * n,), generator=draw).tolist() if one != pad][:n] for n in PROBE]
    with evaluating(model):
        ours, theirs = _logits(lean, rows), [_alone(model, lean, row) for row in rows]
    spread = max(1.0, max(float(one.abs().max()) for one in theirs))
    close = TOLERANCE if lean.dtype == torch.float32 else COARSE
    return all(torch.allclose(a, b, atol=close * spread, rtol=0) for a, b in zip(ours, theirs, strict=True))


def _alone(model: Any, lean: Lean, row: list[int]) -> torch.Tensor:
    ids = torch.tensor([row], device=lean.device)
    if lean.encode is None:
        return model(input_ids=ids, use_cache=False).logits[0, 2:].float()
    inputs = globally(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return model(**inputs, decoder_input_ids=decoder_inputs(model, ids), use_cache=False).logits[0].float()


def _logits(lean: Lean, rows: list[list[int]]) -> list[torch.Tensor]:
    """Of each place of each row: the first two tokens (of a decoder alone) as prompts, the others step by step."""
    seq2seq = lean.encode is not None
    fed = rows
    if lean.encode is not None:
        fed = [decoder_inputs(lean.model(), torch.tensor([row], device=lean.device))[0].tolist() for row in rows]
    skipped = 0 if seq2seq else 2
    pool = Pool(lean)
    pool.join([row[:skipped] for row in fed], lean.encode(rows, lean.pack) if lean.encode is not None else None)
    made = []
    for step in range(skipped, max(map(len, fed))):
        ids = torch.tensor([[row[min(step, len(row) - 1)]] for row in fed], device=lean.device)
        made.append(lean.head(pool.step(ids)))
    return [torch.stack([step[place] for step in made[: len(row) - skipped]]) for place, row in enumerate(fed)]
