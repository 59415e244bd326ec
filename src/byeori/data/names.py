"""What columns are usually called, in English and Korean: role → tiers of names; the first tier with a match decides.

Invariants: names are spelled as `byeori.data.roles.fold` gives them; a role's own name comes before all tiers.
`NAMES` also says what a header looks like (`is_known_name`); `MORE` holds names that count only where their role is
wanted, so that they change nothing for tasks without it.

    tiers("target", ("source", "target"))[0][0] == "target"
"""

from __future__ import annotations

from collections.abc import Iterable

from byeori.data.languages import HEADERS

NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "text": (
        ("sentence", "document", "review", "reviews", "comment", "comments", "content", "contents", "body", "utterance",
         "tweet", "message", "review_text", "본문", "문장", "리뷰", "댓글", "내용", "원문", "텍스트", "발화", "문서",
         "후기", "글"),
        ("title", "headline", "question", "제목", "질문"),
    ),
    "label": (
        ("labels", "gold_label", "class", "category", "target", "score", "is_duplicate", "sentiment", "rating", "stars",
         "intent", "emotion", "topic", "라벨", "레이블", "분류", "감정", "감성", "카테고리", "정답", "점수", "평점",
         "유사도", "의도", "주제"),
    ),
    "source": (("src", "input", "article", "dialogue", "document", "원문", "본문", "문서", "대화"),),
    "target": (("tgt", "summary", "translation", "highlights", "output", "번역문", "번역", "요약", "요약문"),),
    "question": (("query", "q", "질문", "질의", "문제"),),
    "context": (("passage", "paragraph", "document", "지문", "문맥", "본문", "문서"),),
    "answers": (("answer", "answer_text", "답변", "답", "정답"),),
}  # fmt: skip

MORE: dict[str, tuple[tuple[str, ...], ...]] = {
    "tokens": (
        ("words", "token", "word", "form", "chars", "characters", "단어", "토큰", "어절", "음절", "글자", "형태소"),
        ("text", "sentence", "sentences", "문장"),
    ),
    "tags": (
        ("ner_tags", "ner", "bio_tags", "bio", "tag", "labels", "label", "word_labels", "token_labels", "ne_tag", "태그",
         "개체명", "라벨", "레이블"),
        ("pos_tags", "pos", "upos", "품사"),
        ("xpos", "chunk_tags", "chunks", "chunk"),
    ),
    "entities": (
        ("spans", "ents", "entity", "named_entities", "개체", "개체명"),
        ("labels", "label", "annotations", "ner", "ne"),
    ),
    "question": (("question_text", "질문문", "질의문"),),
    "context": (("text", "article", "content", "contents", "body", "context_text", "내용", "원문", "텍스트", "기사"),),
    "answers": (("gold_answers", "answers_text", "응답"),),
    "title": (("제목", "document_title", "doc_title"),),
    "id": (("guid", "qid", "question_id", "uid", "uuid", "아이디", "번호"),),
    "source": (
        ("dialog", "conversation", "passage", "source_text", "src_text", "original", "원본", "지문", "기사", "기사_원문",
         "원문_텍스트"),
        ("text", "content", "contents", "body", "sentence", "sentences", "article_original", "내용", "텍스트", "문장"),
        ("question", "prompt", "질문"),
    ),
    "target": (
        ("target_text", "tgt_text", "summary_text", "abstractive", "abstract", "translated", "reference", "요약본",
         "생성_요약", "번역_문장"),
        ("summaries", "references", "refs", "headline", "제목", "title", "answer", "답변"),
    ),
    "references": (("refs", "summaries", "targets"),),
    "prompt": (
        ("instruction", "instructions", "prompts", "지시문", "지시", "명령", "프롬프트"),
        ("input", "question", "query", "q", "질문", "질의", "입력"),
    ),
    "completion": (
        ("completions", "output", "response", "응답", "출력"),
        ("answer", "reply", "target", "a", "답변", "대답", "답"),
    ),
    "messages": (("conversations", "conversation", "chat", "turns", "dialog", "dialogue", "대화"),),
    "choices": (("options", "endings", "candidates", "보기", "선택지", "선지"),),
}  # fmt: skip

# Where `choices` are wanted the label is often called the answer.
_ANSWER_LABELS = (
    ("answerkey", "answer_key", "correct_answer", "correct", "answer_idx", "answer_index", "correct_idx", "cop", "gold"),
    ("answer", "ans", "정답", "정답번호", "정답_번호", "답"),
)  # fmt: skip

# (text, text_pair) pairs of names; both must be there.
PAIRS: tuple[tuple[str, str], ...] = (
    ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"), ("text_a", "text_b"),
    ("text1", "text2"), ("sentence_a", "sentence_b"), ("sentence_1", "sentence_2"), ("sent1", "sent2"),
    ("question", "sentence"), ("question", "passage"), ("question", "context"), ("query", "passage"),
    ("query", "document"), ("문장1", "문장2"), ("질문1", "질문2"), ("전제", "가설"), ("텍스트1", "텍스트2"),
)  # fmt: skip

# Names of what numbers the rows, and of what is beside them as well: none of it is a text or a label.
KEYS = (
    "id", "idx", "guid", "uid", "uuid", "index", "no", "번호", "아이디", "qid", "qid1", "qid2", "pairid", "pair_id", "promptid",
    "test_id", "unnamed:_0",
)  # fmt: skip
IDS = (*KEYS, "url", "date", "filename")

KNOWN = frozenset(
    {name for tiers in NAMES.values() for tier in tiers for name in tier}
    | {name for pair in PAIRS for name in pair}
    | {"text", "text_pair", "label", *NAMES}
    | set(IDS)
)

# (a Hub data set, its configuration) → the score it is judged by where that is not its task's own, and who says so.
JUDGED_BY = {
    ("glue", "cola"): ("mcc", "GLUE judges CoLA by Matthews correlation"),
    ("klue", "ynat"): ("macro_f1", "KLUE judges YNAT by macro F1"),
}


def tiers(role: str, roles: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The tiers of names of one role, where these are the roles wanted."""
    if role == "label" and "choices" in roles:
        return (("label",), *_ANSWER_LABELS, *NAMES["label"])
    return ((role,), *NAMES.get(role, ()), *MORE.get(role, ()))


def header_names(roles: Iterable[str]) -> frozenset[str]:
    """Names beyond `KNOWN` that tell a header where these roles are wanted."""
    roles = tuple(roles)
    found = {
        name for role in roles if role not in ("text", "text_pair") for tier in tiers(role, roles) for name in tier
    }
    return frozenset(found | HEADERS if {"source", "target"} & set(roles) else found) - KNOWN
