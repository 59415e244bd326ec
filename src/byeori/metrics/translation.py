"""BLEU, chrF and chrF++ with everything needed to compare them: signature, counts, precisions, lengths.

Invariants: values equal `sacrebleu`'s `corpus_bleu` and `corpus_chrf` (Post 2018; BLEU: Papineni et al. 2002; chrF and
chrF++: Popović 2015, 2017), on its scale of 0–100; a resample sums the sentences' counts, as sacrebleu sums them, and
reads no text. Scores of different tokenizers are not comparable: the signature beside each value names it.

    from byeori.metrics.translation import translation_scores
    translation_scores(["the cat sat on the mat"], [["the cat sat on a mat"]], resamples=0)["bleu"]["details"]

BLEU needs words. "auto" takes sacrebleu's default, 13a, but cuts into characters ("char"; Chinese: "zh") where the
references are Korean, Japanese or Chinese: 13a would compare whole eojeol, particles and all, and the tokenizers that
sacrebleu proposes for these need a dictionary ("ko-mecab", `pip install "sacrebleu[ko]"`) or a download ("flores200").
chrF and chrF++ need no tokenizer and are the scores to look at first for Korean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from byeori.errors import SettingError
from byeori.metrics.intervals import SumScore, scored
from byeori.metrics.references import by_row, flat
from byeori.metrics.units import AUTO, scripts


def translation_scores(
    predicted: Sequence[str],
    references: Sequence,
    *,
    tokenize: str = AUTO,
    lowercase: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """{name: {"value", "low", "high", "details"}} of bleu, chrf (chrF2) and chrf++ (chrF2++), all 0–100.

    predicted: texts (n,); references: (n,), a text or a list of texts a row, not necessarily equally many.
    tokenize: sacrebleu's name of BLEU's tokenizer, or "auto" (see above); lowercase: compare without case.
    details: {"signature"} and for bleu also {"counts", "totals", "precisions", "bp", "sys_len", "ref_len"} under
    sacrebleu's names: matching and all n-grams for n = 1–4, their precisions (0–100), brevity penalty, and how many
    tokens were predicted and wanted. Intervals are over rows.
    Where no row has an n-gram of some order (all shorter than four tokens), BLEU is taken over the orders that occur
    and its signature says eff:yes; sacrebleu alone says 0, for identical texts too.
    Raises DataError for references that are not given by row (see `by_row`), SettingError for a tokenizer that isn't
    there.
    """
    score = TranslationScore(predicted, references, tokenize=tokenize, lowercase=lowercase)
    entries = scored(score, score.n, resamples=resamples, seed=seed, level=level)
    return {name: {**entry, "details": score.details[name]} for name, entry in entries.items()}


class TranslationScore(SumScore):
    """`translation_scores` prepared for many weightings of the same rows: call it with weights (n,).

    tokenize: the tokenizer that was chosen; details: {name: what belongs beside its value}.
    """

    def __init__(
        self, predicted: Sequence[str], references: Sequence, *, tokenize: str = AUTO, lowercase: bool = False
    ) -> None:
        from sacrebleu.metrics import CHRF

        rows = by_row(predicted, references)
        texts, self.n = list(predicted), len(rows)
        self.tokenize = _tokenizer(rows) if tokenize == AUTO else tokenize
        streams = [list(stream) for stream in itertools.zip_longest(*rows)]  # sacrebleu's way; None where there is none
        bleu = _bleu(self.tokenize, lowercase)
        counts = [_statistics(bleu, texts, streams)]
        bleu.effective_order = not counts[0][:, 2 + bleu.max_ngram_order :].sum(axis=0).all()
        signature = str(bleu.get_signature())
        bleu.effective_order = True  # the same number where every order occurs; a resample may lack one
        chrf, chrf_words = CHRF(lowercase=lowercase), CHRF(word_order=2, lowercase=lowercase)
        counts.append(_statistics(chrf_words, texts, streams))
        first, second = (table.shape[1] for table in counts)
        if len(streams) == 1:  # chrF's counts stand first in chrF++'s; of several references each takes its own best
            chrf.num_refs, start = chrf_words.num_refs, first
        else:
            counts.append(_statistics(chrf, texts, streams))
            start = first + second
        self._metrics = {
            "bleu": (bleu, slice(first)),
            "chrf": (chrf, slice(start, start + 3 * chrf.order)),
            "chrf++": (chrf_words, slice(first, first + second)),
        }
        self.matrix = np.ascontiguousarray(np.hstack(counts).T)  # (all counts, n)
        found = self._scores(self.matrix.sum(1))["bleu"]
        self.details: dict[str, dict[str, Any]] = {
            "bleu": {
                "signature": signature,
                "counts": found.counts,
                "totals": found.totals,
                "precisions": found.precisions,
                "bp": found.bp,
                "sys_len": found.sys_len,
                "ref_len": found.ref_len,
            },
            "chrf": {"signature": str(chrf.get_signature())},
            "chrf++": {"signature": str(chrf_words.get_signature())},
        }

    def of(self, sums: np.ndarray) -> dict[str, float]:
        return {name: float(found.score) for name, found in self._scores(sums).items()}

    def _scores(self, sums: np.ndarray) -> dict[str, Any]:
        added = sums.astype(np.int64).tolist()  # floats hold these counts exactly
        return {name: metric._compute_score_from_stats(added[own]) for name, (metric, own) in self._metrics.items()}


def _statistics(metric, texts: list[str], streams: list[list[str | None]]) -> np.ndarray:
    """The counts of each sentence, float64 (n, counts).

    sacrebleu's own step between texts and scores, which its public functions run through as well but keep to
    themselves; a test holds it to them.
    """
    return np.array(metric._extract_corpus_statistics(texts, streams), dtype=np.float64)


def _tokenizer(rows: Sequence[Sequence[str]]) -> str:
    shares = scripts(flat(rows))
    if shares["hangul"] >= 0.5 or shares["kana"] >= 0.1:  # Japanese is as much Han as Kana
        return "char"
    return "zh" if shares["han"] >= 0.5 else "13a"


def _bleu(tokenize: str, lowercase: bool):
    from sacrebleu.metrics import BLEU

    if tokenize not in BLEU.TOKENIZERS:
        names = ", ".join(BLEU.TOKENIZERS)
        raise SettingError(f'{tokenize=} is no tokenizer of sacrebleu. Choose "auto" or one of {names}.')
    try:
        return BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
    except (Exception, SystemExit) as error:  # a missing package, a missing dictionary or a failed download, by kind
        why = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(
            f'The tokenizer "{tokenize}" of sacrebleu can\'t be had here: {why} Install what it asks for, or choose '
            '"auto", "13a", "intl" or "char".'
        ) from error
