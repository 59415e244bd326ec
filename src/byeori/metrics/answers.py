"""Exact match and F1 of answers: SQuAD's over words, KorQuAD's over syllables.

Invariants: values are means over questions of numbers in 0–1, each the best over a question's answers, and equal to the
official scripts' (a hundredth of theirs) wherever answers are more than punctuation and articles. Texts that are equal
(in NFC) score 1 on both counts; texts that differ after normalization never match exactly.

    from byeori.metrics.answers import answer_scores; answer_scores(["경찰청"], [["경찰"]], resamples=0)["f1"]

SQuAD 1.1 and 2.0: Rajpurkar et al. 2016, 2018 (lower case, no punctuation, no a/an/the; words). KorQuAD 1.0: Lim et al.
2019 (lower case, quotes and brackets 《》〈〉‘’ are spaces, no ASCII punctuation; characters without spaces), which
tells "경찰" and "경찰은" apart by a syllable and not by a whole word. F1 is over a bag of units in both: it does not
see their order.

Where normalization leaves nothing of an answer ("?", "The"), a prediction is compared with it as written; SQuAD's script
drops such an answer, KorQuAD's gives any prediction of the kind EM 1 and F1 0. A question without an answer is answered
rightly by "" and, as in SQuAD 2.0's script, by what normalization leaves nothing of; with both units.
"""

from __future__ import annotations

import collections
import functools
import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.errors import DataError, SettingError
from byeori.metrics.intervals import Ratios, check_lengths, scored
from byeori.metrics.units import AUTO, scripts

UNITS = ("word", "syllable")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_BRACKETS = dict.fromkeys(map(ord, "'\"《》<>〈〉()‘’"), " ")


