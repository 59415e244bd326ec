"""feature-extraction beside transformers' own pipeline on the same model; pooling by hand; vectors in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import byeori
from byeori.errors import SettingError
from byeori.predict import parts, vectors
from byeori.tasks import TextClassification
from byeori.tasks.feature_extraction import Call, FeatureExtraction
from byeori.tasks.zero_shot import ZeroShotClassification
from families import texts

FAMILIES = (
    "bert", "roberta", "distilbert", "albert", "electra", "modernbert", "xlm-roberta", "camembert", "deberta-v2", "longformer", "gpt2",
    "llama", "gemma2", "bart", "mbart", "led",
)  # fmt: skip
GIVEN = [*texts()[:5], "가", texts()[2]]


@pytest.fixture(scope="module")
def both(tiny):
    """`both(family)` → (ours, transformers' own) on one folder."""
    made: dict[str, Any] = {}

    def make(name: str = "bert"):
        if name not in made:
            from transformers import pipeline as theirs

            folder = str(tiny(name, auto="AutoModel"))
            made[name] = (
                byeori.pipeline(FeatureExtraction, folder, device="cpu", precision="float32"),
                theirs("feature-extraction", folder, device="cpu"),
            )
        return made[name]

    return make


def alone(pipe: Any, text: str) -> torch.Tensor:
    """(tokens, size) of the model itself, on this text alone."""
    inputs = {name: values for name, values in pipe.tokenizer(text, return_tensors="pt").items()}
    with torch.no_grad():
        return pipe.model(**inputs)[0][0]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_what_transformers_gives(both, name):
    ours, theirs = both(name)
    found, expected = ours(GIVEN), theirs(GIVEN)
    for mine, right in zip(found, expected, strict=True):
        assert np.shape(mine) == np.shape(right) and type(mine[0][0][0]) is float
        assert np.allclose(mine, right, atol=1e-4)
    assert np.allclose(ours(GIVEN[0]), expected[0], atol=1e-4) and np.shape(ours(GIVEN[0])) == np.shape(expected[0])


@pytest.mark.parametrize("name", ["t5", "marian", "pegasus"])
def test_of_an_encoder_decoder_without_input_of_its_own_the_encoders(tiny, name):
    """Where transformers' pipeline has an error."""
    ours = byeori.pipeline(FeatureExtraction, str(tiny(name, auto="AutoModel")), device="cpu", precision="float32")
    for text, found in zip(GIVEN, ours(GIVEN), strict=True):
        with torch.no_grad():
            expected = ours.model.get_encoder()(input_ids=torch.tensor([ours.tokenizer(text)["input_ids"]]))[0]
        assert np.allclose(found, expected, atol=1e-4)


def test_tensors_on_request(both):
    ours, theirs = both()
    expected = theirs(GIVEN, return_tensors=True)
    for asked, kind in ((True, torch.Tensor), ("pt", torch.Tensor), ("np", np.ndarray)):
        found = ours(GIVEN, return_tensors=asked)
        assert all(
            isinstance(one, kind) and one.shape == right.shape for one, right in zip(found, expected, strict=True)
        )
        assert all(np.allclose(one, right, atol=1e-4) for one, right in zip(found, expected, strict=True))
    assert ours(GIVEN, return_tensors=False) == ours(GIVEN)
    with pytest.raises(SettingError, match="return_tensors='tf'"):
        ours(GIVEN, return_tensors="tf")


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "deberta-v2", "gpt2"])
def test_pooling_and_length(both, name):
    """mean and cls of the token vectors that come without pooling; normalize gives length 1, of every token too."""
    ours, _ = both(name)
    tokens = [np.array(one[0]) for one in ours(GIVEN)]
    mean = ours(GIVEN, pooling="mean")
    assert np.allclose(mean, [one.mean(0) for one in tokens], atol=1e-5) and type(mean[0][0]) is float
    scaled = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in tokens]
    found = ours(GIVEN, normalize=True)
    assert all(np.allclose(one[0], right, atol=1e-5) for one, right in zip(found, scaled, strict=True))
    pooled = np.array(ours(GIVEN, pooling="mean", normalize=True))
    assert np.allclose(pooled, np.array(mean) / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)
    if name == "gpt2":
        with pytest.raises(SettingError, match="pooling='cls': this model's texts don't begin with a token"):
            ours(GIVEN, pooling="cls")
        return
    assert np.allclose(ours(GIVEN, pooling="cls"), [one[0] for one in tokens], atol=1e-5)


