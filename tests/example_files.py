"""What the examples read, written by hand in the shapes that these files and data sets have.

Invariants: names, columns, nesting and secret test labels are those of the originals; the texts are our own, Korean where
the example is.

    FILES["fill-mask"]["articles.txt"]; data_sets()["nyu-mll/glue", "mrpc"]
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

NEWS = Path(__file__).parent / "tasks" / "data" / "aihub_news.json"  # in AI-Hub's own nesting

PARAPHRASES = [
    ("The mayor said the bridge will open in May .", "The bridge will open in May , the mayor said .", 1),
    ("The mayor said the bridge will open in May .", "The mayor wants a second bridge by next year .", 0),
    ("Shares of the bakery fell 4 percent on Friday .", "On Friday the bakery 's shares lost 4 percent .", 1),
    ("Shares of the bakery fell 4 percent on Friday .", "The bakery sold 4 percent more bread on Friday .", 0),
    ("Rain delayed the final by two hours .", "The final began two hours late because of rain .", 1),
    ("Rain delayed the final by two hours .", "The final lasted two hours in spite of the rain .", 0),
    ("She wrote the letter before she left town .", "Before leaving town she wrote the letter .", 1),
    ("She wrote the letter before she left town .", "She left town before the letter was written .", 0),
]
REVIEWS = [
    ("a warm , funny and quietly moving film ", 1),
    ("two hours that feel like ten ", 0),
    ("the cast is a delight from start to finish ", 1),
    ("a plot so thin that it tears ", 0),
    ("one of the year 's nicest surprises ", 1),
    ("loud , long and empty ", 0),
    ("worth seeing twice ", 1),
    ("the jokes were old when my grandfather told them ", 0),
]
EMOTIONS = [
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire", "disappointment",
    "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness",
    "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
]  # fmt: skip
COMMENTS = [
    ("Thank you so much, that was very kind of you!", ["gratitude", "admiration"]),
    ("The shop opens at nine.", ["neutral"]),
    ("I laughed so hard that I spilled my coffee.", ["amusement", "joy"]),
    ("Why would anybody do that?", ["confusion", "curiosity"]),
    ("I am so sorry for your loss.", ["sadness", "caring"]),
    ("This is disgusting and you should be ashamed.", ["disgust", "anger"]),
    ("Phew, I thought we had missed the train.", ["relief"]),
    ("I can't wait to see it!", ["excitement", "desire"]),
]
# (title, context, [(question, answer, whether it can be answered)])
ARTICLES = [
    ("은빛천 산책로", "새별시는 은빛천 산책로를 내년 6월까지 잇는다고 9일 밝혔다. 사업비는 38억 원이다.",
     [("산책로는 언제까지 이어지나?", "내년 6월", True), ("사업비를 낸 기업은?", "새별시", False)]),
    ("솔마루 도서관", "비어 있던 솔마루 분교가 마을 도서관으로 문을 열었다. 책은 군립도서관이 기증했다.",
     [("책을 기증한 곳은?", "군립도서관", True), ("분교는 무엇이 되었나?", "마을 도서관", True)]),
    ("가람시장", "가람시장의 온라인 주문이 1년 만에 두 배로 늘었다. 참여 점포는 61곳이다.",
     [("참여 점포는 몇 곳인가?", "61곳", True), ("배달 기사는 몇 명인가?", "61곳", False)]),
    ("핸드볼", "누리시청 핸드볼팀이 27-24로 이겼다. 주장 한가은은 11골을 넣었다.",
     [("주장은 몇 골을 넣었나?", "11골", True), ("누가 11골을 넣었나?", "한가은", True)]),
    ("감자 축제", "별내마을 감자 축제가 12일 개막한다. 올해는 빵집 여섯 곳이 함께한다.",
     [("축제는 언제 개막하나?", "12일", True), ("작년에는 빵집이 몇 곳이었나?", "여섯 곳", False)]),
    ("철새", "겨울 철새 3만 마리가 해오름호를 찾았다. 그중 절반이 청둥오리다.",
     [("철새가 찾은 호수는?", "해오름호", True), ("절반을 차지한 새는?", "청둥오리", True)]),
]  # fmt: skip
TAGGED = [
    "<새별시:OG>는 <내년 6월:DT>까지 길을 잇는다.", "<한가은:PS>은 <11골:QT>을 넣었다.", "<해오름호:LC>에 철새가 왔다.",
    "<9일:DT> <솔마루:LC>에 도서관이 열렸다.", "<김보람:PS> 씨는 <서울:LC>에 산다.", "회의는 <오후 3시:TI>에 시작한다.",
    "<누리시청:OG>이 <27-24:QT>로 이겼다.", "<부산:LC>으로 가는 기차는 <6시:TI>에 있다.", "비가 많이 왔다.",
    "<하늬은행:OG>이 <이도윤:PS>을 뽑았다.", "<가람시장:LC> 점포는 <61곳:QT>이다.", "<12일:DT>부터 축제가 열린다.",
]  # fmt: skip
QUIZ = [
    ("Where would you keep milk cold?", "milk", ["oven", "fridge", "drawer", "garden", "sink"], "B"),
    ("What do people use to cut paper?", "paper", ["spoon", "pillow", "scissors", "lamp", "cup"], "C"),
    ("If it rains, what do you open?", "rain", ["umbrella", "letter", "bottle", "present", "mouth"], "A"),
    ("Where do books stand in a town?", "book", ["pool", "bakery", "stable", "library", "harbour"], "D"),
    ("What might a tired person want?", "tired", ["race", "noise", "ladder", "exam", "bed"], "E"),
    ("What does a baker sell?", "baker", ["bread", "tyres", "stamps", "paint", "tickets"], "A"),
    ("Where do you wait for a train?", "train", ["roof", "platform", "cellar", "stage", "field"], "B"),
    ("What grows on an apple tree?", "tree", ["coins", "shoes", "apples", "stones", "fish"], "C"),
]
PAIRS = [
    ("새별시는 산책로를 잇는다.", "Saebyeol City is joining up its footpath."),
    ("비가 와서 경기가 늦게 시작했다.", "The match began late because of the rain."),
    ("도서관은 아홉 시에 문을 연다.", "The library opens at nine."),
    ("주문한 책이 아직 오지 않았다.", "The book I ordered has not come yet."),
    ("축제에는 빵집 여섯 곳이 함께한다.", "Six bakeries take part in the festival."),
    ("그는 서울에서 부산까지 걸었다.", "He walked from Seoul to Busan."),
]
WIKI = [
    ("Silver Brook", "The Silver Brook is a small stream . It rises in the hills and runs to the lake ."),
    ("Pine Ridge Library", "The library was a school until 2009 . Its books were given by the county ."),
    ("Heron ( boat )", "Heron was a ferry on the lake . She was built in 1921 and sank in a storm ."),
]
FRENCH = [
    "Le fromage repose trois semaines dans une cave fraîche.", "La rivière traverse le village avant de rejoindre le lac.",
    "Les enfants jouent au ballon derrière l'école.", "Ce train part de Lyon à six heures et demie.",
    "Elle a écrit une longue lettre à sa sœur.", "Le marché ouvre tous les samedis matin.",
    "Nous avons mangé une soupe de légumes.", "Il pleut souvent en Bretagne au mois de novembre.",
    "Mon grand-père répare de vieilles horloges.", "La bibliothèque prête aussi des films et des jeux.",
    "Le boulanger vend du pain encore chaud.", "Personne ne connaît la fin de cette histoire.",
]  # fmt: skip
# (premise, what follows from it, what may be, what can't be)
NLI = [
    ("방에서 바다가 보인다.", "바다가 보이는 방이다.", "방은 5층에 있다.", "방에서는 바다가 보이지 않는다."),
    ("주인이 매우 친절했다.", "주인은 상냥했다.", "주인은 젊다.", "주인은 무례했다."),
    ("역에서 걸어서 5분 걸린다.", "역에서 가깝다.", "버스도 다닌다.", "역에서 아주 멀다."),
    ("아침에 빵이 나온다.", "아침을 준다.", "빵은 직접 굽는다.", "아침은 나오지 않는다."),
    ("주차장이 없다.", "차를 세울 곳이 없다.", "근처에 유료 주차장이 있다.", "주차장이 넓다."),
    ("아이와 함께 묵었다.", "아이가 있었다.", "아이는 세 살이다.", "혼자 묵었다."),
]
MESSAGES = ["택배가 아직 안 왔어요.", "돈을 돌려받고 싶습니다.", "카드로 두 번 결제됐어요.", "정말 친절하셨어요!"]


def printed() -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """Each article in two papers: a split needs a few contexts."""
    return [
        (f"{title} ({paper})", f"{text} ({paper})", asked)
        for title, text, asked in ARTICLES
        for paper in ("가온일보", "하늬일보")
    ]


def data_sets() -> dict[tuple[str, str | None], Any]:
    """(Hub id, configuration) → the data set as the Hub gives it."""
    from datasets import ClassLabel, Dataset, DatasetDict, Sequence, Value

    def glue(rows: list[dict[str, Any]], names: list[str], secret: bool) -> Any:
        made = Dataset.from_list([{**row, "idx": number} for number, row in enumerate(rows)])
        made = made.cast_column("label", ClassLabel(names=names)).cast_column("idx", Value("int32"))
        hidden = made.map(lambda row: {"label": -1}) if secret else made.select(range(4, 8))
        return DatasetDict(train=made, validation=made.select(range(4)), test=hidden)

    mrpc = [{"sentence1": a, "sentence2": b, "label": label} for a, b, label in PARAPHRASES]
    sst2 = [{"sentence": text, "label": label} for text, label in REVIEWS]
    comments = Dataset.from_list([
        {"text": text, "labels": [EMOTIONS.index(one) for one in names], "id": f"e{number}"}
        for number, (text, names) in enumerate(COMMENTS)
    ]).cast_column("labels", Sequence(ClassLabel(names=EMOTIONS)))  # fmt: skip
    quiz = [
        {"id": str(number), "question": question, "question_concept": concept,
         "choices": {"label": list("ABCDE"), "text": choices}, "answerKey": key}
        for number, (question, concept, choices, key) in enumerate(QUIZ)
    ]  # fmt: skip
    mrc = Dataset.from_list([
        {"title": title, "context": context, "news_category": "종합", "source": "hankyung", "guid": f"klue-mrc-{title}-{at}",
         "is_impossible": not can, "question_type": 1 if can else 3, "question": question,
         "answers": {"answer_start": [context.index(answer)], "text": [answer]}}
        for title, context, asked in printed() for at, (question, answer, can) in enumerate(asked)
    ])  # fmt: skip
    return {
        ("nyu-mll/glue", "mrpc"): glue(mrpc, ["not_equivalent", "equivalent"], secret=False),
        ("nyu-mll/glue", "sst2"): glue(sst2, ["negative", "positive"], secret=True),
        ("google-research-datasets/go_emotions", "simplified"): DatasetDict(
            train=comments, validation=comments.select(range(4)), test=comments.select(range(4, 8))
        ),
        ("klue/klue", "mrc"): DatasetDict(train=mrc, validation=mrc.select(range(4))),
        ("tau/commonsense_qa", None): DatasetDict(
            train=Dataset.from_list(quiz), validation=Dataset.from_list(quiz[:4]),
            test=Dataset.from_list([{**one, "answerKey": ""} for one in quiz[4:]]),
        ),
    }  # fmt: skip


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _jsonl(*rows: dict[str, Any]) -> str:
    return _lines(*(json.dumps(row, ensure_ascii=False) for row in rows))


def _klue_ner(texts: list[str]) -> str:
    """KLUE's files: notes, and a character and its tag a line, spaces included."""
    made = ["## 토큰, 레이블 구분자 : \\t", "## 주석 : ##", "## 컬럼명 : CHAR\tNE_TAG"]
    for number, text in enumerate(texts):
        made.append(f"## klue-ner-v1_train_{number:05d}-wikitree\t{text}")
        for found in re.finditer(r"<([^:>]+):(\w\w)>|([^<])", text):
            entity, kind, character = found.groups()
            tags = [(one, f"{'I' if at else 'B'}-{kind}") for at, one in enumerate(entity or "")]
            made += [f"{one}\t{tag}" for one, tag in tags or [(character, "O")]]
        made.append("")
    return _lines(*made)


