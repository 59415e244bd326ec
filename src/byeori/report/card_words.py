"""The card's sentences in Korean, and the way to say one: the English sentence is its own name in the table.

Invariants: `say("… {x} …", x=1)` is the sentence in the language with its values put in; `say.made(text)` is a text that was
made elsewhere in English, sentence by sentence, with the values it holds left as they are. A sentence that the table lacks
stays English; what a card says of its scores is checked by tests/report/test_card.py.

    words("ko")("A model for {task}.", task="fill-mask")
"""

from __future__ import annotations

import functools
import re
from typing import Any, Protocol

LANGUAGES = ("en", "ko")
# Values that are words of ours; any other may be somebody's label or file.
WORDED = ("what", "kept", "baseline", "same", "part", "unit", "names", "steps", "score", "metric", "kind")

# What only a person knows, by the name of its part of the card.
BLANKS = {
    "uses": "To be written: what this model is meant for, and what it must not be used for.",
    "data": "To be written: where the training texts come from, who wrote and labelled them, under which licence, and whether people "
    "can be recognised in them.",
    "harms": "To be written: who may be harmed by a wrong answer, and what is done about it.",
    "licence": "To be written: the licence under which this model is passed on.",
    "contact": "To be written: who answers for this model, and how to reach them.",
}

