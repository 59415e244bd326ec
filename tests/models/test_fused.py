"""A layer as one step = the same layer as transformers' modules: outputs, gradients, dropout's draws."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from byeori.batches.pack import Pack, build
from byeori.models import attention, fused, products, ready
from byeori.models.packed import pooled_logits, runner, token_logits
from byeori.text.store import Encoded, TokenStore
from families import PACKED, Family

BUILD = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
LENGTHS = (3, 90, 17, 18, 5, 64, 1, 70, 18)
ATOL = 1e-5


def made(name: str, auto: str = "AutoModelForSequenceClassification", **values) -> tuple[torch.nn.Module, Pack]:
    """A model and a pack of sequences for torch's own kernel and for plain products."""
    values = {"num_hidden_layers": 3, "max_position_embeddings": 128, **values}
    model = Family(name).model(auto, attn_implementation=attention.NAME, **values).eval()
    ids = np.random.default_rng(0).integers(5, 60, sum(LENGTHS)).astype(np.int32)
    store = TokenStore.of(Encoded(ids, np.array(LENGTHS), {}), {}, {"input_ids": 1})
    return model, build(store, np.arange(len(LENGTHS)))


def as_modules(model: torch.nn.Module) -> torch.nn.Module:
    """The same weights, run as transformers has its layers."""
    other = copy.deepcopy(model)
    runner(other).fuses = False
    return other


