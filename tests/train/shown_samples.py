"""Samples of every task as its own `show` makes them, Korean and English, right ones and wrong ones; long texts and nasty ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from byeori.tasks import (
    FillMask,
    MultipleChoice,
    QuestionAnswering,
    SpanCorruption,
    Summarization,
    TextClassification,
    TextGeneration,
    TokenClassification,
    Translation,
)
from byeori.tasks.base import Task

LONG = "세종대왕은 1443년에 훈민정음을 만들었다. The king made an alphabet. " * 6
NASTY = "\x1b[31mred\u202eevil\r\n한글\t👩‍👩‍👧 e\u0301 \u1112\u1161\u11ab" + "가" * 300


def spans(text: str, *found: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"entity_group": kind, "word": word, "start": text.index(word), "end": text.index(word) + len(word)}
        for word, kind in found
    ]


def classified() -> list[dict]:
    task = TextClassification()
    task.labels, task.problem_type = ["부정", "긍정", "very positive"], "single_label"
    rows = [("정말 재미있어요", "긍정", "긍정"), (LONG, "very positive", "긍정"), (NASTY, "부정", "very positive")]
    return [
        task.show({"text": text, "label": right}, {"label": said, "score": 0.5}, right) for text, said, right in rows
    ]


def sets() -> list[dict]:
    task = TextClassification()
    task.problem_type = "multi_label"
    rows = [(LONG, ["joy", "놀람"], ["놀람", "슬픔"]), ("짧다", [], []), (NASTY, ["joy"], ["joy"])]
    return [
        task.show({"text": text}, [{"label": one, "score": 0.9} for one in said], right) for text, said, right in rows
    ]


def numbers() -> list[dict]:
    task = TextClassification()
    task.problem_type = "regression"
    rows = [("한 남자가 걷는다.", "A man walks.", 3.241, 4.0), (LONG, NASTY, -12.5, 0.0)]
    return [
        task.show({"text": text, "text_pair": pair}, {"label": "LABEL_0", "score": said}, right)
        for text, pair, said, right in rows
    ]


def entities() -> list[dict]:
    task = TokenClassification()
    text = LONG + "한국 정부는 서울에서 발표했다."
    rows = [
        (text, [("서울", "LC"), ("한국", "LC")], [("서울", "LC"), ("한국 정부", "OG")]),
        ("London is far", [("London", "LC")], [("London", "LC")]),
        (text, [], [("서울", "LC")]),
        ("아무것도 없다", [], []),
    ]
    return [task.show({"text": one}, spans(one, *said), spans(one, *right)) for one, said, right in rows]


def tags() -> list[dict]:
    from byeori.tasks.tagged import shown

    text, words = "나는 학교에 간다", ["나는", "학교에", "간다"]

    def marked(*kinds: str) -> list[dict]:
        starts = [text.index(word) for word in words]
        return [
            {"entity": kind, "word": word, "start": start, "end": start + len(word)}
            for kind, word, start in zip(kinds, words, starts, strict=True)
        ]

    right = marked("NP", "NNG", "VV")
    return [shown(text, marked("NP", "VV", "VV"), right), shown(text, right, right)]


def answers() -> list[dict]:
    task = QuestionAnswering()
    context = LONG + "Rollo swore fealty in 911. " + LONG

    def one(question: str, said: str, right: list[str]) -> dict:
        start = context.index(said) if said else 0
        best = {"score": 0.8312, "start": start, "end": start + len(said), "answer": said}
        starts = [context.index(answer) for answer in right]
        row = {"question": question, "context": context, "answers": {"text": right, "answer_start": starts}}
        return task.show(row, best, right)

    return [
        one("Who swore fealty?", "Rollo swore", ["Rollo"]), one("언제 만들었는가?", "1443년", ["1443년", "1443"]),
        one("Who?", "", ["Rollo"]), one("Whose horse?", "", []), one("Whose horse?", "911", []),
    ]  # fmt: skip


def choices() -> list[dict]:
    task = MultipleChoice()
    row = {"text": "비가 온다. " * 20, "choices": ["우산을 쓴다", "He sleeps", NASTY], "label": 0}
    return [
        task.show(row, {"choice": place, "label": row["choices"][place], "score": 0.6}, row["choices"][0])
        for place in (0, 1)
    ]


def masked() -> list[dict]:
    task = FillMask()
    task.tokenizer = SimpleNamespace(mask_token="[MASK]")
    told = {"masked": "이 영화는 [MASK] 재미있[MASK] 그래서 " + LONG, "perplexity": 3.0}
    guesses = [[["정말", 0.62], ["너무", 0.11]], [["##고", 0.4], ["##다", 0.22]]]
    return [
        task.show({}, {**told, "predicted": ["정말", "##고"], "right": ["정말", "##다"], "guesses": guesses}),
        task.show({}, {**told, "predicted": ["정말", "##다"], "right": ["정말", "##다"]}),
    ]


def corrupted() -> list[dict]:
    task = SpanCorruption()
    marks = {9: "<extra_id_0>", 8: "<extra_id_1>"}
    task.tokenizer = SimpleNamespace(convert_ids_to_tokens=lambda ids: [marks[one] for one in ids])
    task._number = {9: 0, 8: 1}
    told = {"masked": "The library <extra_id_0> at nine <extra_id_1> 한다.", "predicted": ["opens", "고 말"]}
    return [
        task.show({}, {**told, "right": ["opens", "라고 말"]}),
        task.show({}, {**told, "right": ["opens", "고 말"]}),
    ]


def written(kind: type[Task]) -> list[dict]:
    task = kind()
    key = "summary_text" if kind is Summarization else "translation_text"
    rows = [("안녕하세요 " * 50, "Hello.", "Hello."), (NASTY, "Hello " * 60, "반갑습니다 " * 60), ("one", "", "하나")]
    return [task.show({"source": source}, {key: text}, right) for source, text, right in rows]


def continued() -> list[dict]:
    told = {
        "prompt": "옛날 옛적에 a fox",
        "generated_text": "호랑이가 살았다. " * 20,
        "reference": "lived\n\n여우가 " * 9,
    }
    return [TextGeneration().show({}, told)]


class Own(Task):
    name = "own"


SAMPLES = {
    "text-classification": classified(), "multi-label": sets(), "regression": numbers(), "token-classification": entities(),
    "part-of-speech": tags(), "question-answering": answers(), "multiple-choice": choices(), "fill-mask": masked(),
    "span-corruption": corrupted(), "translation": written(Translation), "summarization": written(Summarization),
    "text-generation": continued(), "own": [Own().show({"text": NASTY, "other": None}, 3, 4)],
}  # fmt: skip