KO = {
    # blanks
    BLANKS["uses"]: "작성해 주세요: 이 모델을 어디에 쓰려고 만들었는지, 어디에 써서는 안 되는지.",
    BLANKS["data"]: "작성해 주세요: 학습에 쓴 글의 출처, 글을 쓰고 레이블을 단 사람, 이용 조건, 글에서 사람을 알아볼 수 있는지.",
    BLANKS["harms"]: "작성해 주세요: 틀린 답으로 누가 피해를 입을 수 있는지, 그에 대해 무엇을 하는지.",
    BLANKS["licence"]: "작성해 주세요: 이 모델을 배포하는 라이선스.",
    BLANKS["contact"]: "작성해 주세요: 이 모델을 책임지는 사람과 연락할 방법.",
    # headings and heads of tables
    "Intended uses and limits": "용도와 한계", "Labels": "레이블", "How to use": "사용법", "Training data": "학습 데이터",
    "Training procedure": "학습 방법", "Evaluation": "평가", "Bias and risks": "편향과 위험", "Licence and contact": "라이선스와 연락처",
    "Environment": "환경", "Not recorded.": "기록이 없습니다.",
    "id": "번호", "label": "레이블", "training rows": "학습 행", "training tokens": "학습 토큰", "part": "부분", "rows": "행",
    "files": "파일",
    "tokens, median": "토큰 중앙값", "tokens, longest": "가장 긴 토큰 수", "cut": "잘린 행", "setting": "설정", "value": "값",
    "score on {part}": "{part} 점수", "({rows} rows)": "({rows}행)", "95% interval": "95% 구간", "trivial baseline": "단순 기준선",
    "linear baseline": "선형 기준선", "{low} to {high}": "{low}–{high}", "undefined": "정의되지 않음", "precision": "정밀도",
    "recall": "재현율", "device": "장치", "threads": "스레드", "revision of the base model": "기반 모델의 리비전",
    # summary and limits
    "A model for {task}: {kind}.": "{task} 모델: {kind}.", "A model for {task}.": "{task} 모델입니다.",
    "one label for each input": "입력마다 레이블 하나", "any number of labels for each input": "입력마다 레이블 여러 개(없을 수도 있음)",
    "a number for each input": "입력마다 숫자 하나",
    "It was fine-tuned from {base} with Byeori.": "{base} 모델을 벼리(Byeori)로 미세 조정했습니다.",
    "It was trained from scratch with Byeori, in the shape of {shape}.": "{shape} 모양의 모델을 벼리(Byeori)로 처음부터 학습했습니다.",
    "It is a {body}, trained with Byeori.": "벼리(Byeori)로 학습한 {body} 모델입니다.",
    "An input is a pair of texts.": "입력은 글 두 개의 쌍입니다.",
    "It always gives one of its {count} labels, also where none of them fits.":
        "맞는 레이블이 없어도 늘 {count}개 레이블 가운데 하나를 냅니다.",
    "A label is given from a score of {threshold} on; there may be none.":
        "점수가 {threshold} 이상인 레이블을 냅니다. 하나도 없을 수 있습니다.",
    "It answers with words of the context, or not at all.": "지문에 있는 말로 답하거나, 답하지 않습니다.",
    "It always answers with words of the context, also where the answer isn't there.": "지문에 답이 없어도 늘 지문에 있는 말로 답합니다.",
    "Nothing checks whether what it writes is true.": "모델이 쓴 글이 사실인지는 아무것도 확인하지 않습니다.",
    "It was scored on {files} alone: how it does on other texts was not measured.":
        "평가한 데이터: {files}. 다른 글에서 어떤지는 재지 않았습니다.",
    "and {more} more; config.json has them all.": "그 밖에 {more}개가 더 있습니다. config.json에 모두 있습니다.",
    # data and procedure
    "- [{id}](https://huggingface.co/datasets/{id}) on the Hub": "- 허브의 [{id}](https://huggingface.co/datasets/{id})",
    "rows given in Python": "파이썬에서 준 행",
    "What reading found and did:": "데이터를 읽으며 남긴 기록(영어):",
    "at revision {revision}": "리비전 {revision}",
    "AdamW; biases and norms are spared from weight decay.": "AdamW를 썼고, 편향과 정규화 층에는 가중치 감쇠를 적용하지 않았습니다.",
    "The model kept is the best by the validation score.": "검증 점수가 가장 좋은 모델을 남겼습니다.",
    "There were no validation rows: the last model is kept.": "검증 행이 없어 마지막 모델을 남겼습니다.",
    "Settings were not recorded.": "설정 기록이 없습니다.",
    # evaluation
    "Not measured: there are no test or validation scores.": "재지 않았습니다. 테스트 점수도 검증 점수도 없습니다.",
    "There are no test or validation scores, so nothing can be said about this model's quality.":
        "테스트 점수도 검증 점수도 없어 모델의 품질을 말할 수 없습니다.",
    "{score} is undefined on the {part} rows, so no verdict is possible.":
        "{part} 행에서 {score} 점수가 정의되지 않아 판단할 수 없습니다.",
    **{f"{before}{{score}} on {rows}{{part}} rows{after}": f"{vor}{{part}} {haeng}{nach}"
       for rows, haeng in (("{n} ", "{n}행에서 {score}"), ("", "행에서 {score}")) for before, after, vor, nach in (
        ("", ". No baseline was scored, so there is nothing to hold it against.", "", ". 기준선 점수가 없어 견줄 것이 없습니다."),
        ("", "; the {baseline} baseline reaches {other}. Without an interval the difference may be chance.",
         "", ". {baseline} 기준선은 {other}. 구간이 없으므로 차이는 우연일 수 있습니다."),
        ("Better than the {baseline} baseline. ", "; the {same} baseline reaches {other}, outside the interval.",
         "{baseline} 기준선보다 낫습니다. ", ". {same} 기준선은 {other}(구간 밖)."),
        ("Worse than the {baseline} baseline. ", "; the {same} baseline reaches {other}, outside the interval.",
         "{baseline} 기준선보다 못합니다. ", ". {same} 기준선은 {other}(구간 밖)."),
        ("Not shown to differ from the {baseline} baseline. ", "; the {same} baseline reaches {other}, inside the interval.",
         "{baseline} 기준선과 다르다고 할 수 없습니다. ", ". {same} 기준선은 {other}(구간 안)."),
    )},
    "trivial": "단순", "linear": "선형", "test": "테스트", "validation": "검증", "train": "학습",
    "These rows also chose the model that was kept, so the scores lean to the good side.":
        "모델을 고를 때도 쓴 행이므로 점수가 좋은 쪽으로 기울어 있습니다.",
    "Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data.":
        "구간은 행을 다시 뽑은 부트스트랩 구간이며, 다른 시드나 다른 데이터에 따른 차이는 들어 있지 않습니다.",
    "accuracy": "정확도", "loss": "손실", "perplexity": "퍼플렉시티", "exact match": "완전 일치", "bits per character": "글자당 비트",
    "has answer exact match": "답이 있는 질문의 완전 일치", "has answer F1": "답이 있는 질문의 F1",
    "no answer accuracy": "답이 없는 질문의 정확도",
    "next sentence accuracy": "다음 문장 정확도", "macro precision": "매크로 정밀도", "macro recall": "매크로 재현율",
    "micro precision": "마이크로 정밀도", "micro recall": "마이크로 재현율", "macro F1": "매크로 F1", "micro F1": "마이크로 F1",
    "weighted F1": "가중 F1", "bits per byte": "바이트당 비트", "F1 strict": "엄격한 F1", "char F1": "글자 F1",
    "char F1 KLUE": "글자 F1(KLUE)",
    "{n} predictions are empty.": "비어 있는 예측이 {n}개입니다.",
    "{names} counts {unit}.": "{names}: {unit} 단위로 셉니다.", "{names} count {unit}.": "{names}: {unit} 단위로 셉니다.",
    "ROUGE's words keep only a–z and 0–9: {rows} of {all} rows, written otherwise, are counted in eojeol (rows {named}).":
        "ROUGE의 단어는 a–z와 0–9만 남깁니다. 다르게 쓴 행 {rows}개(전체 {all}개, {named}행)는 어절로 셉니다.",
    "words": "단어", "eojeol": "어절", "morphemes": "형태소", "syllables": "음절",
    "words after Porter's stemmer": "단어(포터 어간 추출 뒤)",
    "{score} is sacrebleu's: {signature}.": "{score}: sacrebleu의 값, {signature}.",
    "{score} is sacrebleu's: {signature}. Matching n-grams, n = 1–4: {pairs}; brevity penalty {bp}; {sys} tokens for {ref}.":
        "{score}: sacrebleu의 값, {signature}. 일치한 n-gram(n = 1–4): {pairs}, 길이 벌점 {bp}, 예측 {sys} 토큰, 정답 {ref} 토큰.",
    # baselines
    "The linear baseline learns from {used} of {all} rows, drawn by seed {seed}.":
        "선형 기준선은 {all}행 가운데 시드 {seed}로 뽑은 {used}행으로 배웁니다.",
    # long inputs
    "It reads up to {n} tokens; longer {what} are cut ({kept} kept).": "토큰 {n}개까지 읽고, 더 긴 {what} 잘립니다({kept} 남김).",
    "It reads up to {n} tokens; longer texts are cut ({kept} kept), or read whole, in windows that overlap, where a call gives `stride`.":
        "토큰 {n}개까지 읽고, 더 긴 글은 잘립니다({kept} 남김). 호출할 때 `stride`를 주면 겹치는 창으로 나누어 모두 읽습니다.",
    "inputs": "입력은", "texts": "글은", "sources": "원문은", "pairs of text and choice": "글과 보기의 쌍은", "head": "앞을",
    "tail": "뒤를",
    "middle": "가운데를",
    "It reads a context whole, in windows of up to {n} tokens of which neighbours share up to {shared}; the question stands in each, cut "
    "after "
    "{kept} tokens.":
        "지문을 모두 읽습니다. 이웃끼리 토큰 {shared}개까지 겹치는 {n} 토큰짜리 창으로 나누고, 창마다 질문을 넣습니다(토큰 {kept}개에서 "
        "자름).",
    "Targets were learnt up to {n} tokens.": "정답은 토큰 {n}개까지 배웠습니다.",
    "It learnt from running text in blocks of {n} tokens.": "이어진 글을 토큰 {n}개짜리 덩어리로 배웠습니다.",
    "It learnt from rows of up to {n} tokens; longer ones were cut ({kept} kept, of a prompt its end).":
        "토큰 {n}개까지의 행으로 배웠고, 더 긴 행은 잘렸습니다({kept} 남김, 프롬프트는 끝을 남김).",
    "A call's prompt that leaves no room to write is refused, or cut to its end (`handle_long_generation`).":
        "쓸 자리를 남기지 않는 프롬프트는 거절하거나 끝부분만 남깁니다(`handle_long_generation`).",
    "It learnt from texts in pieces of up to {n} tokens.": "글을 토큰 {n}개까지의 조각으로 배웠습니다.",
    "It learnt from texts in pieces that make inputs of up to {n} tokens once their runs are out.":
        "빈칸을 뺀 입력이 토큰 {n}개까지 되는 조각으로 배웠습니다.",
    "A call reads as many; longer texts are cut ({kept} kept).": "호출할 때도 그만큼 읽고, 더 긴 글은 잘립니다({kept} 남김).",
    # cleaning
    "Texts were cleaned for training, and Byeori cleans those of every prediction alike ({steps}): without Byeori, do so first.":
        "학습할 때 글을 정리했고, 예측할 때도 벼리가 똑같이 정리합니다({steps}). 벼리 없이 쓸 때는 먼저 그렇게 해 주세요.",
    "The tokenizer brings texts into the Unicode form {form}, so it reads them alike however they are composed.":
        "토크나이저가 글을 유니코드 {form} 형식으로 바꾸므로, 어떻게 조합된 글자든 똑같이 읽습니다.",
    "Texts are brought into the Unicode form {form} first, which the tokenizer can't: without Byeori, do so before it.":
        "글을 먼저 유니코드 {form} 형식으로 바꿉니다. 토크나이저는 하지 못하므로, 벼리 없이 쓸 때는 먼저 바꿔 주세요.",
    "HTML entities become the signs they stand for": "HTML 엔티티를 글자로 바꿈", "control characters are taken out": "제어 문자를 뺌",
    "zero-width characters are taken out": "폭이 없는 문자를 뺌", "letters become lower case": "소문자로 바꿈",
    "runs of spaces become one": "이어진 빈칸을 하나로 줄임", "outer spaces are cut": "앞뒤 빈칸을 지움",
    "the function {name} of {file} is called": "{file}의 함수 {name} 호출", "a session": "세션",
    # use
    "`{place}` is the folder this card lies in; once it is on the Hub, its id there.":
        "이 카드가 든 폴더가 `{place}`입니다. 허브에 올린 뒤에는 그곳의 이름으로 바꾸세요.",
    "`{place}` is the folder this card lies in. It holds an adapter alone, which stands on `{base}`.":
        "이 카드가 든 폴더가 `{place}`입니다. `{base}` 위에 얹는 어댑터만 들어 있습니다.",
    "`{place}` is the folder this card lies in. The model is of an own task, whose file is no part of it and is needed; what `ask` takes "
    "is "
    "what the task's `inputs` reads.":
        "이 카드가 든 폴더가 `{place}`입니다. 직접 만든 작업의 모델이므로 그 작업의 파일이 필요합니다(폴더에 들어 있지 않습니다). "
        "`ask`에는 작업의 "
        "`inputs`가 읽는 것을 줍니다.",
    "With Byeori:": "벼리로:", "With transformers alone:": "transformers만으로:", "With peft and transformers:": "peft와 transformers로:",
    "With transformers alone, whose version 5 has no pipeline for this task:":
        "transformers만으로(5판에는 이 작업의 파이프라인이 없습니다):",
    "Byeori gives each label whose score reaches the threshold; with `top_k=None`, as here for transformers, all of them.":
        "벼리는 점수가 문턱값 이상인 레이블을 냅니다. 위의 transformers 코드처럼 `top_k=None`을 주면 모두 냅니다.",
    "The second block reads the beginning of a long context alone and always answers; Byeori reads the whole context.":
        "두 번째 코드는 긴 지문의 앞부분만 읽고 늘 답합니다. 벼리는 지문을 모두 읽습니다.",
    "The second block reads the beginning of a long context alone and always answers; Byeori reads the whole context, and answers \"\" "
    "where it "
    "finds no answer.":
        "두 번째 코드는 긴 지문의 앞부분만 읽고 늘 답합니다. 벼리는 지문을 모두 읽고, 답을 찾지 못하면 \"\"로 답합니다.",
    "Byeori puts {prefix} before each source by itself.": "벼리는 원문 앞에 접두어 {prefix} 을(를) 스스로 붙입니다.",
    "Where the model writes several languages, each source also begins with the mark of its target (`>>…<<`), which Byeori puts there "
    "too.":
        "여러 언어로 쓰는 모델이면 원문이 목표 언어의 표시(`>>…<<`)로도 시작하는데, 이것도 벼리가 붙입니다.",
    "The second block prints what was written as it is: each sentinel, and behind it what stands in its gap.":
        "두 번째 코드는 쓴 것을 그대로 보여 줍니다. 표시마다 그 빈칸에 들어갈 말이 뒤따릅니다.",
    # risks
    "By label, with the interval of F1:": "레이블별 점수와 F1의 구간:",
    "{wrong} of {rows} {part} rows were answered wrongly": "{part} {rows}행 가운데 {wrong}행에 틀리게 답했습니다",
    ", {sure} of them with a score of {least} or more": " (그중 {sure}행은 점수 {least} 이상)",
    "Scores for groups of people, dialects or topics were not measured.": "사람 집단, 방언, 주제에 따른 점수는 재지 않았습니다.",
    "Spread over seeds was not measured: this is one training with one seed.":
        "시드에 따른 차이는 재지 않았습니다. 한 시드로 한 번 학습한 결과입니다.",
    "Over {count} seeds, {score} has a mean of {mean} and a standard deviation of {std} ({min} to {max}).":
        "시드 {count}개로 학습한 {score}: 평균 {mean}, 표준 편차 {std} ({min}–{max}).",
    "This is the one whose validation score was best.": "그 가운데 검증 점수가 가장 좋은 모델입니다.",
    "This is the first one.": "그 가운데 첫째 모델입니다.",
    "There is no base model; the licence follows from the texts it was trained on, and from you.":
        "기반 모델이 없습니다. 라이선스는 학습에 쓴 글과 배포하는 사람에게 달려 있습니다.",
    "The base model's licence is {licence}, as its own card states it.": "기반 모델의 라이선스는 그 카드에 따르면 {licence}입니다.",
    "No licence is known of the base model: look it up before passing this model on.":
        "기반 모델의 라이선스를 알 수 없습니다. 배포하기 전에 확인해 주세요.",
}  # fmt: skip


