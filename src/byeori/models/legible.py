"""Whether a tokenizer can read Korean words, and the fix where it can't.

A class that doesn't fit its files makes nothing of Hangul, a normalizer that lower-cases or strips accents takes it apart
into jamo (자모) that few vocabularies have, and decomposed text (NFD) is in jamo already.

    note = unread(tokenizer, ["번역이 어색하다."])      # None: most words are known
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from byeori.errors import ModelError

WORD = re.compile("[\u1100-\u11ff\uac00-\ud7a3]+")
TRIED = 200  # words
LIMIT = 0.5


def unread(tokenizer: Any, texts: Sequence[str]) -> str | None:
    """The sentence for texts whose Korean words are mostly unknown; None where they are known or there are none.

    Raises ModelError for a tokenizer that makes no token of most of them.
    """
    words = list(dict.fromkeys(word for text in texts for word in WORD.findall(text)))[:TRIED]
    found = [_ids(tokenizer, word) for word in words]
    silent = [word for word, ids in zip(words, found, strict=True) if not ids]
    if len(silent) > LIMIT * len(words):
        raise ModelError(unfit(tokenizer, next(text for text in texts if silent[0] in text)))
    lost = sum(tokenizer.unk_token_id in ids for ids in found)
    if tokenizer.unk_token_id is None or lost <= LIMIT * len(words):
        return None
    start = f"{lost:,} of {len(words):,} Korean words are unknown to the tokenizer ({type(tokenizer).__name__})"
    composed = [unicodedata.normalize("NFC", word) for word in words]
    unknown = sum(tokenizer.unk_token_id in _ids(tokenizer, word) for word in composed)
    if composed != words and unknown <= LIMIT * len(words):
        return (
            f"{start}: they are decomposed (NFD, as macOS writes them), and it knows Hangul composed. Compose the texts first: "
            f'unicodedata.normalize("NFC", text).'
        )
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is not None and normalizer.normalize_str("가") != "가":
        cure = '"keep_accents": true' if hasattr(tokenizer, "keep_accents") else '"do_lower_case": false'
        return f"{start}: it takes Hangul apart before it looks words up. Set {cure} in its tokenizer_config.json."
    return f"{start}: it was made for another language. Take a Korean or a multilingual model."


def unfit(tokenizer: Any, text: str) -> str:
    return (
        f"the tokenizer ({type(tokenizer).__name__}) makes no token of {text[:40]!r}. Its class doesn't fit its files: set "
        f'"tokenizer_class" in tokenizer_config.json (PreTrainedTokenizerFast for a tokenizer.json, BertTokenizer for a '
        f"vocab.txt), or name another with --tokenizer."
    )


def _ids(tokenizer: Any, word: str) -> list[int]:
    return tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]
