"""summarization: a text → a shorter one.

byeori train --task summarization --model KETI-AIR/ke-t5-base-ko --train train_original_news.json --output run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.tasks.seq2seq import Seq2Seq

if TYPE_CHECKING:
    from byeori.data.rows import Rows


class Summarization(Seq2Seq):
    """Scored by ROUGE in a unit that reads the references' language; the headline is ROUGE-L, which minds order."""

    name = "summarization"
    summary = "a text → a summary of it"
    key = "summary"
    one_language = True

    def scores(self, written: list[str], references: list, resamples: int, seed: int) -> dict[str, Any]:
        """rouge1, rouge2, rougeL, rougeLsum (0–1), the unit in their details."""
        from byeori.metrics.rouge import rouge_scores

        return rouge_scores(written, references, unit=self.settings.rouge_unit, resamples=resamples, seed=seed)

    def without_model(self, kind: str, train: Rows, sources: list[str], seed: int) -> list[str] | None:
        """trivial: the first one or three sentences, as many as come nearest to the training targets; there is no linear one."""
        from byeori.metrics.text_baselines import lead, lead_length

        if kind != "trivial":
            return None
        return lead(sources, lead_length(train.table["source"][:], train.table["target"][:]))