def learnt(
    model: torch.nn.Module, answer, pack: Pack, mode: bool = True
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The answers and all gradients of one loss; dropout drawn from seed 5."""
    model.train(mode)
    torch.manual_seed(5)
    found = answer(model, pack)
    weights = torch.linspace(-1, 1, found.numel()).view(found.shape)
    (found * weights).sum().backward()
    return found.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def check_same(found, expected, tolerance: float = ATOL) -> None:
    torch.testing.assert_close(found[0], expected[0], atol=tolerance, rtol=tolerance)
    assert found[1].keys() == expected[1].keys() and found[1]
    largest = max(float(one.abs().max()) for one in expected[1].values())
    for name, gradient in expected[1].items():
        assert found[1][name].dtype == gradient.dtype and found[1][name].shape == gradient.shape
        assert float((found[1][name] - gradient).abs().max()) <= tolerance * largest, name


def by(monkeypatch, onednn: bool) -> None:
    """The library of the products in 32 bits."""
    if onednn and not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    for module in (products, ready, fused):
        monkeypatch.setattr(module, "by_onednn", lambda dtype: onednn)


@pytest.mark.parametrize("name", PACKED)
def test_layers_of_this_build_are_found(name):
    model = Family(name).model(attn_implementation=attention.NAME)
    run = runner(model)
    assert run.packs
    assert len(run.layers()) == (model.config.num_hidden_layers if name in BUILD else 0)


@pytest.mark.parametrize("onednn", [False, True])
@pytest.mark.parametrize("name", BUILD)
def test_with_dropout_losses_and_gradients_are_those_of_the_modules(name, onednn, monkeypatch):
    """Both draw in the same order, so the same seed drops the same places."""
    by(monkeypatch, onednn)
    more = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3}
    model, pack = made(name, "AutoModelForTokenClassification", **more)
    plain = as_modules(model)
    assert runner(model).layers() and not runner(plain).layers()
    first = learnt(model, token_logits, pack)
    check_same(first, learnt(plain, token_logits, pack))
    with torch.no_grad():
        model.eval()
        assert not torch.allclose(token_logits(model, pack), first[0], atol=1e-3)  # dropout was on


@pytest.mark.parametrize("name", BUILD)
def test_a_pooled_last_layer_is_that_of_the_modules(name):
    """Attention's dropout draws for fewer places there: it is off."""
    model, pack = made(name, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.0)
    check_same(learnt(model, pooled_logits, pack), learnt(as_modules(model), pooled_logits, pack))


def test_attention_dropout_of_a_pooled_layer_drops_its_share():
    """Of a model of one layer: its only attention is the pooled one."""
    model, pack = made("bert", num_hidden_layers=1, attention_probs_dropout_prob=0.5)
    still = pooled_logits(model, pack).detach()
    model.train()
    torch.manual_seed(0)
    drawn = torch.stack([pooled_logits(model, pack).detach() for _ in range(300)])
    assert float((drawn[0] - still).abs().max()) > 1e-3
    alone = pack.layout.lengths == 1  # the only key's weight is 0 or 2, half the time each
    seen = drawn[:, alone].flatten(1).round(decimals=4).unique(dim=0)
    assert 2 <= len(seen) <= 2**model.config.num_attention_heads


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("onednn", [False, True])
@pytest.mark.parametrize("answer", [pooled_logits, token_logits])
@torch.no_grad()
def test_without_gradients_too(answer, onednn, few, monkeypatch):
    """Query, key and value of one product, or each by itself where tokens are few; or of weights that are ready."""
    monkeypatch.setattr(fused, "FEW", few)
    by(monkeypatch, onednn)
    auto = "AutoModelForSequenceClassification" if answer is pooled_logits else "AutoModelForTokenClassification"
    model, pack = made("bert", auto)
    assert pack.layout.max_length > attention.PLAIN_UP_TO[torch.float32]
    found = answer(model, pack)
    torch.testing.assert_close(found, answer(as_modules(model), pack), atol=ATOL, rtol=ATOL)
    model.train(False)
    with torch.enable_grad():
        torch.testing.assert_close(answer(model, pack), found, atol=ATOL, rtol=ATOL)


CHANGES = {
    "in place": lambda layer: layer.intermediate.dense.weight.mul_(1.5),
    "unseen by torch": lambda layer: layer.attention.self.value.weight.data.mul_(1.5),
    "a bias": lambda layer: layer.output.dense.bias.copy_(torch.linspace(-1, 1, len(layer.output.dense.bias))),
    "a bias, unseen by torch": lambda layer: layer.output.dense.bias.data.mul_(0).add_(
        torch.linspace(-1, 1, len(layer.output.dense.bias))
    ),
    "another weight": lambda layer: setattr(layer.output.dense, "weight", torch.nn.Parameter(2 * layer.output.dense.weight)),
    "loaded": lambda layer: layer.load_state_dict({name: 1.2 * one for name, one in layer.state_dict().items()}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@torch.no_grad()
def test_weights_that_changed_are_made_ready_again(change, monkeypatch):
    by(monkeypatch, True)
    model, pack = made("bert")
    before, layer = pooled_logits(model, pack), model.base_model.encoder.layer[1]
    first = ready._kept[layer]
    pooled_logits(model, pack)
    assert ready._kept[layer] is first, "as long as nothing changes, nothing is made again"
    CHANGES[change](layer)
    found = pooled_logits(model, pack)
    torch.testing.assert_close(found, pooled_logits(as_modules(model), pack), atol=ATOL, rtol=ATOL)
    assert not torch.allclose(found, before, atol=1e-3) and ready._kept[layer] is not first


def test_a_training_holds_no_weights_twice(monkeypatch):
    by(monkeypatch, True)
    model, pack = made("bert")
    with torch.no_grad():
        pooled_logits(model, pack)
    layers = list(model.base_model.encoder.layer)
    assert all(layer in ready._kept for layer in layers)
    learnt(model, pooled_logits, pack)
    assert not any(layer in ready._kept for layer in layers)


@torch.no_grad()
def test_weights_of_another_kind_are_left_to_their_modules(monkeypatch):
    """A quantized weight, say, which is a tensor of a class of its own."""

    class Halved(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, given=(), named=None):
            if function is torch.nn.functional.linear:
                with torch._C.DisableTorchFunctionSubclass():
                    return function(given[0], 0.5 * given[1], *given[2:], **(named or {}))
            return super().__torch_function__(function, types, given, named or {})

    by(monkeypatch, True)
    model, pack = made("bert")
    before, plain = pooled_logits(model, pack), as_modules(model)
    layers = list(model.base_model.encoder.layer)
    dense = layers[1].output.dense
    plain.base_model.encoder.layer[1].output.dense.weight.mul_(0.5)
    dense.weight = torch.nn.Parameter(dense.weight.data.as_subclass(Halved), requires_grad=False)
    found = pooled_logits(model, pack)
    assert not torch.allclose(found, before, atol=1e-3)
    torch.testing.assert_close(found, pooled_logits(plain, pack), atol=ATOL, rtol=ATOL)
    assert not any(layer in ready._kept for layer in layers), "nothing is held that nobody asks for"


def test_nothing_is_held_before_a_prediction_nor_of_a_model_in_another_dtype(monkeypatch):
    by(monkeypatch, True)
    model, pack = made("bert")
    layers = list(model.base_model.encoder.layer)
    assert runner(model).packs and not any(layer in ready._kept for layer in layers)
    with torch.no_grad():
        pooled_logits(model, pack)
        assert all(layer in ready._kept for layer in layers)
        monkeypatch.setattr(ready, "by_onednn", lambda dtype: dtype == torch.float32)
        pooled_logits(model.double(), pack)
    assert not any(layer in ready._kept for layer in layers)


@torch.no_grad()
def test_weights_are_not_held_twice_where_memory_is_short(monkeypatch):
    by(monkeypatch, True)
    monkeypatch.setattr(ready, "MEMORY_SHARE", 0.0)
    model, pack = made("bert")
    found = pooled_logits(model, pack)
    assert not any(layer in ready._kept for layer in model.base_model.encoder.layer)
    torch.testing.assert_close(found, pooled_logits(as_modules(model), pack), atol=ATOL, rtol=ATOL)


@pytest.mark.parametrize(
    "frozen", ["embeddings", "layer.0", "layer.1.attention.self.key", "layer.2.output.LayerNorm", "query.bias"]
)
def test_frozen_parts_get_no_gradient_and_change_no_other(frozen):
    model, pack = made("bert")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(frozen not in name)
    plain = as_modules(model)
    found = learnt(model, pooled_logits, pack)
    assert not any(frozen in name for name in found[1])
    check_same(found, learnt(plain, pooled_logits, pack))


def test_all_but_the_head_frozen():
    model, pack = made("bert")
    model.base_model.requires_grad_(False)
    found = learnt(model, pooled_logits, pack)
    assert set(found[1]) == {"classifier.weight", "classifier.bias"}
    check_same(found, learnt(as_modules(model), pooled_logits, pack))


@pytest.mark.parametrize("answer", [pooled_logits, token_logits])
def test_rows_that_fill_up_a_product_change_nothing(answer, monkeypatch):
    """In 16 bits, with dropout on: the same numbers whether products are of the pack's tokens or of a multiple of 64, and what
    memory held before, not-a-numbers here, is in none."""
    more = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3}
    auto = "AutoModelForSequenceClassification" if answer is pooled_logits else "AutoModelForTokenClassification"
    model, pack = made("bert", auto, **more)
    assert pack.computed % 64

    def spoilt(*size, **more):
        made = empty(*size, **more)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    empty, found = torch.empty, []
    monkeypatch.setattr(torch, "empty", spoilt)
    for rows in (1, 64, 1024):
        monkeypatch.setattr(fused, "ROUND", rows)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            found.append(learnt(model, answer, pack))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            model.eval()
            found[-1][1]["without gradients"] = answer(model, pack)
    for other in found[1:]:
        check_same(other, found[0], 1e-2)


def test_in_16_bits_it_is_as_near_as_the_modules_are():
    model, pack = made("bert", "AutoModelForTokenClassification", hidden_dropout_prob=0.1)
    plain = as_modules(model)
    exact = learnt(plain, token_logits, pack)
    plain.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        both = [learnt(one, token_logits, pack) for one in (model, plain)]
    assert runner(model).layers()

    def off(found) -> tuple[float, float]:
        answers = float((found[0].float() - exact[0]).norm() / exact[0].norm())
        gradients = [torch.cat([one[1][name].flatten() for name in exact[1]]) for one in (found, exact)]
        return answers, float((gradients[0] - gradients[1]).norm() / gradients[1].norm())

    for ours, theirs in zip(off(both[0]), off(both[1]), strict=True):
        assert 1e-4 < ours < 1.3 * theirs < 0.1
    assert {one.dtype for one in both[0][1].values()} == {torch.float32}
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        both = [token_logits(one.eval(), pack).float() for one in (model, plain)]
    torch.testing.assert_close(*both, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("listen", ["register_forward_hook", "register_forward_pre_hook"])
@pytest.mark.parametrize("part", ["attention.self", "attention.output", "output.dense"])
@torch.no_grad()
def test_whoever_listens_to_a_part_is_told(listen, part):
    model, pack = made("bert")
    expected = pooled_logits(model, pack)
    for layer in (0, 2):
        heard = []
        handle = getattr(model.bert.encoder.layer[layer].get_submodule(part), listen)(
            lambda *given, to=heard: to.append(1)
        )
        found = pooled_logits(model, pack)
        handle.remove()
        assert heard == [1]
        torch.testing.assert_close(found, expected, atol=ATOL, rtol=ATOL)


@torch.no_grad()
def test_what_a_layer_itself_tells_is_told():
    """A hook of the whole layer hears (1, tokens, size), and may change it."""
    model, pack = made("bert", "AutoModelForTokenClassification")
    expected = token_logits(model, pack)
    shapes = []
    handle = model.bert.encoder.layer[1].register_forward_hook(
        lambda part, given, out: shapes.append(out.shape) or out * 0
    )
    changed = token_logits(model, pack)
    handle.remove()
    assert shapes == [(1, pack.computed, model.config.hidden_size)]
    assert not torch.allclose(changed, expected, atol=1e-2)
    assert torch.equal(token_logits(model, pack), expected)


class Adapted(torch.nn.Linear):
    """A weight with something beside it."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) + 0.5 * input


def test_an_adapter_keeps_the_modules():
    model, pack = made("bert")
    model.bert.encoder.layer[1].attention.output.dense.__class__ = Adapted
    run = runner(model)
    assert run.packs and not run.layers()


@torch.no_grad()
def test_a_layer_that_answers_otherwise_is_run_as_it_is(monkeypatch):
    model, pack = made("bert")
    part = model.bert.encoder.layer[1].output
    monkeypatch.setattr(part, "forward", lambda hidden, other: type(part).forward(part, hidden, other) + 1.0)
    run = runner(model)
    assert run.packs and not run.layers()
    row = pack.input_ids[pack.layout.starts[0] :][: int(pack.layout.lengths[0])]
    torch.testing.assert_close(pooled_logits(model, pack)[0], model(row[None]).logits[0], atol=ATOL, rtol=ATOL)


def test_nothing_of_it_stays_with_the_model():
    model, pack = made("bert")
    learnt(model, pooled_logits, pack)
    broken = Pack(**{**pack.__dict__, "input_ids": pack.input_ids + 10**6})
    with pytest.raises(IndexError):
        pooled_logits(model, broken)
    assert not any("forward" in vars(part) for part in model.modules())
    model.eval()
    again = pickle.loads(pickle.dumps(model))
    with torch.no_grad():
        torch.testing.assert_close(pooled_logits(again, pack), pooled_logits(model, pack), atol=1e-6, rtol=1e-6)
    assert len(runner(again).layers()) == 3  # hooks of the first one's runner came along


def test_layers_computed_again_for_their_gradients_are_one_step_too():
    """Dropout draws the same when a layer is computed again, so the gradients are those of the losses."""
    model, pack = made("bert", "AutoModelForTokenClassification", hidden_dropout_prob=0.2)
    expected = learnt(as_modules(model), token_logits, pack)
    model.gradient_checkpointing_enable()
    assert len(runner(model).layers()) == len(model.bert.encoder.layer)
    check_same(learnt(model, token_logits, pack), expected)
    assert all(layer.gradient_checkpointing for layer in model.bert.encoder.layer)


def check_as_is(model: torch.nn.Module, pack: Pack) -> None:
    """Packed logits are those of each sequence alone, by the model's own code."""
    model.eval()
    with torch.no_grad():
        packed = pooled_logits(model, pack)
        for place, (start, length) in enumerate(zip(pack.layout.starts, pack.layout.lengths, strict=True)):
            alone = model(pack.input_ids[start : start + length][None]).logits[0]
            torch.testing.assert_close(packed[place], alone, atol=ATOL, rtol=ATOL)


def adapted(model: torch.nn.Module) -> None:
    model.bert.encoder.layer[1].attention.self.query.__class__ = Adapted


def another_part(model: torch.nn.Module) -> None:
    part = model.bert.encoder.layer[1].output
    part.dense = torch.nn.Linear(part.dense.in_features, part.dense.out_features)


def another_forward(model: torch.nn.Module) -> None:
    part = model.bert.encoder.layer[1].intermediate.dense
    part.forward = lambda hidden: 2 * torch.nn.Linear.forward(part, hidden)


def fewer_layers(model: torch.nn.Module) -> None:
    model.bert.encoder.layer = model.bert.encoder.layer[:2]


def one_layer_twice(model: torch.nn.Module) -> None:
    model.bert.encoder.layer[1] = model.bert.encoder.layer[0]


@pytest.mark.parametrize("change", [adapted, another_part, another_forward, fewer_layers, one_layer_twice])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_changed_is_what_runs(change, when):
    """Before the model is first run, and after."""
    model, pack = made("bert")
    if when == "after":
        assert runner(model).layers()
    change(model)
    check_as_is(model, pack)
    assert not any(type(part).__name__ == "BertLayer" and "forward" in vars(part) for part in model.modules())


def test_a_layer_of_somebodys_own_forward_keeps_it():
    model, pack = made("bert")
    layer, called = model.bert.encoder.layer[1], []
    layer.forward = lambda *given, **named: called.append(1) or type(layer).forward(layer, *given, **named)
    check_as_is(model, pack)
    assert called and "forward" in vars(layer)


def test_dropout_follows_its_own_mode():
    model, pack = made("bert", hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.0)
    still = pooled_logits(model, pack).detach()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.train()
    assert float((pooled_logits(model, pack).detach() - still).abs().max()) > 1e-2
    model.train()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.eval()
    torch.testing.assert_close(pooled_logits(model, pack), still, atol=ATOL, rtol=ATOL)


def test_two_threads_take_turns():
    from concurrent.futures import ThreadPoolExecutor

    model, pack = made("bert")
    with torch.no_grad():
        expected = pooled_logits(model, pack)

        def answer(_: int) -> torch.Tensor:
            with torch.no_grad():
                return pooled_logits(model, pack)

        with ThreadPoolExecutor(2) as pool:
            assert all(torch.equal(found, expected) for found in pool.map(answer, range(20)))


def test_hooks_of_all_modules_are_heard():
    model, pack = made("bert")
    heard = set()
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda part, given, out: heard.add(type(part).__name__)
    )
    try:
        check_as_is(model, pack)
    finally:
        handle.remove()
    assert "BertSelfAttention" in heard and runner(model).layers()
