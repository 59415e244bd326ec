"""Tasks that train nothing, by name: on models of other tasks, on checkpoints without a pooler, to files of vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest

import byeori
from byeori.cli import cli
from byeori.errors import ModelError, SettingError
from byeori.predict.files import predict_file
from byeori.tasks.zero_shot import ZeroShotClassification
from families import Family, texts

NLI = ("contradiction", "neutral", "entailment")


@pytest.fixture(scope="module")
def nli_run(tiny, tmp_path_factory):
    rows = [{"text": texts()[3 * n], "text_pair": texts()[3 * n + 1], "label": NLI[n % 3]} for n in range(40)]
    return byeori.train(
        "text-classification", str(tiny("bert", auto="AutoModel")), train=rows, output=str(tmp_path_factory.mktemp("nli") / "run"),
        epochs=1, baselines=False, precision="float32", threads=1, max_length=40,
    )  # fmt: skip


def test_a_run_of_another_task_by_name(nli_run):
    """Its lengths stay, its columns and settings don't; a task with settings of its own keeps them."""
    zero_shot = byeori.pipeline("zero-shot-classification", str(nli_run.path), precision="float32")
    found = zero_shot(texts()[0], ["a", "b"])
    assert list(found) == ["sequence", "labels", "scores"], "not in a list"
    assert zero_shot.run.engine.encoder.max_length == 40 and zero_shot.run.task.columns == {}
    asked = ZeroShotClassification(candidate_labels=["a", "b"], hypothesis_template="{}")
    other = byeori.load_run(nli_run.path, task=asked, precision="float32").predict([texts()[0]])[0]
    assert sorted(other["labels"]) == ["a", "b"] and other["scores"] != pytest.approx(found["scores"], abs=1e-6)
    vectors = byeori.pipeline("feature-extraction", str(nli_run.path), pooling="mean")
    assert len(vectors(texts()[0])) == 32
    with pytest.raises(ModelError, match="was trained for text-classification, not for multiple-choice"):
        byeori.pipeline("multiple-choice", str(nli_run.path))
    with pytest.raises(SettingError, match="takes the input by place, and 2 arguments were given"):
        vectors(texts()[0], "mean")


def test_a_checkpoint_without_a_pooler(tmp_path):
    """Trained as a masked model: its last hidden states need none of what is missing; another head would."""
    Family("bert").save(tmp_path, "AutoModelForMaskedLM")
    found = byeori.pipeline("feature-extraction", str(tmp_path), precision="float32")(texts()[0])
    assert np.shape(found)[2] == 32
    with pytest.raises(ModelError, match="has no head for zero-shot-classification"):
        byeori.pipeline("zero-shot-classification", str(tmp_path))


def test_nothing_is_read_before_training_is_refused(tmp_path):
    for name in ("zero-shot-classification", "feature-extraction"):
        with pytest.raises(SettingError, match="is not trained"):
            byeori.train(name, "nowhere/at-all", train=str(tmp_path / "none.tsv"))


def test_a_row_of_many_labels_needs_many_packs(tiny):
    run = byeori.load_run(str(tiny("bert", labels=NLI)), task="zero-shot-classification", precision="float32")
    names = [f"{noun} {place}" for place in range(20) for noun in ("배송", "payment", "환불")]
    expected = run.predict([texts()[0]], candidate_labels=names)[0]
    largest: list[int] = []
    run.model.register_forward_pre_hook(
        lambda _, __, given: largest.append(given["input_ids"].numel()), with_kwargs=True
    )
    run.engine.pack_tokens = 300
    found = run.predict([texts()[0]], candidate_labels=names)[0]
    assert (
        max(largest)
        <= 300
        < run.engine.encode({"text": [texts()[0]]}, run.task.call_settings({"candidate_labels": names})).tokens
    )
    scores = [dict(zip(one["labels"], one["scores"], strict=True)) for one in (found, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


@pytest.mark.parametrize("name", ["v.parquet", "v.npy", "v.npz"])
def test_the_command_writes_vectors(tiny, tmp_path, name):
    (tmp_path / "texts.tsv").write_text("text\n" + "\n".join(texts()[:8]) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        cli([
            "predict", str(tiny("bert", auto="AutoModel")), str(tmp_path / "texts.tsv"), "--task", "feature-extraction",
            "--pooling", "mean", "--normalize", "--output", str(tmp_path / name),
        ])  # fmt: skip
    assert not stop.value.code
    run = byeori.load_run(str(tiny("bert", auto="AutoModel")), task="feature-extraction", precision="float32")
    expected = run.predict(list(texts()[:8]), pooling="mean", normalize=True)
    if name.endswith(".parquet"):
        from pyarrow import parquet

        found = parquet.read_table(tmp_path / name)["vector"].to_pylist()
    else:
        found = np.load(tmp_path / name)
        found = found["vectors"] if name.endswith(".npz") else found
    assert np.allclose(found, expected, atol=2e-2)  # the command may run in bfloat16
    with pytest.raises(SettingError, match="gives no vectors"):
        zero_shot = byeori.load_run(str(tiny("bert", labels=NLI)), task="zero-shot-classification")
        predict_file(
            zero_shot, str(tmp_path / "texts.tsv"), tmp_path / "x.npy", call={"candidate_labels": "a,b"}, read={}
        )


def test_token_vectors_as_lines(tiny, tmp_path, monkeypatch):
    from byeori.tasks import feature_extraction

    monkeypatch.setattr(feature_extraction, "TOKENS_AT_ONCE", 300)
    (tmp_path / "texts.txt").write_text("\n".join(texts()[:8]) + "\n", encoding="utf-8")
    run = byeori.load_run(str(tiny("bert", auto="AutoModel")), task="feature-extraction", precision="float32")
    predict_file(run, str(tmp_path / "texts.txt"), tmp_path / "out.jsonl", call={}, read={})
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = run.predict(list(texts()[:8]))
    assert all(np.allclose(line["prediction"], right, atol=1e-4) for line, right in zip(lines, expected, strict=True))
