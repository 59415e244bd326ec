"""The language tokens of translation tokenizers: mBART, mBART-50, M2M-100, NLLB; Marian's `>>kor<<` in front of the text.

Invariants: no language is assumed. transformers takes English where nobody says which (en_XX, eng_Latn, en), and marks
Korean as that; here a language comes from a setting, a call or the checkpoint's own tokenizer_config.json, or it is asked.

    find(tokenizer, "ko", "source_lang") == "ko_KR"
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from byeori.data.languages import code
from byeori.errors import SettingError

_NLLB = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
_COUNTRIES = {"kr": "ko", "jp": "ja", "cn": "zh", "us": "en", "gb": "en", "vn": "vi"}  # often given for a language
TAKEN = ("en_XX", "eng_Latn", "en")
_LISTED = 12  # codes that a message can list


def codes(tokenizer: Any) -> dict[str, int]:
    """Language code → token id; empty for a tokenizer without such tokens (T5, BART, a Marian of two languages)."""
    if not hasattr(tokenizer, "src_lang"):
        return {}
    known = getattr(tokenizer, "lang_code_to_id", None)
    if known:
        return dict(known)
    named = [token for token in tokenizer.all_special_tokens if _NLLB.fullmatch(token)]
    return dict(zip(named, tokenizer.convert_tokens_to_ids(named), strict=True))


def marks(tokenizer: Any) -> dict[str, str]:
    """Language code → what a multilingual Marian wants in front of the source: {"kor": ">>kor<<"}."""
    return {mark[2:-2]: mark for mark in getattr(tokenizer, "supported_language_codes", ())}


def find(tokenizer: Any, name: str, setting: str) -> str:
    """The tokenizer's own code for a language: by its code, or by any name of the language where one code fits.

    Raises SettingError that lists close ones.
    """
    known = list(codes(tokenizer) or marks(tokenizer))
    folded = {one.casefold(): one for one in known}
    if name.casefold() in folded:
        return folded[name.casefold()]
    same = [one for one in known if code(name) is not None and code(one) == code(name)]
    if len(same) == 1 and not _parted(name, same[0]):
        return same[0]
    meant = _COUNTRIES.get(name.casefold())
    near = (
        same or [one for one in known if meant and code(one) == meant] or difflib.get_close_matches(name, known, 5, 0.5)
    )
    listed = ", ".join(known[:_LISTED]) + (", …" if len(known) > _LISTED else "")
    hint = f"Close ones: {', '.join(near)}." if near else f"It has {listed}."
    said = "has several language tokens for it" if len(same) > 1 else "has no language token for it"
    raise SettingError(f"{setting}={name!r}: the tokenizer ({type(tokenizer).__name__}) {said}. {hint}")


def _parted(one: str, other: str) -> bool:
    """Whether two codes of a language name different regions (zh_TW, zh_CN) or scripts; XX is any region."""
    parts = [code.replace("-", "_").casefold().partition("_")[2] for code in (one, other)]
    return all(parts) and len(parts[0]) == len(parts[1]) and parts[0] != parts[1] and "xx" not in parts


def own(tokenizer: Any) -> tuple[str | None, str | None]:
    """(source, target) as the checkpoint's tokenizer_config.json states them; None where it doesn't."""
    known = codes(tokenizer)
    found = (tokenizer.init_kwargs.get(name) for name in ("src_lang", "tgt_lang"))
    source, target = (one if one in known else None for one in found)
    # What transformers takes where nobody says, it also saves.
    return (None if target is None and source in TAKEN else source), target


def speak(tokenizer: Any, source: str | None, target: str | None) -> None:
    """Make the tokenizer mark texts as `source` and targets as `target`, codes of its own; saved with it."""
    if source is not None and tokenizer.src_lang != source:
        tokenizer.src_lang = source
    if target is not None:
        tokenizer.tgt_lang = target


def is_only(tokenizer: Any, setting: str, name: str) -> bool:
    """Whether a tokenizer of one direction (Marian) says that its source (`src_lang`) or target is this language."""
    known = getattr(tokenizer, {"src_lang": "source_lang", "tgt_lang": "target_lang"}[setting], None)
    return isinstance(known, str) and (known == name or (code(known) is not None and code(known) == code(name)))


def missing(tokenizer: Any, names: tuple[str, ...], languages: tuple[str | None, str | None]) -> SettingError:
    """The error where a language must be told. `names`: its settings; `languages`: two-letter codes that the data show."""
    known = codes(tokenizer)
    examples = []
    for name, language in zip(names, languages, strict=True):
        fits = [one for one in known if language is not None and code(one) == language]
        examples.append(f"{name}={fits[0] if fits else next(iter(known))}")
    shown = " → ".join(filter(None, languages))
    return SettingError(
        f"the tokenizer ({type(tokenizer).__name__}) marks each text with its language, and nothing says which: without it "
        f"every text would be marked {tokenizer.src_lang}. {f'The data look like {shown}. ' if shown else ''}"
        f"Give {' and '.join(examples)}."
    )
