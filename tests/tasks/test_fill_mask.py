"""Fill-mask: what is hidden, what is learnt of it, what is answered; over every family of encoders.

References are the model's own loss with transformers' own attention, and transformers' FillMaskPipeline.
"""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch

import byeori
from byeori.batches.loader import Batch, Packing, batches
from byeori.batches.pack import build
from byeori.data.read import read_rows
from byeori.data.rows import Rows
from byeori.errors import DataError, ModelError, SettingError
from byeori.models.load import load_model, uses_token_types
from byeori.predict.engine import Engine
from byeori.predict.evaluate import evaluate
from byeori.predict.run import Run
from byeori.tasks import next_sentence
from byeori.tasks.base import DRAW_SEED
from byeori.tasks.fill_mask import FillMask
from byeori.text.blocks import IGNORED
from byeori.text.encode import Encoder
from byeori.text.encode_rows import encode_rows
from byeori.text.masking import Masking, Pieces
from byeori.text.store import TokenStore
from families import ENCODERS, Family, texts
from gradients import compare_gradients, gradients

MASKED, PRETRAINING = "AutoModelForMaskedLM", "AutoModelForPreTraining"
LONGEST = 60


@pytest.fixture(scope="module")
def runs():
    """`runs(family)` → (a Run of it, the same weights with transformers' eager attention)."""
    made: dict[Any, Any] = {}

    def make(name: str, auto: str = MASKED, **own: Any):
        key = (name, auto, str(own))
        if key not in made:
            family = Family(name)
            plain = family.model(auto, attn_implementation="eager").eval()
            task = FillMask(**own)
            loaded = load_model(copy.deepcopy(plain), task, tokenizer=family.tokenizer(), for_training=False)
            made[key] = (
                Run(None, task, Engine(task, loaded.model.eval(), loaded.tokenizer, max_length=LONGEST), {}),
                plain,
            )
        return made[key]

    return make


def rows_of(*some: str, **more: list[str]) -> Rows:
    extra = [dict(zip(more, values, strict=True)) for values in zip(*more.values(), strict=True)] or [{}] * len(some)
    rows = [{"text": text, **own} for text, own in zip(some, extra, strict=True)]
    return read_rows(rows, roles=FillMask.roles, required=("text",))


def store_for(run: Run, *some: str, **more: list[str]):
    return encode_rows(rows_of(*some, **more), run.task, run.engine.encoder)


def drawn(run: Run, store, epoch: int = 0, seed: int = 0, cost: float = 3.0):
    """sequence → (ids shown, labels), from one pack."""
    rows = np.repeat(np.arange(len(store)), np.diff(store.row_offsets))
    pack = run.task.draw(build(store, np.arange(store.sequences), rows=rows, group_cost=cost), seed, epoch)
    return pack, by_sequence(pack)


