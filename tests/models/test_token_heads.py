"""Heads that answer for each token, bare bodies and multiple choice: packed = padded = each sequence alone.

Over every family that has the head, in logits and gradients; in rectangles where a family can't run packed. The
reference is a second model with the same weights and transformers' own eager attention.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import re
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.attention.varlen

from byeori.batches.pack import Pack, build
from byeori.models import attention
from byeori.models.load import load_model, uses_token_types
from byeori.models.packed import Runner, pooled_logits, runner, token_logits
from byeori.tasks import TextClassification
from byeori.tasks.base import Task
from byeori.text.encode import Encoder
from byeori.text.store import Encoded, TokenStore
from families import ALL, DECODERS, ENCODERS, NAMES, Family, texts
from gradients import ATOL, compare_gradients, gradients

COSTS = {"no padding": 0.0, "usual": 20.0, "one rectangle": 1e9}
LONGEST = 80  # tokens: above conftest.KERNEL_FROM, and many windows of those models that have them

TOKENS, ANSWERS, MASKED, CAUSAL, BODY, CHOICES, SEQUENCE = (
    f"AutoModel{head}"
    for head in (
        "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM", "ForCausalLM", "", "ForMultipleChoice",
        "ForSequenceClassification",
    )
)  # fmt: skip
FAMILIES = {
    TOKENS: (*ENCODERS, "gpt2", "llama", "qwen2", "qwen3", "gemma", "gemma2", "t5", "mt5"),
    ANSWERS: (*ENCODERS, "gpt2", "llama", "qwen2", "qwen3", "t5", "mt5", "bart", "mbart", "led"),
    MASKED: ENCODERS,
    CAUSAL: DECODERS,
    BODY: (*ENCODERS, *DECODERS),
    CHOICES: ENCODERS,
    SEQUENCE: (*ENCODERS, *DECODERS, "t5", "mt5", "bart", "mbart"),
}
# What transformers maps as well: an encoder as a decoder, a seq2seq model's span of noise.
OTHERWISE = {
    CAUSAL: {"bert", "roberta", "electra", "xlm-roberta", "camembert", "bart", "mbart", "marian", "pegasus"},
    MASKED: {"bart", "mbart"},
}
PER_TOKEN = (TOKENS, ANSWERS, MASKED, CAUSAL, BODY)
CASES = [(name, auto, {}) for auto in PER_TOKEN for name in FAMILIES[auto]] + [
    ("modernbert", TOKENS, {"num_hidden_layers": 2, "local_attention": 4}),
    ("electra", MASKED, {"embedding_size": 32}),
    ("albert", TOKENS, {"num_hidden_groups": 2}),
    ("gpt2", CAUSAL, {"scale_attn_by_inverse_layer_idx": True}),
    ("llama", CAUSAL, {"num_key_value_heads": 4, "attention_bias": True}),
    ("qwen2", CAUSAL, {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}),
    ("gemma3_text", CAUSAL, {"layer_types": ["sliding_attention"] * 3}),
    ("gemma3_text", BODY, {"use_bidirectional_attention": True}),
]
IDS = ["-".join([name, auto[9:] or "body", *(f"{k}={v}" for k, v in more.items())]) for name, auto, more in CASES]
PACKING = [name for name in (*ENCODERS, *DECODERS) if Family(name).packs_tokens]
PACKING_DECODERS = [name for name in PACKING if name in DECODERS]


class AnyTask(Task):
    """What `load_model` needs of a task, whatever the head."""

    name: ClassVar[str] = "any"


@pytest.fixture(scope="module")
def models():
    """`models(name, auto, **config)` → (ours as loaded, plain with the same weights, a store of texts)."""
    made = {}

    def make(name: str, auto: str, **config):
        key = (name, auto, str(config))
        if key not in made:
            family = Family(name)
            plain = family.model(auto, attn_implementation="eager", **config)
            loaded = load_model(copy.deepcopy(plain), AnyTask(), tokenizer=family.tokenizer())
            made[key] = (loaded.model.eval(), plain.eval(), store_for(loaded, pairs=auto == ANSWERS))
        return made[key]

    return make


def store_for(loaded, pairs: bool) -> TokenStore:
    """Seven texts, or pairs, from a few tokens to LONGEST."""
    encoder = Encoder(loaded.tokenizer, LONGEST, token_types=uses_token_types(loaded.model, loaded.tokenizer))
    firsts = [texts()[0], texts()[1], texts()[2], texts()[2], " ".join(texts()[6:16]), "가", "ok"]
    seconds = ["b", texts()[21], "나", "나", "a", "b", "ok"]
    store = TokenStore.of(encoder(firsts, seconds if pairs else None), encoder.levels, encoder.pad)
    lengths = store.lengths(np.arange(len(store)))
    assert lengths.max() == LONGEST and lengths.min() < 12 and lengths[2] == lengths[3]
    return store


def alone(model, store: TokenStore) -> list[torch.Tensor]:
    """What the head answers for each row run by itself, (tokens, labels) each."""
    found = []
    for row in range(len(store)):
        ids = {name: torch.tensor([values]) for name, values in store[row].items()}
        found.append(answers(model(**ids, attention_mask=torch.ones_like(ids["input_ids"])))[0])
    return found


def answers(output) -> torch.Tensor:
    if hasattr(output, "start_logits"):
        return torch.stack([output.start_logits, output.end_logits], -1)
    return output.logits if hasattr(output, "logits") else output.last_hidden_state


def by_row(pack: Pack, values: torch.Tensor) -> list[torch.Tensor]:
    """The answers for a pack's tokens, padding left out, in the order of the store's rows."""
    starts, lengths = pack.layout.starts.tolist(), pack.layout.lengths.tolist()
    return [values[starts[i] : starts[i] + lengths[i]] for i in np.argsort(pack.rows)]


def everything(store: TokenStore, cost: str = "usual") -> Pack:
    return build(store, np.arange(len(store)), group_cost=COSTS[cost])


def close(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    """To 1e-5, of the largest answer where that is above 1: wide weights make some of 20 and more."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=ATOL * max(1.0, float(other.abs().max())), rtol=0)


