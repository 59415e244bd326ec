"""translation: a text → the same in another language; a name such as translation_ko_to_en says which.

byeori train --task translation_ko_to_en --model Helsinki-NLP/opus-mt-ko-en --train train.ko,train.en --output run
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from byeori.data.languages import code
from byeori.metrics.units import AUTO
from byeori.settings import setting
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.seq2seq_settings import Training

NAME = re.compile(r"translation_(\w+?)_to_(\w+)")


@dataclass(kw_only=True)
class TranslationTraining(Training):
    """With what only translation knows."""

    bleu_tokenize: str = setting(
        AUTO,
        "sacrebleu's tokenizer of BLEU (13a, char, zh, ja-mecab, ko-mecab, flores200…); auto goes by the references' script",
        scores=True,
    )


class Translation(Seq2Seq):
    """Scored by BLEU, chrF and chrF++ with sacrebleu's signatures; the headline is chrF, which needs no words and so
    compares across tokenizers, particles (조사) and spacing, where BLEU of Korean doesn't."""

    name = "translation"
    summary = "a text → the same in another language"
    key = "translation"
    Training = TranslationTraining

    @classmethod
    def values_of(cls, name: str) -> dict[str, str] | None:
        """translation_en_to_ko → source_lang and target_lang."""
        found = NAME.fullmatch(name)
        return super().values_of(name) if found is None else {"source_lang": found[1], "target_lang": found[2]}

    @property
    def task_keys(self) -> tuple[str, ...]:
        """T5 names its prefixes by pair: translation_en_to_de."""
        pair = [code(one) or one if one else None for one in (self.settings.source_lang, self.settings.target_lang)]
        return (f"translation_{pair[0]}_to_{pair[1]}", self.name) if all(pair) else (self.name,)

    def scores(self, written: list[str], references: list, resamples: int, seed: int) -> dict[str, Any]:
        """bleu, chrf, chrf++ (0–100), signatures in their details."""
        from byeori.metrics.translation import translation_scores

        tokenize = self.settings.bleu_tokenize
        return translation_scores(written, references, tokenize=tokenize, resamples=resamples, seed=seed)

    @property
    def best(self) -> str:
        return "chrf"
