"""The page's sentences in Korean: English as it stands in the code → Korean, with the same places to fill.

Invariants: particles never hang on what is filled in (nobody knows what sound it ends in); a test finds each sentence that is lacking.

    KOREAN["Confusion matrix"]
"""

from byeori.report.compare_korean import COMPARED

KOREAN: dict[str, str] = {
    **COMPARED,
    # sections and heads
    "Scores": "점수",
    "Curves": "학습 곡선",
    "Predictions": "예측",
    "Scores by part of the rows": "부분별 점수",
    "Samples": "표본",
    "Data": "데이터",
    "Speed": "속도",
    "Environment": "환경",
    "Settings": "설정",
    "Sections": "목차",
    "Missing in this run": "이 실행에 없는 것",
    "Byeori report": "벼리 보고서",
    "Not there: the files of the run do not hold it.": "없음: 실행 폴더의 파일에 들어 있지 않습니다.",
    "{name}, from scratch": "{name}, 처음부터 학습",
    # verdict and scores
    "There are no test or validation scores, so nothing can be said about this model's quality.": (
        "테스트 점수도 검증 점수도 없어서 이 모델의 품질은 알 수 없습니다."
    ),
    "{score} is undefined on the {part} rows, so no verdict is possible.": (
        "{part} 데이터에서 {score} 값이 정의되지 않아 판정할 수 없습니다."
    ),
    "{score} {value} on {rows} {part} rows": "{part} 데이터 {rows}행에서 {score} {value}",
    "{score} {value} on {part} rows": "{part} 데이터에서 {score} {value}",
    "{beside}. No baseline was scored, so there is nothing to hold it against.": (
        "{beside}. 점수를 잰 기준선이 없어 견줄 것이 없습니다."
    ),
    "{beside}; the {kind} baseline reaches {value}": "{beside}, {kind} 기준선은 {value}",
    "{beside}. Without an interval the difference may be chance.": "{beside}. 신뢰 구간이 없으니 우연한 차이일 수 있습니다.",
    "Better than the {kind} baseline. {beside}, outside the interval.": "{kind} 기준선보다 낫습니다. {beside}(구간 밖).",
    "Worse than the {kind} baseline. {beside}, outside the interval.": "{kind} 기준선보다 못합니다. {beside}(구간 밖).",
    "Not shown to differ from the {kind} baseline. {beside}, inside the interval.": (
        "{kind} 기준선과 다르다고 할 수 없습니다. {beside}(구간 안)."
    ),
    "{value} ({low} to {high})": "{value} ({low} ~ {high})",
    "{low} to {high}": "{low} ~ {high}",
    "score": "점수",
    "value": "값",
    "95% interval": "95% 구간",
    "{kind} baseline": "{kind} 기준선",
    "trivial": "단순",
    "linear": "선형",
    "undefined": "정의되지 않음",
    "{part}, {count:,} rows": "{part}, {count:,}행",
    ": these rows chose the model, so the scores lean to the good side": (
        ": 이 행들로 모델을 골랐으므로 점수가 좋은 쪽으로 기웁니다"
    ),
    "Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data.": (
        "구간은 행을 다시 뽑아 구한 부트스트랩 구간이며, 다른 시드나 다른 데이터에서 생길 차이는 들어 있지 않습니다."
    ),
    "train": "학습",
    "training": "학습",
    "validation": "검증",
    "test": "테스트",
    "accuracy": "정확도",
    "precision": "정밀도",
    "recall": "재현율",
    "F1": "F1",
    "chrF": "chrF",
    "loss": "손실",
    "macro F1": "매크로 F1",
    "micro F1": "마이크로 F1",
    "weighted F1": "가중 F1",
    "macro precision": "매크로 정밀도",
    "macro recall": "매크로 재현율",
    "micro precision": "마이크로 정밀도",
    "micro recall": "마이크로 재현율",
    "exact match": "완전 일치",
    "perplexity": "퍼플렉시티",
    "bits per character": "글자당 비트",
    "bits per byte": "바이트당 비트",
    "F1 strict": "엄격한 F1",
    "char F1": "글자 F1",
    "char F1 KLUE": "글자 F1(KLUE)",
    "has answer exact match": "답이 있는 질문의 완전 일치",
    "has answer F1": "답이 있는 질문의 F1",
    "no answer accuracy": "답이 없는 질문의 정확도",
    "next sentence accuracy": "다음 문장 정확도",
    # what the baselines are
    "The {kind} baseline {what}.": "{kind} 기준선: {what}.",
    "always gives {what}": "언제나 {what}만 답합니다",
    "the training mean": "학습 데이터의 평균",
    "the labels that most training rows have": "학습 행 대부분이 가진 레이블",
    "the most frequent answer": "가장 잦은 답",
    "is a linear model on TF-IDF of character n-grams": "글자 n-그램 TF-IDF 위의 선형 모델입니다",
    "finds no entity": "개체를 하나도 찾지 않습니다",
    "gives every word the commonest tag, {tag}": "모든 낱말에 가장 잦은 태그({tag})를 붙입니다",
    "is no linear model but a lexicon: each {unit} gets the tags that it had most often in training": (
        "선형 모델이 아니라 사전입니다. {unit}마다 학습 데이터에서 가장 자주 가졌던 태그를 붙입니다"
    ),
    "run of characters between spaces": "띄어쓰기로 나뉜 어절",
    "word": "낱말",
    "is no linear model: it answers with the sentence of the context most like the question (TF-IDF of character n-grams){none}": (
        "선형 모델이 아니라, 지문에서 질문과 가장 비슷한 문장으로 답합니다(글자 n-그램 TF-IDF){none}"
    ),
    ", or no answer where that is too unlike it": ". 너무 다르면 답하지 않습니다",
    "": "",
    "answers with the first sentence of the context, or never, whichever does better on training rows": (
        "지문의 첫 문장으로 답하거나 아예 답하지 않으며, 학습 데이터에서 더 나은 쪽을 고릅니다"
    ),
    "gives the beginning of the source, one sentence or three by the length of the training targets": (
        "원문의 앞부분을 그대로 냅니다(학습 요약문의 길이에 따라 한 문장 또는 세 문장)"
    ),
    "copies the source": "원문을 그대로 베낍니다",
    "is no linear model: it gives the target of the training source most like the source (TF-IDF of character n-grams)": (
        "선형 모델이 아니라, 가장 비슷한 학습 원문의 정답을 그대로 냅니다(글자 n-그램 TF-IDF)"
    ),
    "knows only how frequent each token is in training (add-one unigrams)": (
        "학습 데이터에서 토큰이 얼마나 잦은지만 압니다(1을 더한 유니그램)"
    ),
    "is no linear model but one of token trigrams (Witten–Bell)": "선형 모델이 아니라 토큰 트라이그램 모델입니다(Witten–Bell)",
    "always takes the choice at the place that is right most often in training": (
        "학습 데이터에서 정답이 가장 잦은 자리의 보기를 언제나 고릅니다"
    ),
    "is a logistic regression on the words and character pairs that a choice shares with the text, and its length": (
        "보기와 글이 함께 가진 낱말과 글자 쌍, 보기의 길이로 학습한 로지스틱 회귀입니다"
    ),
    # after the training
    "Its logits are divided by a temperature of {value}, fitted on {rows} validation rows and part of its weights.": (
        "로짓을 온도 {value}(으)로 나눕니다. 온도는 검증 {rows}행으로 정했고 가중치에 들어 있습니다."
    ),
    "On these rows the ECE was {before} before, and is {after}.": "이 행들의 ECE: 나누기 전 {before}, 나눈 뒤 {after}.",
    # curves
    "update": "스텝",
    "epoch": "에폭",
    "kept: {value}": "남긴 모델: {value}",
    "Loss": "손실",
    "Training loss": "학습 손실",
    "Training loss over {count} log lines: from {first} to {last}": "기록 {count}줄의 학습 손실: {first}에서 {last}까지",
    "; validation loss from {first} to {last}": "; 검증 손실 {first}에서 {last}까지",
    "Validation {score}": "검증 {score}",
    "Validation {score} at {count} evaluations: from {first} to {last}": "평가 {count}번의 검증 {score}: {first}에서 {last}까지",
    "Evaluations": "평가",
    " (the last {some} of {all})": " (전체 {all}번 중 마지막 {some}번)",
    "The plot in numbers": "그림을 숫자로 보기",
    # predictions
    "Rows are numbered as in predictions/{part}.jsonl.": "행 번호는 predictions/{part}.jsonl 파일의 번호입니다.",
    "predictions/{part}.jsonl has a line for each row.": "행마다의 예측은 predictions/{part}.jsonl 파일에 한 줄씩 있습니다.",
    "predictions/{part}.jsonl: {count:,} lines have no usable prediction and reference; they are left out.": (
        "predictions/{part}.jsonl: 예측과 정답을 읽을 수 없는 {count:,}줄을 뺐습니다."
    ),
    "Confusion matrix": "혼동 행렬",
    "label ↓ predicted →": "정답 ↓ 예측 →",
    "Rows of {part} by their label (down) and the prediction (across); shaded by the share of the row": (
        "{part} 데이터의 행을 정답(세로)과 예측(가로)으로 센 수. 색은 그 정답에서 차지하는 비율입니다"
    ),
    "Scores of each label": "레이블별 점수",
    "Rows by their own label; each score is of one label against all others": (
        "행 수는 정답을 기준으로 셌고, 점수는 그 레이블과 나머지 전체를 갈라 쟀습니다"
    ),
    "the {some} with the lowest F1 of {all:,}": "전체 {all:,}개 중 F1이 가장 낮은 {some}개",
    "Predictions against references": "예측과 정답",
    "Predictions against references of {count:,} {part} rows; on the diagonal they are equal": (
        "{part} 데이터 {count:,}행의 예측과 정답. 대각선 위에서 둘이 같습니다"
    ),
    "Rows by their reference": "정답 크기로 나눈 행",
    "mean prediction": "평균 예측",
    "mean distance": "평균 차이",
    "label": "레이블",
    "rows": "행",
    "row": "행",
    "prediction": "예측",
    "reference": "정답",
    "difference": "차이",
    "text": "글",
    "tokens": "토큰",
    "text pair": "둘째 글",
    "question": "질문",
    "context": "지문",
    "source": "원문",
    "choices": "보기",
    "prompt": "앞글",
    "missed": "놓침",
    "added": "잘못 찾음",
    "wrong": "틀림",
    "none": "없음",
    "no answer": "답 없음",
    "Most confident mistakes": "가장 확신하고 틀린 것",
    "Largest errors": "가장 크게 틀린 것",
    "Furthest from their references": "정답에서 가장 먼 것",
    "Entities missed and added": "놓친 개체와 잘못 찾은 개체",
    "Words with a wrong tag": "태그가 틀린 낱말",
    "Least likely rows": "가장 그럴듯하지 않게 본 행",
    "Hidden words that were not found": "맞히지 못한 가려진 낱말",
    "Rows are compared by how many entities of each type they have: a wrong border alone does not show here.": (
        "종류마다 개체가 몇 개인지로 견주므로, 경계만 틀린 것은 여기에 나오지 않습니다."
    ),
    "{count:,} rows are not compared: some of their words have no tag, most since their text was cut.": (
        "{count:,}행은 견주지 않았습니다. 대개 글이 잘려 태그가 없는 낱말이 있습니다."
    ),
    "Of the first {most:,} written rows of {count:,}.": "생성한 {count:,}행 중 처음 {most:,}행에서 골랐습니다.",
    "{count:,} rows were not written (--eval-max-rows).": "{count:,}행은 생성하지 않았습니다(--eval-max-rows).",
    "Choices are counted from 0.": "보기는 0부터 셉니다.",
    "beyond all numbers": "셀 수 없이 큼",
    "{some:,} of {all:,}": "{all:,}개 중 {some:,}개",
    "{title} ({some} of {all:,})": "{title} ({all:,}개 중 {some}개)",
    "{title}: none.": "{title}: 없습니다.",
    "row {number}": "{number}행",
    "rows {number}": "{number}행",
    "Rows as predictions/{part}.jsonl numbers them": "predictions/{part}.jsonl 파일의 행 번호",
    "All {count} as a table": "{count}개 모두 표로 보기",
    "Their texts are not kept in the run: it was trained with --previews 0.": (
        "글은 실행 폴더에 남기지 않았습니다(--previews 0으로 학습)."
    ),
    "Their texts are not kept in the run: mistakes.json isn't there.": "글은 실행 폴더에 없습니다(mistakes.json 파일이 없음).",
    "Left out, it changes {what} ({value}) by: {words}": "빼면 {what}({value})에 생기는 변화: {words}",
    "No single word changes it by {least} or more.": "혼자서 {least} 이상 바꾸는 낱말은 없습니다.",
    "the predicted value": "예측한 값",
    "the probability of {label}": "{label}의 확률",
    (
        "Shaded by what the prediction loses when this word is left out (each word once, the others as they are); underlined where it "
        "gains. This is no explanation of the model: words that say the same twice cover for each other."
    ): (
        "색은 그 낱말을 뺐을 때 예측이 잃는 만큼입니다(낱말마다 한 번씩, 나머지는 그대로). 밑줄은 오히려 얻는 곳입니다. "
        "모델에 대한 설명은 아닙니다. 같은 뜻이 두 번 나오면 서로를 대신합니다."
    ),
    # reliability
    "Reliability": "신뢰도",
    "Reliability of {count:,} {part} rows": "{part} 데이터 {count:,}행의 신뢰도",
    "On average the confidence is {confidence} and {accuracy} are right.": (
        "평균 확신도는 {confidence}, 실제로 맞은 비율은 {accuracy}입니다."
    ),
    "It is surer than it is right.": "맞히는 것보다 더 확신합니다.",
    "It is right more often than it is sure.": "확신하는 것보다 더 자주 맞힙니다.",
    "Expected calibration error (15 bins of equal width): {ece}.": "기대 보정 오차(ECE, 같은 너비 15구간): {ece}.",
    "On the dashed diagonal, of what is said with 80% confidence, 80% is right; the thin lines are 95% intervals.": (
        "점선 대각선에서는 80% 확신한 예측의 80%가 맞습니다. 가는 선은 95% 구간입니다."
    ),
    "confidence": "확신도",
    "mean confidence": "평균 확신도",
    "share that is right": "맞은 비율",
    # by part of the rows
    "By length of the input": "입력 길이별",
    "By file": "파일별",
    'By the column "{column}"': '"{column}" 열의 값별',
    "{low:,} to {high:,} tokens": "{low:,}~{high:,}토큰",
    "{low:,} tokens": "{low:,}토큰",
    "all others": "나머지 전부",
    "all rows {value}": "전체 {value}",
    "Rows of {part}; in brackets the 95% interval": "{part} 데이터의 행. 괄호 안은 95% 구간입니다",
    "Each interval is over the rows of its line alone. Of many intervals some miss the score of all rows by chance alone.": (
        "구간은 그 줄의 행만으로 구했습니다. 구간이 여럿이면 몇몇은 우연만으로도 전체 점수를 비껴갑니다."
    ),
    # samples
    "While it trained": "학습하는 동안",
    "sample": "표본",
    "inputs": "입력",
    "update {step}": "스텝 {step}",
    "Training rows and what the model gave for them during the update, from the shortest to the longest": (
        "학습 행과 그 스텝에서 모델이 낸 답(짧은 것부터)"
    ),
    "The rows are those of the update, so each column has others; they come from training, and say little of new texts.": (
        "그 스텝에 쓰인 행이라 열마다 다른 행입니다. 학습 데이터이므로 새 글에 대해서는 말해 주는 것이 적습니다."
    ),
    "Shown are {some} of {all} updates.": "{all}개 스텝 중 {some}개를 보였습니다.",
    "No training row is shown: whenever samples were due, none lay whole in one pack, as rows of many windows don't.": (
        "보여 줄 학습 행이 없습니다. 표본을 뽑을 때마다 한 묶음에 온전히 든 행이 없었습니다(여러 창으로 잘린 긴 행은 여러 묶음에 나뉩니다)."
    ),
    "The same rows over time": "같은 행의 변화",
    "The same validation rows at each evaluation": "평가 때마다 본 같은 검증 행",
    " ({some} of {all})": " ({all}번 중 {some}번)",
    "✓ right": "✓ 맞음",
    "✗ wrong": "✗ 틀림",
    # data
    "part": "부분",
    "files": "파일",
    "file": "파일",
    "shortest": "가장 짧음",
    "median": "중앙값",
    "90%": "90%",
    "99%": "99%",
    "longest": "가장 긺",
    "cut": "잘림",
    "Lengths are tokens a row": "길이는 한 행의 토큰 수입니다",
    "Labels": "레이블",
    "Rows or tokens of each label": "레이블마다의 행 또는 토큰 수",
    "the {some} most frequent of {all:,}": "전체 {all:,}개 중 가장 잦은 {some}개",
    "The data doctor found nothing.": "데이터 검진에서 찾은 것이 없습니다.",
    "{count} notes of the data doctor": "데이터 검진의 참고 사항 {count}개",
    "What reading found and did": "읽으면서 찾고 처리한 것",
    "Stops a training": "학습을 막는 것",
    "To look at": "살펴볼 것",
    "Notes": "참고",
    "count {number:,.0f}": "{number:,.0f}건",
    "1 example": "보기 1개",
    "{count} examples": "보기 {count}개",
    "more": "덧붙임",
    "Texts were cleaned for training, and Byeori cleans those of every prediction alike ({steps}): without Byeori, do so first.": (
        "학습 글을 다듬었고, 벼리는 예측할 글도 똑같이 다듬습니다({steps}). 벼리 없이 쓸 때는 먼저 그렇게 하십시오."
    ),
    "HTML entities become the signs they stand for": "HTML 엔티티를 글자로 바꿈",
    "control characters are taken out": "제어 문자를 뺌",
    "zero-width characters are taken out": "너비 없는 글자를 뺌",
    "letters become lower case": "소문자로 바꿈",
    "runs of spaces become one": "이어진 공백을 하나로",
    "outer spaces are cut": "앞뒤 공백을 자름",
    "the function {name} of {file} is called": "{file}의 함수 {name} 호출",
    "a session": "세션",
    "The tokenizer brings texts into the Unicode form {name}, so it reads them alike however they are composed.": (
        "토크나이저가 글을 유니코드 {name} 꼴로 바꾸므로, 자모가 나뉘어 있어도 똑같이 읽습니다."
    ),
    "Texts are brought into the Unicode form {name} first, which the tokenizer can't: without Byeori, do so before it.": (
        "글을 먼저 유니코드 {name} 꼴로 바꿉니다. 토크나이저는 하지 못하니, 벼리 없이 쓸 때는 그 앞에서 하십시오."
    ),
    # kinds of findings
    "unreadable": "읽을 수 없는 파일",
    "bad rows": "읽을 수 없는 행",
    "unusable labels": "쓸 수 없는 레이블",
    "constant label": "하나뿐인 레이블",
    "empty": "빈 글",
    "empty labels": "빈 정답",
    "encoding": "인코딩",
    "conflicting labels": "서로 어긋나는 레이블",
    "leakage": "학습 데이터와 겹침",
    "near leakage": "학습 데이터와 거의 겹침",
    "unknown labels": "학습에 없는 레이블",
    "duplicate rows": "중복된 행",
    "near duplicates": "거의 같은 행",
    "shift": "학습 데이터와 다른 분포",
    "rare class": "드문 레이블",
    "imbalance": "레이블 불균형",
    "similar labels": "비슷한 레이블",
    "suspicious labels": "의심스러운 레이블",
    "giveaway": "답을 알려 주는 열",
    "hypothesis only": "둘째 글만으로 맞힘",
    "label outliers": "동떨어진 숫자",
    "truncated": "잘린 글",
    "unknown tokens": "모르는 토큰",
    "decomposed": "자모로 나뉜 글",
    "control characters": "제어 문자",
    "zero width": "너비 없는 글자",
    "placeholders": "빈칸을 대신한 글",
    "wordless": "글자 없는 글",
    "markup": "HTML 태그",
    "separator in text": "구분 문자가 든 글",
    "boilerplate": "되풀이되는 문구",
    "mixed scripts": "섞인 문자",
    "misaligned pairs": "어긋난 번역 쌍",
    "same sides": "양쪽이 같은 쌍",
    "long targets": "원문보다 긴 요약",
    "label position": "치우친 정답 자리",
    "longest choice": "가장 긴 보기가 정답",
    "repeated choices": "되풀이된 보기",
    "tag slips": "잘못 이어진 태그",
    "inconsistent tags": "엇갈린 태그",
    "long answers": "너무 긴 답",
    "id column": "행 이름 열",
    "constant column": "값이 하나뿐인 열",
    "contract": "모델·토크나이저와 맞지 않음",
    # speed, environment, settings
    "What the training cost": "학습에 든 것",
    "whole run": "전체 실행",
    "updates": "스텝 수",
    "epochs": "에폭 수",
    "rows a second": "초당 행",
    "tokens a second": "초당 토큰",
    "padding": "패딩",
    "peak memory": "최대 메모리",
    "tokenizing": "토큰화",
    "evaluating": "평가",
    "saving": "저장",
    "batches": "배치",
    "kept model": "남긴 모델",
    "resumed": "이어서 학습",
    "stopped early": "일찍 멈춤",
    "{share} of the computed tokens": "계산한 토큰의 {share}",
    "packed": "패딩 없이 이어 붙임",
    "rectangles of like length": "비슷한 길이끼리 묶음",
    "update {step}, validation {score} {value}": "스텝 {step}, 검증 {score} {value}",
    "went on from update {steps}": "스텝 {steps}부터 이어 감",
    "{seconds} s": "{seconds}초",
    "{minutes} min {seconds} s": "{minutes}분 {seconds}초",
    "{hours} h {minutes} min": "{hours}시간 {minutes}분",
    "Where and with what it ran": "실행한 곳과 버전",
    "system": "운영 체제",
    "processors": "프로세서 수",
    "gpu": "GPU",
    "device": "장치",
    "threads": "스레드",
    "pack_tokens": "묶음당 토큰",
    "This command repeats the run where the same data and base model lie:": (
        "같은 데이터와 바탕 모델이 있는 곳에서 이 명령으로 다시 실행합니다."
    ),
    "The data that was read": "읽은 데이터",
    "All {count} settings": "설정 {count}개 모두",
    "Settings as they were resolved": "정해진 설정",
    "setting": "설정",
    # what is missing
    "{what} could not be made: the files hold something unexpected ({said}).": (
        "{what}: 파일에 뜻밖의 내용이 있어 만들지 못했습니다({said})."
    ),
    "{file} is missing.": "{file}: 파일이 없습니다.",
    "{file} is empty.": "{file}: 파일이 비어 있습니다.",
    "{file} can't be read ({error}).": "{file}: 파일을 읽을 수 없습니다({error}).",
    "{file} is damaged, not JSON ({error}).": "{file}: 손상되어 JSON이 아닙니다({error}).",
    "{file} is damaged: it holds a {kind}, not names and values.": (
        "{file}: 손상되었습니다. 이름과 값이 아니라 {kind} 하나가 들어 있습니다."
    ),
    "{file} has format {version}; this Byeori reads up to {most}. Update it.": (
        "{file}: 형식 {version}입니다. 이 벼리는 {most}까지 읽습니다. 벼리를 새 판으로 바꾸십시오."
    ),
    "{file}: {count:,} damaged lines are left out, the first is line {first:,}.": (
        "{file}: 손상된 {count:,}줄을 뺐습니다. 첫째는 {first:,}번째 줄입니다."
    ),
    "settings.yaml is damaged, not YAML of names and values ({one}).": "settings.yaml: 손상되어 이름과 값의 YAML이 아닙니다({one}).",
}
