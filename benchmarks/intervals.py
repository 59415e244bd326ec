"""What doubt costs: 1,000 resamples of each task's scores over 30,000 rows, and a comparison of two such runs.

Predictions are made up, a tenth to a third of them wrong; texts are of the lengths that these tasks have. The bound
is 2 s of one core for the intervals of a set of scores; what the values cost (reading texts) stands beside it.

python -m benchmarks.intervals --rows 30000
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from byeori.metrics import intervals
from byeori.metrics.intervals import collected
from byeori.metrics.paired import Joint

BOUND = 2.0
RESAMPLES = 1_000
WORDS = np.array([f"w{number}" for number in range(3_000)])
TAGS = ("PS", "LC", "OG", "DT", "TI", "QT")

Score = Callable[[Any, Any, int], Any]


def classes(rng: np.random.Generator, rows: int, labels: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.scores import scores

    names = [str(number) for number in range(labels)]
    right = rng.integers(0, labels, rows)
    sides = [np.where(rng.random(rows) < share, right, rng.integers(0, labels, rows)) for share in (0.85, 0.8)]
    return (
        lambda said, wanted, resamples: scores("single_label", said, wanted, names, resamples=resamples),
        *sides,
        right,
    )


def several_labels(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.scores import scores

    names = [str(number) for number in range(28)]
    right = rng.random((rows, 28)) < 0.05
    sides = [right ^ (rng.random((rows, 28)) < share) for share in (0.01, 0.02)]
    return (
        lambda said, wanted, resamples: scores("multi_label", said, wanted, names, resamples=resamples),
        *sides,
        right,
    )


def numbers(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.scores import scores

    right = rng.integers(0, 51, rows) / 10
    sides = [right + rng.normal(size=rows) * spread for spread in (0.8, 0.9)]
    return lambda said, wanted, resamples: scores("regression", said, wanted, resamples=resamples), *sides, right


def calibration(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.calibration import calibration_scores

    sides = [0.5 + rng.random(rows) / 2 for _ in range(2)]
    return (
        lambda said, wanted, resamples: calibration_scores(said, wanted, resamples=resamples),
        *sides,
        rng.random(rows) < 0.8,
    )


def losses(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.intervals import scored_ratio

    sides = [rng.exponential(size=rows) for _ in range(2)]
    return (
        lambda said, wanted, resamples: scored_ratio("loss", said, wanted, resamples=resamples),
        *sides,
        np.ones(rows),
    )


def entities(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    """Three entities in forty units, as KLUE's NER has them; all four sets of scores of the task."""
    from byeori.tasks import TokenClassification
    from byeori.tasks.tag_schemes import Scheme, labels_for

    task: Any = TokenClassification(labels=labels_for(Scheme("BIO", TAGS), None))
    task.unit = "character"

    def row() -> list[str]:
        tags = ["O"] * 40
        for start in (3, 15, 27):
            kind = TAGS[rng.integers(len(TAGS))]
            tags[start : start + 3] = [f"B-{kind}", f"I-{kind}", f"I-{kind}"]
        return tags

    right = [row() for _ in range(rows)]

    def spoilt(share: float) -> list[list[str]]:
        found = [list(tags) for tags in right]
        for tags, chance in zip(found, rng.random((rows, 3)), strict=True):
            for start, one in zip((3, 15, 27), chance, strict=True):
                if one < share:
                    tags[start : start + 3] = ["O"] * 3
        return found

    return (
        lambda said, wanted, resamples: task.score(said, wanted, resamples=resamples),
        spoilt(0.1),
        spoilt(0.12),
        right,
    )


def texts(rng: np.random.Generator, rows: int, length: int) -> list[str]:
    return [" ".join(row) for row in WORDS[rng.integers(0, len(WORDS), (rows, length))]]


def noisy(rng: np.random.Generator, right: list[str], share: float) -> list[str]:
    found = []
    for one in right:
        words = np.array(one.split())
        other = rng.random(len(words)) < share
        words[other] = WORDS[rng.integers(0, len(WORDS), int(other.sum()))]
        found.append(" ".join(words))
    return found


def written(rng: np.random.Generator, rows: int, length: int, score: Score) -> tuple[Score, Any, Any, Any]:
    right = texts(rng, rows, length)
    return score, noisy(rng, right, 0.3), noisy(rng, right, 0.35), right