def by_sequence(pack) -> dict[int, tuple[list[int], list[int]]]:
    spans = zip(pack.sequences.tolist(), pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
    ids, labels = pack.input_ids.tolist(), pack.labels.tolist()
    return {sequence: (ids[start : start + n], labels[start : start + n]) for sequence, start, n in spans}


def inputs(run: Run, ids: list[int], types: list[int] | None = None) -> dict[str, torch.Tensor]:
    found = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    if types is not None and uses_token_types(run.model, run.tokenizer):
        found["token_type_ids"] = torch.tensor([types])
    return found


# what is hidden -------------------------------------------------------------------------------------------------------
def test_what_is_hidden_depends_on_seed_epoch_and_sequence_alone(runs):
    run, _ = runs("bert")
    store = store_for(run, *texts()[:40])
    _, whole = drawn(run, store)
    for tokens, order in ((40, "random"), (300, "grouped")):
        found = {}
        for batch in batches(store, 7, seed=0, order=order, packing=Packing(tokens), task=run.task):
            for pack in batch:
                found |= by_sequence(pack)
        assert found == whole
    assert drawn(run, store, cost=1e9)[1] == whole
    assert drawn(run, store, epoch=1)[1] != whole != drawn(run, store, seed=1)[1]
    alone = store.select(np.arange(5))  # the same numbers in another store
    assert all(drawn(run, alone)[1][row] == whole[row] for row in range(5))


@pytest.mark.parametrize("name", ["bert", "roberta", "xlm-roberta", "albert", "deberta-v2"])
@pytest.mark.parametrize("whole_words", [False, True])
def test_shares_and_special_tokens(name, whole_words):
    tokenizer = Family(name).tokenizer()
    encoder = Encoder(tokenizer, 128)
    encoded = encoder([" ".join(texts()[at : at + 3]) for at in range(0, 300, 3)])
    ids, masking = encoded.input_ids.astype(np.int64), Masking(Pieces(tokenizer), 0.2, whole_words)
    numbers = np.arange(len(encoded.lengths))
    seen, asked, masks, kept = [], [], [], []
    for epoch in range(8):
        shown, labels = masking(ids, encoded.lengths, numbers, 0, epoch)
        hidden = labels != IGNORED
        assert (labels[hidden] == ids[hidden]).all() and (shown[~hidden] == ids[~hidden]).all()
        assert not np.isin(ids[hidden], tokenizer.all_special_ids).any()
        assert np.logical_or.reduceat(hidden, np.cumsum(encoded.lengths) - encoded.lengths).all()
        changed = shown[hidden & (shown != ids)]
        assert set(tokenizer.all_special_ids) & set(changed.tolist()) <= {tokenizer.mask_token_id}
        free = ~np.isin(ids, tokenizer.all_special_ids)
        seen.append(hidden[free].mean())
        asked.append(hidden.sum())
        masks.append((shown[hidden] == tokenizer.mask_token_id).mean())
        kept.append((shown[hidden] == ids[hidden]).mean())
    assert np.mean(seen) == pytest.approx(0.2, abs=0.015)
    assert np.mean(masks) == pytest.approx(0.8, abs=0.02) and np.mean(kept) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    "name", ["bert", "distilbert", "roberta", "modernbert", "xlm-roberta", "camembert", "deberta-v2"]
)
def test_words_are_what_stands_between_spaces_and_punctuation(name):
    """A Korean word is an eojeol (어절), a comma a word of its own."""
    tokenizer = Family(name).tokenizer()
    wanted = ["그래서", ",", "정말", "exactly", "what", "I", "needed", ".", "ok", "?"]
    ids = np.array(tokenizer("그래서, 정말 exactly what I needed. ok?")["input_ids"])
    words = Pieces(tokenizer).words(ids, np.array([0]))
    special = np.isin(ids, tokenizer.all_special_ids)
    groups = [ids[(words == word) & ~special] for word in np.unique(words)]
    assert [tokenizer.decode(group).strip() for group in groups if len(group)] == wanted
    assert len(ids) > len(wanted) + 10


