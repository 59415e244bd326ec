"""Broken rows of the other tasks: tags, answers, spans, choices, conversations, lines side by side, corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broken.case import TEXTS, Case, Reads, Stops, Table, bad_row, file, files, without
from broken.good import CONLL, SENTENCES, dumped, jsonl, question, squad

NER, QA, MT = "token-classification", "question-answering", "translation"
SKIP = "--skip-bad-rows"


def of(name: str, task: str, path: str, content: str | bytes, want: Reads | Stops, **more) -> Case:
    return Case(name, file(path, content), want, task=task, **more)


# one token a line -----------------------------------------------------------------------------------------------------
def conll(name: str, content: str | bytes, want: Reads | Stops, path: str = "a.conll") -> Case:
    return of(f"conll-{name}", NER, path, content, want)


def sentence(number: int, *said: str, line: int) -> Stops:
    return Stops(said, row=number, line=line, bad=[number], rest=without(number, table=SENTENCES))


SENTENCES_CASES = [
    conll("unclosed", CONLL.rstrip("\n"), Reads(SENTENCES)),
    conll("cut-in-a-token", CONLL[: CONLL.index("왔다") + 1], sentence(3, "has no tag", line=7)),
    conll("no-tag", CONLL.replace("가\tO", "가"), sentence(2, 'the token "가" has no tag', SKIP, line=5)),
    conll("empty-tag", CONLL.replace("가\tO", "가\t"), sentence(2, "has no tag", line=5)),
    conll("no-token", CONLL.replace("가\tO", "\tO"), sentence(2, "no token", line=5)),
    conll("three-columns", CONLL.replace("가\tO", "가\tJ\tO"), sentence(2, "3 columns", line=5)),
    conll("crlf", CONLL.replace("\n", "\r\n"), Reads(SENTENCES)),
    conll("cr-only", CONLL.replace("\n", "\r"), Reads(SENTENCES)),
    conll("mark-on-a-blank-line", CONLL.replace("\n\n", "\n\ufeff\n", 1), Reads(SENTENCES)),
    conll("spaces-on-blank-lines", CONLL.replace("\n\n", "\n \t\n"), Reads(SENTENCES)),
    conll("cp949", CONLL.encode("cp949"), Reads(SENTENCES)),
    conll("broken-byte", CONLL.encode().replace("가".encode(), b"\xea\xb0"), sentence(2, "bytes", line=5)),
    conll(
        "unicode-ends",
        CONLL.replace("왔다", "왔\u2028다\x85"),
        Reads({**SENTENCES, "tokens": [*SENTENCES["tokens"][:2], ["왔\u2028다\x85"]]}),
    ),
    conll("empty", "", Stops("is empty")),
    conll("blank-lines-only", "\n\n \n\t\n", Stops("is empty")),
    conll("comments-only", "# one\n# two\n\n", Stops("no sentence")),
    conll("one-column", "서울\n은\n\n", Stops('not found: "tags"')),
    conll("image", b"\x89PNG\r\n\x1a\n" + bytes(200), Stops("an image")),
]


# tokens, tags and spans in objects ------------------------------------------------------------------------------------
TAGGED = [{"tokens": tokens, "tags": tags} for tokens, tags in zip(SENTENCES["tokens"], SENTENCES["tags"], strict=True)]
SPANS = [
    {"text": "서울은 크다", "entities": [{"start": 0, "end": 2, "label": "LOC"}]},
    {"text": "김철수가 왔다", "entities": [{"start": 0, "end": 3, "label": "PER"}]},
    {"text": "왔다", "entities": []},
]


def one(rows: list[dict[str, Any]], number: int, **values: Any) -> str:
    """JSON lines, one of them with other values."""
    return jsonl([{**row, **values} if at == number else row for at, row in enumerate(rows, 1)])


def tagged(name: str, values: dict[str, Any], *said: str) -> Case:
    return of(f"tagged-{name}", NER, "a.jsonl", one(TAGGED, 2, **values), bad_row(2, *said, table=SENTENCES))


def spanned(name: str, values: Mapping[str, Any] | list, *said: str) -> Case:
    table: Table = {"text": [row["text"] for row in SPANS], "entities": [row["entities"] for row in SPANS]}
    content = one(SPANS, 2, entities=values if isinstance(values, list) else [values])
    return of(f"spans-{name}", NER, "a.jsonl", content, bad_row(2, *said, table=table))


OBJECTS = [
    tagged("one-tag-less", {"tags": ["O"]}, "2", "1", SKIP),
    tagged("one-tag-more", {"tags": ["O", "O", "O"]}, "2", "3"),
    of(
        "tagged-no-tokens", NER, "a.jsonl", one(TAGGED, 2, tokens=[], tags=[]), Stops(["tokens", "--drop-empty"], row=2)
    ),
    tagged("null-tags", {"tags": None}, "tags"),
    tagged("null-token", {"tokens": ["김철수", None]}, "token"),
    tagged("empty-token", {"tokens": ["김철수", ""]}, "token"),
    tagged("number-for-a-token", {"tokens": ["김철수", 5]}, "token"),
    tagged("text-for-tokens", {"tokens": "김철수 가"}, "token"),
    spanned("beyond-the-text", {"start": 0, "end": 30, "label": "PER"}, "30"),
    spanned("before-the-text", {"start": -3, "end": 2, "label": "PER"}, "-3"),
    spanned("end-before-start", {"start": 3, "end": 0, "label": "PER"}, "3 to 0"),
    spanned("without-a-label", {"start": 0, "end": 3, "label": ""}, "no label"),
    spanned("without-an-end", {"start": 0, "end": None, "label": "PER"}, "no end"),
    spanned("of-words", {"start": "first", "end": "second", "label": "PER"}, "start"),
    spanned("with-another-text", {"start": 0, "end": 3, "label": "PER", "text": "이철수"}, "이철수"),
    spanned("inclusive-end", {"start": 0, "end": 2, "label": "PER", "text": "김철수"}, "last character"),
    spanned("number", [5], "entity 1"),
]


# question answering ---------------------------------------------------------------------------------------------------
def squads(name: str, changed: dict[str, Any], *said: str) -> Case:
    """Two good questions around a bad one."""
    good = (question(), question("북쪽", 19))
    content = dumped(squad(good[0], changed, good[1]))
    table = {"answers": [{"text": [t], "answer_start": [s]} for t, s in (("제주도", 5), ("", 0), ("북쪽", 19))]}
    return of(f"squad-{name}", QA, "a.json", content, bad_row(2, *said, table=table))


SQUAD = dumped(squad(question(), question("북쪽", 19)))

ANSWERS = [
    of(
        "squad",
        QA,
        "a.json",
        SQUAD,
        Reads(
            {
                "question": ["어디?"] * 2,
                "answers": [{"text": ["제주도"], "answer_start": [5]}, {"text": ["북쪽"], "answer_start": [19]}],
            }
        ),
    ),
    squads("off-by-one", question(start=6), "the nearest match is at 5", SKIP),
    squads("beyond-the-context", question(start=500), "500"),
    squads("negative", question(start=-1), "-1"),
    squads("nowhere", question("울릉도"), "occurs nowhere"),
    squads("fraction", question(start=5.5), "5.5"),
    squads("word-for-an-offset", question(start="five"), "five"),
    squads("half-an-answer", {"id": "x", "question": "어디?", "answers": [{"answer_start": 5}]}, 'without "text"'),
    squads("number-for-an-answer", question(text=5), "not text"),
    squads("impossible-maybe", question(is_impossible="maybe"), "maybe"),
    of("squad-cut", QA, "a.json", SQUAD[: len(SQUAD) // 2], Stops(["not JSON", "cut off"])),
    of(
        "squad-without-context",
        QA,
        "a.json",
        SQUAD.replace('"context"', '"contxt"'),
        Stops(["article 1, paragraph 1", "context"]),
    ),
    of("squad-without-question", QA, "a.json", SQUAD.replace('"question"', '"ask"', 1), Stops("question 1")),
    of("squad-without-questions", QA, "a.json", dumped(squad()), Stops("no question")),
    of(
        "squad-qas-object",
        QA,
        "a.json",
        dumped({"data": [{"paragraphs": [{"context": "x", "qas": {"question": "?"}}]}]}),
        Stops("article 1, paragraph 1"),
    ),
    of("squad-paragraphs-number", QA, "a.json", dumped({"data": [{"paragraphs": [5]}]}), Stops("paragraph 1")),
    of(
        "squad-paragraphs-of-no-kind",
        QA,
        "a.json",
        dumped({"data": [{"paragraphs": 5}, {"paragraphs": [{"context": "x", "qas": []}]}]}),
        Stops("article 1"),
    ),
    of(
        "squad-paragraphs-text",
        QA,
        "a.json",
        dumped({"data": [{"paragraphs": "x"}, {"paragraphs": [{"context": "x", "qas": []}]}]}),
        Stops("article 1"),
    ),
    of(
        "squad-context-number",
        QA,
        "a.json",
        dumped({"data": [{"paragraphs": [{"context": 5, "qas": [question()]}]}]}),
        Stops("context", row=1),
    ),
    of(
        "squad-question-null",
        QA,
        "a.json",
        dumped(squad({**question(), "question": None}, question())),
        Stops("question", row=1),
    ),
]


# NIKL, AI-Hub ---------------------------------------------------------------------------------------------------------
def nikl(*sentences: Any) -> str:
    return dumped(
        {
            "id": "N",
            "metadata": {"title": "t"},
            "document": [{"id": "N.1", "metadata": {}, "sentence": list(sentences)}],
        }
    )


def ne(begin: Any, end: Any, form: str = "서울") -> dict[str, Any]:
    return {"id": 1, "form": form, "label": "LC", "begin": begin, "end": end}


CORPORA = [
    of(
        "nikl",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은 크다", "NE": [ne(0, 2)]}),
        Reads({"text": ["서울은 크다"], "entities": [[{"start": 0, "end": 2, "label": "LC"}]]}),
    ),
    of(
        "nikl-without-form",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은 크다", "NE": [ne(0, 2)]}, {"id": "2", "NE": []}),
        Stops(["document 1, sentence 2", "form"]),
    ),
    of(
        "nikl-form-elsewhere",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은 크다", "NE": [ne(3, 5)]}),
        Stops(["서울", "0"], row=1),
    ),
    of(
        "nikl-beyond",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은 크다", "NE": [ne(0, 99)]}),
        Stops(["99", "2"], row=1),
    ),
    of(
        "nikl-sentence-null",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은 크다", "NE": [ne(0, 2)]}, None),
        Stops("sentence 2"),
    ),
    of(
        "nikl-morpheme-null",
        NER,
        "a.json",
        nikl({"id": "1", "form": "서울은", "morpheme": [None]}),
        Stops("no complete set of columns"),
    ),
]


# choices, conversations -----------------------------------------------------------------------------------------------
CHOICES = [
    {"question": "수도는?", "choices": ["서울", "부산"], "label": 0},
    {"question": "섬은?", "choices": ["대구", "제주"], "label": 1},
    {"question": "큰 것은?", "choices": ["산", "돌"], "label": 0},
]
CHOSEN = {key: [row[key] for row in CHOICES] for key in ("choices", "label")}
CHAT = [{"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": "네"}]} for t in TEXTS[:3]]


def choice(name: str, values: dict[str, Any], *said: str) -> Case:
    content = one(CHOICES, 2, **values)
    return of(f"choices-{name}", "multiple-choice", "a.jsonl", content, bad_row(2, *said, table=CHOSEN))


def chat(name: str, messages: Any, *said: str) -> Case:
    want = bad_row(2, *said, table={"messages": [row["messages"] for row in CHAT]})
    return of(f"chat-{name}", "text-generation", "a.jsonl", one(CHAT, 2, messages=messages), want)


TALK = [
    choice("beyond", {"label": 7}, '"7"'),
    choice("negative", {"label": -1}, '"-1"'),
    choice("only-one", {"choices": ["대구"]}, "one choice"),
    choice("empty-one", {"choices": ["대구", ""]}, "choice 2"),
    choice("null-one", {"choices": ["대구", None]}, "choice 2"),
    of("choices-none", "multiple-choice", "a.jsonl", one(CHOICES, 2, choices=[]), Stops("choices", row=2)),
    of("choices-no-label", "multiple-choice", "a.jsonl", one(CHOICES, 2, label=None), Stops("label", row=2)),
    chat("no-content", [{"role": "user"}, {"role": "assistant", "content": "네"}], "message 1 of 2"),
    chat("role-missing", [{"content": "a"}, {"role": "assistant", "content": "b"}], "no role"),
    of(
        "chat-empty",
        "text-generation",
        "a.jsonl",
        one(CHAT, 2, messages=[]),
        Stops(["messages", "--drop-empty"], row=2),
    ),
    chat("texts", ["a", "b"], "no object with role"),
    of(
        "chat-null",
        "text-generation",
        "a.jsonl",
        one(CHAT, 2, messages=None),
        Stops(["messages", "--drop-empty"], row=2),
    ),
]


# lines side by side, texts to texts -----------------------------------------------------------------------------------
KO, EN = "안녕\n고마워\n잘 가\n", "hello\nthanks\nbye\n"
PAIR = {"source": ["안녕", "고마워", "잘 가"], "target": ["hello", "thanks", "bye"]}


def side(name: str, ko: str | bytes | None, en: str | bytes, want: Reads | Stops, **more) -> Case:
    contents = {"a.en": en} if ko is None else {"a.ko": ko, "a.en": en}
    return Case(f"parallel-{name}", files(contents, "{}/a.ko,{}/a.en"), want, task=MT, **more)


LINES = [
    side("good", KO, EN, Reads(PAIR)),
    side("one-line-less", KO, EN[:-4], Stops(["a.ko has 3 lines", "a.en has 2"], file="a.en")),
    side("one-line-more", KO + "또\n", EN, Stops(["a.ko has 4 lines"], file="a.en")),
    side("one-empty", KO, "", Stops("a.en: the file is empty", file="a.en")),
    side("one-missing", None, EN, Stops("no such file", file="a.ko")),
    side("no-last-line-end", KO[:-1], EN, Reads(PAIR)),
    side(
        "unicode-ends",
        KO.replace("고마워", "고\u2028마\x85워"),
        EN,
        Reads({**PAIR, "source": ["안녕", "고\u2028마\x85워", "잘 가"]}),
    ),
    side("crlf-in-one", KO.replace("\n", "\r\n"), EN, Reads(PAIR)),
    side(
        "broken-bytes",
        KO.encode().replace("고".encode(), b"\xea\xb3"),
        EN,
        Stops(["a.ko", "bytes"], row=2, bad=[2], rest=without(2, table=PAIR), file="a.ko"),
    ),
    side("blank-line", KO.replace("고마워", " "), EN, Stops(["is empty", "--drop-empty"], row=2, file="a.en")),
    of(
        "summary-empty",
        "summarization",
        "a.jsonl",
        jsonl([{"source": "긴 글", "target": "글"}, {"source": "긴 글", "target": " "}]),
        Stops("target", row=2),
    ),
    of(
        "summary-number",
        "summarization",
        "a.jsonl",
        jsonl([{"source": "긴 글", "target": "글"}, {"source": "긴 글", "target": 5}]),
        bad_row(2, "5", table={"source": ["긴 글", ""], "target": ["글", ""]}),
    ),
    of("text-blank-lines", "fill-mask", "a.txt", "하나\n\n\n둘\n\n", Stops("--drop-empty", row=2)),
    of("text-only-spaces", "fill-mask", "a.txt", "  \n \n", Stops("is empty")),
]

CASES = [*SENTENCES_CASES, *OBJECTS, *ANSWERS, *CORPORA, *TALK, *LINES]
