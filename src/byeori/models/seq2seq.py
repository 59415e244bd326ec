"""Encoder-decoder models in training: what the decoder is fed, and the loss of each target token.

Invariants: the decoder's input is the target shifted right the family's own way, and never −100; a token's loss is that
of the model's own head; logits are made only for target tokens that count, and of a large vocabulary only a chunk of
them at a time, so that memory doesn't grow with the vocabulary.

    nll, spread = pack_losses(model, pack)      # each with the shape of pack.labels, 0 at −100
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from byeori.batches.fixed import filled
from byeori.batches.pack import Pack
from byeori.errors import ModelError, SettingError
from byeori.models import vocabulary
from byeori.models.checks import position_table
from byeori.models.packed import exactly, runner, unwrapped
from byeori.text.blocks import IGNORED

TOLERANCE = 1e-4
Map = Callable[[torch.Tensor], torch.Tensor]
More = Callable[[torch.Tensor], torch.Tensor]  # logits (count, vocabulary) → (count,), beside the losses


def decoder_inputs(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """Targets (rows, length), padded with −100 → what the decoder is fed (rows, length), padded with its pad token.

    By the model's own method, else by the function of its module that its forward pass uses. Raises ModelError for a
    model that has neither, or no start token.
    """
    inner: Any = unwrapped(model)
    shift = getattr(inner, "prepare_decoder_input_ids_from_labels", None) or getattr(inner, "_shift_right", None)
    name = type(inner).__name__
    try:
        found = shift(labels) if shift is not None else _by_module(inner, labels)
    except (ValueError, TypeError) as error:  # no pad token, or no start token
        raise ModelError(
            f"{name}: its targets can't be shifted for its decoder ({error}). Set decoder_start_token_id and "
            f"pad_token_id in config.json."
        ) from error
    if found is None:
        raise ModelError(f"{name}: it doesn't say how its decoder's input is made of targets. Take another checkpoint.")
    pad = inner.config.pad_token_id  # a family that keeps −100 would read past its embedding
    if pad is None:
        raise ModelError(
            f"{name}: it has no pad token to feed its decoder behind a target. Set pad_token_id in config.json."
        )
    return found.masked_fill(found == IGNORED, pad)


def _by_module(model: Any, labels: torch.Tensor) -> torch.Tensor | None:
    shift = getattr(sys.modules[type(model).__module__], "shift_tokens_right", None)
    if shift is None:
        return None
    config = model.config
    given = [labels, config.pad_token_id, config.decoder_start_token_id]
    return shift(*given[: len(inspect.signature(shift).parameters)])


def globally(model: Any, rectangle: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask (rows, length); for a model with tokens that see all (LED) also global_attention_mask,
    the first token of each row, as its summarization checkpoints were trained (Beltagy et al., 2020).

    Such a model is given whole windows; it would fill them up itself, and warn of it at each new length.
    """
    inner: Any = unwrapped(model)
    found = {name: rectangle[name] for name in ("input_ids", "attention_mask")}
    if "global_attention_mask" not in inspect.signature(inner.forward).parameters:
        return found
    windows = inner.config.attention_window
    missing = -found["input_ids"].shape[1] % (windows if isinstance(windows, int) else max(windows))
    found["input_ids"] = F.pad(found["input_ids"], (0, missing), value=inner.config.pad_token_id)
    found["attention_mask"] = F.pad(found["attention_mask"], (0, missing))
    found["global_attention_mask"] = torch.zeros_like(found["attention_mask"])
    found["global_attention_mask"][:, 0] = 1
    return found


