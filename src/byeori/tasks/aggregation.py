"""Scores of tokens → tokens with their tags, or entities, as transformers' TokenClassificationPipeline gives them.

Invariant: for the same model, text and strategy the answer is transformers', odd cases included: which tokens continue a
word is told by the length of a WordPiece, and by the space before a token of any other kind. "word" is ours: each word
with the tag of its first token, as "first" has it, but neighbours with one tag (two nouns) stay apart. Ours too: of text
that is decomposed (NFD) no entity begins or ends inside a syllable, and a WordPiece is told by how it is written; and
`of_words`, which guesses no words, since the row has them.

    found = entities(tokens, "simple", ["O", "B-LOC", "I-LOC"], tokenizer)
"""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.errors import SettingError
from byeori.settings import setting
from byeori.tasks.probabilities import softmax
from byeori.text import marks
from byeori.text.align import carriers

STRATEGIES = ("none", "simple", "first", "average", "max", "word")


@dataclass(kw_only=True)
class Call:
    """What a call may ask for."""

    aggregation_strategy: str | None = setting(
        None, "how tokens are put together; of models learnt here simple (characters), first (words), word (bare tags), else none",
        choices=STRATEGIES,
    )  # fmt: skip
    ignore_labels: Any = setting(None, "tags or types that are not returned (a,b); O if not given", metavar="LABELS")
    stride: int | None = setting(None, "read long texts whole, in windows that overlap by so many tokens", least=0)
    is_split_into_words: bool = setting(False, "each input is a list of words")
    delimiter: str | None = setting(None, "what stands between the words of such a list; a space")


@dataclass(frozen=True)
class Tokens:
    """The tokens of one window, special ones left out.

    text: that `starts` and `ends` are characters of. ids, starts, ends: (tokens,) integers. index: (tokens,) their places
    in the window, special tokens counted. scores: float32 (tokens, labels), probabilities.
    """

    text: str
    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    index: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class _Word:
    """A token or a word with its tag, before words of one entity are put together."""

    tag: str
    score: np.float32
    words: tuple[str, ...]
    start: int
    end: int


def checked(call: Call, strategy: str, where: str) -> Call:
    """The settings of a call with `ignore_labels` as a list; `strategy` is the one it comes to.

    Raises SettingError for windows whose tokens would come twice, and for labels that are no texts.
    """
    if call.stride is not None and strategy == "none":
        raise SettingError(
            f'{where}: stride={call.stride} needs an aggregation_strategy other than "none", which returns tokens: those of '
            f"overlapping windows would come twice."
        )
    ignored = call.ignore_labels
    if isinstance(ignored, str):
        ignored = [part.strip() for part in ignored.split(",") if part.strip()]
    texts = isinstance(ignored, list | tuple | set) and all(isinstance(one, str) for one in ignored)
    if ignored is not None and not texts:
        raise SettingError(f"{where}: ignore_labels={ignored!r}: a list of tags or types is needed.")
    return dataclasses.replace(call, ignore_labels=["O"] if ignored is None else list(ignored))


def entities(
    tokens: Tokens, strategy: str, labels: Sequence[str], tokenizer: Any, ignore: Collection[str] = ("O",)
) -> list[dict[str, Any]]:
    """One entry a token or word ("none", "word": entity, score, index, word, start, end) or a group of them (entity_group,
    score, word, start, end).

    ignore: tags (types, of groups) that are left out.
    """
    words, continues = _words(tokens, tokenizer)
    spans = list(zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True))
    index = tokens.index
    if strategy not in ("none", "simple"):
        cuts = [*(place for place, inside in enumerate(continues) if place == 0 or not inside), len(words)]
        parts = [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False)]
        index = index[cuts[:-1]]
        units = []
        for part in parts:
            score = _of_word(tokens.scores[part], strategy)
            best = int(score.argmax())
            whole = (tokenizer.convert_tokens_to_string(words[part]),)
            units.append(_Word(labels[best], score[best], whole, spans[part][0][0], spans[part][-1][1]))
    else:
        best = tokens.scores.argmax(-1)
        units = [
            _Word(labels[b], tokens.scores[place, b], (words[place],), *spans[place]) for place, b in enumerate(best)
        ]
    if strategy in ("none", "word"):
        return [_one(unit, int(at)) for unit, at in zip(units, index, strict=True) if unit.tag not in ignore]
    found = []
    for group in _groups(units):
        if _type(group) not in ignore:
            written = tokenizer.convert_tokens_to_string([word for one in group for word in one.words])
            found.append(_entity(group, written, *marks.whole(tokens.text, group[0].start, group[-1].end)))
    return found


