"""The Trainer's side of each task: what it learnt is scored as Byeori scores it, and what it pads is counted.

With a learning rate of 0 the model stays what it was, so its scores must be those of Byeori on the same rows.
"""

from __future__ import annotations

import pytest
import torch

from byeori.bench.padding import Padding
from byeori.bench.trainer import Recipe, trained
from byeori.bench.training import TRAINERS, check_rows, check_task, train
from byeori.data.read import read_for
from byeori.errors import DataError, SettingError
from byeori.predict.run import load_run
from byeori.tasks import TASKS, find
from families import texts

TEXTS = [" ".join(text.split()[:6]) for text in texts()[:40]]
WORDS = [["김보람", "씨는", "서울에", "산다"], ["I", "live", "in", "Seoul"], ["비가", "온다"]] * 4
TAGS = [["B-PER", "O", "B-LOC", "O"], ["O", "O", "O", "B-LOC"], ["O", "O"]] * 4
CONTEXT = "The library closes at nine. A lost card costs two euros."
ROWS = {
    "text-classification": [{"text": text, "label": "yes" if at % 3 else "no"} for at, text in enumerate(TEXTS[:16])],
    "token-classification": [{"tokens": words, "tags": tags} for words, tags in zip(WORDS, TAGS, strict=True)],
    "question-answering": [
        {
            "question": f"When does it close, {word}?",
            "context": CONTEXT,
            "answers": {"text": ["nine"], "answer_start": [22]},
        }
        for word in "abcdefgh"
    ],
    "multiple-choice": [
        {"text": text, "choices": [text, "no", "yes"], "label": at % 3} for at, text in enumerate(TEXTS[:8])
    ],
    "fill-mask": [{"text": text} for text in TEXTS[:12]],
    "text-generation": [{"text": text} for text in TEXTS],
    "translation": [{"source": text, "target": other} for text, other in zip(TEXTS[:8], TEXTS[8:16], strict=True)],
}
OWN = {"text-generation": {"block_length": 16}, "translation": {"max_target_length": 12}}
HEADS = {"text-generation": "gpt2", "translation": "t5"}


def given_rows(name: str, more: dict | None = None):
    task = find(name)(**OWN.get(name, {}))
    rows = read_for(task, [{**row, **(more or {})} for row in ROWS[name]])
    task.prepare(rows)
    return task, rows


@pytest.fixture
def folder(tiny):
    def made(name: str, task) -> str:
        labels = {"labels": tuple(task.labels)} if getattr(task, "labels", None) else {}
        return str(tiny(HEADS.get(name, "bert"), auto=task.auto_class, **labels))

    return made


@pytest.mark.parametrize("name", ["text-classification", "token-classification"])
def test_a_head_that_is_kept_knows_its_labels_by_their_numbers(at_hand, tiny, tmp_path, name):
    """Of a checkpoint whose labels stand in another order than sorted."""
    from byeori.bench import given

    task, rows = given_rows(name)
    if name == "token-classification":  # bare tags, some of which an untrained head gets right
        bare = {"O": "V", "B-PER": "N", "B-LOC": "P"}
        task = find(name)()
        rows = read_for(task, [
            {"tokens": words, "tags": [bare[tag] for tag in tags]} for words, tags in zip(WORDS, TAGS, strict=True)
        ])  # fmt: skip
        task.prepare(rows)
    model = str(tiny("bert", auto=task.auto_class, labels=tuple(reversed(task.labels))))
    for part in ("train", "test"):
        given.lay(tmp_path, part, rows)
    job = {
        "task": name, "model": model, "own": {}, "given": str(tmp_path), "epochs": 1.0, "seed": 0, "device": "cpu", "threads": 1,
        "max_length": 32, "ours": False,
        "how": {"batch_size": 8, "order": "random", "precision": "float32", "learning_rate": 0.0, "warmup_ratio": 0.0},
    }  # fmt: skip
    theirs = train(job)["scores"]
    ours = load_run(model, task=find(name)(), max_length=32, device="cpu", precision="float32").evaluate(rows)
    both = sorted((theirs.keys() & ours.keys()) - {"loss"})
    assert task.best in both and any(ours[score]["value"] for score in both)
    for score in both:
        assert theirs[score]["value"] == pytest.approx(ours[score]["value"], abs=1e-6), score