def test_streams_windows_and_company_change_nothing(both, monkeypatch):
    ours, _ = both()
    expected = ours(GIVEN, pooling="mean")
    assert np.allclose(list(ours((text for text in GIVEN), pooling="mean")), expected, atol=1e-6)
    assert np.allclose([ours([text], pooling="mean")[0] for text in GIVEN], expected, atol=1e-5)
    monkeypatch.setattr(ours.run.engine, "pack_tokens", 40)
    assert np.allclose(ours(GIVEN, pooling="mean"), expected, atol=1e-5)
    assert ours([]) == []


def test_pairs(both):
    ours, _ = both("bert")
    a, b = texts()[:2]
    inputs = ours.tokenizer(a, b, return_tensors="pt")
    with torch.no_grad():
        expected = ours.model(**inputs)[0]
    assert np.allclose(ours([(a, b)])[0], expected, atol=1e-4) and np.allclose(
        ours([{"text": a, "text_pair": b}])[0], expected, atol=1e-4
    )


def test_minilm_by_the_usual_recipe(minilm):
    """sentence-transformers': last hidden states, their mean over the real tokens of a padded batch, length 1."""
    from transformers import AutoModel, AutoTokenizer

    asked = [
        "A man is eating food.",
        "A man eats.",
        "The girl is carrying a baby.",
        "It's a bank holiday on Monday in London, I think.",
    ]
    ours = byeori.pipeline(FeatureExtraction, str(minilm), precision="float32")
    found = np.array(ours(asked, pooling="mean", normalize=True))
    model, tokenizer = AutoModel.from_pretrained(minilm).eval(), AutoTokenizer.from_pretrained(minilm)
    inputs = tokenizer(asked, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs)[0]
    mask = inputs["attention_mask"][..., None].float()
    expected = F.normalize((hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9), p=2, dim=1)
    assert np.allclose(found, expected, atol=1e-5)
    alike = found @ found.T
    assert alike[0, 1] > 0.8 > 0.4 > alike[0, 2], "what it was trained for"


def test_what_cannot_be_asked(both, tmp_path, tiny):
    ours, _ = both()
    with pytest.raises(SettingError, match="pooling='max': one of none, mean, cls"):
        ours(GIVEN, pooling="max")
    with pytest.raises(SettingError, match="has no right answers to score"):
        ours.run.evaluate([{"text": "a"}, {"text": "b"}])
    with pytest.raises(SettingError, match="it gives what a model has learnt at another task"):
        byeori.train(
            FeatureExtraction,
            str(tiny("bert", auto="AutoModel")),
            train=[{"text": one} for one in GIVEN],
            output=str(tmp_path / "run"),
        )
    assert not (tmp_path / "run").exists()


def test_a_model_trained_for_another_task(tiny, tmp_path):
    rows = [{"text": text, "label": str(place % 2)} for place, text in enumerate(texts()[:20])]
    trained = byeori.train(
        TextClassification, str(tiny("bert", auto="AutoModel")), train=rows, output=str(tmp_path / "run"), epochs=1,
        baselines=False, threads=1, precision="float32", max_length=40,
    )  # fmt: skip
    run = byeori.load_run(trained.path, task=FeatureExtraction, precision="float32")
    assert run.engine.encoder.max_length == 40, "as in training"
    ids = run.tokenizer(GIVEN[1], truncation=True, max_length=40, return_tensors="pt")
    with torch.no_grad():
        expected = trained.model.bert(**ids)[0]
    assert np.allclose(run.predict(GIVEN[1:2])[0], expected, atol=1e-4)


# files ---------------------------------------------------------------------------------------------------------------

BAD = 2  # the empty row's place


@pytest.fixture(scope="module")
def rows(both, tmp_path_factory):
    """The rows of a file, one of them empty."""
    run = both()[0].run
    lines = ["text\tn", *(f"{'' if place == BAD else text}\t{place}" for place, text in enumerate(GIVEN))]
    file = tmp_path_factory.mktemp("vectors") / "texts.tsv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = run.read(str(file), labels=False, on_bad="keep")
    assert list(found.errors) == [BAD]
    return found