class Words(Protocol):
    """A language to say things in."""

    lang: str

    def __call__(self, sentence: str, /, **values: Any) -> str:
        """The sentence of that English name, with its values."""

    def made(self, text: str) -> str:
        """A text made in English, its sentences in this language where the table has them."""

    def paragraphs(self, text: str) -> str:
        """As `made`, of paragraphs, whose line ends stay."""


class English:
    lang = "en"

    def __call__(self, sentence: str, /, **values: Any) -> str:
        return sentence.format(**values)

    def made(self, text: str) -> str:
        return text

    paragraphs = made


class Korean:
    lang = "ko"

    def __call__(self, sentence: str, /, **values: Any) -> str:
        said = {name: _value(name, value) if isinstance(value, str) else value for name, value in values.items()}
        return KO.get(sentence, sentence).format(**said)

    def made(self, text: str) -> str:
        return _all_said(text) or text

    def paragraphs(self, text: str) -> str:
        return "\n".join(self.made(line) if line else line for line in text.split("\n"))


def words(lang: str) -> Words:
    """`en` or `ko`. Raises SettingError for another."""
    from byeori.errors import SettingError

    if lang not in LANGUAGES:
        raise SettingError(
            f"lang={lang!r}: a card is written in {' or '.join(LANGUAGES)}. Give one of them with --lang."
        )
    return Korean() if lang == "ko" else English()


