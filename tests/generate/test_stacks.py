"""Stacks: sequences end to end get the hidden states and logits the model gives each alone, in every family and setting."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

import decoders
import seq2seq
from byeori.generate import stack_llama
from byeori.generate.stack_bart import BartStack
from byeori.generate.stack_gpt2 import CtrlStack, Gpt2Stack
from byeori.generate.stack_llama import LlamaStack
from byeori.generate.stack_t5 import T5Stack
from byeori.generate.stacks import Layer, Stack, Unfit, activation, dense

WORDS = 97
LENGTHS = (7, 1, 26, 12)  # beyond the sliding windows, and beyond the distance T5 tells apart
SOURCES = (3, 25, 9, 14)
CUTS = (3, 0, 26, 5)  # the rest of each comes in a second run: rows of different age, one yet to begin, one done
MISTRAL = {**decoders._ROTARY, "sliding_window": 5}
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 32}
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 1e4,
    "original_max_position_embeddings": 16,
}  # fmt: skip
SOURCED = {
    "t5": ("t5", {"d_kv": 6}),  # heads that don't add up to the model's size; scaled logits
    "t5 1.1": ("t5", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5 deeper decoder": ("t5", {"num_decoder_layers": 3, "feed_forward_proj": "gated-silu"}),
    "mt5": ("mt5", {}),
    "bart": ("bart", {}),
    "bart scaled": ("bart", {"scale_embedding": True, "activation_function": "gelu_new", "decoder_attention_heads": 2}),
    "mbart": ("mbart", {}),
    "marian": ("marian", {}),
    "marian, a vocabulary each": ("marian", {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 83,
                                             "tie_word_embeddings": False}),
    "pegasus": ("pegasus", {}),
    "led": ("led", {}),
}  # fmt: skip
ALONE = {
    "gpt2": ("gpt2", {}),
    "gpt2 scaled by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True, "n_inner": 40, "activation_function": "relu"}),
    "gpt2 unscaled": ("gpt2", {"scale_attn_weights": False, "tie_word_embeddings": False}),
    "ctrl": ("ctrl", {}),
    "bart": ("bart", {}),  # its decoder alone, which reads no source
    "llama": ("llama", {}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": LLAMA3}),
    "llama tied": ("llama", {"tie_word_embeddings": True, "num_key_value_heads": 4, "rope_parameters": YARN}),
    "mistral": ("mistral", MISTRAL),
    "mistral without a window": ("mistral", {**MISTRAL, "sliding_window": None, "head_dim": 6}),
    "qwen2": ("qwen2", {}),
    "qwen2 sliding": ("qwen2", {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    "qwen3": ("qwen3", {"head_dim": 12}),
    "gemma": ("gemma", {}),
    "gemma2": ("gemma2", {"query_pre_attn_scalar": 5, "final_logit_softcapping": 3.0}),
    "gemma2 uncapped": ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "gemma3": ("gemma3_text", {"attn_logit_softcapping": 0.5}),  # a setting its attention makes no use of
    "gemma3 stretched": ("gemma3_text", {"rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }, "final_logit_softcapping": 2.0}),
}  # fmt: skip
KINDS = {"T5Stack": T5Stack, "MT5Stack": T5Stack, "GPT2Model": Gpt2Stack, "CTRLModel": CtrlStack}


def built(family: str, auto: str, **values: Any) -> Any:
    """A tiny model whose biases, norms and heads are no longer what they begin as: every weight tells."""
    own = {**decoders.BUILT, **seq2seq.BUILT}
    special = {
        "vocab_size": WORDS, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 1,
    }  # fmt: skip
    config = transformers.AutoConfig.for_model(
        family, **{**special, **(own[family].config if family in own else {}), **values}
    )
    torch.manual_seed(0)
    model = getattr(transformers, auto).from_config(config).eval()
    with torch.no_grad():
        for weight in (one for one in model.parameters() if one.requires_grad):  # tables of sines stay
            weight.add_(0.1 * torch.randn_like(weight))
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.add_(torch.randn_like(model.final_logits_bias))
    return model


def stack_of(body: Any) -> Stack:
    name = type(body).__name__
    return (KINDS.get(name) or (BartStack if name.endswith("coder") else LlamaStack))(body)


def drawn(lengths: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(4, 83, (length,), generator=generator) for length in lengths]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    spread = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, atol=1e-5 * spread, rtol=0)


class Reference:
    """Attention by its definition, a sequence at a time; keys and values are kept from run to run."""

    def __init__(self, stack: Stack, sources: list[torch.Tensor] | None = None):
        self.stack, self.sources = stack, sources
        self.kept: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def run(self, rows: list[torch.Tensor], first: tuple[int, ...] | None = None) -> tuple[torch.Tensor, ...]:
        """Hidden states of each row, whose tokens stand from `first` on (0)."""
        self.lengths = [len(row) for row in rows]
        places = [torch.arange(n) + at for n, at in zip(self.lengths, first or [0] * len(rows), strict=True)]
        return self.stack.run(torch.cat(rows), torch.cat(places), self).split(self.lengths)

    def own(self, number: int, layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        found = []
        for row, (q1, *new) in enumerate(zip(*(x.split(self.lengths) for x in (q, k, v)), strict=True)):
            old = self.kept.get((number, row))
            k1, v1 = new if old is None else (torch.cat(both) for both in zip(old, new, strict=True))
            self.kept[number, row] = k1, v1
            places = torch.arange(len(k1))
            distance = places[len(k1) - len(q1) :, None] - places
            hidden = torch.zeros_like(distance, dtype=torch.bool)
            if self.stack.causal:
                hidden = distance < 0
                if layer.window is not None:
                    hidden |= distance >= layer.window
            bias = None
            if self.stack.bias is not None:
                bias = (
                    self.stack.bias.before(distance.clamp(min=0)).permute(2, 0, 1)
                    if self.stack.causal else self.stack.bias.square(len(k1))
                )  # fmt: skip
            found.append(meet(layer, q1, k1, v1, bias, hidden))
        return torch.cat(found)

    def across(self, number: int, layer: Layer, q: torch.Tensor) -> torch.Tensor:
        assert self.sources is not None
        return torch.cat([
            meet(layer, q1, *layer.memory(source))
            for q1, source in zip(q.split(self.lengths), self.sources, strict=True)
        ])  # fmt: skip


def meet(
    layer: Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
    bias: torch.Tensor | None = None, hidden: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    assert q.shape[2:] == k.shape[2:] == v.shape[2:] and k.shape == v.shape and q.dtype == k.dtype == v.dtype
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) * layer.scale
    if layer.softcap is not None:
        scores = layer.softcap * torch.tanh(scores / layer.softcap)
    if bias is not None:
        scores = scores + bias
    if hidden is not None:
        scores = scores.masked_fill(hidden, -torch.inf)
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v).flatten(1)


def head(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    if getattr(model.config, "scale_decoder_outputs", False):
        hidden = hidden * model.config.d_model**-0.5
    logits = model.get_output_embeddings()(hidden) + getattr(model, "final_logits_bias", 0)
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def written(stack: Stack, sources: list[torch.Tensor] | None = None) -> list[list[torch.Tensor]]:
    """Hidden states of rows run whole, and of the same rows run in two parts."""
    rows = drawn(LENGTHS, 1)
    whole = Reference(stack, sources).run(rows)
    attend = Reference(stack, sources)
    begun = attend.run([row[:cut] for row, cut in zip(rows, CUTS, strict=True)])
    rest = attend.run([row[cut:] for row, cut in zip(rows, CUTS, strict=True)], CUTS)
    return [list(whole), [torch.cat(both) for both in zip(begun, rest, strict=True)]]


@pytest.mark.parametrize("name", [name for name in SOURCED if name != "led"])  # LED's runs by its own forward
@torch.no_grad()
def test_an_encoder_reads_sources_end_to_end_as_each_alone(name):
    family, values = SOURCED[name]
    body = built(family, "AutoModelForSeq2SeqLM", **values).get_encoder()
    stack, sources = stack_of(body), drawn(SOURCES)
    assert not stack.causal and not stack.crosses
    for found, row in zip(Reference(stack).run(sources), sources, strict=True):
        close(found, body(row[None]).last_hidden_state[0])


@pytest.mark.parametrize("name", SOURCED)
@torch.no_grad()
def test_a_decoder_beside_an_encoder_writes_rows_end_to_end_as_each_alone(name):
    family, values = SOURCED[name]
    model = built(family, "AutoModelForSeq2SeqLM", **values)
    stack, sources = stack_of(model.get_decoder()), drawn(SOURCES)
    assert stack.causal and stack.crosses
    encoded = [model.get_encoder()(row[None]).last_hidden_state[0] for row in sources]
    expected = [
        model(input_ids=source[None], decoder_input_ids=row[None], use_cache=False).logits[0]
        for source, row in zip(sources, drawn(LENGTHS, 1), strict=True)
    ]
    for run in written(stack, encoded):
        for found, logits in zip(run, expected, strict=True):
            close(head(model, found), logits)


@pytest.mark.parametrize("name", ALONE)
@torch.inference_mode()
def test_a_decoder_writes_rows_end_to_end_as_each_alone(name):
    family, values = ALONE[name]
    model = built(family, "AutoModelForCausalLM", **values)
    stack = stack_of(model.get_decoder())
    assert stack.causal and not stack.crosses
    expected = [model(input_ids=row[None], use_cache=False).logits[0] for row in drawn(LENGTHS, 1)]
    for run in written(stack):
        for found, logits in zip(run, expected, strict=True):
            close(head(model, found), logits)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma3", "gpt2", "ctrl"])
@torch.no_grad()
def test_halves_and_autocast(name):
    """Numbers near the model's; queries, keys and values of one type, which the reference holds to."""
    family, values = ALONE[name]
    model = built(family, "AutoModelForCausalLM", **values)
    rows = drawn(LENGTHS, 1)
    exact = [model(input_ids=row[None], use_cache=False).logits[0] for row in rows]
    with torch.autocast("cpu", torch.bfloat16):
        mixed = Reference(stack_of(model.get_decoder())).run(rows)
    model.bfloat16()
    narrow = Reference(stack_of(model.get_decoder())).run(rows)
    theirs = [model(input_ids=row[None], use_cache=False).logits[0].float() for row in rows]
    off = max(float((a - b).abs().mean()) for a, b in zip(theirs, exact, strict=True))
    for found in (mixed, narrow):
        ours = [head(model, one.bfloat16()).float() for one in found]
        assert max(float((a - b).abs().mean()) for a, b in zip(ours, exact, strict=True)) < 1.5 * off