def test_words_of_other_marks():
    """@@ in front of the rest of a word, </w> behind its end."""

    class Marked:
        all_special_tokens, mask_token_id = ["<mask>"], 0

        def __init__(self, *tokens: str):
            self.tokens = ["<mask>", *tokens]

        def __len__(self):
            return len(self.tokens)

        def get_vocab(self):
            return {token: at for at, token in enumerate(self.tokens)}

        def convert_ids_to_tokens(self, ids):
            return [self.tokens[one] for one in ids]

    for tokens in (["un@@", "want@@", "ed", "here", ","], ["un", "want", "ed</w>", "here</w>", ",</w>"]):
        pieces = Pieces(Marked(*tokens))
        assert pieces.words(np.array([1, 2, 3, 4, 5, 4]), np.array([0])).tolist() == [0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
def test_whole_words_are_hidden_whole(runs, name):
    run, _ = runs(name, whole_words=True)
    store = store_for(run, *texts()[:30])
    pieces = Pieces(run.tokenizer)
    parts = 0
    for sequence, (_, labels) in drawn(run, store)[1].items():
        words = pieces.words(store.input_ids[store.offsets[sequence] : store.offsets[sequence + 1]], np.array([0]))
        hidden = np.array(labels) != IGNORED
        for word in np.unique(words[hidden]):
            assert hidden[words == word].all()
            parts += (words == word).sum() > 1
    assert parts > 10


# the loss -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ENCODERS)
def test_the_loss_is_the_models_own_and_a_pack_is_its_sequences_alone(runs, name):
    run, plain = runs(name)
    store = store_for(run, *texts()[:6], " ".join(texts()[6:10]))
    assert store.sequences > len(store) == 7  # the last text is cut into pieces
    pack, shown = drawn(run, store)
    found = run.task.loss(run.task.outputs(run.model, pack), pack)
    assert found.shape == pack.labels.shape and not found[pack.labels == IGNORED].any()
    for place, sequence in enumerate(pack.sequences.tolist()):
        ids, labels = shown[sequence]
        count = sum(label != IGNORED for label in labels)
        loss = plain(**inputs(run, ids), labels=torch.tensor([labels])).loss
        start = int(pack.layout.starts[place])
        torch.testing.assert_close(found[start : start + len(ids)].sum() / count, loss, rtol=2e-5, atol=0)


def test_gradients_are_those_of_the_sequences(runs):
    run, plain = runs("bert")
    store = store_for(run, *texts()[:5])
    parts = list(Batch(store, np.arange(5), Packing(pack_tokens=90), draw=run.task.drawing(0, 0)))
    shown = {sequence: both for pack in parts for sequence, both in by_sequence(pack).items()}
    assert len(parts) > 1

    def ours():
        return sum(run.task.loss(run.task.outputs(run.model, pack), pack).sum() for pack in parts)

    def theirs():
        return sum(
            plain(**inputs(run, ids), labels=torch.tensor([labels])).loss * sum(one != IGNORED for one in labels)
            for ids, labels in shown.values()
        )

    compare_gradients(gradients(run.model, ours), gradients(plain, theirs))


def test_an_update_is_divided_by_all_that_it_hides(runs):
    run, _ = runs("bert")
    store = store_for(run, *texts()[:9])
    whole, parts = (Batch(store, np.arange(9), Packing(size), draw=run.task.drawing(0, 3)) for size in (9_999, 60))
    assert whole.labels == parts.labels == sum(int((pack.labels != IGNORED).sum()) for pack in parts) > 9
    sums = [
        sum(float(run.task.loss(run.task.outputs(run.model, p), p).detach().sum()) * b.scale for p in b)
        for b in (whole, parts)
    ]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)


def test_one_very_long_text_need_not_fit_into_a_pack(runs):
    """Its pieces hide their own tokens, so that they are one loss wherever they lie."""
    run, _ = runs("bert")
    store = store_for(run, " ".join(texts()[:60]), texts()[60])
    assert len(store) == 2 and store.sequences > 10
    whole, parts = (
        Batch(store, np.arange(2), Packing(size), draw=run.task.drawing(0, 0), apart=run.task.apart)
        for size in (99_999, 2 * LONGEST)
    )
    assert len(list(whole)) == 1 and len(list(parts)) >= store.sequences // 2
    assert all(pack.computed <= 2 * LONGEST for pack in parts) and whole.labels == parts.labels

    def losses(batch: Batch) -> dict[int, float]:
        found = {}
        for pack in batch:
            values = run.task.loss(run.task.outputs(run.model, pack), pack).detach()
            spans = zip(pack.sequences.tolist(), pack.layout.starts.tolist(), pack.layout.lengths.tolist(), strict=True)
            found |= {sequence: float(values[start : start + length].sum()) for sequence, start, length in spans}
        return found

    assert losses(parts) == pytest.approx(losses(whole), rel=1e-5)
    seen = []
    small = Engine(run.task, run.model, run.tokenizer, max_length=LONGEST, pack_tokens=2 * LONGEST)
    one, other = (
        {**evaluate(engine, store, run.task.references(rows_of("a", "b").table)).values}
        for engine in (run.engine, small)
    )
    small.run(store, lambda outputs, pack: seen.append(pack.computed))
    assert one == pytest.approx(other, rel=1e-5) and max(seen) <= 2 * LONGEST and len(seen) > 5


