"""Whether a tokenizer can read Korean words, and the fix where it can't.

A class that doesn't fit its files makes nothing of Hangul, a normalizer that lower-cases or strips accents takes it apart
into jamo (자모) that few vocabularies have, and decomposed text (NFD) is in jamo already.

    note = unread(tokenizer, ["번역이 어색하다."])      # None: most words are known
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from byeori.errors import ModelError

WORD = re.compile("[\u1100-\u11ff\uac00-\ud7a3]+")
TRIED = 200  # words
LIMIT = 0.5


@dataclass(frozen=True)
class Said:
    """What is wrong and what to do; `silent`: the tokenizer makes no token of most words."""

    found: str
    fix: str
    silent: bool = False

    def __str__(self) -> str:
        return f"{self.found} {self.fix}"


def unread(tokenizer: Any, texts: Sequence[str]) -> str | None:
    """The sentence for texts whose Korean words are mostly unknown; None where they are known or there are none.

    Raises ModelError for a tokenizer that makes no token of most of them.
    """
    said = reading(tokenizer, texts)
    if said is not None and said.silent:
        raise ModelError(str(said))
    return None if said is None else str(said)


def reading(tokenizer: Any, texts: Sequence[str]) -> Said | None:
    """As `unread`, which raises where this is `silent`."""
    words = list(dict.fromkeys(word for text in texts for word in WORD.findall(text)))[:TRIED]
    found = [_ids(tokenizer, word) for word in words]
    silent = [word for word, ids in zip(words, found, strict=True) if not ids]
    if len(silent) > LIMIT * len(words):
        return Said(*unfit(tokenizer, next(text for text in texts if silent[0] in text)), silent=True)
    lost = sum(tokenizer.unk_token_id in ids for ids in found)
    if tokenizer.unk_token_id is None or lost <= LIMIT * len(words):
        return None
    start = f"{lost:,} of {len(words):,} Korean words are unknown to the tokenizer ({type(tokenizer).__name__})"
    composed = [unicodedata.normalize("NFC", word) for word in words]
    unknown = sum(tokenizer.unk_token_id in _ids(tokenizer, word) for word in composed)
    if composed != words and unknown <= LIMIT * len(words):
        return Said(
            f"{start}: they are decomposed (NFD, as macOS writes them), and it knows Hangul composed.",
            'Compose the texts first: unicodedata.normalize("NFC", text).',
        )
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is not None and normalizer.normalize_str("가") != "가":
        cure = '"keep_accents": true' if hasattr(tokenizer, "keep_accents") else '"do_lower_case": false'
        if any("가" <= piece.removeprefix("##").removeprefix("▁")[:1] <= "힣" for piece in tokenizer.get_vocab()):
            return Said(
                f"{start}: it takes Hangul apart before it looks words up.", f"Set {cure} in its tokenizer_config.json."
            )
    return Said(f"{start}: it was made for another language.", "Take a Korean or a multilingual model.")


def words_of(texts: Sequence[str], most: int = 2_000) -> list[str]:
    """What stands between spaces, the first ones of all texts."""
    found: list[str] = []
    for text in texts:
        found += text.split()
        if len(found) >= most:
            break
    return found[:most]


def unfit(tokenizer: Any, text: str) -> tuple[str, str]:
    """A tokenizer that makes nothing of a text: what is wrong, and what to do."""
    return (
        f"the tokenizer ({type(tokenizer).__name__}) makes no token of {text[:40]!r}. Its class doesn't fit its files:",
        'set "tokenizer_class" in tokenizer_config.json (PreTrainedTokenizerFast for a tokenizer.json, BertTokenizer for a '
        "vocab.txt), or name another with --tokenizer.",
    )


def _ids(tokenizer: Any, word: str) -> list[int]:
    return tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]