def _klue_nli() -> str:
    """A list of objects; each annotator's label stands beside the one that counts."""
    labels = ("entailment", "neutral", "contradiction")
    rows = [
        {"guid": f"klue-nli-v1_train_{number:05d}", "source": "airbnb", "premise": f"{begin}{premise}", "hypothesis": hypothesis,
         "gold_label": label, "author": label, "label2": label, "label3": label}
        for begin in ("", "다시 말하면 ")
        for number, (premise, *hypotheses) in enumerate(NLI)
        for hypothesis, label in zip(hypotheses, labels, strict=True)
    ]  # fmt: skip
    return json.dumps(rows, ensure_ascii=False, indent=4)


def _wiki(articles: list[tuple[str, str]]) -> str:
    return "".join(f" \n = {title} = \n \n {text} \n" for title, text in articles)


def _nsmc() -> str:
    words = [("다시 보고 싶은 영화", 1), ("두 시간이 아까웠다", 0), ("배우들이 모두 훌륭하다", 1), ("졸다가 나왔다", 0)]
    rows = [
        f"{4 * turn + at}\t{turn}번째 {text}\t{label}" for turn in range(6) for at, (text, label) in enumerate(words)
    ]
    return _lines("id\tdocument\tlabel", *rows)


def _written() -> list[dict[str, str]]:
    return [
        {"source": f"질문: {question} 본문: {context}", "target": answer if can else "본문에는 없습니다."}
        for _, context, asked in printed() for question, answer, can in asked
    ]  # fmt: skip