@pytest.mark.parametrize("name", ROWS)
def test_a_trainer_that_learns_nothing_scores_as_byeori_does(at_hand, folder, name):
    task, rows = given_rows(name)
    model = folder(name, task)
    recipe = Recipe(model=model, epochs=1.0, learning_rate=0.0, max_length=64, log_every=1)
    theirs = TRAINERS[name][0](recipe, task, rows, rows)
    own = find(name)(**OWN.get(name, {}))
    own.prepare(rows)
    ours = load_run(model, task=own, max_length=64, device="cpu", precision="float32").evaluate(rows)
    assert theirs["scores"][task.best]["value"] == pytest.approx(ours[task.best]["value"], abs=1e-6)
    assert theirs["scores"][task.best]["low"] == pytest.approx(ours[task.best]["low"], abs=1e-6)
    assert theirs["seconds"] > 0 and theirs["steps"] >= 1 and len(theirs["losses"]) == 2 and 0 <= theirs["padding"] < 1


def test_every_task_that_trains_has_a_trainer_or_says_so():
    without = {task.name for task in TASKS} - set(TRAINERS)
    assert without == {"span-corruption", "zero-shot-classification", "feature-extraction"}
    for name in without:
        with pytest.raises(SettingError, match="no Trainer to train it beside"):
            check_task(find(name)())


def test_rows_of_a_form_no_trainer_reads_are_refused():
    rows = read_for(find("text-generation")(), [{"prompt": "a", "completion": "b"}])
    with pytest.raises(DataError, match="reads text; these rows have prompt, completion"):
        check_rows(find("text-generation")(), rows)
    rows = read_for(find("multiple-choice")(), [
        {"text": "a", "choices": ["b", "c"], "label": 0}, {"text": "a", "choices": ["b", "c", "d"], "label": 0},
    ])  # fmt: skip
    with pytest.raises(DataError, match="as many choices in each row"):
        check_rows(find("multiple-choice")(), rows)


def test_both_sides_train_on_the_same_rows_for_the_same_epochs(at_hand, folder, tmp_path):
    from byeori.bench import given

    task, rows = given_rows("text-classification")
    for part in ("train", "test"):
        given.lay(tmp_path, part, rows)
    job = {
        "task": task.name, "model": folder(task.name, task), "own": {}, "given": str(tmp_path), "epochs": 2.0, "seed": 0,
        "device": "cpu", "threads": 1, "max_length": 32,
    }  # fmt: skip
    ways = {
        True: {"batch_size": 8, "order": "random", "precision": "float32"},
        False: {
            "batch_size": 8,
            "order": "grouped",
            "precision": "float32",
            "learning_rate": "auto",
            "warmup_ratio": 0.1,
        },
    }
    ours, theirs = (train({**job, "ours": side, "how": how}) for side, how in ways.items())
    for name in ("given", "rows", "epochs", "steps", "precision"):
        assert ours[name] == theirs[name], name
    assert ours["rows"] == {"train": 16, "test": 16} and ours["steps"] == 4
    assert (
        ours["rate"] == pytest.approx(32 / ours["seconds"])
        and ours["scores"].keys() - {"ece", "auroc"} == theirs["scores"].keys()
    )
    assert theirs["learning_rate"] == 1e-3, "as Byeori's auto has it for so small a model"


def test_padding_is_counted_where_batches_are_made():
    padding = Padding()
    padding.add({"input_ids": torch.zeros(2, 5), "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])})
    assert padding.share == pytest.approx(0.4)
    padding.add({"input_ids": torch.zeros(1, 10), "labels": torch.tensor([[5, 5, -100, -100, -100]])})
    assert (padding.places, padding.tokens) == (25, 18)


def test_a_trainer_is_set_as_its_recipe_says(at_hand, folder):
    import datasets

    task, rows = given_rows("text-classification")
    name = folder(task.name, task)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

    tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModelForSequenceClassification.from_pretrained(name)
    made = datasets.Dataset.from_dict({**tokenizer(TEXTS[:8]), "labels": [0, 1] * 4})
    recipe = Recipe(model=name, epochs=2, batch_size=4, learning_rate=1e-4, warmup_ratio=0.25, order="grouped", seed=7)
    with trained(recipe, model, tokenizer, made, DataCollatorWithPadding(tokenizer)) as (trainer, took):
        asked = trainer.args
        assert (asked.per_device_train_batch_size, asked.num_train_epochs, asked.learning_rate, asked.seed) == (
            4,
            2,
            1e-4,
            7,
        )
        assert (
            not asked.bf16
            and not asked.fp16
            and str(asked.optim) == "OptimizerNames.ADAMW_TORCH_FUSED"
            and took["steps"] == 4
        )