@pytest.mark.parametrize(("name", "auto", "config"), CASES, ids=IDS)
@torch.no_grad()
def test_logits_are_those_of_each_sequence_alone(models, name, auto, config):
    ours, plain, store = models(name, auto, **config)
    run = runner(ours)
    # T5's head for questions reads the decoder, which has been fed the whole input
    assert run.packs is (Family(name).packs_tokens and not ours.config.is_encoder_decoder)
    assert bool(run.reason) is not run.packs
    assert (ours.config._attn_implementation == attention.NAME) is run.packs
    expected = alone(plain, store)
    assert torch.cat(expected).std(0).mean() > 1e-2  # the reference tells tokens apart
    for cost in ("no padding", "one rectangle"):
        pack = everything(store, cost)
        found = token_logits(ours, pack)
        assert found.dtype == torch.float32 and found.shape[0] == pack.computed and found.isfinite().all()
        close(by_row(pack, found), expected)
    padded = pack.padded()
    rows = zip(answers(plain(**padded)), padded["attention_mask"].bool(), strict=True)
    close([row[mask] for row, mask in rows], [expected[row] for row in pack.rows])


@pytest.mark.parametrize(("name", "auto", "config"), CASES, ids=IDS)
def test_gradients_are_the_sums_of_each_alone(models, name, auto, config):
    ours, plain, store = models(name, auto, **config)
    pack = everything(store)
    weights = torch.randn(pack.tokens, 1, generator=torch.Generator().manual_seed(0))
    expected = gradients(plain, lambda: (torch.cat(alone(plain, store)) * weights).tanh().sum())
    found = gradients(ours, lambda: (torch.cat(by_row(pack, token_logits(ours, pack))) * weights).tanh().sum())
    compare_gradients(found, expected)


def test_every_head_is_here():
    """The table above says what transformers has; a new family or head must not be missed."""
    from transformers.models.auto import modeling_auto

    for auto, names in FAMILIES.items():
        if auto != BODY:
            kind = re.sub("(?<=[a-z])(?=[A-Z])", "_", auto.removeprefix("AutoModelFor")).upper()
            theirs = getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING_NAMES")
            assert set(names) == {name for name in ALL if name in theirs} - OTHERWISE.get(auto, set()), auto


@pytest.mark.parametrize("name", PACKING)
def test_a_token_sees_its_own_sequence_alone(models, name):
    """And in a decoder only what stands before it: nothing else has a gradient, not the smallest."""
    causal = name in DECODERS
    ours, _, store = models(name, CAUSAL if causal else BODY)
    pack = everything(store)
    for i in (0, 3, len(pack) - 1):
        start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
        place = length // 2
        last = place if causal else length - 1
        assert seen(ours, pack, start + place) == list(range(start, start + last + 1))


def seen(model, pack: Pack, place: int) -> list[int]:
    """The places of the pack whose embedding the answer at `place` depends on."""
    states: list[torch.Tensor] = []
    hook = model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: states.append(output))
    try:
        answer = token_logits(model, pack)[place]
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(answer.tanh().sum(), states[0])
    return gradient[0].abs().sum(-1).nonzero()[:, 0].tolist()