KO, EN = _lines(*(ko for ko, _ in PAIRS)), _lines(*(en for _, en in PAIRS))
# Example → file → what stands in it.
FILES: dict[str, dict[str, str]] = {
    "mrpc": {"pairs.tsv": _lines("sentence1\tsentence2", *(f"{a}\t{b}" for a, b, _ in PARAPHRASES[:3]))},
    "sst2": {},
    "lora": dict.fromkeys(("ratings_train.txt", "ratings_test.txt"), _nsmc()),
    "tune": {},
    "go_emotions": {},
    "token-classification": {
        "klue-ner-v1.1_train.tsv": _klue_ner(TAGGED), "klue-ner-v1.1_dev.tsv": _klue_ner(TAGGED[:4]),
        "articles.txt": _lines("김보람 씨는 부산에 산다.", "9일 비가 왔다."),
    },
    "question-answering": {
        "klue-mrc-v1.1_dev.json": (NEWS.parent / "klue_mrc.json").read_text(encoding="utf-8"),
        "questions.jsonl": _jsonl(*({"question": asked[0][0], "context": text} for _, text, asked in ARTICLES[:3])),
    },
    "summarization": {
        **dict.fromkeys(("train_original_news.json", "valid_original_news.json"), NEWS.read_text(encoding="utf-8")),
        "articles.tsv": _lines("제목\t본문", *(f"{title}\t{text}" for title, text, _ in ARTICLES[:2])),
    },
    "translation": {
        **{f"korean-english-park.{part}.{side}": text for part in ("train", "dev", "test") for side, text in (("ko", KO), ("en", EN))},
        "texts.tsv": _lines("id\ttext", *(f"{at}\t{ko}" for at, (ko, _) in enumerate(PAIRS[:2]))),
    },
    "text2text-generation": {
        "answers-train.jsonl": _jsonl(*_written()), "answers-test.jsonl": _jsonl(*_written()[:3]),
        "questions.jsonl": _jsonl(*({"source": one["source"]} for one in _written()[:2])),
    },
    **dict.fromkeys(
        ("text-generation", "fsdp"),
        {
            "wiki.train.txt": _wiki(WIKI), "wiki.valid.txt": _wiki(WIKI[:2]), "wiki.test.txt": _wiki(WIKI[1:]),
            "prompts.txt": _lines("The library was", "Heron"),
        },
    ),
    **dict.fromkeys(
        ("fill-mask", "span-corruption", "bert-from-scratch"),
        {"articles.txt": _lines(*FRENCH), "test.txt": _lines(*FRENCH[:4])},
    ),
    "multiple-choice": {
        "questions.jsonl": _jsonl(*({"text": one[0], "choices": one[2][: 2 + at]} for at, one in enumerate(QUIZ[:3]))),
    },
    "zero-shot-classification": {
        "klue-nli-v1.1_train.json": _klue_nli(),
        "messages.tsv": _lines("id\ttext", *(f"{at}\t{text}" for at, text in enumerate(MESSAGES))),
    },
    "feature-extraction": {"texts.tsv": _lines("id\ttext", *(f"{at}\t{text}" for at, text in enumerate(FRENCH[:3])))},
}  # fmt: skip