@pytest.fixture
def written(both, rows, tmp_path, monkeypatch):
    """`written("x.parquet", pooling=…)` → (the path, what the pipeline gives for the rows that can be used)."""
    from byeori.tasks import feature_extraction

    monkeypatch.setattr(parts, "WINDOW", 3)  # several windows in one file
    monkeypatch.setattr(feature_extraction, "TOKENS_AT_ONCE", 300)

    def write(name: str, **call: Any):
        ours = both()[0]
        vectors.write_vectors(ours.run, rows, tmp_path / name, Call(**call))
        assert [path.name for path in tmp_path.iterdir()] == [name], "no temporary file is left"
        return tmp_path / name, ours([text for place, text in enumerate(GIVEN) if place != BAD], **call)

    return write


GOOD = [place + 1 for place in range(len(GIVEN)) if place != BAD]


def test_parquet(written):
    from pyarrow import parquet

    path, expected = written("pooled.parquet", pooling="mean", normalize=True)
    table = parquet.read_table(path)
    assert str(table.schema.field("vector").type) == "list<element: float>"
    assert table["row"].to_pylist() == list(range(1, len(GIVEN) + 1))
    found = table["vector"].to_pylist()
    assert found[BAD] is None and "empty" in table["error"][BAD].as_py() and table["error"].null_count == len(GIVEN) - 1
    assert np.allclose([found[row - 1] for row in GOOD], expected, atol=1e-5)


def test_parquet_of_tokens(written):
    import datasets

    path, expected = written("tokens.parquet")
    found = datasets.Dataset.from_parquet(str(path), cache_dir=str(path.parent / "cache"))
    assert found["vector"][BAD] is None
    for row, right in zip(GOOD, expected, strict=True):
        assert np.allclose(found["vector"][row - 1], right[0], atol=1e-4)


def test_numpy(written):
    path, expected = written("pooled.npy", pooling="cls")
    found = np.load(path)
    assert found.shape == (len(GIVEN), 32) and found.dtype == np.float32
    assert np.isnan(found[BAD]).all() and np.allclose(found[[row - 1 for row in GOOD]], expected, atol=1e-5)


def test_numpy_of_tokens(written):
    path, expected = written("tokens.npz")
    with np.load(path) as found:
        assert found["rows"].tolist() == GOOD and found["offsets"].dtype == np.int64
        parts = np.split(found["vectors"], found["offsets"][1:-1])
    for part, right in zip(parts, expected, strict=True):
        assert part.dtype == np.float32 and np.allclose(part, right[0], atol=1e-4)


def test_numpy_of_texts_with_their_rows(written):
    path, expected = written("pooled.npz", pooling="mean")
    with np.load(path) as found:
        assert set(found) == {"rows", "vectors"} and found["rows"].tolist() == GOOD
        assert np.allclose(found["vectors"], expected, atol=1e-5)


def test_inputs_may_stand_beside_the_vectors(both, rows, tmp_path):
    from pyarrow import parquet

    vectors.write_vectors(both()[0].run, rows, tmp_path / "x.parquet", Call(pooling="mean"), with_inputs=True)
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table["text"].to_pylist()[0] == GIVEN[0]


def test_files_that_cannot_hold_them(both, rows, tmp_path, tiny):
    run = both()[0].run
    with pytest.raises(SettingError, match=r"an array has one vector a text. Say --pooling mean"):
        vectors.write_vectors(run, rows, tmp_path / "x.npy", Call())
    zero_shot = byeori.load_run(str(tiny("bert", labels=("entailment", "other"))), task=ZeroShotClassification)
    with pytest.raises(SettingError, match="zero-shot-classification gives no vectors. Give --output FILE.jsonl"):
        vectors.check(zero_shot, tmp_path / "x.parquet", zero_shot.task.call_settings({}))
    assert [vectors.takes(name) for name in ("a.parquet", "b.NPY", Path("c.npz"), "d.jsonl", "-")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not list(tmp_path.iterdir())


def test_vectors_of_tokens_are_held_a_few_rows_at_a_time():
    task = FeatureExtraction()
    assert task.window(Call(), 512) == 64 and task.window(Call(), 100_000) == 1
    assert task.window(Call(pooling="mean"), 512) is None


# the example ---------------------------------------------------------------------------------------------------------
