"""Packed attention is its formula, each sequence alone: outputs, gradients and dropout, on every path."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from byeori.batches.pack import Pack, build
from byeori.models import attention, noise, rectangles
from byeori.text.store import Encoded, TokenStore

LENGTHS = {
    "short": [1, 5, 5, 6, 12, 2],
    "long": [1, 70, 70, 81, 5],
}  # long ones run in torch's own kernel where nothing is learnt
SCALE = 0.3


def pack_of(lengths: list[int], group_cost: float) -> Pack:
    encoded = Encoded(np.zeros(sum(lengths), np.int32), np.array(lengths), {})
    return build(TokenStore.of(encoded, {}), np.arange(len(lengths)), group_cost=group_cost)


def vectors(pack: Pack, learnt: bool) -> list[torch.Tensor]:
    """Query, key and value (1, heads, tokens, size), as transformers hands them over."""
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(1, 2, pack.computed, 4, generator=rng).requires_grad_(learnt) for _ in range(3)]


def packed(pack: Pack, inputs: list[torch.Tensor], dropout: float = 0.0, window: int | None = None) -> torch.Tensor:
    found, weights = attention.attention(
        torch.nn.Module(), *inputs, None, dropout=dropout, scaling=SCALE, layout=pack.layout, sliding_window=window
    )
    assert found.shape == (1, pack.computed, 2, 4) and weights is None
    return found[0]


def formula(pack: Pack, inputs: list[torch.Tensor], window: int | None = None, kept=None) -> list[torch.Tensor]:
    """softmax(q kᵀ · scale) v of each sequence, (length, heads, size); `kept(i)` multiplies the weights of sequence i."""
    found = []
    for i, (start, length) in enumerate(zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)):
        q, k, v = (x[0, :, start : start + length] for x in inputs)
        scores = q @ k.transpose(1, 2) * SCALE
        if window is not None:
            places = torch.arange(length)
            scores = scores.masked_fill((places[:, None] - places).abs() >= window, -torch.inf)
        weights = scores.softmax(-1)
        found.append(((weights if kept is None else weights * kept(i)) @ v).transpose(0, 1))
    return found


def real(pack: Pack, values: torch.Tensor) -> torch.Tensor:
    """The rows of a pack that are tokens, sequence after sequence."""
    bounds = zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
    return torch.cat([values[start : start + length] for start, length in bounds])


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("window", [None, 1, 3, 100])
@pytest.mark.parametrize("group_cost", [0.0, 3.0, 1e9])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_outputs_and_gradients(lengths, group_cost, window, learnt):
    pack = pack_of(LENGTHS[lengths], group_cost)
    inputs = vectors(pack, learnt)
    found, expected = real(pack, packed(pack, inputs, window=window)), torch.cat(formula(pack, inputs, window))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    if learnt:
        up = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
        compare(torch.autograd.grad((found * up).sum(), inputs), torch.autograd.grad((expected * up).sum(), inputs))


def compare(found, expected) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("frozen", [(0, 1), (0, 1, 2)])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_what_is_frozen_stops_no_gradient_beside_it(lengths, frozen):
    """Values and a bias by position learn where queries and keys don't."""
    pack = pack_of(LENGTHS[lengths], 3.0)
    inputs = [x.detach().requires_grad_(place not in frozen) for place, x in enumerate(vectors(pack, False))]
    longest = pack.layout.max_length
    bias = torch.randn(1, 2, longest, longest, generator=torch.Generator().manual_seed(2)).requires_grad_()
    made, _ = attention.attention(
        torch.nn.Module(), *inputs, None, scaling=SCALE, layout=pack.layout, position_bias=bias
    )
    found, wanted = real(pack, made[0]), []
    for start, length in zip(pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True):
        q, k, v = (x[0, :, start : start + length] for x in inputs)
        scores = q @ k.transpose(1, 2) * SCALE + bias[0, :, :length, :length]
        wanted.append((scores.softmax(-1) @ v).transpose(0, 1))
    expected, learning = torch.cat(wanted), [bias, *(x for x in inputs if x.requires_grad)]
    up = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    compare(torch.autograd.grad((found * up).sum(), learning), torch.autograd.grad((expected * up).sum(), learning))


@pytest.mark.parametrize("group_cost", [0.0, 1e9])
def test_gradients_under_dropout(group_cost, monkeypatch):
    """The weights that were dropped in the forward pass are those dropped in the backward pass."""
    pack = pack_of(LENGTHS["short"], group_cost)
    drawn: list[torch.Tensor] = []

    def keep(shape, probability, dtype):
        drawn.append(noise.keep(shape, probability, dtype))
        return drawn[-1]

    monkeypatch.setattr(rectangles, "keep", keep)
    inputs = vectors(pack, True)
    found = real(pack, packed(pack, inputs, dropout=0.4))

    def kept(i: int) -> torch.Tensor:
        number, group = next((n, g) for n, g in enumerate(pack.layout.groups) if g.first <= i < g.first + g.count)
        length = int(pack.layout.lengths[i])
        return drawn[number].view(group.count, 2, group.length, group.length)[i - group.first, :, :length, :length]

    expected = torch.cat(formula(pack, inputs, kept=kept))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    up = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    compare(torch.autograd.grad((found * up).sum(), inputs), torch.autograd.grad((expected * up).sum(), inputs))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropouts_numbers(probability, dtype):
    """As many zeros as asked (four standard deviations), the rest scaled so that the mean is 1; torch's seed decides."""
    torch.manual_seed(3)
    kept, other = (noise.keep((300, 331), probability, dtype) for _ in range(2))
    assert kept.shape == (300, 331) and kept.dtype == dtype
    share, doubt = float((kept == 0).float().mean()), 4 * (probability * (1 - probability) / kept.numel()) ** 0.5
    assert abs(share - probability) <= doubt + 1 / 65_536
    values = kept[kept != 0].unique()
    assert len(values) == 1 and float(values[0]) == pytest.approx(1 / (1 - probability), rel=1e-2)
    assert torch.equal(kept, other) is (probability == 0)
    state = torch.get_rng_state()
    third = noise.keep((300, 331), probability, dtype)
    torch.set_rng_state(state)
    assert torch.equal(noise.keep((300, 331), probability, dtype), third)
    torch.manual_seed(3)
    assert torch.equal(noise.keep((300, 331), probability, dtype), kept)


def test_dropouts_numbers_are_unrelated():
    """Neighbours in a mask, and masks drawn one after the other, drop independently."""
    torch.manual_seed(0)
    masks = torch.stack([noise.keep((64, 64), 0.5, torch.float32).flatten() for _ in range(40)]).double()
    between = torch.corrcoef(masks)
    assert (between - torch.eye(40)).abs().max() < 0.08
    for step in (1, 2, 4, 64):
        assert (
            abs(float(torch.corrcoef(torch.stack([masks[:, step:].flatten(), masks[:, :-step].flatten()]))[0, 1]))
            < 0.015
        )


def test_dropout_layers_stay_dropout_layers():
    layer = torch.nn.Sequential(torch.nn.Dropout(0.5))
    noise.use_fast_dropout(layer)
    x = torch.ones(50, 50, requires_grad=True)
    assert isinstance(layer[0], torch.nn.Dropout) and layer.state_dict() == {}
    out = layer(x)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
    assert layer.eval()(x) is x or torch.equal(layer(x), x)
