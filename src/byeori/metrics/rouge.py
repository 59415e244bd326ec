"""ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum over words, eojeol, morphemes or syllables.

Invariants: values are means over rows of F-measures in 0–1, computed by `rouge-score` (Google's port of Lin's ROUGE
1.5.5, Lin 2004) on the units of `byeori.metrics.units`; with the unit "word" they are rouge-score's own, but for the
rows that its words can't stand for (Korean among English), which are counted in eojeol and named in a note. Every entry
says its unit: scores of different units are not comparable. Equal texts score 1; ROUGE-L is 1 for texts of equal units
alone, ROUGE-1 for texts of the same units in any order.

    from byeori.metrics.rouge import rouge_scores
    rouge_scores(["경찰이 범인을 잡았다"], ["경찰이 도둑을 잡았다"], resamples=0)["rougeL"]

Of several references a row, each measure takes the one with the highest F (rouge-score's `score_multi`). ROUGE-Lsum
takes the lines of a text for its sentences; of texts of one line it equals ROUGE-L.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.metrics import units
from byeori.metrics.intervals import Ratios, scored
from byeori.metrics.references import by_row, flat

MEASURES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
NAMED = 5  # rows that a note names


def rouge_scores(
    predicted: Sequence[str],
    references: Sequence,
    *,
    unit: str = units.AUTO,
    stemmer: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """{name: {"value", "low", "high", "details"}} of rouge1, rouge2, rougeL and rougeLsum.

    predicted: texts (n,); references: (n,), a text or a list of texts a row. unit: "word" (rouge-score's own: a–z and
    0–9), "eojeol" (between spaces), "morpheme" (kiwipiepy, the extra `ko`), "syllable" (every letter and digit) or
    "auto": "word" where it reads the references (all but a tenth of their letters), else "eojeol", or "syllable" for
    Chinese and Japanese. stemmer: Porter's, for English words. details: {"unit", "stemmer", "precision", "recall",
    "empty_predictions"}, precision and recall being those of the measure, and with "word" a "note" that names the rows that
    were counted in eojeol, if there are any. Intervals are over rows.
    Raises DataError for references that are not given by row (see `by_row`); SettingError for a unit that would throw
    away more than a tenth of the references' letters and digits, for another unit, and for "morpheme" without kiwipiepy.
    """
    score = RougeScore(predicted, references, unit=unit, stemmer=stemmer)
    entries = scored(score, score.n, resamples=resamples, seed=seed, level=level)
    return {name: {**entry, "details": score.details(name)} for name, entry in entries.items()}


class RougeScore(Ratios):
    """`rouge_scores` prepared for many weightings of the same rows: call it with weights (n,).

    unit: the unit that was chosen; rows: float64 (n, 4, 3), each row's precision, recall and F of the `MEASURES`.
    """

    def __init__(
        self, predicted: Sequence[str], references: Sequence, *, unit: str = units.AUTO, stemmer: bool = False
    ) -> None:
        texts = by_row(predicted, references)
        wanted = flat(texts)
        self.n, self.unit, self.stemmer = len(texts), unit, stemmer
        if unit == units.AUTO:
            self.unit = units.choose(wanted)
            self.stemmer = stemmer and self.unit == "word"  # the choice is made for the user, and said in the details
        units.check(self.unit, wanted)
        apart = {row for row, both in enumerate(zip(predicted, texts, strict=True)) if self._apart(*both)}
        measure, other = _Measure(self.unit, self.stemmer), _Measure("eojeol", False)
        self.rows = np.array([
            (other if row in apart else measure)(text, several)
            for row, (text, several) in enumerate(zip(predicted, texts, strict=True))
        ])  # fmt: skip
        super().__init__({name: (self.rows[:, place, 2], np.ones(self.n)) for place, name in enumerate(MEASURES)})
        self._empty = sum(not text.strip() for text in predicted)
        self._note = _note(sorted(apart), self.n) if apart else None

    def _apart(self, predicted: str, references: Sequence[str]) -> bool:
        return self.unit == "word" and bool(units.misread([predicted, *references]))

    def details(self, name: str) -> dict[str, Any]:
        """What belongs beside the measure's value: unit, stemmer, mean precision and recall, empty predictions."""
        precision, recall, _ = self.rows[:, MEASURES.index(name)].mean(axis=0).tolist()
        return {
            "unit": self.unit,
            "stemmer": self.stemmer,
            "precision": precision,
            "recall": recall,
            "empty_predictions": self._empty,
            **({"note": self._note} if self._note else {}),
        }


def _note(rows: Sequence[int], of: int) -> str:
    """Which rows were counted in eojeol, in a sentence."""
    named = ", ".join(str(row + 1) for row in rows[:NAMED]) + (", …" if len(rows) > NAMED else "")
    return f"ROUGE's words keep only a–z and 0–9: {len(rows):,} of {of:,} rows, written otherwise, are counted in eojeol (rows {named})."


class _Measure:
    """(prediction, its references) → (precision, recall, F) of each of the `MEASURES`, of the best reference each."""

    def __init__(self, unit: str, stemmer: bool) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        self._tokenizer, self._ours = units.tokenizer(unit, stemmer=stemmer), unit != "word"
        self._lines = RougeScorer(list(MEASURES), tokenizer=self._tokenizer)
        # of texts of one line ROUGE-L is ROUGE-Lsum, and the longest common subsequence is most of the time
        self._line = RougeScorer([name for name in MEASURES if name != "rougeLsum"], tokenizer=self._tokenizer)

    def __call__(self, predicted: str, references: Sequence[str]) -> list[tuple[float, float, float]]:
        scores = [self._one(predicted, reference) for reference in references]
        return [max((score[name] for score in scores), key=lambda s: s[2]) for name in MEASURES]

    def _one(self, predicted: str, reference: str) -> dict[str, tuple[float, float, float]]:
        if "\n" in predicted or "\n" in reference:
            found = self._lines.score(reference, predicted)
        else:
            found = self._line.score(reference, predicted)
            found["rougeLsum"] = found["rougeL"]
        if self._ours and found["rouge2"].fmeasure == 0:
            ours, theirs = self._tokenizer.tokenize(predicted), self._tokenizer.tokenize(reference)
            if len(ours) == len(theirs) == 1:  # one eojeol has no pair of them: it is compared whole
                found["rouge2"] = found["rouge1"]
        return found
