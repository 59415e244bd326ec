"""Span corruption: what is taken out, what is learnt of it, what is answered.

References are a draw written plainly with Python's own numbers, the model's own loss, and model.generate.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import byeori
from byeori.batches.loader import Packing, batches
from byeori.batches.pack import build
from byeori.data.read import read_rows
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.load import load_model
from byeori.predict.engine import Engine
from byeori.predict.evaluate import evaluate
from byeori.predict.run import Run
from byeori.tasks.base import DRAW_SEED
from byeori.tasks.span_corruption import SpanCorruption
from byeori.text.blocks import IGNORED
from byeori.text.corruption import Corruption, noise, sentinels, whole_length
from byeori.text.encode_rows import encode_rows
from families import Family, texts

SEQ2SEQ = "AutoModelForSeq2SeqLM"
LONGEST = 40
END = 1  # </s>
TEXTS = [" ".join(texts()[at : at + 1 + at % 5]) for at in range(40)]


@pytest.fixture(scope="module")
def run() -> Run:
    family = Family("t5")
    task = SpanCorruption()
    plain = family.model(SEQ2SEQ).eval()
    loaded = load_model(plain, task, tokenizer=family.tokenizer(), for_training=False)
    return Run(None, task, Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LONGEST), {})


def store_for(run: Run, *some: str):
    rows = read_rows([{"text": text} for text in some], roles=SpanCorruption.roles, required=("text",))
    return encode_rows(rows, run.task, run.engine.encoder)


def owners(store) -> np.ndarray:
    return np.repeat(np.arange(len(store)), np.diff(store.row_offsets))


def by_sequence(pack) -> dict[int, tuple[list[int], list[int]]]:
    """sequence → (its input, its target without −100)."""
    spans = zip(pack.sequences.tolist(), pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
    ids, labels = pack.input_ids.tolist(), pack.labels.tolist()
    return {
        one: (ids[start : start + n], [label for label in target if label != IGNORED])
        for (one, start, n), target in zip(spans, labels, strict=True)
    }


def drawn(run: Run, store, epoch: int = 0, seed: int = 0):
    pack = build(store, np.arange(store.sequences), rows=owners(store), group_cost=64.0)
    return by_sequence(run.task.draw(pack, seed, epoch))


# the draw, plainly ----------------------------------------------------------------------------------------------------
MASK = 2**64 - 1


def mixed(value: int) -> int:
    """The finalizer of splitmix64."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def cut(total: int, parts: int, key: int, purpose: int) -> list[int]:
    """A number as the sum of so many, at the places with the smallest random numbers."""
    luck = {gap: mixed((key + mixed(4 * gap + purpose)) & MASK) >> 11 for gap in range(total - 1)}
    places = sorted(sorted(luck, key=luck.__getitem__)[: parts - 1])
    ends = [*(place + 1 for place in places), total]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def plainly(
    ids: list[int], number: int, seed: int, epoch: int, marks: list[int], density: float = 0.15, span: float = 3.0
) -> tuple[list[int], list[int]]:
    """(input, target) of one sequence."""
    hidden = min(max(1, round(len(ids) * density)), max(1, len(ids) - 1))
    runs = min(max(1, round(hidden / span)), len(ids) - hidden + 1)
    key = mixed(mixed(mixed(seed) + 2 * epoch + 1 & MASK) + number & MASK)
    taken = cut(hidden, runs, key, 0)
    kept = cut(len(ids) - hidden + 2, runs + 1, key, 1)
    kept[0], kept[-1] = kept[0] - 1, kept[-1] - 1
    source, target, left = [], [], list(ids)
    for place, (stay, go) in enumerate(zip(kept, taken, strict=False)):
        source += [*left[:stay], marks[place]]
        target += [marks[place], *left[stay : stay + go]]
        left = left[stay + go :]
    return [*source, *left, END], [*target, marks[runs], END]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=6), st.integers(0, 2**40), st.integers(0, 50),
    st.sampled_from([(0.15, 3.0), (0.5, 1.0), (0.9, 8.0), (0.3, 2.0)]),
)  # fmt: skip
def test_the_draw_is_the_plain_one(lengths, seed, epoch, kind):
    density, span = kind
    marks = list(range(5_000, 5_100))
    ids, sizes = np.arange(sum(lengths)) + 100, np.array(lengths)
    numbers = np.arange(len(sizes)) * 7 + 3
    found = Corruption(marks, [], [END], [END], density, span)(ids, sizes, numbers, seed, epoch)
    shown = np.split(found.inputs, np.cumsum(found.input_lengths))
    asked = np.split(found.targets, np.cumsum(found.target_lengths))
    for place, some in enumerate(np.split(ids, np.cumsum(sizes)[:-1])):
        expected = plainly(some.tolist(), int(numbers[place]), seed, epoch, marks, density, span)
        assert (shown[place].tolist(), asked[place].tolist()) == expected
    assert not len(shown[-1]) and not len(asked[-1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.integers(0, 10**6), st.floats(0.01, 0.9), st.floats(1.0, 12.0))
def test_each_token_stands_once_in_input_or_target(length, epoch, density, span):
    marks = list(range(9_000, 9_700))
    ids = np.arange(length)
    found = Corruption(marks, [], [], [], density, span)(ids, np.array([length]), np.array([5]), 0, epoch)
    assert sorted(one for one in (*found.inputs, *found.targets) if one < 9_000) == ids.tolist()
    hidden, runs = (int(one[0]) for one in noise(np.array([length]), density, span))
    gaps = [one for one in found.inputs.tolist() if one >= 9_000]
    assert gaps == marks[:runs] and [one for one in found.targets.tolist() if one >= 9_000] == marks[: runs + 1]
    assert len(found.inputs) == length - hidden + runs and len(found.targets) == hidden + runs + 1
    there = {}  # put back, the text is whole; two runs never touch
    for one in found.targets.tolist():
        if one >= 9_000:
            there[one] = at = []
        else:
            at.append(one)
    whole = [token for one in found.inputs.tolist() for token in there.get(one, [one])]
    assert whole == ids.tolist() and all(there[one] for one in gaps)
    shown = found.inputs.tolist()
    assert not any(a >= 9_000 and b >= 9_000 for a, b in zip(shown, shown[1:], strict=False))


def test_the_paper_s_shares_and_no_place_is_spared():
    hidden, runs = noise(np.array([568]))
    assert (int(hidden[0]), int(runs[0])) == (
        85,
        28,
    )  # a text of 568 tokens makes T5's input of 512, its end among them
    assert whole_length(511) == 568
    out = np.zeros(24)
    corrupts = Corruption(range(100), [], [], [])
    for epoch in range(900):
        out += corrupts.places(np.array([24]), np.array([0]), 0, epoch)[0]
    # 4 tokens in one run: a place is taken out as often as runs that cover it there are, the first and the last alike
    expected = np.convolve(np.ones(21), np.ones(4)) / 21
    assert np.abs(out / 900 - expected).max() < 0.06


@pytest.mark.parametrize("density", [0.05, 0.15, 0.5, 0.9])
@pytest.mark.parametrize("span", [1.0, 3.0, 10.0])
def test_a_longer_text_never_makes_a_shorter_input(density, span):
    lengths = np.arange(1, 1_500)
    hidden, runs = noise(lengths, density, span)
    made = lengths - hidden + runs
    assert (np.diff(made) >= 0).all() and (runs <= hidden).all() and (runs >= 1).all()
    for room in (1, 2, 7, 63, 127):
        fits = whole_length(room, density, span)
        assert fits == max(lengths[made <= room], default=1)


# the task -------------------------------------------------------------------------------------------------------------
def test_what_is_taken_out_depends_on_seed_epoch_and_sequence_alone(run):
    store = store_for(run, *TEXTS)
    whole = drawn(run, store)
    for tokens, order in ((60, "random"), (300, "grouped")):
        found = {}
        for batch in batches(store, 7, seed=0, order=order, packing=Packing(tokens), task=run.task):
            for pack in batch:
                found |= by_sequence(pack)
            assert batch.labels == sum(int((pack.labels != IGNORED).sum()) for pack in batch)
        assert found == whole
    assert drawn(run, store, epoch=1) != whole != drawn(run, store, seed=1)
    marks = sentinels(run.tokenizer)
    for sequence, pair in whole.items():
        ids = store.input_ids[store.offsets[sequence] : store.offsets[sequence + 1]].tolist()
        assert pair == plainly(ids, sequence, 0, 0, marks)


def test_long_texts_become_pieces_whose_inputs_fill_max_length(run):
    store = store_for(run, " ".join(texts()[:60]), texts()[3])
    assert np.diff(store.row_offsets)[0] > 3 and np.diff(store.row_offsets)[1] == 1
    found = drawn(run, store)
    full = int(np.diff(store.row_offsets)[0]) - 1
    assert {len(found[sequence][0]) for sequence in range(full)} == {LONGEST}
    assert len(found[full][0]) <= LONGEST
    own = run.tokenizer(" ".join(texts()[:60]), add_special_tokens=False)["input_ids"]
    assert store.input_ids[: store.offsets[full + 1]].tolist() == own


def test_losses_are_the_models_own_and_no_pack_changes_them(run):
    store = store_for(run, *TEXTS[:16])
    model, whole = run.model, drawn(run, store)
    alone = {}
    for sequence, (shown, target) in whole.items():
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([shown]), labels=torch.tensor([target])).loss
        alone[sequence] = float(loss) * len(target)
    for tokens in (50, 10_000):
        for batch in batches(store, 8, packing=Packing(tokens, 3.0), task=run.task):
            for pack in batch:
                with torch.no_grad():
                    losses = run.task.losses(run.task.outputs(model, pack), pack).sum(1)
                for sequence, loss in zip(pack.sequences.tolist(), losses.tolist(), strict=True):
                    assert loss == pytest.approx(alone[sequence], abs=2e-4)


