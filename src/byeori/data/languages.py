"""Names and codes of languages as columns, files and settings spell them → two-letter codes; and the script of texts.

code("ko_KR") == code("Korean") == code("한국어") == "ko"
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_NAMES = {
    "ko": ("kor", "korean", "한국어", "국문", "한글", "한국어_문장"),
    "en": ("eng", "english", "영어", "영문", "영어_문장"),
    "ja": ("jpn", "japanese", "일본어"),
    "zh": ("zho", "chi", "cmn", "chinese", "중국어"),
    "de": ("deu", "ger", "german", "독일어"),
    "fr": ("fra", "fre", "french", "프랑스어"),
    "es": ("spa", "spanish", "스페인어"),
    "ru": ("rus", "russian", "러시아어"),
    "vi": ("vie", "vietnamese", "베트남어"),
    "th": ("tha", "thai", "태국어"),
    "id": ("ind", "indonesian", "인도네시아어"),
}
_TWO_LETTERS = (
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu ha he hi hr hu hy id is it ja ka kk km kn ko "
    "lo lt lv mk ml mn mr ms my nb ne nl nn no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te th tl tr uk ur uz vi xh yo "
    "zh zu"
)
_CODES = frozenset(_TWO_LETTERS.split())
_BY_NAME = {name: short for short, names in _NAMES.items() for name in names}
# Words that hardly stand for anything else where a header is looked for.
HEADERS = frozenset(_BY_NAME) | {"ko", "en", "ja", "zh", "de", "fr", "es", "ru"}


def code(name: str) -> str | None:
    """The two-letter code of a language's name or code, with or without a region; None for anything else."""
    folded = unicodedata.normalize("NFC", name).strip().casefold().replace(" ", "_").replace("-", "_")
    if folded in _BY_NAME:
        return _BY_NAME[folded]
    match = re.fullmatch(r"([a-z]{2,3})(_[a-z]{2,4})?", folded)
    if not match:
        return None
    first = match.group(1)
    return first if first in _CODES else _BY_NAME.get(first)


def script(texts: Iterable[str]) -> str | None:
    """The language whose script most letters of these texts have: `ko`, `ja`, `zh`, `ru`, or `latin`; None without any."""
    counts: Counter[str] = Counter()
    for text in texts:
        for c in text[:500]:
            if "가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ":
                counts["ko"] += 1
            elif "぀" <= c <= "ヿ":
                counts["ja"] += 3  # kana stand between kanji
            elif "一" <= c <= "鿿":
                counts["zh"] += 1
            elif "Ѐ" <= c <= "ӿ":
                counts["ru"] += 1
            elif c.isalpha() and c < "ɏ":
                counts["latin"] += 1
    return counts.most_common(1)[0][0] if counts else None


def written_in(language: str, texts: Iterable[str]) -> bool:
    """Whether these texts have the script of that language (any Latin text does for a language without its own)."""
    found = script(texts)
    return found == (language if language in ("ko", "ja", "zh", "ru") else "latin")
