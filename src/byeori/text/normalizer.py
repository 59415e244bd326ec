"""A Unicode form as part of the tokenizer, so that whoever loads it reads every text as training did.

Invariants: texts in that form get the ids they had; texts that differ from them by the form alone get the same ids, with
offsets of the text as it was given. The tokenizer that is given stays as it was: a new one comes back, of the class
PreTrainedTokenizerFast, for a class of its own (BertTokenizer) makes its normalizer anew when it is loaded.

    tokenizer, held = with_form(tokenizer, "nfc")      # held is False where it can't: clean the texts instead
"""

from __future__ import annotations

import copy
import unicodedata
from typing import Any

# Of each kind that a form composes or replaces: Hangul, accents, signs of their own, a compatible form of a Hanja; for NFKC
# wide and half-width letters, a ligature, a circled digit.
PROBES = {
    "nfc": "가각힣쀍 제주도에서 é ñ Å ü ế が \u212b \u2126 \uf914",
    "nfkc": "가각힣쀍 제주도에서 é ñ Å ế が \u212b Ａｂ９ ｶﾞ ﬁ ① ㎏ …",
}
_FILES = (  # init_kwargs that say what a tokenizer was made of, and its old class
    "vocab", "merges", "vocab_file", "merges_file", "spm_file", "tokenizer_file", "tokenizer_object", "tokenizer_class",
    "processor_class", "post_processor", "added_tokens_decoder", "backend", "auto_map", "name_or_path", "do_lower_case",
    "strip_accents", "tokenize_chinese_chars", "normalizer",
)  # fmt: skip
_KEPT = ("padding_side", "truncation_side", "model_max_length", "clean_up_tokenization_spaces", "split_special_tokens")
# Methods of classes that mark languages or switch between source and target, which the general class lacks.
_OWN_WAYS = ("src_lang", "set_src_lang_special_tokens", "_switch_to_input_mode", "supported_language_codes")


def holds(tokenizer: Any, form: str | None) -> bool:
    """Whether texts that differ by the form alone ("nfc", "nfkc"; None: none is asked) are one to the tokenizer."""
    if form is None:
        return True
    normalizer = (
        getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None) if tokenizer.is_fast else None
    )
    if normalizer is None:
        return False
    given = PROBES[form]
    formed = normalizer.normalize_str(unicodedata.normalize("NFKC" if form == "nfkc" else "NFC", given))
    others = (given, unicodedata.normalize("NFD", given))
    return all(normalizer.normalize_str(one) == formed for one in others)


def with_form(tokenizer: Any, form: str | None, config: Any = None) -> tuple[Any, bool]:
    """The tokenizer with the form before its own normalizer, and whether it holds it now.

    One that holds it already is returned. One that can't is returned too: one written in Python, one whose class does what
    the general one doesn't (languages), one of somebody's own class, one of a model (`config`) that transformers takes its
    own class for whatever the folder says (Qwen 2).
    """
    if holds(tokenizer, form):
        return tokenizer, True
    if not tokenizer.is_fast or any(hasattr(type(tokenizer), way) or hasattr(tokenizer, way) for way in _OWN_WAYS):
        return tokenizer, False
    if not type(tokenizer).__module__.startswith("transformers.") or _overruled(getattr(config, "model_type", None)):
        return tokenizer, False
    from tokenizers import normalizers

    backend = copy.deepcopy(tokenizer.backend_tokenizer)
    first = normalizers.NFC() if form == "nfc" else normalizers.NFKC()
    own = backend.normalizer
    backend.normalizer = first if own is None else normalizers.Sequence([first, own])
    options = {name: value for name, value in tokenizer.init_kwargs.items() if name not in _FILES}
    options |= {name: getattr(tokenizer, name) for name in _KEPT if hasattr(tokenizer, name)}
    for role in tokenizer.SPECIAL_TOKENS_ATTRIBUTES:  # some were named since it was made: a pad token that stands in
        if getattr(tokenizer, role, None) and str(options.get(role)) != str(getattr(tokenizer, role)):
            options[role] = getattr(tokenizer, role)
    names = list(tokenizer.model_input_names)
    made = _general()(tokenizer_object=backend, **{**options, "model_input_names": names})
    made.chat_template = getattr(tokenizer, "chat_template", None)
    made.name_or_path = tokenizer.name_or_path
    return made, holds(made, form)


def _overruled(model_type: str | None) -> bool:
    from transformers.models.auto import tokenization_auto as auto

    if model_type not in getattr(auto, "MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS", ()):
        return False
    own = auto.TOKENIZER_MAPPING_NAMES.get(model_type)
    return own not in (None, "TokenizersBackend", "PreTrainedTokenizerFast")


def _general() -> Any:
    """The general class under the name that transformers 4 and 5 both know."""
    from transformers import PreTrainedTokenizerFast

    if PreTrainedTokenizerFast.__name__ == "PreTrainedTokenizerFast":
        return PreTrainedTokenizerFast
    return type(
        "PreTrainedTokenizerFast", (PreTrainedTokenizerFast,), {"__module__": PreTrainedTokenizerFast.__module__}
    )
