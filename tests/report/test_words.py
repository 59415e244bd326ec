"""Each sentence of the page has its Korean, with the same places to fill."""

from __future__ import annotations

import string

from sentences import sentences

from byeori.doctor.findings import KINDS
from byeori.report import about, compare, compare_lines, facts, html, wrong
from byeori.report.cost import costs
from byeori.report.facts import Facts
from byeori.report.found import HEADS
from byeori.report.korean import KOREAN
from byeori.report.trained_on import LENGTHS
from byeori.report.words import say, told


def places(template: str) -> list[tuple]:
    return sorted(one[1:] for one in string.Formatter().parse(template) if one[1] is not None)


def test_every_sentence_has_its_korean():
    assert len(sentences()) > 120
    said = sentences() | set(facts.VERDICTS.values()) | set(HEADS.values()) | {wrong.OCCLUSION, *about.CLEANED.values()}
    said |= {word for _, word in LENGTHS} | {kind.replace("_", " ") for kind in KINDS if kind != "no_answer"}
    said |= {*compare.METHODS.values(), *compare_lines.HEADS.values(), *compare_lines.VERDICTS.values()}
    for entry in about.TASKS.values():
        said |= {one for one in (entry.trivial, entry.linear) if isinstance(one, str)}
    training = {"seconds": 1.0, "steps": 2, "packed": True, "best": {"step": 1}, "stopped": "x", "resumed": [3]}
    names = ("total", "tokenize", "evaluate", "checkpoint")
    training |= {f"{name}_seconds": 1.0 for name in names} | {
        "epochs": 1,
        "examples_per_second": 1,
        "tokens_per_second": 1,
    }
    said |= {
        name for name, _ in costs(Facts("run", metrics={"training": {**training, "padding": 0, "peak_memory_mb": 1}}))
    }
    assert said <= KOREAN.keys(), sorted(said - KOREAN.keys())


def test_the_places_to_fill_are_the_same():
    for english, korean in KOREAN.items():
        assert places(english) == places(korean), english


def test_sentences_in_sentences_are_said_in_the_same_language():
    inner = told("always gives {what}", what=told("the training mean"))
    outer = told("The {kind} baseline {what}.", kind="linear", what=inner)
    assert outer == "The linear baseline always gives the training mean."
    assert say("ko", outer) == "linear 기준선: 언제나 학습 데이터의 평균만 답합니다."
    assert say("ko", "no such sentence {x}", x=1) == "no such sentence 1"  # said in English, never left out


def test_a_page_of_korean_texts_is_korean(single, multi):
    assert [html.language_of(facts.read_facts(run)) for run in (single, multi)] == ["ko", "en"]
