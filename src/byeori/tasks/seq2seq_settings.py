"""The settings of tasks that write a text: what training knows, and what a call may ask for.

(training,) = settings.read({"source_prefix": "summarize: ", "num_beams": 4}, Training)
"""

from __future__ import annotations

from dataclasses import dataclass

from byeori.generate.decoding import Decoding, Writing
from byeori.metrics.units import AUTO, UNITS
from byeori.settings import setting


@dataclass(kw_only=True)
class Training(Writing):
    """What only tasks that write a text know in training; how it is written holds for evaluation, samples and later use."""

    source_prefix: str | None = setting(
        None,
        'what stands before each source ("summarize: "); the checkpoint\'s own if not given, "" for none',
        scores=True,
    )
    source_lang: str | None = setting(
        None, "language of the sources, as the tokenizer spells it or as en, ko…", scores=True
    )
    target_lang: str | None = setting(None, "language of the targets", scores=True)
    max_target_length: int = setting(128, "longest target in tokens; longer ones are cut", least=2)
    label_smoothing: float = setting(0.0, "share of each target token spread over the vocabulary", least=0, most=0.99)
    eval_max_rows: int | None = setting(
        None, "write and score at most the first so many rows of validation and test", least=1, scores=True
    )


@dataclass(kw_only=True)
class RougeTraining(Training):
    """With what only tasks scored by ROUGE know."""

    rouge_unit: str = setting(
        AUTO,
        "what ROUGE counts: word (English), eojeol, morpheme (needs kiwipiepy) or syllable",
        choices=(AUTO, *UNITS),
        scores=True,
    )


@dataclass(kw_only=True)
class Call(Decoding):
    """What a call may ask for."""

    src_lang: str | None = setting(None, "language of the input, for a model of many; that of training if not given")
    tgt_lang: str | None = setting(None, "language of the output, for a model of many; that of training if not given")
    return_text: bool = setting(True, "return the texts")
    return_tensors: bool = setting(False, "return the token ids, as a list, the start and end tokens too")
    clean_up_tokenization_spaces: bool = setting(False, "take spaces before punctuation out")
