"""Encoder-decoder models on packs: all sources end to end through the encoder, all targets end to end through the decoder.

Invariants: targets lie as `batches/targets.py` lays them; positions restart in each (T5 has none: its bias by distance is made
for one sequence and cut to each group); a model is packed only if a few pairs, run packed and alone, give the same hidden
states.

    pairs = Pairs(model)
    if pairs.packs: logits = pairs.forward(pack, pack.targets, fed).logits[0, pack.targets.index]
"""

from __future__ import annotations

import inspect
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from byeori.batches.pack import Pack, build
from byeori.batches.targets import Laid
from byeori.models import attention
from byeori.models.packed import _nothing, first_position
from byeori.text.blocks import IGNORED
from byeori.text.store import Encoded, TokenStore

SOURCES, TARGETS = (3, 9, 5), (6, 2, 4)  # lengths that are tried
TOLERANCE = 1e-4


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
            together = self.forward(pack, pack.targets, fed).logits[0, pack.targets.index]
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
