"""The Korean of a comparison's page, a part of the one table in korean.py.

COMPARED["Rows that changed"]
"""

COMPARED: dict[str, str] = {
    "Byeori comparison": "벼리 비교",
    "{runs} against {baseline}": "{baseline} 대비 {runs}",
    "{run} is better than {baseline}: {score} {difference}, p {p}.": "{run}: {baseline}보다 낫습니다. {score} {difference}, p {p}.",
    "{run} is worse than {baseline}: {score} {difference}, p {p}.": "{run}: {baseline}보다 못합니다. {score} {difference}, p {p}.",
    "{run} is not shown to differ from {baseline}: {score} {difference}, p {p}.": (
        "{run}: {baseline} 대비 차이가 있다고 할 수 없습니다. {score} {difference}, p {p}."
    ),
    "{score}, the headline, can't be compared.": "대표 점수인 {score} 값을 비교할 수 없습니다.",
    "{score} ({label})": "{score} ({label})",
    "{score} ↓": "{score} ↓",
    "Scores of both, and their differences": "두 실행의 점수와 차이",
    "Means over the seeds, and their differences": "시드 평균과 그 차이",
    "Beside each answer stands how many seeds gave it.": "답 옆의 수는 그렇게 답한 시드의 수입니다.",
    "{count:,} rows by whether the answers of most seeds are right": "시드 과반의 답이 맞는지로 나눈 {count:,}행",
    "; ↓: lower is better": ". ↓: 낮을수록 좋음",
    "difference (95% interval)": "차이 (95% 구간)",
    "p (Holm)": "p (Holm)",
    "Differences of {run} from {baseline} with 95% intervals: {scores}": "{baseline} 대비 {run} 점수 차이와 95% 구간: {scores}",
    "difference (right of 0: higher than {baseline})": "차이 (0의 오른쪽: {baseline}보다 높음)",
    # rows
    "Rows that changed": "달라진 행",
    "change": "변화",
    "right → wrong": "맞음 → 틀림",
    "wrong → right": "틀림 → 맞음",
    "wrong in another way": "다르게 틀림",
    "worse": "나빠짐",
    "better": "나아짐",
    "the same": "그대로",
    "{count:,} rows by whether the answer is right": "답이 맞는지로 나눈 {count:,}행",
    "{count:,} rows by the {score} of each": "행마다의 {score} 값으로 나눈 {count:,}행",
    "{kind}: {some} of {all} rows": "{kind}: {all}행 중 {some}행",
    # settings and seeds
    "Settings that differ": "서로 다른 설정",
    "No setting differs.": "다른 설정이 없습니다.",
    "version of {name}": "{name} 버전",
    "Seeds": "시드",
    "{run}: {count} seeds": "{run}: 시드 {count}개",
    "seed {seed}": "시드 {seed}",
    "mean": "평균",
    "standard deviation": "표준편차",
    "least": "최솟값",
    "most": "최댓값",
    # how it was measured
    "How this was measured": "잰 방법",
    "intervals: paired bootstrap over rows (Efron and Tibshirani 1993; Koehn 2004); p: paired permutation test, two-sided "
    "(approximate randomization, Noreen 1989; Yeh 2000; (k + 1) / (N + 1), Phipson and Smyth 2010)": (
        "구간: 같은 행을 함께 다시 뽑는 짝지은 부트스트랩(Efron and Tibshirani 1993; Koehn 2004). p: 짝지은 순열 검정, 양측"
        "(approximate randomization, Noreen 1989; Yeh 2000; (k + 1) / (N + 1), Phipson and Smyth 2010)"
    ),
    "intervals and p: Multi-Bootstrap over rows and seeds (Sellam et al. 2022), two-sided; with few seeds it still is a little too "
    "sure": (
        "구간과 p: 행과 시드를 함께 다시 뽑는 Multi-Bootstrap(Sellam et al. 2022), 양측. 시드가 몇 개뿐이면 실제보다 조금 더 확신합니다"
    ),
    "p of several runs against one: also corrected by Holm (1979), each score by itself": (
        "여러 실행을 하나와 견준 p: 점수마다 따로 Holm(1979)으로도 보정했습니다"
    ),
    "A run of one seed beside several: what another seed would change of it is in no interval.": (
        "시드가 하나뿐인 실행을 여러 시드와 견주었습니다. 그 실행의 시드를 바꾸면 생길 차이는 어느 구간에도 들어 있지 않습니다."
    ),
    "{run}: its texts were cleaned otherwise; the rows are those of the same files.": (
        "{run}: 글을 다르게 다듬었습니다. 행은 같은 파일의 것입니다."
    ),
    # what is not compared
    "{score}: not compared; {why}.": "{score}: 비교하지 않았습니다. {why}.",
    "it is an own metric, or one of more than predictions: the rows in the folder don't give it": (
        "직접 만든 지표이거나 예측만으로는 구할 수 없는 지표라서, 폴더에 있는 행으로는 값이 나오지 않습니다"
    ),
    "{run} keeps no loss of each row (an earlier version)": "{run}: 행마다의 손실이 없습니다(이전 판으로 학습)",
    "it is undefined in {run}": "{run}: 값이 정의되지 않았습니다",
    "{run} has no such score": "{run}: 이 점수가 없습니다",
    "it is of the class {label} in {run} alone": "{run}에서만 {label} 클래스의 점수입니다",
    "the rows of {run} give {value:.6g}, and its metrics.json says {kept:.6g}: it was scored otherwise": (
        "{run}: 행으로 구하면 {value:.6g}인데 metrics.json에는 {kept:.6g}(으)로 적혀 있어, 다른 방식으로 잰 점수입니다"
    ),
    "it is a mean over tokens, and the same rows have others ({ours:,.0f} in {first} and {theirs:,.0f} in {second}): another "
    "tokenizer, length or masking": (
        "토큰의 평균인데 같은 행의 토큰이 다릅니다({first} {ours:,.0f}개, {second} {theirs:,.0f}개). 토크나이저, 길이, 가리기 "
        "가운데 무엇인가 다릅니다"
    ),
}
