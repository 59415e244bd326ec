"""What was cleaned in training is cleaned in every prediction, and what a prediction says is said of the text as it was given."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import transformers
import yaml

import byeori
import plain
from byeori.data.cleaning import Cleaner
from byeori.errors import DataError, ModelError, RowsError, SettingError
from byeori.tasks import ZeroShotClassification
from byeori.train.progress import Quiet
from commands import Command
from vocabularies import texts

FAST = {"max_steps": 3, "precision": "float32", "threads": 1, "baselines": False, "previews": 0, "log_every": 1}
HEADS = {
    "text-classification": "AutoModelForSequenceClassification", "question-answering": "AutoModelForQuestionAnswering",
    "token-classification": "AutoModelForTokenClassification", "summarization": "AutoModelForSeq2SeqLM",
}  # fmt: skip


def nfd(value):
    """Everything in a row, decomposed; offsets of answers as they are then."""
    if isinstance(value, dict):
        found = {name: nfd(one) for name, one in value.items()}
        if "answers" in found:
            (answer,) = found["answers"]["text"]
            found["answers"]["answer_start"] = [found["context"].index(answer)]
        return found
    if isinstance(value, list):
        return [nfd(one) for one in value]
    return unicodedata.normalize("NFD", value) if isinstance(value, str) else value


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def meta(run) -> dict:
    return json.loads((run.path / "model" / "byeori.json").read_text(encoding="utf-8"))


def weights(run) -> dict:
    from safetensors.numpy import load_file

    return load_file(run.path / "model" / "model.safetensors")


def same_weights(one, other) -> bool:
    return all(np.array_equal(value, weights(other)[name]) for name, value in weights(one).items())


def store_ids(run, rows) -> list[int]:
    return run.engine.encode({role: [row[role] for row in rows] for role in rows[0]}).input_ids.tolist()


@pytest.fixture(scope="module")
def both(tiny, tmp_path_factory):
    """`both(job, family)` → the runs trained on composed and on decomposed rows, made once."""
    made = {}

    def runs(job: str, family: str):
        if (job, family) not in made:
            folder, model = tmp_path_factory.mktemp(job), tiny(family, auto=HEADS[job])
            labels = {"label": str} if job == "text-classification" else {}
            rows = plain.JOBS[job].rows
            decomposed = [{**nfd(row), **{name: row[name] for name in labels}} for row in rows]
            assert decomposed != rows
            first = trained(job, model, folder / "nfc")
            second = trained(job, model, folder / "nfd", train=decomposed)
            made[job, family] = first, second
        return made[job, family]

    return runs


def trained(job: str, model, folder, **values):
    """A few updates over all rows of a job of `plain`, or over others."""
    one = plain.JOBS[job]
    small = {"test_size": 0, "batch_size": 8, "learning_rate": 1e-2, "evaluate_every": "end", **FAST}
    given = {"train": one.rows, "validation": values.get("train", one.rows), **one.settings, **small, **values}
    return byeori.train(one.task, str(model), output=str(folder), **given)


# NFC ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("job", "family"),
    [
        ("text-classification", "bert"), ("text-classification", "roberta"), ("question-answering", "bert"),
        ("question-answering", "roberta"), ("token-classification", "bert"), ("summarization", "t5"),
    ],
)  # fmt: skip
def test_decomposed_rows_train_as_composed_ones(both, job, family):
    composed, decomposed = both(job, family)
    assert plain.losses(composed) == plain.losses(decomposed) and same_weights(composed, decomposed)
    assert composed.metrics["validation"] == decomposed.metrics["validation"]
    assert meta(composed)["cleaning"] == {"clean": [], "function": None, "normalize": "nfc", "normalizer": "tokenizer"}
    settings = yaml.safe_load((decomposed.path / "settings.yaml").read_text(encoding="utf-8"))
    assert settings["normalize"] == "nfc" and settings["clean"] is None


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_whoever_loads_the_tokenizer_reads_both_alike(both, family):
    run, _ = both("text-classification", family)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.path / "model")
    source = run.engine.encoder.tokenizer
    assert tokenizer.model_input_names == source.model_input_names
    for text in plain.TEXTS:
        assert dict(tokenizer(text)) == dict(tokenizer(nfd(text))) == dict(source(text))
    plain.check(run, "text-classification")


@pytest.mark.parametrize(("job", "family"), [("text-classification", "bert"), ("summarization", "t5")])
def test_decomposed_texts_are_answered_as_composed_ones(both, job, family):
    run, _ = both(job, family)
    again = byeori.load_run(run.path, precision="float32")
    asked = plain.TEXTS
    for one in (run, again):
        assert one.predict(asked) == one.predict(nfd(asked))
    pipe = byeori.pipeline(plain.JOBS[job].task, run)
    assert pipe(asked) == pipe(nfd(asked)) and list(pipe(iter(asked))) == list(pipe(iter(nfd(asked))))
    assert again.evaluate(plain.JOBS[job].rows) == again.evaluate(
        [{**row, **nfd({n: v for n, v in row.items() if n != "label"})} for row in plain.JOBS[job].rows]
    )


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_answers_in_decomposed_contexts_stand_where_they_are(both, family):
    run, _ = both("question-answering", family)
    rows = [{role: row[role] for role in ("question", "context")} for row in plain.JOBS["question-answering"].rows]
    for composed, decomposed, row in zip(run.predict(rows), run.predict(nfd(rows)), nfd(rows), strict=True):
        assert composed["score"] == pytest.approx(decomposed["score"], abs=1e-6)
        piece = row["context"][decomposed["start"] : decomposed["end"]]
        assert decomposed["answer"] == piece and nfc(piece) == composed["answer"]


def test_entities_of_decomposed_texts_stand_where_they_are(both):
    run, _ = both("token-classification", "bert")
    call = {"aggregation_strategy": "none", "ignore_labels": []}
    for text in plain.TEXTS:
        (composed,), (decomposed,) = (run.predict([one], **call) for one in (text, nfd(text)))
        assert [one["entity"] for one in composed] == [one["entity"] for one in decomposed]
        pieces = [nfc(nfd(text)[one["start"] : one["end"]]) for one in decomposed]
        assert pieces == [text[one["start"] : one["end"]] for one in composed]


def test_a_tokenizer_that_cannot_hold_it_gets_composed_texts(tiny, tmp_path):
    rows = [{"prompt": text, "completion": text} for text in plain.TEXTS]
    model = tiny("ctrl", auto="AutoModelForCausalLM")
    runs = [
        byeori.train("text-generation", str(model), train=given, output=str(tmp_path / name), validation_size=0, test_size=0, **FAST)
        for name, given in (("nfc", rows), ("nfd", nfd(rows)))
    ]  # fmt: skip
    assert plain.losses(runs[0]) == plain.losses(runs[1])
    assert meta(runs[0])["cleaning"]["normalizer"] == "text"
    for run in (runs[0], byeori.load_run(tmp_path / "nfc")):
        assert run.engine.cleaner == Cleaner(form="nfc")
        asked = [{"prompt": text} for text in plain.TEXTS]
        assert store_ids(run, asked) == store_ids(run, nfd(asked))


def test_auto_leaves_other_texts_alone(tiny, tmp_path):
    english = [row for row in plain.JOBS["text-classification"].rows if row["text"].isascii()]
    rows = [{**row, "label": str(at % 2)} for at, row in enumerate(english)]
    run = trained("text-classification", tiny("bert"), tmp_path / "run", train=rows)
    assert meta(run)["cleaning"] is None and type(run.tokenizer).__name__ == "BertTokenizer"
    off = trained("text-classification", tiny("bert"), tmp_path / "off", normalize="none")
    assert meta(off)["cleaning"] is None and type(off.tokenizer).__name__ == "BertTokenizer"


# other steps ----------------------------------------------------------------------------------------------------------
STEPS = "html,zero-width,spaces,lower"
DIRT = " &lt;&#65;&gt; \u200b"  # in front of a text: "<a> " once it is clean


@pytest.fixture(scope="module")
def classifier(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cleaned")
    rows = [{**row, "text": f"{DIRT}{row['text']} "} for row in plain.JOBS["text-classification"].rows]
    return byeori.train(
        "text-classification", str(tiny("bert")), train=rows, validation=rows, test_size=0, output=str(folder / "run"), clean=STEPS,
        **FAST,
    )  # fmt: skip


def test_what_was_cleaned_is_recorded(classifier):
    assert meta(classifier)["cleaning"] == {
        "clean": ["html", "zero-width", "lower", "spaces"], "function": None, "normalize": "nfc", "normalizer": "tokenizer"
    }  # fmt: skip
    facts = json.loads((classifier.path / "data.json").read_text(encoding="utf-8"))
    assert facts["cleaning"] == meta(classifier)["cleaning"]
    assert facts["parts"]["train"]["cleaned"] == {
        "texts": 8,
        "html": 8,
        "zero-width": 8,
        "lower": 8,
        "spaces": 8,
        "nfc": 0,
    }


def test_every_door_cleans_as_training_did(classifier, tmp_path):
    dirty, clean = [f"{DIRT}{text} " for text in plain.TEXTS], [f"<a> {text.lower()}" for text in plain.TEXTS]
    raw = byeori.load_run(classifier.path, precision="float32")
    raw.engine.cleaner = Cleaner()
    expected = raw.predict(clean)
    again = byeori.load_run(classifier.path, precision="float32")
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in dirty), encoding="utf-8")
    assert (
        classifier.predict(dirty) == again.predict(dirty) == again.predict(str(path)) == expected != raw.predict(dirty)
    )
    pipe = byeori.pipeline("text-classification", str(classifier.path), precision="float32")
    assert pipe(dirty) == list(pipe(iter(dirty))) == expected
    plain.same([one for text in dirty for one in pipe([text])], expected)
    rows = [
        {"text": text, "label": row["label"]}
        for text, row in zip(dirty, plain.JOBS["text-classification"].rows, strict=True)
    ]
    assert again.evaluate(rows) == raw.evaluate([{**row, "text": text} for row, text in zip(rows, clean, strict=True)])
    folder = tmp_path / "saved"
    pipe.save_pretrained(folder)
    assert byeori.load_run(folder, precision="float32").predict(dirty) == expected


def test_a_further_training_that_cleans_less_is_told(classifier, tmp_path):
    said = []

    class Told(Quiet):
        def note(self, sentence):
            said.append(sentence)

    trained("text-classification", classifier.path, tmp_path / "less", clean="html", progress=Told())
    (line,) = [one for one in said if "were cleaned" in one]
    assert (
        line
        == f"{classifier.path} was trained on texts that were cleaned, and these are not so: --clean zero-width,lower,spaces,html does it."
    )
    said.clear()
    trained("text-classification", classifier.path, tmp_path / "same", clean=STEPS, progress=Told())
    assert not [one for one in said if "were cleaned" in one]


def test_rows_that_were_cleaned_when_they_were_read(classifier, tiny, tmp_path):
    rows = classifier.read(plain.JOBS["text-classification"].rows)
    run = trained("text-classification", tiny("bert"), tmp_path / "run", train=rows)
    assert meta(run)["cleaning"] == meta(classifier)["cleaning"]
    with pytest.raises(SettingError, match="these rows were cleaned already, and in another way"):
        trained("text-classification", tiny("bert"), tmp_path / "other", train=rows, clean="control")


def test_nothing_is_cleaned_twice(classifier):
    rows = classifier.read([{"text": "&amp;lt; a", "label": "English"}])
    assert rows.table["text"][:] == ["&lt; a"]
    once = classifier.engine.encode({"text": ["&lt; a"]}, clean=False)
    assert classifier.encode(rows).input_ids.tolist() == classifier.encode(rows, labels=True).input_ids.tolist()
    assert classifier.encode(rows).input_ids.tolist() == once.input_ids.tolist()


def test_a_row_of_which_nothing_is_left_keeps_its_line(classifier, tmp_path):
    from byeori.predict.files import predict_file

    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "&lt;a"}\n{"text": "&#8203;"}\n{"text": "B "}\n', encoding="utf-8")
    predict_file(classifier, str(path), out, call={}, read={}, with_inputs=True)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert lines[1] == {"row": 2, "error": "cleaning leaves nothing of the text", "inputs": {"text": "&#8203;"}}
    assert [line["inputs"]["text"] for line in lines] == ["&lt;a", "&#8203;", "B "] and "prediction" in lines[2]
    with pytest.raises(DataError, match="in.jsonl, row 2: cleaning leaves nothing of the text"):
        classifier.predict(str(path))


def test_answers_stand_where_they_stood(tiny, tmp_path):
    jobs = plain.JOBS["question-answering"].rows
    dirt = "&quot;&amp;&#8203; "  # '"& ' once it is clean: 13 characters more
    rows = [
        {**row, "context": f"{dirt}{row['context']}",
         "answers": {"text": row["answers"]["text"], "answer_start": [row["answers"]["answer_start"][0] + len(dirt)]}}
        for row in jobs
    ]  # fmt: skip
    model = tiny("bert", auto=HEADS["question-answering"])
    run = trained("question-answering", model, tmp_path / "run", train=rows, clean="html,zero-width")
    clean = [{**row, "context": f'"& {row["context"]}'} for row in jobs]
    moved = [
        {**row, "answers": {"text": one["answers"]["text"], "answer_start": [one["answers"]["answer_start"][0] + 3]}}
        for row, one in zip(clean, jobs, strict=True)
    ]
    again = trained("question-answering", model, tmp_path / "clean", train=moved)
    assert same_weights(run, again)
    asked = [{role: row[role] for role in ("question", "context")} for row in rows]
    expected = again.predict([{role: row[role] for role in ("question", "context")} for row in clean], top_k=2)
    for row, found, right in zip(asked, run.predict(asked, top_k=2), expected, strict=True):
        for one, other in zip(found, right, strict=True):
            assert one["answer"] == row["context"][one["start"] : one["end"]] and one["score"] == other["score"]
            if other["start"] >= 3:
                shift = len(dirt) - 3
                assert (one["start"], one["end"], one["answer"]) == (
                    other["start"] + shift,
                    other["end"] + shift,
                    other["answer"],
                )
            else:
                assert (
                    one["start"] in (0, 6, 11, 18)
                    and Cleaner(("html", "zero-width"))([one["answer"]])[0] == other["answer"]
                )


@pytest.mark.parametrize("tokens", [False, True])
def test_entities_stand_where_they_stood(tiny, tmp_path, tokens):
    run = trained(
        "token-classification", tiny("bert", auto=HEADS["token-classification"]), tmp_path / "run", clean="html,spaces"
    )
    raw = byeori.load_run(run.path, precision="float32")
    raw.engine.cleaner = Cleaner()
    for text in plain.TEXTS:
        words = text.split()
        dirty = ["&lt;", f"{words[0]}&gt;", f" {words[1]} ", *words[2:]]
        clean = ["<", f"{words[0]}>", words[1], *words[2:]]
        if tokens:
            (found,), (expected,), joined = (
                run.predict([{"tokens": dirty}]),
                raw.predict([{"tokens": clean}]),
                " ".join(dirty),
            )
        else:
            joined = "  " + " ".join([dirty[0], dirty[1], *words[1:]])
            (found,), (expected,) = run.predict([joined]), raw.predict([" ".join(clean)])
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            piece = joined[one["start"] : one["end"]]
            assert (
                Cleaner(("html", "spaces"))([piece])[0].split()
                == " ".join(clean)[other["start"] : other["end"]].split()
            )
            assert one["score"] == other["score"]


def test_what_is_quoted_is_quoted_as_given(tiny, tmp_path):
    rows = plain.JOBS["multiple-choice"].rows
    run = trained("multiple-choice", tiny("bert", auto="AutoModelForMultipleChoice"), tmp_path / "run", clean="html")
    text, choices = rows[0]["text"], [f"{one} &amp;" for one in rows[0]["choices"]]
    (found,) = run.predict([{"text": text, "choices": choices}], top_k=2)
    assert {one["label"] for one in found} == set(choices)
    assert all(choices[one["choice"]] == one["label"] for one in found)


def test_hypotheses_are_cleaned_as_second_texts_were(tiny):
    """Zero-shot by a model of pairs that learnt them lowered and without entities."""
    folder = str(tiny("bert", labels=("contradiction", "neutral", "entailment")))
    found = {}
    for name, cleaner in (("as given", Cleaner()), ("cleaned", Cleaner(("html", "lower")))):
        task = ZeroShotClassification()
        task.cleaning = cleaner
        found[name] = byeori.load_run(folder, task=task, precision="float32")
    asked = {"candidate_labels": ["Sport &amp; Play", "MONEY"], "hypothesis_template": "It is {}."}
    clean = {"candidate_labels": ["sport & play", "money"], "hypothesis_template": "it is {}."}
    (one,) = found["cleaned"].predict(["A &lt;B&gt; Talk"], **asked)
    (other,) = found["as given"].predict(["a <b> talk"], **clean)
    assert one["scores"] == other["scores"] and one["sequence"] == "A &lt;B&gt; Talk"
    assert [label.lower().replace("&amp;", "&") for label in one["labels"]] == other["labels"]
    (raw,) = found["as given"].predict(["a <b> talk"], **asked)
    assert raw["scores"] != one["scores"]

    def fails(text):
        raise ValueError("no")

    found["cleaned"].task.cleaning = Cleaner(function=fails)
    with pytest.raises(
        SettingError, match="candidate_labels: the hypothesis 'It is MONEY.' can't be cleaned.*ValueError"
    ):
        found["cleaned"].task._cleaned(["It is MONEY."])


# own functions --------------------------------------------------------------------------------------------------------
@pytest.fixture
def own(tmp_path) -> Path:
    path = tmp_path / "clean.py"
    path.write_text(
        "def no_bars(text):\n    return text.replace('|', '')\n\ndef fails(text):\n    return str(1 / text.count('|'))\n"
    )
    return path


def test_an_own_function_is_asked_for(tiny, tmp_path, own):
    rows = [{**row, "text": f"|{row['text']}|"} for row in plain.JOBS["text-classification"].rows]
    given = f"{own}:no_bars"
    run = trained("text-classification", tiny("bert"), tmp_path / "run", train=rows, clean_function=given)
    saved = meta(run)["cleaning"]["function"]
    assert saved["function"] == "no_bars" and saved["file"] == "clean.py" and len(saved["sha256"]) == 64
    assert "replace" not in (run.path / "model" / "byeori.json").read_text(encoding="utf-8")
    assert yaml.safe_load((run.path / "settings.yaml").read_text(encoding="utf-8"))["clean_function"] == given
    with pytest.raises(
        ModelError, match="cleaned by an own function, clean.py:no_bars, .*--clean-function clean.py:no_bars"
    ):
        byeori.load_run(run.path)
    again = byeori.load_run(run.path, clean_function=given, precision="float32")
    called = byeori.load_run(run.path, clean_function=again.task.cleaning.function, precision="float32")
    asked = [f"{text[:5]}|{text[5:]}" for text in plain.TEXTS]
    assert run.predict(asked) == again.predict(asked) == called.predict(asked) == again.predict(plain.TEXTS)
    pipe = byeori.pipeline("text-classification", str(run.path), clean_function=given, precision="float32")
    assert pipe(asked) == again.predict(asked)
    card = (run.path / "model" / "README.md").read_text(encoding="utf-8")
    assert 'byeori.pipeline("text-classification", "run/model", clean_function="clean.py:no_bars")' in card
    own.write_text(own.read_text() + "\n# changed\n")
    with pytest.warns(UserWarning, match="clean.py:no_bars has changed since this model was trained"):
        byeori.load_run(run.path, clean_function=given)


def test_a_function_that_training_had_not_is_refused(classifier, own):
    with pytest.raises(SettingError, match="was trained without an own cleaning function"):
        byeori.load_run(classifier.path, clean_function=f"{own}:no_bars")


def test_a_text_that_the_function_refuses_is_one_row_s_error(classifier, own, monkeypatch):
    from byeori.data.clean_function import load

    monkeypatch.setattr(classifier.engine, "cleaner", Cleaner(function=load(f"{own}:fails")))
    with pytest.raises(RowsError, match=r"input 2.*clean.py:fails failed on 'b' \(ZeroDivisionError"):
        classifier.predict(["a|", "b"])


# the command ----------------------------------------------------------------------------------------------------------
def test_the_command(tiny, tmp_path, capsys):
    command = Command(tmp_path, tiny("bert"), capsys)
    rows = "".join(f" &lt;{text}\t{at % 2}\n" for at, text in enumerate(texts()[:40]))
    data = command.write("talk.tsv", f"text\tlabel\n{rows}")
    assert command.train(data, "--clean", "html,space") == 2
    command.refused(2, 'there is no step "space". Did you mean "spaces"?')
    assert command.train(data, "--clean", "html,spaces", "--normalize", "nfc") == 0, command.err
    assert "clean html: 40 of 40 texts changed" in command.err and "NFC is in the tokenizer's normalizer" in command.err
    first = meta(byeori.load_run(command.output))["cleaning"]
    assert first["clean"] == ["html", "spaces"] and first["normalizer"] == "tokenizer"
    assert command("train", command.output / "settings.yaml", "--output", tmp_path / "again") == 0, command.err
    assert same_weights(byeori.load_run(command.output), byeori.load_run(tmp_path / "again"))
    assert command("predict", command.output, data, "--output", tmp_path / "out.jsonl") == 0, command.err
    card = (command.output / "model" / "README.md").read_text(encoding="utf-8")
    assert "HTML entities" in card and "NFC" in card