def _all_said(text: str) -> str | None:
    """A text of entries of the table, one behind the other; None where one of them isn't there.

    The shortest beginning goes first: a value that ran on over the end of its sentence would swallow the next one.
    """
    for met in re.finditer(r"(?<=[.:!?]) ", text):
        begun = _said(text[: met.start()])
        if begun is not None and (rest := _all_said(text[met.end() :])) is not None:
            return f"{begun} {rest}"
    return _said(text)


def _said(text: str) -> str | None:
    """A text that is one entry of the table, its values put in; None for one that isn't."""
    if text in KO and "{" not in text:
        return KO[text]
    for pattern, korean in _patterns():
        if met := pattern.fullmatch(text):
            return korean.format(**{name: _value(name, value) for name, value in met.groupdict().items()})
    return None


def _value(name: str, value: str) -> str:
    """A value inside a sentence as it is, or, of those that are words of ours, the word; several have signs between."""
    if name not in WORDED:
        return value
    if value in KO:
        return KO[value]
    for sign in ("; ", " and "):
        if sign in value:
            return (", " if sign == " and " else sign).join(_value(name, one) for one in value.split(sign))
    # a score as the verdict has it, "Macro F1 0.8 (0.7 to 0.9)"
    if met := re.fullmatch(r"(.+) (undefined|-?[\d.,]+)(?: \((\S+) to (\S+)\))?", value):
        score, number, low, high = met.groups()
        between = f" ({low}–{high})" if low else ""
        return f"{_score(score)} {KO.get(number, number)}{between}"
    return _said(value) or _score(value)


def _score(name: str) -> str:
    """A score's name, which begins with a capital in a verdict, with the class it is of, if any: "Precision (긍정)"."""
    score, of, label = name.partition(" (")
    return KO.get(score, KO.get(score[:1].lower() + score[1:], score)) + of + label


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Entries with values, those with most of their own letters first."""
    known = sorted(KO, key=lambda one: -len(re.sub(r"{\w+}", "", one)))
    return [
        (re.compile("".join(_group(piece) for piece in re.split(r"({\w+})", one))), KO[one])
        for one in known
        if len(set(names := re.findall(r"{\w+}", one))) == len(names) > 0 and _own(one)
    ]


def _own(sentence: str) -> bool:
    """Whether it says enough to be told from others: not "{low} to {high}"."""
    return len(re.sub(r"{\w+}|\W", "", sentence)) > 3


def _group(piece: str) -> str:
    if not re.fullmatch(r"{\w+}", piece):
        return re.escape(piece)
    name = piece[1:-1]
    return rf"(?P<{name}>[\d.,]+)" if name == "n" else rf"(?P<{name}>.+?)"
