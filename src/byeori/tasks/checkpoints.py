"""The checkpoints a task is used with where nobody names one, each with the revision it is pinned to.

Invariants: the English ones are those of transformers 4's pipelines, at their revisions; a task or language without an
entry has no default, and none is guessed. Sizes are those of the weights.

    default("text-generation", "en").model == "openai-community/gpt2"
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from byeori.errors import SettingError


@dataclass(frozen=True)
class Checkpoint:
    """A model on the Hub. `licence` as its card or its makers state it, None where neither does."""

    model: str
    revision: str
    megabytes: int
    licence: str | None

    def __str__(self) -> str:
        size = f"{self.megabytes / 1000:.1f} GB" if self.megabytes >= 1000 else f"{self.megabytes} MB"
        return f"{self.model}@{self.revision[:7]} ({size}, {self.licence and 'licence ' + self.licence or 'no licence stated'})"


T5 = Checkpoint("google-t5/t5-base", "a9723ea7f1b39c1eae772870f3b547bf6ef7e6c1", 892, "apache-2.0")
KLUE = Checkpoint("klue/roberta-base", "02f94ba5e3fcb7e2a58a390b8639b0fac974a8da", 443, "cc-by-sa-4.0")

# Task → language → checkpoint; of translation a pair of languages. One language stands for what the model reads.
CHECKPOINTS: dict[str, dict[str, Checkpoint]] = {
    "text-classification": {
        "en": Checkpoint(
            "distilbert/distilbert-base-uncased-finetuned-sst-2-english", "714eb0fa89d2f80546fda750413ed43d93601a13", 268, "apache-2.0"
        ),
        "ko": Checkpoint(
            "sangrimlee/bert-base-multilingual-cased-nsmc", "47fdca16e29c52b9cffc78df8ff7bef7a657c4bb", 711, None
        ),
    },
    "token-classification": {
        "en": Checkpoint(
            "dbmdz/bert-large-cased-finetuned-conll03-english", "4c534963167c08d4b8ff1f88733cf2930f86add0", 1330, None
        ),
        "ko": Checkpoint("monologg/koelectra-base-v3-naver-ner", "7fe2d3297113e0753716d7f2c85d4880d288542d", 449, None),
    },
    "question-answering": {
        "en": Checkpoint(
            "distilbert/distilbert-base-cased-distilled-squad", "564e9b582944a57a3e586bbb98fd6f0a4118db7f", 261, "apache-2.0"
        ),
        "ko": Checkpoint(
            "monologg/koelectra-base-v3-finetuned-korquad", "ea97b35e21bfd7f2524b5697931ae3db0394af9f", 449, None
        ),
    },
    "summarization": {
        "en": Checkpoint("sshleifer/distilbart-cnn-12-6", "a4f8f3ea906ed274767e9906dbaede7531d660ff", 1222, "apache-2.0"),
        "ko": Checkpoint("gogamza/kobart-summarization", "8a63d6913edc0e16a902e3fa8b688a134f0dd776", 495, "mit"),
    },
    "translation": {
        "en-fr": T5,
        "en-de": T5,
        "en-ro": T5,
        "ko-en": Checkpoint("Helsinki-NLP/opus-mt-ko-en", "8bf548f19accb8fdc96055608840f5a0c194ec8d", 312, "apache-2.0"),
        "en-ko": Checkpoint("facebook/m2m100_418M", "55c2e61bbf05dfb8d7abccdc3fae6fc8512fd636", 1936, "mit"),
    },
    "text2text-generation": {"en": T5},
    "span-corruption": {"en": T5},
    "text-generation": {
        "en": Checkpoint("openai-community/gpt2", "607a30d783dfa663caf39e06633721c8d4cfcd7e", 548, "mit"),
        "ko": Checkpoint("EleutherAI/polyglot-ko-1.3b", "557e162cf6e944fdbae05bab2e45d066a125eacb", 2664, "apache-2.0"),
    },
    "fill-mask": {
        "en": Checkpoint("distilbert/distilroberta-base", "fb53ab8802853c8e4fbdbcd0529f21fc6f459b2b", 331, "apache-2.0"),
        "ko": KLUE,
    },
    "zero-shot-classification": {
        "en": Checkpoint("facebook/bart-large-mnli", "d7645e127eaf1aefc7862fd59a17a5aa8558b8ce", 1629, "mit"),
        "ko": Checkpoint(
            "MoritzLaurer/mDeBERTa-v3-base-xnli-multilingual-nli-2mil7", "b5113eb38ab63efdd7f280f8c144ea8b13f978ce", 558, "mit"
        ),
    },
    "feature-extraction": {
        "en": Checkpoint("distilbert/distilbert-base-cased", "6ea81172465e8b0ad3fddeed32b986cdcdcffcf0", 263, "apache-2.0"),
        "ko": KLUE,
    },
}  # fmt: skip
LANGUAGES = ("en", "ko")


def default(task: str, lang: str = "en") -> Checkpoint:
    """The checkpoint of a task in a language ("en", "ko"; of translation a pair, "ko-en"). Raises SettingError."""
    known = CHECKPOINTS.get(task, {})
    if lang in known:
        return known[lang]
    if task == "translation":
        pairs = ", ".join(f"translation_{pair.replace('-', '_to_')}" for pair in known)
        raise SettingError(
            f"{task}: no model is named, and which one is taken goes by the languages. There are defaults for {pairs}; for others give a "
            f"Hub id as model= (facebook/m2m100_418M knows a hundred languages)."
        )
    if lang not in LANGUAGES:
        raise SettingError(
            f"lang={lang!r}: default models are English or Korean: en or ko is needed. Or name one with model=."
        )
    others = f" There is one for {' and '.join(known)}." if known else ""
    raise SettingError(
        f"{task}: no model is named, and there is no default for lang={lang!r}.{others} Give a run, a folder or a Hub id as model=; "
        f"`byeori tasks` lists the defaults."
    )


def listed(task: str) -> dict[str, dict[str, Any]]:
    """Language → model, revision, megabytes and licence, for JSON."""
    return {lang: asdict(one) for lang, one in CHECKPOINTS.get(task, {}).items()}
