"""Encoder-decoder models on packs: all sources end to end through the encoder, all targets end to end through the decoder.

Invariants: targets lie in the order of their sources, each group of them within one group of sources, so that a source and its
target meet as views; positions restart in each (T5 has none: its bias by distance is made for one sequence and cut to each
group); a model is packed only if a few pairs, run packed and alone, give the same hidden states.

    pairs = Pairs(model)
    if pairs.packs: targets = laid(pack); logits = pairs.forward(pack, targets, fed).logits[0, targets.index]
"""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from byeori.batches import budget
from byeori.batches.pack import Group, Layout, Pack, build
from byeori.models import attention
from byeori.models.attention import Memory
from byeori.models.packed import _nothing, first_position
from byeori.text.blocks import IGNORED
from byeori.text.store import Encoded, TokenStore

SOURCES, TARGETS = (3, 9, 5), (6, 2, 4)  # lengths that are tried
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Laid:
    """Targets end to end. Place p of the row is token `places[p]` of the target of sequence `owners[p]`."""

    layout: Layout
    memory: Memory
    owners: torch.Tensor  # int64 (computed,)
    places: torch.Tensor  # int64 (computed,)
    index: torch.Tensor  # int64 (labels that count,): their places in the row, in the order of `labels[labels != -100]`


def laid(pack: Pack) -> Laid:
    """The targets of a pack (labels (sequences, longest), −100 where there is none), cut to their own length."""
    counted = pack.labels != IGNORED
    device = counted.device
    length = counted.shape[1]
    ends = (counted * torch.arange(1, length + 1, device=device)).amax(1).clamp(min=1)
    lengths = ends.cpu().numpy()
    varlen = pack.layout.cu_seqlens is not None
    groups: list[Group] = []
    spans: list[tuple[int, int]] = []
    total = 0
    masks: dict[int, torch.Tensor] = {}
    source_masks: dict[int, torch.Tensor] = {}
    for number, group in enumerate(pack.layout.groups):
        inside = lengths[group.first : group.first + group.count]
        for cut in _cuts(inside, varlen):
            first, several = group.first + cut.start, inside[cut]
            count, longest = len(several), int(several.max())
            ragged = bool(several.min() != longest)
            if ragged:
                until = torch.arange(longest, device=device) < ends[first : first + count, None]
                masks[len(groups)] = until[:, None, None]
            if number in pack.layout.masks:
                source_masks[len(groups)] = pack.layout.masks[number][cut]
            groups.append(Group(total, first, count, longest, ragged))
            spans.append((group.start + cut.start * group.length, group.length))
            total += count * longest
    starts = np.concatenate([g.start + g.length * np.arange(g.count) for g in groups])
    owners = np.concatenate([np.repeat(np.arange(g.first, g.first + g.count), g.length) for g in groups])
    places = np.arange(total) - starts[owners]
    own = torch.from_numpy(starts).to(device)
    cu_seqlens = torch.from_numpy(np.append(starts, total).astype(np.int32)).to(device) if varlen else None
    layout = Layout(tuple(groups), ends, own, masks, cu_seqlens, int(lengths.max()))
    sequence, place = counted.nonzero(as_tuple=True)
    return Laid(
        layout, Memory(tuple(spans), source_masks, pack.layout.cu_seqlens, pack.layout.max_length),
        torch.from_numpy(owners).to(device), torch.from_numpy(places).to(device), own[sequence] + place,
    )  # fmt: skip


def _cuts(lengths: np.ndarray, varlen: bool) -> list[slice]:
    """Runs of targets that make a rectangle each, in the order they have."""
    if varlen:
        return [slice(place, place + 1) for place in range(len(lengths))]
    if (np.diff(lengths) >= 0).all():
        return budget.groups(lengths, budget.GROUP["packed"])
    return [slice(0, len(lengths))]