def answer_scores(
    predicted: Sequence[str],
    answers: Sequence[Sequence[str]],
    *,
    unit: str = AUTO,
    no_answer: Sequence[float] | None = None,
    threshold: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """{name: {"value", "low", "high", "details": {"unit"}}} of one answer a question.

    predicted: texts (n,), "" for no answer; answers: the right texts of each question, an empty list where there is
    none. unit: "word" (SQuAD), "syllable" (KorQuAD, KLUE-MRC) or "auto", which is "syllable" where at least half of the
    answers' letters are Hangul. no_answer, threshold: how much each question looks like one without an answer
    (n,), in any scale; a question above the threshold counts as answered "". Returns exact_match and f1 over all
    questions and, where some have no answer, has_answer_exact_match, has_answer_f1 and no_answer_accuracy of both
    sorts (SQuAD 2.0's HasAns and NoAns). Intervals are over questions. Raises DataError for no rows, for different
    lengths and for what isn't text, SettingError for another unit and for one of no_answer and threshold alone.
    """
    if (no_answer is None) != (threshold is None):
        raise SettingError("no_answer and threshold go together: give both, or neither.")
    if no_answer is not None and threshold is not None:
        check_lengths(no_answer, predicted)
        predicted = ["" if s > threshold else text for text, s in zip(predicted, _finite(no_answer), strict=True)]
    score = AnswerScore(predicted, answers, unit=unit)
    entries = scored(score, score.n, resamples=resamples, seed=seed, level=level)
    return {name: {**entry, "details": {"unit": score.unit}} for name, entry in entries.items()}


def best_threshold(
    predicted: Sequence[str], answers: Sequence[Sequence[str]], no_answer: Sequence[float], *, unit: str = AUTO
) -> dict[str, dict[str, float]]:
    """The threshold of `answer_scores` that scores best on these rows: {"exact_match": {"value", "threshold"}, "f1": …}.

    Parameters as there, predicted being the best answer of each question had it one. SQuAD 2.0's search, but for two
    things: a threshold never falls between equal scores, where the script's result hangs on the order of rows; and
    where no question should be answered it is below the lowest score (the script says 0.0, which only does for
    probabilities). Tune it on validation rows, not on those it is judged by.
    """
    score = AnswerScore(predicted, answers, unit=unit)
    likeness = _finite(no_answer)
    check_lengths(likeness, predicted)
    order = np.argsort(likeness, kind="stable")
    ends = np.append(np.diff(likeness[order]) > 0, True)  # (n,): the last question of each likeness
    unanswered = ~score.answerable
    lowest = float(likeness[order[0]])
    below = 0.0 if lowest > 0 else float(np.nextafter(lowest, -np.inf))
    found = {}
    for name, values in (("exact_match", score.exact), ("f1", score.f1)):
        gained = np.cumsum((values - unanswered)[order])  # on answering one question more, from none on
        gained = np.where(ends, gained, -np.inf)
        best = int(gained.argmax())
        gain = max(0.0, float(gained[best]))
        found[name] = {
            "value": (gain + int(unanswered.sum())) / score.n,
            "threshold": float(likeness[order[best]]) if gain > 0 else below,
        }
    return found


class AnswerScore(Ratios):
    """`answer_scores` prepared for many weightings of the same questions: call it with weights (n,).

    exact, f1: float64 (n,), each question's own; answerable: bool (n,), whether it has an answer.
    """

    def __init__(self, predicted: Sequence[str], answers: Sequence[Sequence[str]], *, unit: str = AUTO) -> None:
        check_lengths(predicted, answers)
        rows = [_texts(number, *row) for number, row in enumerate(zip(predicted, answers, strict=True), start=1)]
        self.unit, self.n = _unit(unit, rows), len(rows)
        own = [_best(prediction, right, self.unit) for prediction, right in rows]
        self.exact, self.f1 = np.array(own, dtype=np.float64).T  # (n,) each
        self.answerable = np.array([bool(right) for _, right in rows])
        has, hasnt = self.answerable.astype(np.float64), 1.0 - self.answerable
        names = {"exact_match": (self.exact, np.ones(self.n)), "f1": (self.f1, np.ones(self.n))}
        if has.any() and hasnt.any():
            names["has_answer_exact_match"] = (self.exact * has, has)
            names["has_answer_f1"] = (self.f1 * has, has)
            names["no_answer_accuracy"] = (self.exact * hasnt, hasnt)
        super().__init__(names)


def exact_match(predicted: str, answer: str, unit: str = "word") -> float:
    """1.0 where two texts are equal after normalization, else 0.0; with the answer "", where nothing is left."""
    wanted = _normal(answer, unit)
    if not wanted and answer.strip():
        return float(_plain(predicted) == _plain(answer))
    return float(_normal(predicted, unit) == wanted)


def f1(predicted: str, answer: str, unit: str = "word") -> float:
    """The F1 (0–1) of the bags of units of two texts after normalization; `exact_match` where the answer has none."""
    ours, theirs = _units(_normal(predicted, unit), unit), _units(_normal(answer, unit), unit)
    if not theirs:
        return exact_match(predicted, answer, unit)
    same = sum((collections.Counter(ours) & collections.Counter(theirs)).values())
    return 2 * same / (len(ours) + len(theirs))


def _best(predicted: str, answers: Sequence[str], unit: str) -> tuple[float, float]:
    answers = answers or [""]  # of a question without an answer, only "" is right
    return max(exact_match(predicted, a, unit) for a in answers), max(f1(predicted, a, unit) for a in answers)


@functools.lru_cache(maxsize=4096)
def _normal(text: str, unit: str) -> str:
    if unit == "word":
        kept = _ARTICLES.sub(" ", _plain(text).lower().translate(_PUNCTUATION))
    else:
        kept = _plain(text).translate(_BRACKETS).lower().translate(_PUNCTUATION)
    return _plain(kept)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _units(normal: str, unit: str) -> list[str]:
    return normal.split() if unit == "word" else list(normal.replace(" ", ""))


def _unit(unit: str, rows: Sequence[tuple[str, list[str]]]) -> str:
    if unit != AUTO and unit not in UNITS:
        raise SettingError(f'{unit=} is none of "auto", "word", "syllable". Choose one of them.')
    if unit != AUTO:
        return unit
    return "syllable" if scripts([text for _, right in rows for text in right])["hangul"] >= 0.5 else "word"


def _texts(number: int, predicted, answers) -> tuple[str, list[str]]:
    if isinstance(answers, str):
        raise DataError(f"Row {number}: the answers are the text {answers!r}. Give a list of texts, empty for none.")
    for text in (predicted, *answers):
        if not isinstance(text, str):
            raise DataError(f'Row {number}: {text!r} ({type(text).__name__}) is not a text. Give texts, "" for none.')
    # an answer of spaces alone is no answer
    return predicted.strip(), [text for text in answers if text.strip()]


def _finite(values: Sequence[float]) -> np.ndarray:
    scores = np.asarray(values, dtype=np.float64).ravel()
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise DataError(f"Row {bad[0] + 1}: the no-answer score is {scores[bad[0]]}, which can't be compared.")
    return scores