def answers(said: Any, wanted: Any, resamples: int) -> Any:
    from byeori.metrics.answers import answer_scores

    return answer_scores(said, [[one] for one in wanted], resamples=resamples)


def rouge(said: Any, wanted: Any, resamples: int) -> Any:
    from byeori.metrics.rouge import rouge_scores

    return rouge_scores(said, wanted, unit="eojeol", resamples=resamples)


def translation(said: Any, wanted: Any, resamples: int) -> Any:
    from byeori.metrics.translation import translation_scores

    return translation_scores(said, wanted, resamples=resamples)


def language(rng: np.random.Generator, rows: int) -> tuple[Score, Any, Any, Any]:
    from byeori.metrics.language import language_scores

    tokens = rng.integers(10, 200, rows)
    sides = [tokens * rng.gamma(3, 1, rows) for _ in range(2)]

    def score(said: Any, wanted: Any, resamples: int) -> Any:
        return language_scores(said, wanted, characters=wanted * 4, right=wanted // 2, resamples=resamples)

    return score, *sides, tokens


SETS: dict[str, Callable[[np.random.Generator, int], tuple[Score, Any, Any, Any]]] = {
    "accuracy, F1, MCC (2 classes)": lambda rng, rows: classes(rng, rows, 2),
    "accuracy, F1, MCC (150 classes)": lambda rng, rows: classes(rng, rows, 150),
    "multi-label (28)": several_labels,
    "regression": numbers,
    "ECE": calibration,
    "loss": losses,
    "entities (f1, strict, classes, characters)": entities,
    "EM, F1 of answers": lambda rng, rows: written(rng, rows, 3, answers),
    "ROUGE": lambda rng, rows: written(rng, rows, 20, rouge),
    "BLEU, chrF, chrF++": lambda rng, rows: written(rng, rows, 15, translation),
    "perplexity, bits, accuracy": language,
}


def seconds(work: Callable[[], Any]) -> float:
    """Of one core: what others do on the machine meanwhile doesn't count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def doubt(score: Score, said: Any, right: Any) -> tuple[float, float]:
    """Seconds for the values, and for their intervals: the time within `bootstrap`, since reading texts takes longer than that."""
    spent = 0.0
    own = intervals.bootstrap

    def timed(*given: Any, **options: Any) -> Any:
        nonlocal spent
        began = time.process_time()
        found = own(*given, **options)
        spent += time.process_time() - began
        return found

    intervals.bootstrap = timed
    try:
        every = seconds(lambda: score(said, right, RESAMPLES))
    finally:
        intervals.bootstrap = own
    if spent:
        return every - spent, spent
    plain = seconds(lambda: score(said, right, 0))  # ECE makes its interval itself
    return plain, every - plain


def compared(score: Score, first: Any, second: Any, right: Any, rows: int) -> float:
    """Seconds for the difference of two runs: 1,000 resamples and 10,000 permutations, rows read before."""
    both = [*first, *second] if isinstance(first, list) else np.concatenate([first, second])
    wanted = [*right, *right] if isinstance(right, list) else np.concatenate([right, right])
    with collected() as asked:
        score(both, wanted, 0)
    return seconds(lambda: [Joint(one, number // 2).difference(0, 1) for one, number in asked])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--compare", action="store_true", help="time comparisons too")
    parser.add_argument("--only", default="", help="sets with this word in their name")
    asked = parser.parse_args()
    print(f"{asked.rows:,} rows, {RESAMPLES:,} resamples\n")
    print("| scores | values, s | intervals, s | compare, s |\n| --- | ---: | ---: | ---: |")
    over = []
    for name, make in SETS.items():
        if asked.only not in name:
            continue
        score, first, second, right = make(np.random.default_rng(0), asked.rows)
        plain, more = doubt(score, first, right)
        beside = f"{compared(score, first, second, right, asked.rows):.2f}" if asked.compare else ""
        print(f"| {name} | {plain:.2f} | {more:.2f} | {beside} |", flush=True)
        if more > BOUND:
            over.append(name)
    print(f"\nOver {BOUND:g} s: {', '.join(over) or 'none'}.")


if __name__ == "__main__":
    main()