@torch.no_grad()
def test_angles_grow_with_the_places_asked_for(monkeypatch):
    model = built("gemma3_text", "AutoModelForCausalLM")
    rows = drawn(LENGTHS, 1)
    whole = Reference(LlamaStack(model.model)).run(rows)
    monkeypatch.setattr(stack_llama, "PLACES", 4)
    stack = LlamaStack(model.model)
    tables = [len(rotary.table) for rotary in stack.rotaries.values()]
    assert tables == [4, 4]  # of layers that slide, and of those that don't
    for found, expected in zip(Reference(stack).run(rows), whole, strict=True):
        assert torch.equal(found, expected)
    assert [len(rotary.table) for rotary in stack.rotaries.values()] == [26, 26]
    Reference(stack).run([rows[0][:1]], (26,))
    assert [len(rotary.table) for rotary in stack.rotaries.values()] == [52, 52]
    with pytest.raises(IndexError):
        Reference(stack).run([rows[0][:1]], (128,))
    assert all(len(rotary.table) == 128 for rotary in stack.rotaries.values())


@pytest.mark.parametrize(("family", "auto", "values", "why"), [
    ("gpt2", "AutoModelForCausalLM", {"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn"),
    ("gpt2", "AutoModelForCausalLM", {"add_cross_attention": True}, "add_cross_attention"),
    ("gemma3_text", "AutoModelForCausalLM", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("llama", "AutoModelForCausalLM",
     {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}, "change with the length"),
    ("llama", "AutoModelForCausalLM",
     {"rope_parameters": {"rope_type": "longrope", "factor": 2.0, "rope_theta": 1e4, "short_factor": [1.0] * 4,
                          "long_factor": [2.0] * 4, "original_max_position_embeddings": 64}}, "change with the length"),
    ("phi3", "AutoModelForCausalLM", {**decoders._ROTARY}, "Phi3Model aren't known"),
])  # fmt: skip
def test_what_has_no_stack_says_why(family, auto, values, why):
    with pytest.raises(Unfit, match=why):
        stack_of(built(family, auto, **values).get_decoder())


def test_the_encoder_of_led_has_none():
    with pytest.raises(Unfit, match="LEDEncoder aren't known"):
        BartStack(built("led", "AutoModelForSeq2SeqLM").get_encoder())


def test_a_replaced_linear_map_has_none():
    """An adapter's, a quantized one: what it adds would be lost in silence."""

    class Adapted(nn.Linear):
        pass

    model = built("llama", "AutoModelForCausalLM")
    model.model.layers[1].self_attn.v_proj = Adapted(32, 16, bias=False)
    with pytest.raises(Unfit, match="Adapted stands where a linear map is expected"):
        LlamaStack(model.model)


@torch.no_grad()
def test_a_weight_that_needs_no_joining_is_not_copied():
    x, linear = torch.randn(3, 4), nn.Linear(4, 6)
    mirrored = transformers.pytorch_utils.Conv1D(6, 4)
    for module in (linear, mirrored):
        found = dense(module)
        before = found(x)
        module.weight.mul_(2), module.bias.mul_(2)
        torch.testing.assert_close(found(x), 2 * before)
    both = dense(linear, nn.Linear(4, 2, bias=False))(x)
    assert both.shape == (3, 8)
    torch.testing.assert_close(both[:, :6], F.linear(x, linear.weight, linear.bias))


@pytest.mark.parametrize("name", ["gelu", "gelu_python", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh",
                                  "gelu_python_tanh", "relu", "silu", "swish", "quick_gelu", "relu2", "tanh"])  # fmt: skip
def test_activations_are_what_they_were(name):
    x = torch.linspace(-6, 6, 500)
    torch.testing.assert_close(activation(ACT2FN[name])(x), ACT2FN[name](x), atol=2e-6, rtol=0)


def test_an_activation_of_somebody_else_s_stays_as_it_is():
    class ReLU(nn.Module):
        pass

    for own in (ReLU(), nn.GELU("tanh"), ACT2FN["mish"]):
        assert activation(own) is own
    assert activation(nn.ReLU()) is F.relu
