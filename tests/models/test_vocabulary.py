"""Losses over a vocabulary in chunks = torch's cross entropy of the whole logits, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from byeori.models import vocabulary
from byeori.models.vocabulary import best, judged

TOKENS, WORDS, SIZE = 23, 301, 16


@pytest.fixture(params=[1 << 24, 5 * WORDS, 1], ids=["at once", "five at a time", "one at a time"])
def chunk(request, monkeypatch) -> int:
    monkeypatch.setattr(vocabulary, "LOGITS", request.param)
    return max(1, request.param // WORDS)


def given(bias: bool = True) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(TOKENS, SIZE, generator=draw), torch.randn(WORDS, SIZE, generator=draw)
    found = [hidden.requires_grad_(), weight.requires_grad_()]
    return [*found, torch.randn(WORDS, generator=draw).requires_grad_()] if bias else found


LABELS = torch.randint(WORDS, (TOKENS,), generator=torch.Generator().manual_seed(1))
SCALES = {"a mean": torch.full((TOKENS,), 1 / TOKENS), "weights": torch.linspace(-1, 2, TOKENS)}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("bias", [True, False])
def test_losses_and_gradients(chunk, bias, scale):
    tensors = given(bias)
    logits = F.linear(*tensors)
    expected = F.cross_entropy(logits, LABELS, reduction="none")
    wanted = torch.autograd.grad((expected * SCALES[scale]).sum(), tensors)
    nll, likeliest = judged(*tensors, *(() if bias else (None,)), LABELS)
    assert nll.dtype == torch.float32 and not likeliest.requires_grad
    torch.testing.assert_close(nll, expected)
    assert torch.equal(likeliest, logits.argmax(-1))
    for found, right in zip(torch.autograd.grad((nll * SCALES[scale]).sum(), tensors), wanted, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frozen", [(0,), (1, 2), (0, 1)])
@pytest.mark.parametrize("scale", SCALES)
def test_what_is_frozen_gets_none(chunk, frozen, scale):
    tensors, whole = given(), given()
    for place in frozen:
        tensors[place].requires_grad_(False)
    (judged(*tensors, LABELS)[0] * SCALES[scale]).sum().backward()
    (F.cross_entropy(F.linear(*whole), LABELS, reduction="none") * SCALES[scale]).sum().backward()
    for place, (one, other) in enumerate(zip(tensors, whole, strict=True)):
        assert (one.grad is None) is (place in frozen)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-5)


def test_a_second_backward_pass_is_the_first_again(chunk):
    tensors = given()
    nll = judged(*tensors, LABELS)[0].mean()
    first = torch.autograd.grad(nll, tensors, retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(nll, tensors), strict=True):
        torch.testing.assert_close(one, other)


def test_in_16_bits_sums_stay_in_32(chunk):
    tensors = given()
    exact = F.cross_entropy(F.linear(*tensors), LABELS, reduction="none")
    wanted = torch.autograd.grad(exact.mean(), tensors)
    with torch.autocast("cpu", torch.bfloat16):
        nll, _ = judged(*tensors, LABELS)
    assert nll.dtype == torch.float32 and not torch.equal(nll, exact)
    torch.testing.assert_close(nll, exact, rtol=0.02, atol=0.1)
    for found, right in zip(torch.autograd.grad(nll.mean(), tensors), wanted, strict=True):
        assert found.dtype == torch.float32
        assert float((found - right).norm() / right.norm()) < 0.02


class Watch(TorchDispatchMode):
    """The largest tensor that is made, and how often logs of probabilities are."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.made = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else (found,):
            if isinstance(one, torch.Tensor):
                self.largest = max(self.largest, one.numel())
        self.made += "log_softmax" in func.name()
        return found


@pytest.mark.parametrize(("scale", "times"), [("a mean", 1), ("weights", 2)])
def test_logits_are_never_whole_and_made_once_for_a_mean(monkeypatch, scale, times):
    monkeypatch.setattr(vocabulary, "LOGITS", 5 * WORDS)
    tensors = given()
    with Watch() as seen:
        (judged(*tensors, LABELS)[0] * SCALES[scale]).sum().backward()
    assert seen.largest == WORDS * SIZE  # the matrix itself
    assert seen.made == times * -(-TOKENS // 5)


def test_no_token_at_all():
    tensors = given()
    nll, likeliest = judged(tensors[0][:0], *tensors[1:], LABELS[:0])
    assert nll.shape == likeliest.shape == (0,)
    nll.sum().backward()
    assert not tensors[1].grad.any()


def test_a_loss_that_is_no_number_stays_none():
    tensors = given()
    with torch.no_grad():
        tensors[0][3] = torch.nan
    nll, _ = judged(*tensors, LABELS)
    assert nll.isnan().tolist() == [place == 3 for place in range(TOKENS)]
    nll.mean().backward()
    assert tensors[1].grad.isnan().any()


@pytest.mark.parametrize("size", [5, 64, 300, 4_097, 50_257])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_the_best_are_those_of_topk(size, count):
    scores = torch.randn(7, size, generator=torch.Generator().manual_seed(size))
    if count > size:
        return
    found, expected = best(scores, count), scores.topk(count)
    assert torch.equal(found[0], expected.values) and torch.equal(found[1], expected.indices)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_gradients_are_made_where_none_are_asked(monkeypatch, mode):
    monkeypatch.setattr(vocabulary, "_Gradients", None)
    tensors = given()
    with mode():
        nll, _ = judged(*tensors, LABELS)
    torch.testing.assert_close(nll, F.cross_entropy(F.linear(*tensors), LABELS, reduction="none"))


@pytest.mark.parametrize("scale", SCALES)
def test_a_shift_is_added_in_32_bits(chunk, scale):
    tensors, shift = given(), torch.linspace(-3, 3, WORDS)
    expected = F.cross_entropy(F.linear(*tensors) + shift, LABELS, reduction="none")
    wanted = torch.autograd.grad((expected * SCALES[scale]).sum(), tensors)
    nll, _ = judged(*tensors, LABELS, shift)
    torch.testing.assert_close(nll, expected)
    for found, right in zip(torch.autograd.grad((nll * SCALES[scale]).sum(), tensors), wanted, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        low = F.linear(*tensors).float() + shift
        found = judged(*tensors, LABELS, shift)[0]
    torch.testing.assert_close(found, F.cross_entropy(low, LABELS, reduction="none"), rtol=1e-4, atol=1e-4)
