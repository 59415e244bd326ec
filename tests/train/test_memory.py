"""The budget without asking: what a training takes is foretold from a few tokens, always the same, and holds for many."""

from __future__ import annotations

import dataclasses
import importlib
import json

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import byeori
from byeori.batches import budget
from byeori.batches.loader import Batch, Packing
from byeori.models import attention
from byeori.settings import load_yaml
from byeori.tasks import FillMask, Summarization, TextClassification, TextGeneration
from byeori.text.encode import Encoder
from byeori.text.store import Encoded, TokenStore
from byeori.train.kept_costs import kept_cost
from byeori.train.memory import measured, reckoned
from families import Family

CPU = torch.device("cpu")
BERT = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 384,
    "initializer_range": 0.02,
}
GPT2 = {"n_embd": 96, "n_layer": 3, "n_head": 4, "initializer_range": 0.02}
T5 = {"d_model": 96, "d_kv": 24, "d_ff": 256, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
CASES = {
    "bert": ("bert", TextClassification, "AutoModelForSequenceClassification", BERT),
    "bert, dropout": ("bert", TextClassification, "AutoModelForSequenceClassification",
                      {**BERT, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}),
    "bert, masks": ("bert", FillMask, "AutoModelForMaskedLM", BERT),
    "gpt2": ("gpt2", TextGeneration, "AutoModelForCausalLM", GPT2),
    "t5": ("t5", Summarization, "AutoModelForSeq2SeqLM", T5),
}  # fmt: skip


def made(case: str, **more):
    """Model, task and a store of a few rows of real size."""
    name, kind, auto, config = CASES[case]
    family = Family(name)
    task = kind(labels=["a", "b"]) if kind is TextClassification else kind()
    model = family.model(auto, **{**config, **more})
    model.set_attn_implementation(attention.NAME)
    tokenizer = family.tokenizer()
    task.meet(model, tokenizer)
    return model, task, stored(task, tokenizer, [30] * 4)


def stored(task, tokenizer, lengths: list[int]) -> TokenStore:
    encoder = Encoder(tokenizer, 128)
    ids = np.concatenate([np.arange(8, 8 + length) for length in lengths]).astype(np.int32)
    columns: dict[str, np.ndarray] = {}
    levels = dict(task.levels)
    if levels.get("labels") == "row":
        columns["labels"] = np.zeros(len(lengths), np.int64)
    elif levels.get("labels") == "list":
        columns |= {"labels": ids.astype(np.int64), "labels_lengths": np.array(lengths)}
    elif levels.get("labels") == "token":
        columns["labels"] = ids.astype(np.int64)
    levels = {name: level for name, level in levels.items() if name in columns}
    return TokenStore.of(Encoded(ids, np.array(lengths), columns), levels, encoder.pad)


def cost_of(model, task, store, **more) -> budget.Cost:
    return measured(model, task, store, Packing(), CPU, "float32", **{"max_length": 128, **more})


def peak(model, task, store) -> int:
    """Bytes at most alive through model, loss and backward, by torch's profiler; gradients are there before."""
    (pack,) = Batch(store, np.arange(len(store)), Packing(10**6), draw=task.drawing(0, 0))
    model.train()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    task.losses(task.outputs(model, pack), pack).sum().backward()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        task.losses(task.outputs(model, pack), pack).sum().backward()
    events = sorted((e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    return int(np.cumsum([size for _, size in events]).max())


@pytest.mark.parametrize("case", CASES)
def test_many_tokens_take_what_a_few_foretell(case):
    model, task, store = made(case)
    cost = cost_of(model, task, store)
    tokenizer = Family(CASES[case][0]).tokenizer()
    for lengths in ([24] * 40, [100] * 12):
        much = stored(task, tokenizer, lengths)
        tokens = sum(lengths) * (2 if much.list_offsets else 1)
        assert cost.of(tokens, lengths[0]) == pytest.approx(peak(model, task, much), rel=0.3)


@pytest.mark.parametrize("case", CASES)
def test_what_is_reckoned_is_more_than_what_is_measured(case):
    """So that nothing need be measured where even that fits."""
    model, task, store = made(case)
    most, cost = reckoned(model), cost_of(model, task, store)
    assert most.fixed >= sum(p.numel() for p in model.parameters()) * 16
    for length in (16, 128):
        assert most.of(2_000, length) > cost.of(2_000, length)


@pytest.mark.parametrize("gigabytes", [100.0, 0.02, 0.0001])
def test_a_training_takes_its_budget_from_the_memory_there_is(tiny, tmp_path, monkeypatch, gigabytes):
    device = importlib.import_module("byeori.models.device")
    monkeypatch.setattr(device, "total_memory", lambda where: int(gigabytes * 2**30))
    rows = [{"text": f"row {n}", "label": "ab"[n % 2]} for n in range(8)]
    small = {"max_steps": 1, "previews": 0, "baselines": False, "precision": "float32", "threads": 1, "max_length": 64}
    runs = [
        byeori.train(
            "text-classification", str(tiny("bert", auto="AutoModel")), train=rows, output=str(tmp_path / name), **small
        )
        for name in ("one", "two")
    ]
    found = {load_yaml(run.folder.settings)["pack_tokens"] for run in runs}
    assert len(found) == 1, "equal settings, equal packs"
    (tokens,) = found
    loaded = byeori.load_run(runs[0].path, precision="float32").engine.pack_tokens
    asked = runs[0].engine.pack_tokens
    # Short memory holds for evaluations, too; where there is plenty, a run predicts as it does when it is loaded.
    assert asked == loaded if tokens == budget.AUTO_TOKENS_CPU else asked <= tokens
    assert {100.0: tokens == budget.AUTO_TOKENS_CPU, 0.02: 64 < tokens < budget.AUTO_TOKENS_CPU, 0.0001: tokens == 64}[
        gigabytes
    ]


@pytest.mark.parametrize("case", ["bert, dropout", "t5"])
def test_it_is_always_the_same_and_leaves_nothing_behind(case):
    model, task, store = made(case)
    model.eval()
    before, state = {n: v.clone() for n, v in model.state_dict().items()}, torch.get_rng_state()
    first, second = (cost_of(model, task, store) for _ in range(2))
    assert first == second and torch.equal(torch.get_rng_state(), state) and not model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = made(case)
    assert cost_of(*again) == first, "of another model of the same kind, too"


def test_data_have_no_part_in_it():
    model, task, store = made("gpt2")
    other = stored(task, Family("gpt2").tokenizer(), [3, 90, 7])
    other.columns["labels"][:50] = -100
    assert dataclasses.replace(cost_of(model, task, other)) == cost_of(model, task, store)


def test_a_huge_vocabulary_lowers_the_budget_unless_it_is_cut_in_parts(monkeypatch):
    memory = importlib.import_module("byeori.train.memory")
    small, large = (made("gpt2", vocab_size=size) for size in (400, 20_000))
    cost, huge = cost_of(*small), cost_of(*large)
    assert huge.wide > 20 * cost.wide and huge.token == pytest.approx(cost.token, rel=0.3)
    total = int(2 * (huge.fixed + 1_500 * (huge.token + 128 * huge.pair + huge.wide)))
    whole = dataclasses.replace(huge, most=float("inf"))
    budgets = [budget.auto_pack_tokens("cpu", total, one, 128) for one in (whole, cost)]
    assert 1_450 <= budgets[0] <= 1_500 < budgets[1]
    monkeypatch.setattr(memory, "LOGITS", 400 * 20_000)
    cut = cost_of(*large)
    assert cut.most == pytest.approx(400 * cut.wide, rel=0.01)
    assert budget.auto_pack_tokens("cpu", total, cut, 128) == budget.AUTO_TOKENS_CPU > budgets[0]


# predicting -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ["bert", "bert, masks", "gpt2", "t5"])
def test_a_prediction_takes_no_more_than_is_reckoned(case, monkeypatch):
    """In one pack of many tokens the body's peak is below what the budget goes by, and where memory is small it goes down."""
    from byeori.models.packed import runner, token_logits
    from byeori.predict import engine as engines

    model, task, _ = made(case)
    tokenizer = Family(CASES[case][0]).tokenizer()
    cost = engines._cost(model)
    if case != "t5":
        (pack,) = Batch(stored(task, tokenizer, [100] * 12), np.arange(12), Packing(10**6))
        model.eval()
        runner(model)
        with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            token_logits(model, pack) if case != "bert" else task.outputs(model, pack)
        events = sorted(
            (e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"
        )
        assert int(np.cumsum([size for _, size in events]).max()) <= cost.of(1_200, 100)
    found = []
    for gigabytes in (0.0, 0.01, 100.0):
        total = int(2 * cost.fixed + gigabytes * 2**30)
        monkeypatch.setattr(engines, "total_memory", lambda device, total=total: total)
        found.append(engines.Engine(task, model, tokenizer, max_length=64).pack_tokens)
    assert found[0] == 64 < found[1] < found[2] == engines.PACK_TOKENS["cpu"]


# kept from run to run ---------------------------------------------------------------------------------------------------
@pytest.fixture
def runs(monkeypatch, tmp_path):
    """How often something was measured; in a cache of its own."""
    module = importlib.import_module("byeori.train.kept_costs")
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path))
    found, real = [], module.measured
    monkeypatch.setattr(module, "measured", lambda *given: found.append(1) or real(*given))
    return found


def kept(case, precision="float32", max_length=128, packing=None):
    return kept_cost(*case, packing or Packing(), CPU, precision, max_length)


def test_the_next_run_has_it(runs, tmp_path):
    first = kept(made("bert"))
    assert first == cost_of(*made("bert")) == kept(made("bert")) and len(runs) == 1
    assert len(list((tmp_path / "budgets").iterdir())) == 1


@pytest.mark.parametrize("case", ["t5", "bert, masks"])
def test_infinity_is_kept_as_well(runs, case):
    assert kept(made(case)) == kept(made(case)) and len(runs) == 1


def test_whatever_it_depends_on_is_another(runs, monkeypatch):
    kept(made("bert"))
    frozen = made("bert")
    frozen[0].get_input_embeddings().weight.requires_grad_(False)
    smoothed = made("bert")
    smoothed[1].settings.label_smoothing = 0.1
    checkpointing = made("bert")
    checkpointing[0].gradient_checkpointing_enable()
    for other in (made("bert, dropout"), made("bert", hidden_size=64), frozen, smoothed, checkpointing):
        before = len(runs)
        kept(other)
        assert len(runs) == before + 1
    for other in ({"precision": "bfloat16"}, {"max_length": 64}, {"packing": Packing(group_cost=64.0)}):
        before = len(runs)
        kept(made("bert"), **other)
        assert len(runs) == before + 1
    before = len(runs)
    monkeypatch.setattr(torch, "__version__", "9.9")
    kept(made("bert"))
    assert len(runs) == before + 1


def test_somebodys_own_code_is_measured_each_time(runs):
    class Own(torch.nn.Dropout):
        pass

    for _ in range(2):
        case = made("bert")
        case[0].dropout = Own(0.0)
        kept(case)
    assert len(runs) == 2


def test_nor_is_what_somebody_listens_to_kept(runs):
    """A hook or a forward of one's own keeps layers from being one step."""
    for change in (
        lambda layer: layer.output.register_forward_hook(lambda *given: None),
        lambda layer: layer.register_forward_pre_hook(lambda *given: None),
        lambda layer: setattr(layer.output, "forward", layer.output.forward),
    ):
        kept(made("bert"))
        before = len(runs)
        case = made("bert")
        change(case[0].bert.encoder.layer[1])
        kept(case)
        assert len(runs) == before + 1


def test_texts_of_one_token_foretell_the_same_masks():
    """Special tokens, which are never hidden, have no part in it."""
    model, task, store = made("bert, masks")
    short = stored(task, Family("bert").tokenizer(), [3] * 4)
    assert cost_of(model, task, short).wide == pytest.approx(cost_of(model, task, store).wide, rel=0.1)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"token": -1}', '{"token": "x"}', '{"token": 5, "tokens": 6}'])
def test_a_damaged_file_is_made_anew(runs, tmp_path, damage):
    first = kept(made("gpt2"))
    (file,) = (tmp_path / "budgets").iterdir()
    file.write_text(damage)
    assert kept(made("gpt2")) == first and len(runs) == 2
    assert json.loads(file.read_text())["token"] == first.token


def test_where_nothing_can_or_may_be_written(runs, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path / "file" / "below"))
    assert kept(made("gpt2")) == kept(made("gpt2")) and len(runs) == 2
    monkeypatch.setenv("BYEORI_CACHE", str(tmp_path))
    monkeypatch.setenv("BYEORI_CACHE_GB", "0")
    kept(made("gpt2"))
    assert len(runs) == 3 and not (tmp_path / "budgets").exists()