def test_gradients_do_not_know_packs(run):
    store = store_for(run, *TEXTS[:8])
    found = []
    for tokens in (40, 10_000):
        run.model.zero_grad()
        run.model.train()
        (batch,) = batches(store, 8, packing=Packing(tokens), task=run.task)
        for pack in batch:
            (run.task.losses(run.task.outputs(run.model, pack), pack).sum() * batch.scale).backward()
        found.append([p.grad.clone() for p in run.model.parameters() if p.grad is not None])
    run.model.zero_grad()
    run.model.eval()
    assert len(found[0]) == len(found[1]) > 10
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-5, rtol=1e-4)


def test_scores_are_of_what_was_taken_out(run):
    train, store = store_for(run, *TEXTS[:30]), store_for(run, *TEXTS[30:])
    task, marks = run.task, set(sentinels(run.tokenizer))
    judged = evaluate(run.engine, store, task.references(store.source.table))
    nll, right, asked, every, count = 0.0, 0, 0, 0.0, 0
    counts = Counter(train.input_ids.tolist())
    total, rare = sum(counts.values()), len(run.tokenizer)
    unigram, likeliest = 0.0, 0
    for shown, target in drawn(run, store, seed=DRAW_SEED).values():
        with torch.no_grad():
            logits = run.model(input_ids=torch.tensor([shown]), labels=torch.tensor([target])).logits[0]
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(target), reduction="none").tolist()
        every, count = every + sum(each), count + len(each)
        for loss, best, token in zip(each[:-1], logits.argmax(-1).tolist(), target[:-1], strict=False):
            if token not in marks:
                nll, right, asked = nll + loss, right + (best == token), asked + 1
                unigram -= math.log((counts[token] + 1) / (total + rare))
                likeliest += token == counts.most_common(1)[0][0]
    assert judged.values["loss"] == pytest.approx(every / count, abs=1e-5)
    assert judged.values["perplexity"] == pytest.approx(math.exp(nll / asked), rel=1e-4)
    assert judged.values["accuracy"] == pytest.approx(right / asked)
    counting = task.score(task.baseline("trivial", train, store, 0), task.references(store.source.table))
    assert counting["perplexity"]["value"] == pytest.approx(math.exp(unigram / asked), rel=1e-6)
    assert counting["accuracy"]["value"] == pytest.approx(likeliest / asked)
    assert task.baseline("linear", train, store, 0) is None


