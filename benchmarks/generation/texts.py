"""What the benchmark's models learn from, and what they are asked: short and long texts, 500 of them held out.

Invariants: what is asked is learnt in no form; everything is drawn with one seed. Little is learnt, often: a decoder that
knows few texts well ends what it writes, one that has seen many once goes round in circles up to the maximum.

    rows, asked = pairs()       # {"source", "target"} to learn; sources to translate
    rows, asked = lines()       # {"text"} to learn; the first words of others
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import DATA
from benchmarks.tasks.sets import parted, read, some

if TYPE_CHECKING:
    from byeori.data.rows import Rows

ASKED = 500
SHORT, LONG = 300, 150  # pairs to learn from
LEARNT = 250  # lines of each kind
WORDS = (2, 5)  # fewest and most words of a prompt
Learnt = tuple[list[dict[str, str]], list[str]]


def pairs() -> Learnt:
    """Tatoeba's sentences and the Korea Times' news, from Korean to English and from English to Korean in turn; half of what
    is asked from either."""
    short = read("translation", "ko_en_tatoeba/kor.txt", source_lang="ko", target_lang="en")
    files = ",".join(f"{DATA}/ko_en_news/korean-english-park.test.{language}" for language in ("ko", "en"))
    learnt: list[dict[str, str]] = []
    asked: list[str] = []
    for rows, most in ((short, SHORT), (read("translation", files), LONG)):
        train, test = parted(rows, ASKED // 2, rows.table["target"][:])
        more, held = _turned(some(train, most)), _turned(test)
        learnt += more
        asked += [row["source"] for row in held[: ASKED // 2]]
    held_out = set(asked)  # some texts stand in several pairs
    return [row for row in learnt if held_out.isdisjoint(row.values())], _mixed(asked)


def _turned(rows: Rows) -> list[dict[str, str]]:
    """Every other pair the other way round."""
    names = (("source", "target"), ("target", "source"))
    return [{"source": row[names[at % 2][0]], "target": row[names[at % 2][1]]} for at, row in enumerate(rows.table)]


def lines() -> Learnt:
    """Sentences with their translation, summaries of conversations and paragraphs of Wikipedia, each a document."""
    short = read("translation", "ko_en_tatoeba/kor.txt", source_lang="ko", target_lang="en")
    both = [f"{row['target']} = {row['source']}" for row in short.table]
    summaries = read("summarization", "dialogsum_en/dialogsum.dev.jsonl").table["target"][:]
    wiki = read("fill-mask", "wikitext2/valid.txt", document="line").table["text"][:]
    long = [text.strip() for text in wiki if 20 < len(text.split()) < 150]
    drawn = np.random.default_rng(0)
    learnt: list[dict[str, str]] = []
    asked: list[str] = []
    for kind, held in ((both, ASKED // 3), (summaries, ASKED // 3), (long, ASKED - 2 * (ASKED // 3))):
        texts = [kind[place] for place in drawn.permutation(len(kind))[: held + LEARNT]]
        learnt += [{"text": text} for text in texts[held:]]
        asked += [" ".join(text.split()[: drawn.integers(*WORDS, endpoint=True)]) for text in texts[:held]]
    return learnt, _mixed(asked)


def _mixed(asked: list[str]) -> list[str]:
    """Short and long ones in no order, as they come in most files."""
    return [asked[place] for place in np.random.default_rng(0).permutation(len(asked))]
