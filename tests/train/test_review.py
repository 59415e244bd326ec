"""Slips that a review found: each would have gone by in silence or left a folder half changed."""

from __future__ import annotations

import pytest

import byeori
from byeori.errors import DataError, ModelError, SettingError

SHORT = {"max_steps": 2, "batch_size": 8, "threads": 1, "baselines": False, "test_size": 0, "validation_size": 0.2}


@pytest.fixture(scope="module")
def pairs(demo_rows) -> list[dict[str, str]]:
    found = []
    for left, right in zip(demo_rows[:60], demo_rows[1:61], strict=True):
        same = left["label"] == right["label"]
        found.append({"text": left["text"], "text_pair": right["text"], "label": "same" if same else "other"})
    return found


def test_a_model_of_pairs_takes_no_single_texts(tiny_bert, pairs, tmp_path):
    run = byeori.train("text-classification", tiny_bert, train=pairs, output=str(tmp_path / "run"), **SHORT)
    single = [{"text": row["text"], "label": row["label"]} for row in pairs]
    for work in (lambda: run.evaluate(single), lambda: byeori.load_run(str(tmp_path / "run")).predict(["a text"])):
        with pytest.raises(DataError, match="trained on pairs of texts, and these are single texts"):
            work()


def test_an_id_past_the_embedding_is_named_with_its_row(tiny_bert, demo_rows, tmp_path):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.add_tokens(["qqqnew"])
    more = [
        {**row, "text": f"{row['text']} Again."} for row in demo_rows[:60]
    ]  # past the texts that are looked at first
    rows = [*demo_rows[:90], *more, {"text": "here is qqqnew at last", "label": demo_rows[0]["label"]}]
    output = tmp_path / "run"
    with pytest.raises(ModelError, match=r"row 151: the tokenizer gives id [\d,]+ \('qqqnew'\)"):
        byeori.train(
            "text-classification", tiny_bert, tokenizer, train=rows, output=str(output), **{**SHORT, "seed": 1}
        )
    assert not output.exists()


def test_a_refused_resume_leaves_the_settings_as_they_were(tiny_bert, demo_rows, tmp_path):
    class Stop(byeori.Hook):
        def step_end(self, run, pack, outputs):
            run.save()
            if run.step == 2:
                raise RuntimeError("power cut")

    output = tmp_path / "run"
    values = {**SHORT, "max_steps": 6, "output": str(output)}
    with pytest.raises(RuntimeError):
        byeori.train("text-classification", tiny_bert, train=demo_rows[:80], hooks=[Stop()], **values)
    before = (output / "settings.yaml").read_text(encoding="utf-8")
    with pytest.raises(SettingError, match="seed 0 → 7"):
        byeori.train("text-classification", tiny_bert, train=demo_rows[:80], resume=True, seed=7, **values)
    assert (output / "settings.yaml").read_text(encoding="utf-8") == before
    with pytest.raises(SettingError, match="resume and overwrite are both set"):
        byeori.train("text-classification", tiny_bert, train=demo_rows[:80], resume=True, overwrite=True, **values)
    assert list((output / "checkpoints").iterdir())


def test_a_head_for_another_task_is_named_as_new(tiny_bert, demo_rows, tmp_path):
    import transformers

    labels = sorted({row["label"] for row in demo_rows})
    other = transformers.AutoModelForTokenClassification.from_pretrained(
        tiny_bert,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={n: i for i, n in enumerate(labels)},
    )
    other.save_pretrained(tmp_path / "ner")
    transformers.AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path / "ner")
    from byeori.models.load import load_model

    found = load_model(str(tmp_path / "ner"), byeori.tasks.TextClassification(labels=labels))
    assert {"classifier.weight", "classifier.bias"} <= set(found.new_weights)


def test_ids_in_the_data_take_the_names_of_the_task(tiny_bert, tmp_path):
    rows = [{"text": f"text {i}", "label": i % 2} for i in range(12)]
    task = byeori.tasks.TextClassification(labels=["부정", "긍정"])
    model, tokenizer = byeori.load(tiny_bert, task)
    assert byeori.encode(rows, task, tokenizer, model=model).columns["labels"].tolist() == [0, 1] * 6
    assert task.labels == ["부정", "긍정"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"adam_beta1": 2}, "adam_beta1=2: it must be at most"),
        ({"warmup_ratio": 3}, "warmup_ratio=3: it must be at most 1"),
        ({"validation_size": 0.6, "test_size": 0.6}, "leave nothing to train on"),
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_is_read(tiny_bert, tmp_path, values, said):
    with pytest.raises(SettingError, match=said):
        byeori.train("text-classification", tiny_bert, train="no-such-file.tsv", output=str(tmp_path / "r"), **values)
    assert not (tmp_path / "r").exists()