def test_evaluated_rows_are_told_by_their_gaps(run):
    store = store_for(run, *TEXTS[:6])
    judged = evaluate(run.engine, store, run.task.references(store.source.table))
    for row, told in enumerate(run.task.decode(judged.answers, store)):
        gaps = int(store.columns["runs"][store.row_offsets[row] : store.row_offsets[row + 1]].sum())
        assert len(told["predicted"]) == len(told["right"]) == gaps == told["masked"].count("<extra_id_")
        assert all(told["right"]) and told["perplexity"] > 1


# predictions ----------------------------------------------------------------------------------------------------------
def test_gaps_are_filled_with_what_the_model_writes(run):
    asked = ["The library <extra_id_0> at nine.", "오늘은 <extra_id_0> 참 <extra_id_1>."]
    marks, tokenizer = sentinels(run.tokenizer), run.tokenizer
    found = run.predict(asked, max_new_tokens=12)
    for text, one in zip(asked, found, strict=True):
        ids = run.model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=12, do_sample=False)[0].tolist()
        gaps = text.count("<extra_id_")
        spans: list[list[int]] = [[] for _ in marks]
        at = None
        for token in ids:
            if token in marks:
                at = marks.index(token)
                spans[at] = []
            elif at is not None and token not in tokenizer.all_special_ids:
                spans[at].append(token)
        assert one["spans"] == [tokenizer.decode(span) for span in spans[:gaps]]
        assert "<extra_id_" not in one["sequence"]
    assert run.predict(asked[1:], max_new_tokens=12) == found[1:]
    several = run.predict(asked, max_new_tokens=4, num_beams=3, num_return_sequences=2)
    assert [len(one) for one in several] == [2, 2]