# evaluation -----------------------------------------------------------------------------------------------------------
def test_evaluation_always_hides_the_same(runs):
    run, plain = runs("roberta")
    rows = rows_of(*texts()[:12])
    store = encode_rows(rows, run.task, run.engine.encoder)
    judged = evaluate(run.engine, store, run.task.references(rows.table), resamples=100)
    small = Engine(run.task, run.model, run.tokenizer, max_length=LONGEST, pack_tokens=50)
    again = evaluate(small, store, run.task.references(rows.table))
    for name, value in judged.values.items():
        assert again.values[name] == pytest.approx(value, rel=1e-5)
    _, shown = drawn(run, store, 0, DRAW_SEED)
    nll = right = count = 0.0
    for ids, labels in shown.values():
        labels = torch.tensor([labels])
        logits = plain(**inputs(run, ids)).logits
        hidden = labels != IGNORED
        nll += float(torch.nn.functional.cross_entropy(logits[hidden], labels[hidden], reduction="sum"))
        right += int((logits[hidden].argmax(-1) == labels[hidden]).sum())
        count += int(hidden.sum())
    assert judged.values["loss"] == pytest.approx(nll / count, rel=1e-5)
    assert judged.values["perplexity"] == pytest.approx(math.exp(nll / count), rel=1e-5)
    assert judged.values["accuracy"] == pytest.approx(right / count)
    told = run.task.decode(judged.answers, store)
    assert sum(len(one["right"]) for one in told) == count
    first = told[0]
    for word in first["right"]:  # the text with its masks filled in is the text
        first["masked"] = first["masked"].replace(run.tokenizer.mask_token, word, 1)
    assert first["masked"] == texts()[0]


def test_right_answers_and_baselines(runs):
    run, _ = runs("bert")
    right = run.task.references(["a", "b"])
    scores = run.task.score(right, right)
    assert (scores["perplexity"]["value"], scores["accuracy"]["value"]) == (1, 1) and "bits_per_character" not in scores
    train, test = store_for(run, *texts()[:60]), store_for(run, *texts()[60:80])
    found = run.task.baseline("trivial", train, test, 0)
    special = np.isin(np.arange(len(run.tokenizer)), run.tokenizer.all_special_ids)
    counts = np.bincount(train.input_ids[:][~special[train.input_ids[:]]], minlength=len(run.tokenizer)) + 1
    asked = [label for _, labels in drawn(run, test, 0, DRAW_SEED)[1].values() for label in labels if label != IGNORED]
    assert found[:, 0].sum() == pytest.approx(-np.log(counts[asked] / counts.sum()).sum())
    assert found.shape == (20, 4) and found[:, 1].sum() == len(asked)
    assert found[:, 2].sum() == (np.array(asked) == counts.argmax()).sum()
    assert run.task.baseline("linear", train, test, 0) is None


