"""Card and report of a run of each task: the card's code runs as pasted, and what is said is true of the task."""

from __future__ import annotations

import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from report_page import Page

import byeori
from byeori import tasks
from byeori.report.about import baselines
from byeori.report.card import card
from byeori.report.facts import Facts, read_facts
from byeori.report.write import write_report

WORDS = ["배송이", "좋아요", "빨라서", "어제", "비가", "왔다", "good", "color", "size"]
CONTEXT = "책은 군립도서관이 기증했다. 비가 어제 왔다."


def sentences(*tags: str, rest: str) -> list[dict[str, Any]]:
    """Sentences of three words with these tags, and some of two that have `rest` alone."""
    rows = [{"tokens": [word, "Seoul", "왔다"], "tags": list(tags)} for word in WORDS]
    return [*rows, *({"tokens": [word, "왔다"], "tags": [rest, rest]} for word in WORDS[:3])]


def marked() -> list[dict[str, Any]]:
    """Texts with spans over characters: each word an entity."""
    found = []
    for word in WORDS:
        spans = [(0, len(word), "PER"), (len(word) + 1, len(word) + 6, "LOC"), (len(word) + 8, len(word) + 10, "DAT")]
        entities = [{"start": start, "end": end, "label": label} for start, end, label in spans]
        found.append({"text": f"{word} Seoul에 왔다", "entities": entities})
    return found


def asked(*, impossible: bool) -> list[dict[str, Any]]:
    known = {"text": ["군립도서관"], "answer_start": [3]}
    none = {"text": [], "answer_start": []}
    return [
        {"question": f"{word} 누가?", "context": CONTEXT, "answers": none if impossible and place % 3 == 0 else known}
        for place, word in enumerate(WORDS)
    ]


PAIRS = [{"source": f"{word} 좋아요", "target": f"{word} is good"} for word in WORDS]
CHAT = [
    {"messages": [{"role": "user", "content": f"{word}?"}, {"role": "assistant", "content": f"good {word}"}]}
    for word in WORDS
]
PROMPTS = [{"prompt": f"{word} ", "completion": "좋아요"} for word in WORDS]
TEXTS = [{"text": f"{word} 어제 왔다. the color is good"} for word in WORDS]
QUIZ = [
    {"text": f"{word}?", "choices": ["good", "color", "size"][: 2 + n % 2], "label": n % 2}
    for n, word in enumerate(WORDS)
]
LABELLED = [{"text": f"{word} 왔다", "label": ("neg", "pos")[n % 2]} for n, word in enumerate(WORDS)]
LEARNT = {"max_steps": 40, "epochs": 20, "learning_rate": 5e-3}  # so that entities are found
SEQ2SEQ, CAUSAL = "AutoModelForSeq2SeqLM", "AutoModelForCausalLM"

# run → task, family, head, rows, settings
RUNS: dict[str, tuple[str, str, str, list, dict]] = {
    "labels": ("text-classification", "bert", "AutoModel", LABELLED, {}),
    "entities": ("token-classification", "bert", "AutoModel", sentences("B-PER", "B-LOC", "B-DAT", rest="O"), LEARNT),
    "tags": ("token-classification", "bert", "AutoModel", sentences("VERB", "NOUN", "VERB", rest="VERB"), {}),
    "characters": ("token-classification", "bert", "AutoModel", marked(), LEARNT),
    "answers": ("question-answering", "bert", "AutoModel", asked(impossible=False), {}),
    "answers or none": ("question-answering", "roberta", "AutoModel", asked(impossible=True), {"stride": 20}),
    "summaries": ("summarization", "t5", SEQ2SEQ, PAIRS, {"source_prefix": "summarize: ", "max_target_length": 8}),
    "long summaries": ("summarization", "led", SEQ2SEQ, PAIRS, {"max_target_length": 8, "truncation": "tail"}),
    "translations": ("translation_ko_to_en", "marian", SEQ2SEQ, PAIRS, {"max_target_length": 8}),
    "many languages": ("translation_ko_to_en", "mbart", SEQ2SEQ, PAIRS, {"max_target_length": 8}),
    "rewritten": ("text2text-generation", "bart", SEQ2SEQ, PAIRS, {"max_target_length": 8}),
    "running text": ("text-generation", "gpt2", CAUSAL, TEXTS, {"block_length": 24}),
    "replies": ("text-generation", "qwen2", CAUSAL, CHAT, {}),
    "completions": ("text-generation", "llama", CAUSAL, PROMPTS, {}),
    "masks": ("fill-mask", "roberta", "AutoModelForMaskedLM", TEXTS, {"mlm_probability": 0.3}),
    "gaps": ("span-corruption", "t5", SEQ2SEQ, TEXTS, {}),
    "choices": ("multiple-choice", "bert", "AutoModel", QUIZ, {}),
}


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """`made(name)` → the folder of that run, after a few updates."""
    known: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in known:
            task, family, auto, rows, settings = RUNS[name]
            output = tmp_path_factory.mktemp("runs") / f"{name} 'run'"
            values = {"max_steps": 2, "learning_rate": 1e-3, "batch_size": 4, "previews": 1, **settings}
            known[name] = byeori.train(
                task, str(tiny(family, auto=auto)), train=rows, validation=rows, test=rows, output=str(output), threads=1,
                precision="float32", **values,
            ).path  # fmt: skip
            assert write_report(known[name], lang="ko") == write_report(known[name], lang="en") == []
        return known[name]

    return make


