"""zero-shot-classification beside transformers' own pipeline on the same NLI model; labels found, asked for, refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

import byeori
from byeori.errors import DataError, ModelError, SettingError
from byeori.tasks import TextClassification
from byeori.tasks.zero_shot import ZeroShotClassification
from families import Family, texts

NLI = ("contradiction", "neutral", "entailment")
NAMES = ["배송", "payment, or so", "a complaint", "환불", "gardening"]
FAMILIES = (
    "bert",
    "roberta",
    "distilbert",
    "albert",
    "electra",
    "modernbert",
    "xlm-roberta",
    "deberta-v2",
    "gpt2",
    "llama",
    "bart",
    "t5",
)


@pytest.fixture(scope="module")
def both(tiny):
    """`both(family, labels)` → (ours, transformers' own) on one folder."""
    made: dict[Any, Any] = {}

    def make(name: str = "bert", labels: tuple[str, ...] = NLI):
        if (name, labels) not in made:
            from transformers import pipeline as theirs

            folder = str(tiny(name, labels=labels))
            made[name, labels] = (
                byeori.pipeline(ZeroShotClassification, folder, device="cpu", precision="float32"),
                theirs("zero-shot-classification", folder, device="cpu"),
            )
        return made[name, labels]

    return make


def compare(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same, scores to 1e-5; labels whose scores differ by less (both unknown words) may change places."""
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert list(mine) == list(theirs) == ["sequence", "labels", "scores"] and mine["sequence"] == theirs["sequence"]
        assert (
            mine["scores"] == pytest.approx(theirs["scores"], abs=1e-5)
            and mine["scores"] == sorted(mine["scores"])[::-1]
        )
        assert all(type(score) is float for score in mine["scores"])
        ours, right = (sorted(zip(one["labels"], one["scores"], strict=True)) for one in (mine, theirs))
        assert [label for label, _ in ours] == [label for label, _ in right]
        assert [score for _, score in ours] == pytest.approx([score for _, score in right], abs=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(both, name):
    """Texts of all lengths, one that is too long: the text is cut, the hypothesis never."""
    ours, theirs = both(name)
    given = [*texts()[:4], " ".join(texts()[:20]), "가"]
    for call in ({}, {"multi_label": True}):
        compare(ours(given, candidate_labels=NAMES, **call), theirs(given, candidate_labels=NAMES, **call))


@pytest.mark.parametrize(
    "call",
    [
        {"candidate_labels": NAMES},
        {"candidate_labels": tuple(NAMES[:2])},
        {"candidate_labels": "a, b ,c,"},
        {"candidate_labels": "one"},
        {"candidate_labels": ["one"], "multi_label": True},
        {"candidate_labels": NAMES, "multi_label": False},
        {"candidate_labels": ["a", "a", "b"]},
        {"candidate_labels": NAMES, "hypothesis_template": "이 글은 {}에 관한 것이다."},
        {"candidate_labels": NAMES, "hypothesis_template": "{}"},
        {"candidate_labels": NAMES, "hypothesis_template": "It is {0}, {{really}}."},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "labels", [NLI, NLI[::-1], ("Entailment", "not_entailment"), ("ENTAILED", "neutral", "contradicts")]
)
def test_every_way_of_calling(both, labels, call):
    ours, theirs = both("bert", labels)
    given = list(texts()[:3])
    compare(ours(given, **call), theirs(given, **call))
    compare(list(ours((text for text in given), **call)), theirs(given, **call))
    compare([ours(given[0], **call)], [theirs(given[0], **call)])  # a dict, in no list
    labels, more = call["candidate_labels"], {name: value for name, value in call.items() if name != "candidate_labels"}
    compare([ours(given[0], labels, **more)], [theirs(given[0], labels, **more)])
    compare([ours(sequences=given[0], **call)], [theirs(given[0], **call)])


def test_all_texts_and_labels_run_together(both):
    """One run of the model where transformers has one a pair; the order of the texts is kept, company changes nothing."""
    ours, _ = both()
    runs: list[int] = []
    handle = ours.model.register_forward_hook(lambda *_: runs.append(1))
    given = list(texts()[:12])
    found = ours(given, candidate_labels=NAMES)
    handle.remove()
    assert len(runs) < 4, "not 60"
    compare([ours([text], candidate_labels=NAMES)[0] for text in given], found)
    assert ours([], candidate_labels=NAMES) == []


def test_the_label_called_contradiction_is_the_contrary_wherever_it_stands(both):
    """transformers takes the first output, here neutral, for it."""
    ours, theirs = both("bert", ("neutral", "contradiction", "entailment"))
    text = texts()[0]
    found = dict(zip(*list(ours([text], candidate_labels=NAMES, multi_label=True)[0].values())[1:], strict=True))
    for name in NAMES:
        inputs = ours.tokenizer(text, f"This example is {name}.", return_tensors="pt")
        with torch.no_grad():
            logits = ours.model.float()(**inputs).logits[0]
        assert found[name] == pytest.approx(float(torch.softmax(logits[1:], -1)[1]), abs=1e-5)
    compare(ours([text], candidate_labels=NAMES), [theirs(text, candidate_labels=NAMES)])


@pytest.mark.parametrize(
    "names", [("모순", "중립", "함의"), ("c", "n", "e"), ("contradicción", "neutral", "implicación")]
)
def test_spellings_of_entailment(both, names):
    ours, _ = both("bert", names)
    expected, _ = both()
    given, call = list(texts()[:3]), {"candidate_labels": NAMES}
    for more in ({}, {"multi_label": True}):
        compare(ours(given, **call, **more), expected(given, **call, **more))


def test_a_label_for_entailment_that_says_nothing_can_be_named(both):
    unnamed, expected = both("bert", ("LABEL_0", "LABEL_1", "LABEL_2"))[0], both()[0]
    given = list(texts()[:3])
    found = unnamed(given, candidate_labels=NAMES, entailment_label="label_2")
    compare(found, expected(given, candidate_labels=NAMES))
    with pytest.raises(ModelError, match=r"\(LABEL_0, LABEL_1, LABEL_2\) says entailment.*entailment_label"):
        unnamed(given, candidate_labels=NAMES)
    with pytest.raises(
        SettingError, match="entailment_label='entailment': the model's labels are LABEL_0, LABEL_1, LABEL_2"
    ):
        unnamed(given, candidate_labels=NAMES, entailment_label="entailment")


def test_a_model_that_is_none_of_inference_is_refused(tiny):
    sentiment = byeori.pipeline(
        ZeroShotClassification, str(tiny("bert", labels=("negative", "positive"))), precision="float32"
    )
    with pytest.raises(
        ModelError, match=r"\(negative, positive\) says entailment: its scores would mean nothing"
    ) as caught:
        sentiment(["a text"], candidate_labels=NAMES)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({}, "needs the labels to choose from"),
        ({"candidate_labels": []}, "they are empty"),
        ({"candidate_labels": " , "}, "they are empty"),
        ({"candidate_labels": ["a", ""]}, "a label is empty"),
        ({"candidate_labels": ["a", 3]}, "3 is int, not a text"),
        ({"candidate_labels": 3}, "3 is int, not a text"),
        ({"candidate_labels": "a,b", "hypothesis_template": "This is it."}, "it needs {} once"),
        ({"candidate_labels": "a,b", "hypothesis_template": "{} and {}"}, "it needs {} once"),
        ({"candidate_labels": "a,b", "hypothesis_template": "{label}"}, "it needs {} once"),
        ({"candidate_labels": "a,b", "hypothesis_template": "{"}, "it needs {} once"),
        ({"candidate_labels": "a,b", "multi_label": "perhaps"}, "multi_label='perhaps': true or false is needed"),
        ({"candidate_labels": "a,b", "multilabel": True}, "Did you mean multi_label"),
        ({"candidate_labels": [" ".join(texts()[:20])]}, "leave no room for the text"),
    ],
    ids=str,
)
def test_a_wrong_argument(both, call, said):
    with pytest.raises(SettingError, match=said):
        both()[0](["a text"], **call)


def test_pairs_are_refused(both):
    with pytest.raises(DataError, match="takes single texts"):
        both()[0]([("a", "b")], candidate_labels=NAMES)


def test_defaults_of_all_calls(tiny, both):
    folder = str(tiny("bert", labels=NLI))
    always = byeori.pipeline(
        ZeroShotClassification, folder, precision="float32", candidate_labels="a,b", multi_label=True
    )
    _, theirs = both()
    compare(always([texts()[0]]), [theirs(texts()[0], candidate_labels="a,b", multi_label=True)])
    compare(
        always([texts()[0]], candidate_labels=NAMES), [theirs(texts()[0], candidate_labels=NAMES, multi_label=True)]
    )
    of_task = byeori.load_run(folder, task=ZeroShotClassification(candidate_labels=NAMES), precision="float32")
    compare(of_task.predict([texts()[0]]), [theirs(texts()[0], candidate_labels=NAMES)])


def test_a_bert_tokenizer_on_a_roberta_body(tmp_path):
    """As klue/roberta has it: the segment ids of pairs, which crash transformers' pipeline, are left out."""
    body, words = Family("roberta"), Family("bert")
    values = {"vocab_size": len(words.tokenizer()), "pad_token_id": words.tokenizer().pad_token_id}
    names = {"id2label": dict(enumerate(NLI)), "label2id": {name: number for number, name in enumerate(NLI)}}
    body.model(**values, **names).save_pretrained(tmp_path)
    words.tokenizer().save_pretrained(tmp_path)
    ours = byeori.pipeline(ZeroShotClassification, str(tmp_path), precision="float32")
    found = ours([texts()[0]], candidate_labels=NAMES, hypothesis_template="{}", multi_label=True)[0]
    for name, score in zip(found["labels"], found["scores"], strict=True):
        ids = torch.tensor([words.tokenizer()(texts()[0], name)["input_ids"]])
        with torch.no_grad():
            logits = ours.model(input_ids=ids).logits[0]
        assert score == pytest.approx(float(torch.softmax(logits[[0, 2]], -1)[1]), abs=1e-5)


# rows ----------------------------------------------------------------------------------------------------------------

TOPICS = ["배송", "환불", "칭찬"]
ROWS = [{"text": text, "label": TOPICS[place // 2 % 3]} for place, text in enumerate(texts()[:30])]


def test_evaluation_against_the_labels_of_the_file(tiny):
    """accuracy and macro F1 of the predictions; the loss is −log of the right label's score."""
    run = byeori.load_run(str(tiny("bert", labels=NLI)), task=ZeroShotClassification, precision="float32")
    scores = run.evaluate(ROWS)
    assert set(scores) == {"accuracy", "macro_f1", "loss"}
    found = run.predict([row["text"] for row in ROWS], candidate_labels=TOPICS)
    best, right = [one["labels"][0] for one in found], [row["label"] for row in ROWS]
    assert scores["accuracy"]["value"] == pytest.approx(np.mean([a == b for a, b in zip(best, right, strict=True)]))
    assert scores["accuracy"]["low"] <= scores["accuracy"]["value"] <= scores["accuracy"]["high"]
    assert scores["macro_f1"]["value"] == pytest.approx(f1_score(right, best, average="macro"))
    shares = [dict(zip(one["labels"], one["scores"], strict=True)) for one in found]
    loss = -np.mean([np.log(share[name]) for share, name in zip(shares, right, strict=True)])
    assert scores["loss"]["value"] == pytest.approx(loss, abs=1e-4)
    other = [{**row, "label": row["label"] + "!"} for row in ROWS]
    assert run.evaluate(other) and run.task.labels == sorted(f"{name}!" for name in TOPICS), "the labels of each file"


def test_evaluation_against_labels_that_are_given(tiny):
    """More than the file has; or their names where the file has numbers."""
    folder = str(tiny("bert", labels=NLI))
    candidates = [*TOPICS, "정원"]
    run = byeori.load_run(folder, task=ZeroShotClassification(candidate_labels=candidates), precision="float32")
    named = run.evaluate(ROWS)
    best = [one["labels"][0] for one in run.predict([row["text"] for row in ROWS])]
    assert named["accuracy"]["value"] == pytest.approx(
        np.mean([b == row["label"] for b, row in zip(best, ROWS, strict=True)])
    )
    numbered = [{**row, "label": candidates.index(row["label"])} for row in ROWS]
    assert run.evaluate(numbered) == named
    told = byeori.load_run(folder, task=ZeroShotClassification, precision="float32")
    assert (
        told.evaluate(ROWS, candidate_labels=candidates)
        == named
        == told.evaluate(ROWS, candidate_labels=",".join(candidates))
    )
    assert told.evaluate(ROWS, candidate_labels=candidates, hypothesis_template="이 글은 {}에 관한 것이다.") != named
    with pytest.raises(DataError, match=r"the labels are numbers \(0, 1, 2\), which say nothing to a model"):
        byeori.load_run(folder, task=ZeroShotClassification).evaluate(numbered)
    with pytest.raises(DataError, match="날씨"):
        run.evaluate([*ROWS, {"text": "비가 온다.", "label": "날씨"}])


def test_a_file_is_predicted_line_by_line(tiny, tmp_path):
    from byeori.predict.files import predict_file

    run = byeori.load_run(str(tiny("bert", labels=NLI)), task=ZeroShotClassification, precision="float32")
    (tmp_path / "in.tsv").write_text(
        "text\tlabel\n" + "\n".join(f"{row['text']}\t{row['label']}" for row in ROWS), encoding="utf-8"
    )
    predict_file(run, str(tmp_path / "in.tsv"), tmp_path / "out.jsonl", call={"candidate_labels": "배송,환불"}, read={})
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["row"] for line in lines] == list(range(1, 31))
    expected = run.predict([row["text"] for row in ROWS], candidate_labels=["배송", "환불"])
    compare([line["prediction"] for line in lines], expected)


def test_it_is_the_nli_model_that_is_trained(tiny, tmp_path):
    with pytest.raises(SettingError, match="--task text-classification --text PREMISE --text-pair HYPOTHESIS"):
        byeori.train(
            ZeroShotClassification, str(tiny("bert", auto="AutoModel")), train=ROWS, output=str(tmp_path / "run")
        )
    assert not (tmp_path / "run").exists()
    premises = [
        {"text": texts()[3 * place], "text_pair": texts()[3 * place + 1], "label": NLI[place % 3]}
        for place in range(40)
    ]
    trained = byeori.train(
        TextClassification, str(tiny("bert", auto="AutoModel")), train=premises, output=str(tmp_path / "nli"), epochs=1, baselines=False,
        precision="float32", threads=1,
    )  # fmt: skip
    run = byeori.load_run(trained.path, task=ZeroShotClassification, precision="float32")
    found = run.predict([texts()[0]], candidate_labels=NAMES)[0]
    pairs = [(texts()[0], f"This example is {name}.") for name in NAMES]
    logits = trained.predict(pairs, arrays=True)["logits"][:, trained.task.labels.index("entailment")]
    expected = dict(zip(NAMES, torch.softmax(torch.from_numpy(logits), -1).tolist(), strict=True))
    assert dict(zip(found["labels"], found["scores"], strict=True)) == pytest.approx(expected, abs=1e-5)


# the example ---------------------------------------------------------------------------------------------------------
