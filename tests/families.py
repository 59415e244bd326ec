"""Tiny models of every family, made on the fly: the real architecture and tokenizer class, hidden size 32, 2–3 layers.

Invariants: nothing is downloaded; the same call gives the same weights; dropout is 0 unless asked; weights are spread
wide enough (`SPREAD`) that different texts get clearly different logits, so that an equality of logits says something.

    folder = Family("bert").save(tmp_path, num_labels=3)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import decoders
import encoders
import seq2seq
from vocabularies import texts, wordpiece

__all__ = ["ALL", "DECODERS", "ENCODERS", "NAMES", "PACKED", "RECTANGLES", "SEQ2SEQ", "Family", "texts", "wordpiece"]

_BUILT = {**encoders.BUILT, **decoders.BUILT, **seq2seq.BUILT}
ENCODERS, DECODERS, SEQ2SEQ = tuple(encoders.BUILT), tuple(decoders.BUILT), tuple(seq2seq.BUILT)
ALL = tuple(_BUILT)

# What the batteries over sequence classification run on; the others have the same heads, made and run the same way.
NAMES = (*(name for name in ENCODERS if name != "longformer"), "gpt2")
PACKED = tuple(name for name in NAMES if _BUILT[name].packs)
RECTANGLES = tuple(name for name in NAMES if not _BUILT[name].packs)


class Family:
    """One family by its model_type.

    `kind`: "encoder", "decoder" or "seq2seq"; `packs`, `packs_tokens`: whether heads that read a sequence, and heads that
    answer for each token, are expected to run packed.
    """

    def __init__(self, name: str):
        self.name, self.built = name, _BUILT[name]
        self.kind = "encoder" if name in ENCODERS else "decoder" if name in DECODERS else "seq2seq"
        self.packs, self.packs_tokens = self.built.packs, self.built.packs_tokens

    def tokenizer(self) -> Any:
        return self.built.tokenizer()

    def config(self, tokenizer: Any, dropout: float = 0.0, **values: Any) -> Any:
        """`values` win over the family's own; `labels` are names, as the issue of a trained head has them."""
        from transformers import AutoConfig

        if "labels" in values:
            names = values.pop("labels")
            values |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
        own = dict(self.built.config)
        if self.built.start is not None:
            own["decoder_start_token_id"] = tokenizer.convert_tokens_to_ids(self.built.start)
        return AutoConfig.for_model(self.built.model_type, **{
            "vocab_size": len(tokenizer) + self.built.more_tokens, "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
            "cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id,
            **dict.fromkeys(self.built.dropout, dropout), **own, **values,
        })  # fmt: skip

    def has(self, auto: str) -> bool:
        """Whether the family has the head of an Auto class; a decoder's own only where it is one."""
        import transformers

        if auto == "AutoModelForCausalLM" and self.kind != "decoder":
            return False
        return type(self.config(self.tokenizer())) in getattr(transformers, auto)._model_mapping

    def model(self, auto: str = "AutoModelForSequenceClassification", seed: int = 0, **values: Any) -> Any:
        """A model with fresh weights; `auto` names the class (AutoModel: a body with no head)."""
        import torch
        import transformers

        implementation = {k: values.pop(k) for k in ("attn_implementation",) if k in values}
        torch.manual_seed(seed)
        return getattr(transformers, auto).from_config(self.config(self.tokenizer(), **values), **implementation)

    def save(
        self, folder: Path, auto: str = "AutoModelForSequenceClassification", seed: int = 0, **values: Any
    ) -> Path:
        """Write model and tokenizer with fresh weights; `auto` names the class (AutoModel: a body with no head)."""
        self.model(auto, seed, **values).save_pretrained(folder)
        self.tokenizer().save_pretrained(folder)
        return folder
