"""A pipeline of every task over tiny models, and what is asked of them.

make = maker(tiny); make("fill-mask")(MASKED)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import byeori
from byeori import tasks
from byeori.tasks.feature_extraction import FeatureExtraction
from byeori.tasks.fill_mask import FillMask
from byeori.tasks.multiple_choice import MultipleChoice
from byeori.tasks.question_answering import QuestionAnswering
from byeori.tasks.seq2seq import Seq2Seq
from byeori.tasks.summarization import Summarization
from byeori.tasks.text_classification import TextClassification
from byeori.tasks.text_generation import TextGeneration
from byeori.tasks.token_classification import TokenClassification
from byeori.tasks.translation import Translation
from byeori.tasks.zero_shot import ZeroShotClassification

EVERY = (
    TextClassification, TokenClassification, QuestionAnswering, Summarization, Translation, Seq2Seq, TextGeneration, FillMask,
    MultipleChoice, ZeroShotClassification, FeatureExtraction,
)  # fmt: skip
SENTIMENTS = ("bad", "good", "so so", "none")
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "text-classification": ("bert", {"labels": SENTIMENTS}),
    "token-classification": (
        "bert", {"auto": "AutoModelForTokenClassification", "labels": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")}
    ),
    "question-answering": ("bert", {"auto": "AutoModelForQuestionAnswering"}),
    "fill-mask": ("bert", {"auto": "AutoModelForMaskedLM"}),
    "summarization": ("bart", {"auto": "AutoModelForSeq2SeqLM"}),
    "translation": ("bart", {"auto": "AutoModelForSeq2SeqLM"}),
    "text2text-generation": ("bart", {"auto": "AutoModelForSeq2SeqLM"}),
    "text-generation": ("gpt2", {"auto": "AutoModelForCausalLM"}),
    "zero-shot-classification": ("bert", {"labels": ("entailment", "neutral", "contradiction")}),
    "feature-extraction": ("bert", {"auto": "AutoModel"}),
}  # fmt: skip
WRITING = ("summarization", "translation", "text2text-generation", "text-generation")

A, B = "그는 서울에 산다.", "영화가 정말 재미있었다"
MASKED, TWICE = "그는 [MASK] 산다.", "그는 [MASK] [MASK] 산다."
ASKED = {"question": "어디에 사나?", "context": "그는 서울에 산다. 그리고 부산에서 일한다."}
OTHER = {"question": "누가 사나?", "context": "그녀는 대전에 산다."}
CHOICES = {"candidate_labels": ["정치", "경제"]}
BRIEF: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False, "num_beams": 1}
BEAMS: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False, "num_beams": 3, "num_return_sequences": 2}


def register(monkeypatch: Any) -> None:
    """Every task has its name, listed or not."""
    monkeypatch.setattr(tasks, "TASKS", tuple(dict.fromkeys((*tasks.TASKS, *EVERY))))


def maker(tiny: Callable[..., Any]) -> Callable[..., Any]:
    """`make(task)` → its pipeline over a tiny model, made once; with options a new one."""
    made: dict[str, Any] = {}

    def make(task: str, **options: Any) -> Any:
        family, values = MODELS[task]
        if options or task not in made:
            found = byeori.pipeline(task, str(tiny(family, **values)), precision="float32", device="cpu", **options)
            if options:
                return found
            made[task] = found
        return made[task]

    return make