def test_a_window_ends(models):
    """Three layers that reach five tokens back each: fifteen."""
    ours, _, store = models("gemma3_text", CAUSAL, layer_types=["sliding_attention"] * 3)
    pack = everything(store)
    end = int(pack.layout.starts[-1] + pack.layout.lengths[-1])
    assert seen(ours, pack, end - 1) == list(range(end - 16, end))


@pytest.mark.parametrize("name", PACKING_DECODERS)
@torch.no_grad()
def test_a_later_token_changes_nothing_before_it(models, name):
    ours, _, store = models(name, CAUSAL)
    pack = everything(store, "one rectangle")
    before = token_logits(ours, pack)
    i = len(pack) - 2
    start, length = int(pack.layout.starts[i]), int(pack.layout.lengths[i])
    place = start + length // 2
    changed = Pack(**{**pack.__dict__, "input_ids": pack.input_ids.clone()})
    changed.input_ids[place] = 9 if int(pack.input_ids[place]) != 9 else 8
    after = token_logits(ours, changed)
    moved = (after - before).abs().amax(-1)
    moved[start + length : start + pack.layout.groups[0].length] = 0  # padding sees the sequence, and nobody sees it
    assert moved.nonzero()[:, 0].tolist() == list(range(place, start + length))


@pytest.mark.parametrize("name", ["bert", "modernbert", "gpt2", "llama", "gemma3_text"])
@torch.no_grad()
def test_variable_lengths_without_padding(models, name, monkeypatch):
    """What a GPU's kernel is asked for, asked of its formula: as many key heads as query heads, windows, no future."""

    def formula(query, key, value, ends, other_ends, longest, other_longest, *, scale, window_size):
        assert query.shape == key.shape == value.shape and ends is other_ends and longest == other_longest == LONGEST
        left, right = (reach if reach >= 0 else LONGEST for reach in window_size)
        found = []
        for start, stop in itertools.pairwise(ends.tolist()):
            q, k, v = (x[start:stop].transpose(0, 1) for x in (query, key, value))
            back = torch.arange(stop - start)[:, None] - torch.arange(stop - start)
            scores = (q @ k.transpose(1, 2) * scale).masked_fill((back > left) | (-back > right), -torch.inf)
            found.append((scores.softmax(-1) @ v).transpose(0, 1))
        return torch.cat(found)

    monkeypatch.setattr(torch.nn.attention.varlen, "varlen_attn", formula)
    ours, plain, store = models(name, CAUSAL if name in DECODERS else TOKENS)
    pack = build(store, np.arange(len(store)), varlen=True)
    assert pack.computed == pack.tokens
    close(by_row(pack, token_logits(ours, pack)), alone(plain, store))


@pytest.mark.parametrize("name", ["bert", "modernbert", "gpt2", "llama", "gemma3_text"])
def test_gradient_checkpointing_changes_nothing(models, name):
    """A recomputed layer finds the boundaries again."""
    auto = CAUSAL if name in DECODERS else TOKENS
    ours, _, store = models(name, auto)
    pack = everything(store)
    expected = gradients(ours, lambda: token_logits(ours, pack).tanh().sum())
    ours.activation_checkpointing_enable()
    try:
        compare_gradients(gradients(ours, lambda: token_logits(ours, pack).tanh().sum()), expected)
    finally:
        ours.activation_checkpointing_disable()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "auto"),
    [("deberta-v2", TOKENS), ("deberta-v2", MASKED), ("openai-gpt", CAUSAL), ("openai-gpt", BODY)],
)
def test_the_probe_is_not_fooled_by_small_weights(name, auto, seed):
    """Fresh heads of 0.02 answer next to nothing: what differs must still be seen."""
    model = Family(name).model(auto, seed, initializer_range=0.02)
    model.config._attn_implementation = attention.NAME
    assert not Runner(model).packs