def of_words(
    text: str,
    places: Sequence[tuple[int, int]],
    starts: np.ndarray,
    ends: np.ndarray,
    lengths: np.ndarray,
    logits: np.ndarray,
    labels: Sequence[str],
    strategy: str,
    ignore: Collection[str] = ("O",),
) -> list[dict[str, Any]]:
    """`entities` ("word", else "first") of a row of words: those that evaluation counts, written as they stand in the text.

    places, starts, ends, lengths: as `byeori.text.align.carriers` has them; logits: (tokens, labels). A word that no token
    stands for is left out, and parts what is beside it.
    """
    best, sure = logits.argmax(-1), softmax(logits.astype(np.float32)).max(-1)
    at = carriers(text, places, starts, ends, lengths, sure)
    index = np.arange(len(best)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    words = [
        None if token < 0 else (_Word(labels[best[token]], sure[token], (text[a:b],), a, b), int(index[token]))
        for token, (a, b) in zip(at.tolist(), places, strict=True)
    ]
    if strategy == "word":
        return [_one(*word) for word in words if word is not None and word[0].tag not in ignore]
    runs = (list(run) for known, run in itertools.groupby(words, lambda word: word is not None) if known)
    groups = (group for run in runs for group in _groups([word[0] for word in run if word is not None]))
    return [
        _entity(group, text[group[0].start : group[-1].end], group[0].start, group[-1].end)
        for group in groups if _type(group) not in ignore
    ]  # fmt: skip


def merged(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entities of overlapping windows → one list: of two that overlap the longer stays, of equal ones the surer."""
    kept: list[dict[str, Any]] = []
    for one in sorted(found, key=lambda one: one["start"]):
        last = kept[-1] if kept else None
        if last is None or not last["start"] <= one["start"] < last["end"]:
            kept.append(one)
        elif (one["end"] - one["start"], one["score"]) > (last["end"] - last["start"], last["score"]):
            kept[-1] = one
    return kept


def _words(tokens: Tokens, tokenizer: Any) -> tuple[list[str], list[bool]]:
    """The tokens as they are written, and which of them continue the word before."""
    words = tokenizer.convert_ids_to_tokens(tokens.ids.tolist())
    backend = getattr(tokenizer, "backend_tokenizer", None) if tokenizer.is_fast else None
    prefix = getattr(getattr(backend, "model", None), "continuing_subword_prefix", None)
    composed = unicodedata.is_normalized("NFC", tokens.text)
    continues = []
    for place, (word, start, end) in enumerate(zip(words, tokens.starts.tolist(), tokens.ends.tolist(), strict=True)):
        if tokens.ids[place] == tokenizer.unk_token_id:
            words[place] = tokens.text[start:end]
            continues.append(False)
        elif prefix:
            continues.append(len(word) != end - start if composed else word.startswith(prefix))
        else:
            continues.append(start > 0 and " " not in tokens.text[start - 1 : start + 1])
    return words, continues


def _of_word(scores: np.ndarray, strategy: str) -> np.ndarray:
    """(tokens, labels) of one word → (labels,)."""
    if strategy == "average":
        return np.nanmean(scores, axis=0)
    return scores[int(scores.max(-1).argmax()) if strategy == "max" else 0]


def _groups(words: Sequence[_Word]) -> Iterator[list[_Word]]:
    """Neighbours of one type, parted before each B-."""
    group: list[_Word] = []
    for word in words:
        if group and (word.tag.startswith("B-") or _bare(word.tag) != _bare(group[-1].tag)):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _bare(tag: str) -> str:
    """The type of BIO tags; any other tag stands for itself."""
    return tag[2:] if tag.startswith(("B-", "I-")) else tag


def _type(group: Sequence[_Word]) -> str:
    return group[0].tag.split("-", 1)[-1]


def _one(word: _Word, index: int) -> dict[str, Any]:
    return {
        "entity": word.tag, "score": float(word.score), "index": index, "word": word.words[0], "start": word.start,
        "end": word.end,
    }  # fmt: skip


def _entity(group: Sequence[_Word], written: str, start: int, end: int) -> dict[str, Any]:
    score = float(np.nanmean(np.array([one.score for one in group])))
    return {"entity_group": _type(group), "score": score, "word": written, "start": start, "end": end}