class Pairs:
    """How one encoder-decoder model runs packs; holds the hooks that place positions."""

    def __init__(self, model: Any):
        self._model = weakref.ref(model)
        self.positions: torch.Tensor | None = None  # of the side that runs
        encoder = model.get_encoder()
        self.takes = set(inspect.signature(encoder.forward).parameters)  # of two models joined, those of a BERT
        self.first = [first_position(side) for side in (encoder, model.get_decoder())]
        # Of two models joined, what the decoder is handed goes by names of its own.
        self.prefix = "decoder_" if model.config.model_type == "encoder-decoder" else ""
        for side in (encoder, model.get_decoder()):
            embedding = getattr(side, "embed_positions", None)
            if embedding is not None:
                embedding.register_forward_pre_hook(self._place, with_kwargs=True)
        self.reason = self._probe()  # why it can't, or nothing

    def __getstate__(self) -> dict[str, Any]:
        """A pickled model takes its hooks along; they do nothing, until its own runner is made."""
        return {**vars(self), "_model": _nothing, "positions": None}

    @property
    def packs(self) -> bool:
        return not self.reason

    @property
    def model(self) -> Any:
        return self._model()

    def _place(self, module: nn.Module, given: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        return None if self.positions is None else (given, {**named, "position_ids": self.positions})

    def forward(self, pack: Pack, targets: Laid, fed: torch.Tensor) -> Any:
        """The model's own output, one row of all targets; `fed`: the decoder's input, int64 (sequences, longest)."""
        model = self.model
        given = {"position_ids": (pack.position_ids + self.first[0]).unsqueeze(0)}
        if pack.token_type_ids is not None:
            given["token_type_ids"] = pack.token_type_ids.unsqueeze(0)
        named: dict[str, Any] = {"layout": targets.layout, "memory": targets.memory}
        if self.prefix:
            named["position_ids"] = (targets.places + self.first[1]).unsqueeze(0)
        try:
            with attention.packed():
                self.positions = pack.position_ids
                encoded = model.get_encoder()(
                    input_ids=pack.input_ids.unsqueeze(0), layout=pack.layout, return_dict=True,
                    **{name: values for name, values in given.items() if name in self.takes},
                )  # fmt: skip
                self.positions = targets.places
                return model(
                    encoder_outputs=encoded, decoder_input_ids=fed[targets.owners, targets.places].unsqueeze(0),
                    use_cache=False, **{self.prefix + name: values for name, values in named.items()},
                )  # fmt: skip
        finally:
            self.positions = None

    @torch.no_grad()
    def _probe(self) -> str:
        """Runs three pairs packed and alone; a sentence where the numbers differ or it fails."""
        model = self.model
        if getattr(model.config, "expert_capacity", None) is not None:
            return "its experts take so many tokens of a row, and a pack is one row"
        device = next(model.parameters()).device
        size = model.get_input_embeddings().num_embeddings
        pad = model.config.pad_token_id or 0
        rng = np.random.default_rng(0)
        ids = rng.integers(0, size, sum(SOURCES)).astype(np.int32)
        ids[ids == pad] = (pad + 1) % size
        store = TokenStore.of(Encoded(ids, np.array(SOURCES), {}), {}, {"input_ids": pad})
        pack = build(store, np.arange(len(SOURCES)), group_cost=4.0)
        known = model.get_decoder().get_input_embeddings().num_embeddings  # of two models joined, another vocabulary
        drawn = rng.integers(0, known, (len(TARGETS), max(TARGETS)))
        drawn[drawn == pad] = (
            pad + 1
        ) % known  # RoBERTa gives pad tokens no position: of a target only its start may be one
        if isinstance(begins := model.config.decoder_start_token_id, int):
            drawn[:, 0] = begins
        fed = torch.from_numpy(drawn)
        there = torch.arange(max(TARGETS)) < torch.tensor(TARGETS)[:, None]
        pack = replace(pack, columns={"labels": fed.masked_fill(~there, IGNORED)}).to(device)
        fed, training = fed.to(device), model.training
        model.eval()
        try:
            targets = laid(pack)
            together = self.forward(pack, targets, fed).logits[0, targets.index]
            alone = []
            for row, (start, length) in enumerate(
                zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
            ):
                one = pack.input_ids[None, start : start + length]
                given = {"input_ids": one, "attention_mask": torch.ones_like(one)}
                alone.append(
                    model(**given, decoder_input_ids=fed[None, row, : TARGETS[row]], use_cache=False).logits[0]
                )
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError, AssertionError) as error:
            return f"packed input fails: {type(error).__name__}: {error}"
        finally:
            model.train(training)
        apart = torch.cat(alone)
        if together.shape != apart.shape or not torch.allclose(together, apart, atol=TOLERANCE, rtol=TOLERANCE):
            return "packed and single sequences give different numbers"
        return ""