def test_what_is_written_goes_into_its_gap(run):
    marks, tokenizer = sentinels(run.tokenizer), run.tokenizer
    shown = tokenizer("오늘은 <extra_id_0> 참 <extra_id_1>.")["input_ids"]
    words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("날씨가", "좋다")]
    first, second = (tokenizer.decode(word) for word in words)
    whole = run.task._filled([marks[0], *words[0], marks[1], *words[1], marks[2], END], shown)
    assert whole["spans"] == [first, second]
    assert whole["sequence"].replace(" ", "") == "오늘은날씨가참좋다."
    assert run.task._filled([marks[1], *words[1]], shown)["spans"] == ["", second]  # a gap that is skipped is empty
    assert run.task._filled([*words[0], END], shown)["spans"] == ["", ""]  # nothing is said of any gap


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("No gap here.", "there is no sentinel in it"),
        ("a <extra_id_1> b <extra_id_0> c", "its sentinels are <extra_id_1>, <extra_id_0>"),
        ("a <extra_id_0> b <extra_id_0> c", "its sentinels are <extra_id_0>, <extra_id_0>"),
        (" ".join(f"a <extra_id_{number}>" for number in range(10)), "it has 10 sentinels"),
    ],
)
def test_sentinels_of_a_call_stand_as_they_were_learnt(run, text, said):
    with pytest.raises(DataError, match=said):
        run.predict([text])
    with pytest.raises(DataError, match="a text or"):
        run.predict([("a", "b")])


# refusals -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["mt5", "bart"])
def test_a_tokenizer_without_sentinels_is_refused(name):
    family = Family(name)
    with pytest.raises(ModelError, match=r"has no sentinel tokens.*`byeori tokenizer train --recipe t5` makes 100"):
        Engine(SpanCorruption(), family.model(SEQ2SEQ), family.tokenizer())


def test_an_encoder_is_refused():
    family = Family("bert")
    with pytest.raises(ModelError, match="span-corruption needs an encoder-decoder"):
        Engine(SpanCorruption(), family.model("AutoModelForMaskedLM"), family.tokenizer())


def test_too_few_sentinels_are_said_with_how_many_are_needed(run):
    engine = Engine(SpanCorruption(), run.model, run.tokenizer, max_length=400)
    rows = read_rows([{"text": " ".join(texts()[:90])}], roles=("text",), required=("text",))
    size = whole_length(399)
    runs = int(noise(np.array([size]))[1][0])
    with pytest.raises(ModelError, match=rf"{runs} runs .* {size} tokens, which needs {runs + 1} sentinels.*has 10"):
        encode_rows(rows, engine.task, engine.encoder)


def test_rows_and_draws_that_can_not_be(run):
    with pytest.raises(DataError, match="tokenized already"):
        run.task.check(read_rows([{"input_ids": [5, 6]}], roles=("text",), required=("text",)))
    store = store_for(run, *TEXTS[:2])
    with pytest.raises(SettingError, match="hasn't seen the tokenizer"):
        SpanCorruption().draw(build(store, np.arange(1)), 0, 0)
    with pytest.raises(SettingError, match="noise_density"):
        SpanCorruption(noise_density=0.95)


# the whole way --------------------------------------------------------------------------------------------------------
def test_it_learns_samples_and_comes_back(tmp_path: Path):
    family = Family("t5")
    rows = [{"text": text} for text in TEXTS[:12]]
    made = byeori.train(
        "denoising", family.model(SEQ2SEQ), family.tokenizer(), train=rows, validation=rows, test_size=0,
        output=str(tmp_path / "run"), max_steps=12, batch_size=12, learning_rate=2e-2, max_length=LONGEST, precision="float32",
        threads=1, evaluate_every="end", preview_every=12, previews=2, log_every=1, mean_noise_span_length=2.0,
    )  # fmt: skip
    history = [json.loads(line) for line in (made.path / "history.jsonl").open(encoding="utf-8")]
    losses = [line["loss"] for line in history if "loss" in line]
    assert losses[-1] < losses[0] - 0.5
    assert made.metrics["headline"] == "perplexity" and made.metrics["baseline"]["trivial"]["perplexity"]["value"] > 1
    (*_, sample) = [json.loads(line) for line in (made.path / "samples.jsonl").open(encoding="utf-8")]
    assert "<extra_id_0>" in sample["inputs"]["text"] and sample["reference"] and isinstance(sample["right"], bool)
    lines = [json.loads(line) for line in (made.path / "predictions" / "validation.jsonl").open(encoding="utf-8")]
    assert [line["row"] for line in lines] == list(range(1, 13))
    again = byeori.load_run(made.path, precision="float32")
    assert again.task.name == "span-corruption" and again.task.settings.mean_noise_span_length == 2.0
    scores = again.evaluate(rows)
    assert scores["loss"]["value"] == pytest.approx(made.metrics["validation"]["loss"]["value"], abs=1e-5)
    asked = ["The library <extra_id_0> at nine."]
    assert byeori.pipeline("span-corruption", str(made.path), precision="float32")(asked) == made.predict(asked)
