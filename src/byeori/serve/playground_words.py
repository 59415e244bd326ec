"""The playground's words: English where they are used, Korean in one table.

Invariant: a sentence that the table lacks is said in English, never left out; a test finds each that is lacking.

    words("ko")("Text") == "글"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

LANGUAGES = {"en": "English", "ko": "한국어"}
KOREAN = {
    "Playground": "체험 페이지",
    "Model": "모델",
    "Try it": "써 보기",
    "A whole file": "파일 한 번에",
    "Report": "보고서",
    "Text": "글",
    "Part": "부분",
    "Second text": "둘째 글",
    "only where the model was trained on pairs": "글 두 개를 함께 배운 모델에만",
    "Question": "질문",
    "Context": "본문",
    "Text or question": "글이나 질문",
    "Choices, a line for each": "보기 (한 줄에 하나씩)",
    "Labels, a line for each": "레이블 (한 줄에 하나씩)",
    "Texts to compare with, a line for each": "견줄 글 (한 줄에 하나씩)",
    "Beginning": "시작하는 글",
    "Source": "원문",
    "Labels shown": "보여 줄 레이블 수",
    "Answers shown": "보여 줄 답의 수",
    "Words for each mask": "가린 자리마다 보여 줄 낱말 수",
    "Most new tokens": "새로 쓸 토큰 수 (최대)",
    "Several may be true": "여러 개가 맞을 수 있음",
    "As a turn of a conversation": "대화로 묻기",
    "Write {mask} where a word is missing.": "빠진 낱말 자리에 {mask}를 쓰세요.",
    "Open a text file": "텍스트 파일 열기",
    "Further settings (JSON)": "다른 설정 (JSON)",
    "As in the API's parameters, for example {example}": "API의 parameters와 같습니다. 보기: {example}",
    "Run": "실행",
    "Stop": "멈춤",
    "Examples": "보기 글",
    "From the data of this run; which part, and the right answer, stand in front.":
        "이 실행의 데이터에서 가져온 글입니다. 어느 부분의 글인지와 정답이 앞에 있습니다.",
    "test": "시험",
    "validation": "검증",
    "train": "학습",
    "right answer": "정답",
    "it was wrong here": "틀렸던 글",
    "This model keeps no examples.": "이 모델에는 보기 글이 없습니다.",
    "Answer": "답",
    "The answer will stand here.": "여기에 답이 나옵니다.",
    "A file with a row for each text": "한 행에 글 하나씩 든 파일",
    "CSV, TSV, JSON, JSONL or text, up to {size} MB": "CSV, TSV, JSON, JSONL, 텍스트 파일, {size} MB까지",
    "Columns, where they have other names": "열 이름이 다르면 적으세요",
    "for example {example}": "보기: {example}",
    "Predict all rows": "모든 행 예측",
    "Results (JSONL)": "결과 (JSONL)",
    "Reading the file.": "파일을 읽고 있습니다.",
    "{done} of {all} rows": "{all}행 가운데 {done}행",
    "{done} of {all} rows, {wrong} of them with an error": "{all}행 가운데 {done}행, 그중 {wrong}행은 오류",
    "Done: {done} of {all} rows, {seconds} s": "끝: {all}행 가운데 {done}행, {seconds}초",
    "Done: {done} of {all} rows, {wrong} of them with an error, {seconds} s":
        "끝: {all}행 가운데 {done}행, 그중 {wrong}행은 오류, {seconds}초",
    "The first lines of the results": "결과의 첫 줄들",
    "Give a file first.": "먼저 파일을 고르세요.",
    "This model comes with no report. A run folder has one: byeori report RUN writes it.":
        "이 모델에는 보고서가 없습니다. 실행 폴더에는 있으며, byeori report RUN으로 만듭니다.",
    "No label is over the threshold.": "기준값을 넘는 레이블이 없습니다.",
    "Nothing was found in it.": "찾은 것이 없습니다.",
    "no answer": "답 없음",
    "Mask {place}": "가린 자리 {place}",
    "Translation": "번역",
    "Summary": "요약",
    "What was written": "쓴 글",
    "How alike they are (cosine)": "비슷한 정도 (코사인)",
    "The vector of the first text": "첫 글의 벡터",
    "numbers": "수의 개수",
    "length": "길이",
    "least": "최솟값",
    "largest": "최댓값",
    "mean": "평균",
    "Its first {count} numbers": "처음 {count}개의 수",
    "and {count} more": "그리고 {count}개 더",
    "{count} tokens": "토큰 {count}개",
    "in {count} sequences": "{count}개 열",
    "(the first {count} are shown)": "(처음 {count}개만 보임)",
    "What the model read": "모델이 읽은 것",
    "unknown": "모름",
    "{ms} ms": "{ms} ms",
    "at most {length} tokens": "토큰 {length}개까지",
    "labels: {labels}": "레이블: {labels}",
    "Something failed that has no message of its own ({kind}); the server's log says more.":
        "따로 안내할 말이 없는 오류입니다({kind}). 서버의 기록에 더 적혀 있습니다.",
}  # fmt: skip


def words(language: str) -> Callable[..., str]:
    table: Mapping[str, str] = KOREAN if language == "ko" else {}

    def say(sentence: str, **values: Any) -> str:
        said = table.get(sentence, sentence)
        return said.format(**values) if values else said

    return say