def text_of(run: Path) -> str:
    return ModelCard.load(run / "model" / "README.md").content.split("\n---\n", 1)[1]


def pasted(run: Path, monkeypatch) -> list[Any]:
    """What the blocks of the card print, run where the run's folder lies."""
    monkeypatch.chdir(run.parent)
    monkeypatch.setattr(byeori, "pipeline", functools.partial(byeori.pipeline, precision="float32"))
    printed: list[Any] = []
    for block in re.findall(r"```python\n(.*?)```", text_of(run), re.DOTALL):
        before = len(printed)
        exec(compile(block, "README.md", "exec"), {"print": printed.append})
        assert len(printed) == before + 1, block
    assert len(printed) == 2
    return printed


def spans(found: list[dict[str, Any]]) -> list[tuple]:
    return [(one["entity_group"], one["start"], one["end"]) for one in found]


def same_label(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    close = math.isclose(ours[0]["score"], theirs[0]["score"], rel_tol=1e-3)
    return close and ours[0]["label"] == theirs[0]["label"]


def same_tags(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    """Those of our words are those of the tokens that begin where they do."""
    tokens = {one["start"]: one["entity"] for one in theirs}
    return bool(ours) and all(tokens[one["start"]] == one["entity"] for one in ours)


SAME = {
    "labels": same_label,
    "entities": lambda ours, theirs: spans(ours) == spans(theirs) != [],
    "characters": lambda ours, theirs: spans(ours) == spans(theirs) != [],
    "tags": same_tags,
    "summaries": lambda ours, theirs: [{"summary_text": theirs}] == ours,
    "long summaries": lambda ours, theirs: [{"summary_text": theirs}] == ours,
    "translations": lambda ours, theirs: [{"translation_text": theirs}] == ours,
    "many languages": lambda ours, theirs: [{"translation_text": theirs}] == ours,
    "rewritten": lambda ours, theirs: [{"generated_text": theirs}] == ours,
    "masks": lambda ours, theirs: [one["token"] for one in ours] == [one["token"] for one in theirs],
    "choices": lambda ours, theirs: ours["label"] == theirs,
}


@pytest.mark.parametrize("name", RUNS)
def test_the_code_of_the_card_runs(made, name, monkeypatch):
    ours, theirs = pasted(made(name), monkeypatch)
    if name in SAME:
        assert SAME[name](ours, theirs), (ours, theirs)
    elif name == "gaps":
        assert set(ours[0] if isinstance(ours, list) else ours) == {"sequence", "spans"} and isinstance(theirs, str)
    elif name.startswith("answers"):  # transformers alone takes the span greedily, and always one
        assert set(ours) == {"score", "start", "end", "answer"} and isinstance(theirs, str) and theirs
    else:
        for found in (ours, theirs):
            begun = found[0]["generated_text"]
            begun = begun[0]["content"] if name == "replies" else begun
            assert begun.startswith(("안녕하세요?", "Hello!", "옛날 옛적에", "Once upon a time"))


@pytest.mark.parametrize("name", RUNS)
def test_no_false_claim_stands_in_card_or_report(made, name):
    task, _, _, rows, _ = RUNS[name]
    run = made(name)
    text, report = text_of(run), Page((run / "report.html").read_text(encoding="utf-8")).text
    assert "Missing in this run" not in report and "usable prediction" not in report
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert ("Labels" in headings) == (task in ("text-classification", "token-classification"))
    assert "Not recorded." not in text
    named = task.split("_")[0]
    gone = named in (
        "question-answering", "summarization", "translation", "text2text-generation", "multiple-choice", "span-corruption",
    )  # fmt: skip
    assert ("from transformers import pipeline" in text) != gone
    if task != "text-classification":
        for false in ("is a linear model on TF-IDF", "always gives", "longer inputs", "classify", "Confusion matrix"):
            assert false not in text and false not in report
        assert "Scores of each label" not in report
    said = baselines(read_facts(run))
    kinds = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["baseline"]
    assert said and said in text and said in report and said.count("baseline ") == len(kinds)
    assert ModelCard.load(run / "model" / "README.md").data.pipeline_tag == named


@pytest.mark.parametrize(("name", "said"), [
    ("labels", ["It reads up to 128 tokens; longer inputs are cut (head kept).", "always gives the most frequent answer"]),
    ("entities", ["or read whole, in windows that overlap, where a call gives `stride`.", "The trivial baseline finds no entity.",
                  "no linear model but a lexicon: each word", "| id | label | training tokens |"]),
    ("characters", ["a lexicon: each run of characters between spaces", 'aggregation_strategy="simple"']),
    ("tags", ["The trivial baseline gives every word the commonest tag, VERB."]),
    ("answers", ["windows of up to 128 tokens of which neighbours share up to 32", "like the question (TF-IDF of character n-grams)."]),
    ("answers or none", ["share up to 20;", "or no answer where that is too unlike it", 'and answers "" where it finds no answer']),
    ("summaries", ["longer sources are cut (head kept). Targets were learnt up to 8 tokens.", '"summarize: ', "one sentence or three"]),
    ("translations", ["The trivial baseline copies the source.", "the target of the training source most like the source"]),
    ("running text", ["It learnt from running text in blocks of 24 tokens.", "one of token trigrams (Witten–Bell)"]),
    ("replies", ["It learnt from rows of up to 128 tokens", '[{"role": "user", "content": ']),
    ("masks", ["It learnt from texts in pieces of up to 126 tokens.", "how frequent each token is in training"]),
    ("choices", ["longer pairs of text and choice are cut", "the place that is right most often"]),
])  # fmt: skip
def test_what_is_said_of_the_task(made, name, said):
    text = text_of(made(name))
    for one in said:
        assert one in text


@pytest.mark.parametrize("name", RUNS)
def test_the_korean_card_has_no_sentence_in_english(made, name):
    """But what reading noted; code, numbers and names stay as they are."""
    english, text = (
        card(read_facts(made(name)), lang).split("\n---\n\n# ", 1)[1].split("\n", 1)[1] for lang in ("en", "ko")
    )
    assert re.findall(r"```.*?```", text, re.DOTALL) == re.findall(r"```.*?```", english, re.DOTALL)
    assert english.count("|") == text.count("|")  # of the same tables
    for line in re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL).split("\n"):
        noted = re.match(r"- (train|validation|test): ", line)
        bare = re.sub(r"`.*?`|\[.*?\]\(.*?\)|sacrebleu의 값.*", "", line)
        for sentence in re.split(r"(?<=[.:]) ", bare):
            plain = re.findall(r"\b[a-z]{2,}\b", sentence)
            assert noted or len(plain) < 3 or re.search("[가-힣]", sentence), line


@pytest.mark.parametrize("task", tasks.TASKS, ids=lambda task: task.name)
def test_which_scores_should_be_low_is_the_tasks_own(task):
    run = Facts("run", metrics={"task": task.name})
    assert {
        name for name in ("loss", "perplexity", "bits_per_character", "accuracy", "f1") if run.lower_is_better(name)
    } == (task.lower_is_better & {"loss", "perplexity", "bits_per_character"})


def test_fewer_bits_are_better():
    score = {"value": 1.0, "low": 0.9, "high": 1.1}
    metrics = {"headline": "bits_per_character", "test": {"bits_per_character": score}, "baseline_of": "test"}
    metrics["baseline"] = {"linear": {"bits_per_character": {"value": 2.0, "low": 1.9, "high": 2.1}}}
    assert Facts("run", metrics={**metrics, "task": "text-generation"}).verdict[0] == "better"


def test_a_problem_type_of_another_task_is_not_its_own():
    config = {"problem_type": "single_label_classification", "id2label": {"0": "neg", "1": "pos"}}
    run = Facts("run", metrics={"task": "fill-mask"}, config=config)
    assert run.kind is None and "## Labels" not in card(run) and "one label for each input" not in card(run)


OWN = """
from byeori.tasks import TextClassification


class Mine(TextClassification):
    name = "mine"
"""


def test_an_own_task_is_claimed_nothing_of(tiny, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    run = byeori.train(
        f"{tmp_path / 'mine.py'}:Mine", str(tiny("bert", auto="AutoModel")), train=LABELLED, validation=LABELLED, max_steps=1,
        test_size=0, threads=1, precision="float32", previews=1, output=str(tmp_path / "run"),
    ).path  # fmt: skip
    write_report(run, lang="en")
    text, report = text_of(run), Page((run / "report.html").read_text(encoding="utf-8")).text
    assert "longer inputs" not in text and "from transformers" not in text and baselines(read_facts(run)) == ""
    assert "| 0 | neg | 5 |" in text and "Confusion matrix" in report  # these are labels, whatever the task is called
    assert ModelCard.load(run / "model" / "README.md").data.pipeline_tag is None
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(block, "README.md", "exec"), names := {})
    assert names["ask"]("왔다")[0]["label"] in ("neg", "pos")
    (run / "metrics.json").unlink()
    (run / "model" / "byeori.json").unlink()
    assert read_facts(run).task == "mine.py:Mine" and str(tmp_path) not in card(read_facts(run))


def test_multi_label_and_texts_cut_at_their_beginning():
    run = Facts("run", metrics={"task": "summarization"}, settings={"max_length": 64, "truncation": "tail"})
    assert 'from_pretrained(folder, truncation_side="left")' in card(run) and "(tail kept)" in card(run)
    many = Facts("run", metrics={"task": "text-classification"}, config={"problem_type": "multi_label_classification"})
    assert 'classify("A text to classify", top_k=None)' in card(many) and "whose score reaches the threshold" in card(
        many
    )