def pack_losses(model: Any, pack: Pack, smooth: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each label of a pack the negative log-likelihood and, where `smooth` asks for it, its mean over the vocabulary
    (else 0): float32 (sequences, longest target) each, 0 where a label is −100.

    Group by group, each target cut to the longest of its group. Raises ModelError, and SettingError for a target that
    is longer than the decoder.
    """
    return _of_pack(model, pack, _spread if smooth else None)


def pack_likelihoods(model: Any, pack: Pack) -> tuple[torch.Tensor, torch.Tensor]:
    """As `pack_losses`, with the likeliest token of each place, int64, beside the loss."""
    nll, best = _of_pack(model, pack, _best)
    return nll, best.long()


def _of_pack(model: Any, pack: Pack, more: More | None) -> tuple[torch.Tensor, torch.Tensor]:
    labels = pack.labels
    inner: Any = unwrapped(model)
    limit = position_table(inner.config, "decoder")
    if limit is not None and labels.shape[1] > limit:
        raise SettingError(
            f"a target is {labels.shape[1]} tokens long, and the decoder ({type(unwrapped(model)).__name__}) takes {limit}. "
            f"Give --max-target-length {limit} or less."
        )
    targets, places = pack.targets, pack.counted
    again = len(places) * _head(model).vocabulary > vocabulary.LOGITS
    pairs = runner(model).pairs
    wrapped = inner is not model  # as for several processes: its own forward must be called
    if pairs is not None and pairs.packs and not wrapped:
        fed = decoder_inputs(model, labels)
        index, wanted = targets.index, labels.flatten()[places]
        if pack.shapes is not None:
            index, wanted = filled(index, wanted, labels.numel())
        every = _head(model).of_run(
            lambda: pairs.forward(pack, targets, fed), lambda row: row[0, index], wanted, more, again
        )[:, : len(places)]
    else:
        found, ends = [], np.cumsum(targets.labels)
        for group in pack.layout.groups:
            rows = slice(group.first, group.first + group.count)
            longest = labels.shape[1] if pack.shapes is not None else int(targets.lengths[rows].max())
            own = places[int(ends[group.first] - targets.labels[group.first]) : int(ends[rows.stop - 1])]
            inside = (own // labels.shape[1] - group.first) * longest + own % labels.shape[1]
            few = pack.shapes is not None
            found.append(token_losses(model, pack.rectangle(group), labels[rows, :longest], inside, more, again, few))
        every = torch.cat(found, 1)
    # (2, counted labels), row after row as `places` has them
    nll, other = (one.new_zeros(labels.numel()).index_copy(0, places, one).view(labels.shape) for one in every)
    return nll, other


def token_losses(
    model: Any,
    rectangle: dict[str, torch.Tensor],
    labels: torch.Tensor,
    places: torch.Tensor,
    more: More | None = None,
    again: bool = False,
    few: bool = False,
) -> torch.Tensor:
    """Losses of the labels (rows, length) at `places` int64 (count,) of `labels.flatten()`: (2, count) float32.

    As `pack_losses`, of one rectangle: input_ids and attention_mask (rows, source length). `more`: what of the logits
    stands beside the loss, else 0. `again`: make chunks of logits again in the backward pass instead of keeping them. `few`: the numbers
    of places that the head is given are to be few.
    """
    return _head(model).losses(model, globally(model, rectangle), labels, places, more, again, few)


class _Head:
    """A model's way from the decoder's last hidden state to losses, found out once.

    The head's input is caught on its way in and the head given nothing to do, so that whatever the family does before it
    (T5 scales by the root of its width) stays its own code; what comes after it, BART's bias, is added here. A family that
    does more after its head (soft caps) is found by a probe and keeps its logits whole.
    """

    def __init__(self, model: Any):
        self.linear = model.get_output_embeddings()
        self.bias = getattr(model, "final_logits_bias", None)
        self.catching = False
        self.caught: Any = None
        self.vocabulary = getattr(self.linear, "out_features", 0) or model.get_input_embeddings().num_embeddings
        self.catches = type(self.linear) is nn.Linear
        if self.catches:
            self.linear.register_forward_pre_hook(self._catch)
            self.catches = self._probe(model)

    def _catch(self, module: nn.Module, inputs: tuple) -> tuple | None:
        if not self.catching:
            return None
        self.caught = inputs[0]
        return (inputs[0][:, :0],)

    def losses(
        self, model: Any, rectangle: dict, labels: torch.Tensor, places: torch.Tensor, more: More | None, again: bool,
        few: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        def run() -> Any:
            return model(**rectangle, decoder_input_ids=decoder_inputs(model, labels), use_cache=False)

        wanted, count = labels.flatten()[places], len(places)
        if few:
            places, wanted = filled(places, wanted, labels.numel())
        return self.of_run(run, lambda row: row.flatten(0, 1)[places], wanted, more, again)[:, :count]

    def of_run(
        self, run: Callable[[], Any], chosen: Map, wanted: torch.Tensor, more: More | None, again: bool
    ) -> torch.Tensor:
        """Losses of `wanted` labels (count,), whose hidden states or logits `chosen` takes from the model's output of `run`."""
        if not self.catches:
            return _losses(chosen(run().logits), wanted, more)
        self.catching = True
        try:
            run()
        finally:
            self.catching = False
        caught, self.caught = self.caught, None
        hidden = chosen(caught)  # (count, size)
        if more is not _spread:
            nll, likeliest = vocabulary.judged(hidden, self.linear.weight, self.linear.bias, wanted, self._shift())
            return torch.stack([nll, torch.zeros_like(nll) if more is None else likeliest.float()])
        rows = max(1, vocabulary.LOGITS // self.vocabulary)
        found = []
        for part, right in zip(hidden.split(rows), wanted.split(rows), strict=True):
            if again and torch.is_grad_enabled():
                made = checkpoint(self._of_hidden, part, right, more, use_reentrant=False, preserve_rng_state=False)
                found.append(made)
            else:
                found.append(self._of_hidden(part, right, more))
        return torch.cat(found, 1) if len(found) > 1 else found[0]

    def _shift(self) -> torch.Tensor | None:
        """What BART adds to the logits of each word after its matrix."""
        return None if self.bias is None else self.bias[0].to(self.linear.weight.device)

    def _of_hidden(self, hidden: torch.Tensor, wanted: torch.Tensor, more: More | None) -> torch.Tensor:
        logits, shift = self.linear(hidden), self._shift()
        return _losses(logits if shift is None else logits + shift, wanted, more)

    @torch.no_grad()
    def _probe(self, model: Any) -> bool:
        """Whether the two ways give the same losses of a few tokens."""
        size = min(self.vocabulary, model.get_input_embeddings().num_embeddings)
        device = self.linear.weight.device
        ids = torch.arange(4, 12, device=device).remainder(size).view(1, -1)
        rectangle = globally(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        every = torch.arange(5, device=device)
        training = model.training
        model.eval()
        try:
            self.catches = False
            plain = self.losses(model, rectangle, ids[:, :5], every, _spread, False)
            self.catches = True
            caught = self.losses(model, rectangle, ids[:, :5], every, _spread, False)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return False
        finally:
            model.train(training)
        return plain.shape == caught.shape and torch.allclose(plain, caught, atol=TOLERANCE, rtol=TOLERANCE)


_heads: WeakKeyDictionary[nn.Module, _Head] = WeakKeyDictionary()


def _head(model: nn.Module) -> _Head:
    inner: Any = unwrapped(model)
    found = _heads.get(inner)
    if found is None or found.linear is not inner.get_output_embeddings():
        with exactly(inner):
            found = _heads[inner] = _Head(inner)
    return found


def _losses(logits: torch.Tensor, wanted: torch.Tensor, more: More | None) -> torch.Tensor:
    """Logits (count, vocabulary) and labels (count,) → (2, count)."""
    logits = logits.float()
    nll = F.cross_entropy(logits, wanted, reduction="none")
    return torch.stack([nll, torch.zeros_like(nll) if more is None else more(logits)])


def _spread(logits: torch.Tensor) -> torch.Tensor:
    """The mean of −log p over the vocabulary."""
    return logits.logsumexp(-1) - logits.mean(-1)


def _best(logits: torch.Tensor) -> torch.Tensor:
    """The likeliest token, as float32: exact up to 16,777,216 of them."""
    return logits.detach().argmax(-1).float()