# heads that read a sequence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "config"), [(name, {}) for name in ENCODERS] + [("modernbert", {"classifier_pooling": "mean"})]
)
def test_choices_are_scored_as_by_the_model_itself(models, name, config):
    """Rows of three choices, a sequence each: their logits row by row are those of (rows, choices, tokens)."""
    ours, plain, _ = models(name, CHOICES, **config)
    assert runner(ours).packs is Family(name).packs
    store, padded = choices_for(Family(name).tokenizer(), ours)

    def packed() -> torch.Tensor:
        pack = build(store, np.arange(9), rows=np.repeat(np.arange(3), 3), group_cost=COSTS["usual"])
        found = pooled_logits(ours, pack)
        assert found.shape == (9, 1) and pack.rows.tolist() == (pack.sequences // 3).tolist()
        return found[np.argsort(pack.sequences), 0].view(3, 3)

    def lonely() -> torch.Tensor:
        found = []
        for s in range(9):
            inputs = {"input_ids": store.input_ids, **{n: store.columns[n] for n in store.columns}}
            ids = {
                n: torch.tensor(v[store.offsets[s] : store.offsets[s + 1]])[None, None].long()
                for n, v in inputs.items()
            }
            found.append(plain(**ids, attention_mask=torch.ones_like(ids["input_ids"])).logits)
        return torch.cat(found).view(3, 3)

    with torch.no_grad():
        expected = lonely()
        assert expected.std() > 1e-2
        close([packed(), plain(**padded).logits], [expected, expected])
    weights = torch.linspace(0.2, 1, 9).view(3, 3)
    found = gradients(ours, lambda: (packed().tanh() * weights).sum())
    compare_gradients(found, gradients(plain, lambda: (lonely().tanh() * weights).sum()))


def choices_for(tokenizer, model) -> tuple[TokenStore, dict[str, torch.Tensor]]:
    """Three rows of three choices as a store, and as transformers wants them: (3, 3, longest)."""
    firsts = [texts()[row] for row in (0, 1, 2) for _ in range(3)]
    seconds = [texts()[30 + i] if i % 2 else ("네", "ok")[i // 2 % 2] for i in range(9)]
    encoder = Encoder(tokenizer, LONGEST, token_types=uses_token_types(model, tokenizer))
    encoded = encoder(firsts, seconds)
    encoded.sequences_a_row = np.full(3, 3)
    padded = tokenizer(firsts, seconds, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    names = runner(model).accepts & set(padded)
    return TokenStore.of(encoded, encoder.levels, encoder.pad), {name: padded[name].view(3, 3, -1) for name in names}


@pytest.mark.parametrize("name", [name for name in FAMILIES[SEQUENCE] if name not in NAMES])
def test_sequence_heads_in_rectangles(models, name):
    """Of the families that the battery of sequence classification (test_packed.py) doesn't run on."""
    ours, plain, store = models(name, SEQUENCE)
    assert not runner(ours).packs and not Family(name).packs

    def lonely() -> torch.Tensor:
        rows = [torch.tensor([store[row]["input_ids"]]) for row in range(len(store))]
        return torch.cat([plain(input_ids=ids, attention_mask=torch.ones_like(ids)).logits for ids in rows])

    def ours_by_row(cost: str) -> torch.Tensor:
        pack = everything(store, cost)
        return pooled_logits(ours, pack)[np.argsort(pack.rows)]

    with torch.no_grad():
        expected = lonely()
        assert expected.std(0).min() > 1e-2
        for cost in COSTS:
            close([ours_by_row(cost)], [expected])
    found = gradients(ours, lambda: ours_by_row("one rectangle").tanh().sum())
    compare_gradients(found, gradients(plain, lambda: lonely().tanh().sum()))


# soft caps ------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_soft_caps_are_computed(tiny):
    """Gemma 2's: neither our attention nor transformers' sdpa has them, so that it keeps its eager attention."""
    from transformers import AutoModelForSequenceClassification

    folder = tiny("gemma2", labels=("a", "b"))
    loaded = load_model(str(folder), TextClassification(labels=["a", "b"]))
    ours, store = loaded.model.eval(), store_for(loaded, pairs=False)
    assert not runner(ours).packs and ours.config._attn_implementation == "eager"
    assert any("soft cap" in note for note in loaded.notes)
    plain = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    pack = everything(store)
    padded = pack.padded()
    expected = plain(**padded).logits
    close([pooled_logits(ours, pack), ours(**padded).logits], [expected, expected])
    for layer in plain.model.layers:
        layer.self_attn.attn_logit_softcapping = None
    assert float((plain(**padded).logits - expected).abs().max()) > 1e-2


def test_our_attention_leaves_no_cap_out():
    """Nor, where lengths vary, a bias by position: it refuses both, in a plain batch the cap as well."""
    query = torch.zeros(1, 2, 3, 4)
    pack = build(TokenStore.of(Encoded(np.zeros(3, np.int32), np.array([3]), {}), {}), np.arange(1))
    for layout in (None, pack.layout):
        with pytest.raises(ValueError, match="soft cap"):
            attention.attention(torch.nn.Module(), query, query, query, None, layout=layout, softcap=2.0)
    layout = dataclasses.replace(pack.layout, cu_seqlens=torch.tensor([0, 3], dtype=torch.int32))
    bias = torch.zeros(1, 2, 3, 3)
    with pytest.raises(ValueError, match="bias by position"):
        attention.attention(torch.nn.Module(), query, query, query, None, layout=layout, position_bias=bias)