# answers --------------------------------------------------------------------------------------------------------------
def theirs(plain: Any, name: str, given: Any, **call: Any) -> Any:
    from transformers import pipeline

    return pipeline("fill-mask", model=plain, tokenizer=Family(name).tokenizer())(given, **call)


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
        return
    assert found.keys() == expected.keys()
    assert {**found, "score": 0} == {**expected, "score": 0}
    assert found["score"] == pytest.approx(expected["score"], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", ENCODERS)
def test_answers_are_those_of_transformers_pipeline(runs, name):
    run, plain = runs(name)
    mask = run.tokenizer.mask_token
    given = [f"배송이 {mask} 빨라요.", f"{mask} is the {mask}, (and) {mask}", f"My order never {mask}. " + texts()[2]]
    same(run.predict(given), theirs(plain, name, given))
    same(run.predict(given, top_k=2), theirs(plain, name, given, top_k=2))


@pytest.mark.filterwarnings("ignore:fill-mask")
def test_targets(runs):
    run, plain = runs("bert")
    words = ["the", "배송비까지", "a", "너"]
    given = [f"I {run.tokenizer.mask_token} it.", f"{run.tokenizer.mask_token} {run.tokenizer.mask_token}"]
    for call in ({"targets": words}, {"targets": "the"}, {"targets": words, "top_k": 2}):
        same(run.predict(given, **call), theirs(plain, "bert", given, **call))
    run.task._targets = (None, None)
    with pytest.warns(UserWarning, match=r"'배송비까지' is no token of this model; its first piece"):
        run.predict(given[:1], targets=words)
    with pytest.warns(UserWarning, match="left out"), pytest.raises(SettingError, match="none of these words"):
        run.predict(given[:1], targets=[""])
    with pytest.raises(SettingError, match="is no word"):
        run.predict(given[:1], targets=[3])


def test_a_mask_that_is_not_the_tokenizers(runs):
    run, _ = runs("bert")
    with pytest.raises(
        DataError, match=r'<mask>, but the mask token of this model is \[MASK\]. Write "Paris is \[MASK\]."'
    ):
        run.predict(["Paris is [MASK].", "Paris is <mask>."])
    other, _ = runs("roberta")
    with pytest.raises(DataError, match=r"\[MASK\], but the mask token of this model is <mask>"):
        other.predict(["Paris is [MASK]."])
    with pytest.raises(DataError, match=r"has no mask: put \[MASK\] where"):
        run.predict(["Paris."])
    with pytest.raises(DataError, match=rf"beyond the {LONGEST} tokens"):
        run.predict([" ".join(texts()[:9]) + " [MASK]"])
    with pytest.raises(SettingError, match="least"):
        run.predict(["a [MASK]"], top_k=0)


def test_a_tokenizer_without_a_mask():
    with pytest.raises(ModelError, match=r"no mask token.*text-generation"):
        FillMask().meet(None, Family("gpt2").tokenizer())


# pieces of long texts -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2"])
def test_long_texts_become_pieces(runs, name):
    run, _ = runs(name)
    long = " ".join(texts()[:9])
    store = TokenStore.of(run.task.encode({"text": ["ok", long, ""]}, run.engine.encoder), run.engine.encoder.levels)
    assert len(store) == 3 and store.truncated == 0
    inner = run.tokenizer(long, add_special_tokens=False)["input_ids"]
    inside = np.array(store[1]["input_ids"])
    assert inside[~np.isin(inside, run.tokenizer.all_special_ids)].tolist() == inner
    lengths = np.diff(store.offsets)[1:-1]
    assert (lengths[:-1] == LONGEST).all() and lengths[-1] <= LONGEST
    assert store[0]["input_ids"] == run.tokenizer("ok")["input_ids"]
    assert store[2]["input_ids"] == run.tokenizer("")["input_ids"]
    cut, _ = runs(name, long_texts="truncate")
    store = store_for(cut, long)
    assert store.sequences == 1 and store.truncated == 1


# the next sentence ----------------------------------------------------------------------------------------------------
def test_pairs_of_sentences():
    some = ["A1. A2. A3. A4.", "B1. B2.", "C1."] * 30
    first, second, labels, counts = next_sentence.pairs(some, None)
    assert counts.tolist() == [2, 1, 1] * 30 and first[:4] == ["A1.", "A3.", "B1.", "C1."]
    row = np.repeat(np.arange(90), counts)
    follows = {"A1.": "A2.", "A3.": "A4.", "B1.": "B2."}
    for one, two, label in zip(first, second, labels, strict=True):
        assert label == 1 or two == follows[one]
    assert 0.4 < labels[row % 3 != 2].mean() < 0.6 and labels[row % 3 == 2].all()
    assert next_sentence.pairs(some, None)[1] == second
    first, second, labels, counts = next_sentence.pairs(["a", "b"] * 20, ["c", "d"] * 20)
    assert counts.tolist() == [1] * 40 and set(second) == {"c", "d"} and 0 < labels.sum() < 40


def test_with_next_sentences_the_loss_is_berts_own(runs):
    run, plain = runs("bert", PRETRAINING, next_sentence=True)
    some = [" ".join((texts()[at], texts()[at + 2])) for at in range(0, 12, 2)]
    store = store_for(run, *some)
    pack, shown = drawn(run, store)
    found = run.task.loss(run.task.outputs(run.model, pack), pack)
    labels = store.columns["next"][:]
    assert 0 < labels.sum() < len(labels)
    starts = dict(zip(pack.sequences.tolist(), pack.layout.starts.tolist(), strict=True))
    right = 0
    for sequence, (ids, hidden) in shown.items():
        start = starts[sequence]
        types = pack.token_type_ids[start : start + len(ids)].tolist()
        assert max(types) == 1
        told = plain(
            **inputs(run, ids, types),
            labels=torch.tensor([hidden]),
            next_sentence_label=torch.tensor([labels[sequence]]),
        )
        right += int(told.seq_relationship_logits.argmax()) == labels[sequence]
        count = sum(one != IGNORED for one in hidden)
        torch.testing.assert_close(found[start : start + len(ids)].sum() / count, told.loss, rtol=1e-5, atol=0)
    judged = evaluate(run.engine, store, run.task.references(rows_of(*some).table), resamples=100)
    assert judged.values["next_sentence_accuracy"] == pytest.approx(right / len(labels))
    assert {"perplexity", "accuracy", "loss"} < judged.values.keys()
    given = [f"I {run.tokenizer.mask_token} it."]
    assert run.predict(given)[0][0]["score"] == pytest.approx(
        float(plain(**run.tokenizer(given, return_tensors="pt")).prediction_logits[0].softmax(-1)[2].max()), rel=1e-4
    )


def test_next_sentences_are_for_bert():
    model = Family("roberta").model(PRETRAINING)
    with pytest.raises(ModelError, match="next_sentence is for BERT"):
        FillMask(next_sentence=True).meet(model, Family("roberta").tokenizer())


# a whole run ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("more", [{}, {"next_sentence": True, "whole_words": True}], ids=["masks", "next sentences"])
def test_a_run_learns_shows_samples_and_loads_anywhere(tmp_path, more):
    from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

    folder = Family("bert").save(tmp_path / "bert", PRETRAINING if more else MASKED)
    some = [{"text": " ".join(texts()[at : at + 3 : 2])} for at in range(160)]
    run = byeori.train(
        FillMask, str(folder), train=some, output=str(tmp_path / "run"), epochs=3, batch_size=8, max_length=64,
        learning_rate=5e-3, threads=1, precision="float32", baselines=False, previews=2, **more,
    )  # fmt: skip
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    losses = [one["loss"] for one in history if "loss" in one]
    assert losses[-1] < losses[0] - 0.5
    samples = [
        json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert all("[MASK]" in sample["inputs"]["text"] and sample["reference"] for sample in samples)
    assert run.metrics["test"]["perplexity"]["value"] < 500
    assert ("next_sentence_accuracy" in run.metrics["test"]) is bool(more)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model")
    plain = pipeline("fill-mask", model=model, tokenizer=AutoTokenizer.from_pretrained(tmp_path / "run" / "model"))
    again = byeori.load_run(tmp_path / "run", task=FillMask, precision="float32")
    given = ["I can [MASK] it.", "[MASK] 빨라요 [MASK]"]
    same(again.predict(given), plain(given))
    assert again.task.settings == run.task.settings
