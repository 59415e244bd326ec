"""The Hub without a network: tiny models in its cache under real ids, and data sets in the shape they have there.

Invariants: ids and revisions are resolved by transformers and huggingface_hub themselves, in their cache; of `datasets`
`load_dataset` alone is put in place, and answers by id and configuration; nothing is looked up or downloaded.

    hub = Hub(folder); hub.at_hand(monkeypatch); hub.make("klue/bert-base")
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from byeori.tasks.checkpoints import CHECKPOINTS
from families import Family

MASKED, SEQUENCE = "AutoModelForMaskedLM", "AutoModelForSequenceClassification"
SEQ2SEQ, CAUSAL = "AutoModelForSeq2SeqLM", "AutoModelForCausalLM"
NER = ("O", "PER-B", "PER-I", "LOC-B", "LOC-I", "ORG-B", "ORG-I")
PREFIXES = {
    "summarization": {"prefix": "summarize: "},
    "translation_en_to_de": {"prefix": "translate English to German: "},
}

# Hub id → family, the head the checkpoint has there, and what of its config matters here.
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "google-bert/bert-base-uncased": ("bert", MASKED, {}),
    "FacebookAI/roberta-base": ("roberta", MASKED, {}),
    "klue/bert-base": ("bert", MASKED, {}),
    "klue/roberta-base": ("roberta", MASKED, {"tokenizer": "bert"}),  # its trap: a BERT tokenizer on a RoBERTa body
    "almanach/camembert-base": ("camembert", MASKED, {}),
    "openai-community/gpt2": ("gpt2", CAUSAL, {}),
    "KETI-AIR/ke-t5-base-ko": ("t5", SEQ2SEQ, {}),
    "Helsinki-NLP/opus-mt-ko-en": ("marian", SEQ2SEQ, {}),
    "sentence-transformers/all-MiniLM-L6-v2": ("bert", "AutoModel", {}),
    "google-t5/t5-base": ("t5", SEQ2SEQ, {"task_specific_params": PREFIXES}),
    "gogamza/kobart-summarization": ("bart", SEQ2SEQ, {}),
    "sangrimlee/bert-base-multilingual-cased-nsmc": ("bert", SEQUENCE, {"labels": ("negative", "positive")}),
    "monologg/koelectra-base-v3-naver-ner": ("electra", "AutoModelForTokenClassification", {"labels": NER}),
    "monologg/koelectra-base-v3-finetuned-korquad": ("electra", "AutoModelForQuestionAnswering", {}),
    "MoritzLaurer/mDeBERTa-v3-base-xnli-multilingual-nli-2mil7": (
        "deberta-v2", SEQUENCE, {"labels": ("entailment", "neutral", "contradiction")}
    ),
}  # fmt: skip
LENGTH = 512  # tokens each of them takes, as the real ones do
SOON = (4, 3.0)  # from the fourth token on the end becomes three times as likely with each
PINNED = {one.model: one.revision for known in CHECKPOINTS.values() for one in known.values()}


class Hub:
    """A cache folder with models, made when they are first asked for, and `data`: (id, configuration) → data set."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.data: dict[tuple[str, str | None], Any] = {}

    def at_hand(self, monkeypatch: Any) -> None:
        """For the length of a test this is the Hub."""
        import datasets
        import huggingface_hub.constants

        from byeori.data import hub

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(self.folder))
        monkeypatch.setattr(hub, "_resolves", lambda host: False)
        monkeypatch.setattr(datasets, "load_dataset", self._load)

    def make(self, name: str) -> None:
        """Put the tiny stand-in of a Hub id into the cache."""
        import torch
        import transformers

        family, auto, values = MODELS[name]
        revision = PINNED.get(name, hashlib.sha1(name.encode()).hexdigest())
        place = self.folder / f"models--{name.replace('/', '--')}"
        if (place / "refs" / "main").is_file():
            return
        one = Family(family)
        values = dict(values)
        tokenizer = Family(values.pop("tokenizer", family)).tokenizer()
        tokenizer.model_max_length = LENGTH
        table = next((key for key in ("n_positions", "max_position_embeddings") if key in one.built.config), None)
        more = 2 if family in ("roberta", "camembert") else 0
        config = one.config(tokenizer, **({table: LENGTH + more} if table else {}), **values)
        torch.manual_seed(0)
        model = getattr(transformers, auto).from_config(config)
        if auto == SEQ2SEQ:  # one that learnt nothing would write on to the end of its room
            model.generation_config.exponential_decay_length_penalty = SOON
        model.save_pretrained(place / "snapshots" / revision)
        tokenizer.save_pretrained(place / "snapshots" / revision)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(revision, encoding="utf-8")

    def make_all_in(self, text: str) -> None:
        """Those whose ids stand in a text."""
        for name in MODELS:
            if name in text:
                self.make(name)

    def _load(self, path: str, name: str | None = None, split: str | None = None, revision: str | None = None) -> Any:
        from datasets.exceptions import DatasetNotFoundError

        if (path, name) not in self.data:
            raise DatasetNotFoundError(f"Dataset '{path}' doesn't exist on the Hub or cannot be accessed.")
        found = self.data[path, name]
        return found if split is None else found[split]
