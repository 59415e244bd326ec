"""A question and its context → windows: the question whole in each, the context in pieces that overlap.

Invariants: the ids of a window are those the tokenizer itself gives for the pair with `truncation="only_second"`,
`stride` and `return_overflowing_tokens` (the question cut only beyond its own limit); offsets are characters of the
context as it was given; a label is the smallest span of tokens that covers the answer, where all of it is in the window,
else the place that stands for no answer.

    encoded = windows(encoder, ["어디?"], ["제주도에 산다."], Cut(max_length=64), [(0, 3)])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from byeori.data.wording import short
from byeori.errors import ModelError, RowsError, SettingError
from byeori.text.blocks import CHARACTERS
from byeori.text.encode import Encoder
from byeori.text.marks import with_marks
from byeori.text.store import SEQUENCE, TOKEN, Encoded

QUESTION = 64  # tokens of a question that are kept, as transformers 4's pipeline had it
STRIDE = 128
OUTSIDE = -1  # the offset of tokens that are not of the context, and the word of tokens without one
LEVELS = {"char_starts": TOKEN, "char_ends": TOKEN, "words": TOKEN, "no_answer": SEQUENCE}
ANY = "a"  # stands for the context while the tokens around it are made


@dataclass(frozen=True)
class Cut:
    """How contexts are cut. `stride`: tokens that neighbours share, min(128, max_length // 4) if not given, and at most half
    of the room beside the question; `question`: tokens of a question that are kept, min(64, max_length // 2) if not given."""

    max_length: int
    stride: int | None = None
    question: int | None = None
    question_first: bool = True

    @property
    def most_question(self) -> int:
        return self.question or min(QUESTION, max(1, self.max_length // 2))

    def starts(self, tokens: int, room: int) -> range:
        """The first token of each window of a context. Raises SettingError where windows can't advance."""
        if tokens <= room:
            return range(1)
        if self.stride is None:
            stride = min(STRIDE, self.max_length // 4, room // 2)
        elif self.stride >= room:
            raise SettingError(
                f"stride={self.stride}: beside its question a window of {self.max_length} tokens holds {room} of the context, so "
                f"windows that share {self.stride} tokens can't advance. Give a --stride below {room}, or a larger --max-length."
            )
        else:
            stride = self.stride
        return range(0, tokens - stride, room - stride)


@dataclass(frozen=True)
class _Frame:
    """What stands around a piece of context: ids and segment ids, int64, before and after it.

    `null` is the place that stands for no answer, from the end of the window where it is below 0; `cls`: it is [CLS].
    """

    before: np.ndarray  # (2, tokens): ids, segment ids
    after: np.ndarray
    segment: int  # of the context's tokens
    null: int
    cls: bool
    cut: bool  # the question was too long

    @property
    def tokens(self) -> int:
        return self.before.shape[1] + self.after.shape[1]


@dataclass(frozen=True)
class _Context:
    """A context's tokens: ids, first character, character after the last, word; int32 (tokens,) each."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    words: np.ndarray


def windows(
    encoder: Encoder,
    questions: Sequence[str],
    contexts: Sequence[str],
    cut: Cut,
    answers: Sequence[tuple[int, int] | None] | None = None,
) -> Encoded:
    """Questions with their contexts → windows; `sequences_a_row` says how many each has.

    answers: characters (first, after the last) of each row's answer, or None; without them there are no labels.
    Columns: char_starts, char_ends int32 (tokens,), −1 outside the context; words int32 (tokens,), −1 where there is none;
    no_answer int64 (windows,), the place of [CLS], or ~place of what stands for it (`null_places`); labels int64 (windows, 2), first and
    last token of the answer; token_type_ids where the encoder keeps them. `truncated` counts questions that were cut.
    Raises SettingError for a length without room for a context, and for a stride with which windows can't advance,
    RowsError for answers that no token covers, ModelError for a tokenizer that knows no offsets.
    """
    if not encoder.tokenizer.is_fast:
        raise ModelError(
            f"{type(encoder.tokenizer).__name__} is written in Python and doesn't say where a token stands in its text, which "
            f"question answering needs. Choose a checkpoint with a fast tokenizer (tokenizer.json), or convert this one."
        )
    if cut.stride is not None and cut.stride >= cut.max_length:
        raise SettingError(
            f"stride={cut.stride}: windows of {cut.max_length} tokens that share {cut.stride} can't advance. Give a smaller --stride "
            f"({min(STRIDE, cut.max_length // 4)} is the default here), or a larger --max-length."
        )
    frames = dict(_frames(encoder, list(dict.fromkeys(questions)), cut))
    pieces = dict(_contexts(encoder.tokenizer.backend_tokenizer, list(dict.fromkeys(contexts))))
    made: dict[str, list[np.ndarray]] = {name: [] for name in ("input_ids", "token_type_ids", *LEVELS)}
    labels: list[tuple[int, int]] = []
    counts, lengths = np.zeros(len(questions), np.int64), []
    nulls: list[int] = []
    bare: dict[int, str] = {}  # rows whose answer no token covers
    for row, (question, text) in enumerate(zip(questions, contexts, strict=True)):
        frame, context = frames[question], pieces[text]
        room = cut.max_length - frame.tokens
        if room < 1:
            raise SettingError(
                f'max_length={cut.max_length}: the question "{short(question)}" and its special tokens take {frame.tokens} tokens '
                f"and leave no room for a context. Give a larger --max-length, or a smaller --max-question-length."
            )
        answer = answers[row] if answers is not None else None
        covered = None if answer is None else _covering(context, *answer)
        if answer is not None and covered is None:
            bare[row] = (
                f'the question "{short(question)}": the tokenizer makes nothing of its answer "{short(text[slice(*answer)])}". Leave '
                f"the row out, or mark it as a question without an answer."
            )
        starts = cut.starts(len(context.ids), room)
        shift = frame.before.shape[1]
        for start in starts:
            piece = slice(start, min(start + room, len(context.ids)))
            length = frame.tokens + piece.stop - piece.start
            _lay(made, frame, context, piece)
            null = frame.null if frame.null >= 0 else length + frame.null
            nulls.append(null if frame.cls else ~null)
            inside = covered is not None and piece.start <= covered[0] and covered[1] < piece.stop
            labels.append(
                (shift + covered[0] - start, shift + covered[1] - start)
                if covered is not None and inside
                else (null, null)
            )
            lengths.append(length)
        counts[row] = len(starts)
    if bare:
        raise RowsError(bare)
    columns = {name: _joined(made[name]) for name in ("char_starts", "char_ends", "words")}
    columns["no_answer"] = np.array(nulls, np.int64)
    if encoder.token_types:
        columns["token_type_ids"] = _joined(made["token_type_ids"]).astype(np.uint8)
    if answers is not None:
        columns["labels"] = np.array(labels, np.int64).reshape(-1, 2)
    truncated = sum(frames[question].cut for question in questions)
    return Encoded(_joined(made["input_ids"]), np.array(lengths, np.int64), columns, counts, truncated)


def null_places(no_answer: np.ndarray) -> np.ndarray:
    """The tokens that stand for no answer, [CLS] or not; the shape of `no_answer`."""
    return np.where(no_answer < 0, ~no_answer, no_answer)


def _lay(made: dict[str, list[np.ndarray]], frame: _Frame, context: _Context, piece: slice) -> None:
    """Append one window to the columns."""
    before, after = (np.full(side.shape[1], OUTSIDE, np.int32) for side in (frame.before, frame.after))
    made["input_ids"] += [frame.before[0], context.ids[piece], frame.after[0]]
    segments = np.full(piece.stop - piece.start, frame.segment)
    made["token_type_ids"] += [frame.before[1], segments, frame.after[1]]
    made["char_starts"] += [before, context.starts[piece], after]
    made["char_ends"] += [before, context.ends[piece], after]
    made["words"] += [before, context.words[piece], after]


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)


def _frames(encoder: Encoder, questions: list[str], cut: Cut) -> Iterator[tuple[str, _Frame]]:
    tokenizer = encoder.tokenizer
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    own = int(not cut.question_first)  # the question's number in the pair
    pairs = [(question, ANY) if cut.question_first else (ANY, question) for question in questions]
    for question, found in zip(questions, backend.encode_batch(pairs, add_special_tokens=True), strict=True):
        sides = np.array([-1 if side is None else side for side in found.sequence_ids])
        both = np.array([found.ids, found.type_ids], np.int64)
        stands = np.flatnonzero(sides == 1 - own)
        if not len(stands):
            raise ModelError(
                f"{type(tokenizer).__name__} makes no token of {ANY!r}, so contexts can't be cut with it. Its class doesn't fit "
                f"its files; name another with --tokenizer."
            )
        kept = np.ones(len(sides), bool)
        kept[np.flatnonzero(sides == own)[cut.most_question :]] = False
        places = np.arange(len(sides))
        before, after = (both[:, kept & where] for where in (places < stands[0], places > stands[-1]))
        null, cls = _null(before[0], after[0], tokenizer.cls_token_id, tokenizer.bos_token_id)
        yield question, _Frame(before, after, int(both[1, stands[0]]), null, cls, not kept.all())


def _null(before: np.ndarray, after: np.ndarray, cls: int | None, start: int | None) -> tuple[int, bool]:
    """Where no answer is said, and whether that is [CLS]: else it is the start token, else the first one, as run_qa.py had it."""
    for token in (cls, start):
        for ids, from_end in ((before, 0), (after, len(after))):
            found = np.flatnonzero(ids == token)
            if token is not None and len(found):
                return int(found[0]) - from_end, token == cls
    return 0, False


def _contexts(backend: Any, contexts: list[str]) -> Iterator[tuple[str, _Context]]:
    """Each context tokenized once, however many questions are asked about it, and a bounded number at a time."""
    ends = np.cumsum([len(text) for text in contexts])
    first = 0
    while first < len(contexts):
        before = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, before + CHARACTERS, side="right")))
        batch = contexts[first:stop]
        for text, found in zip(batch, backend.encode_batch(batch, add_special_tokens=False), strict=True):
            spans = np.array(found.offsets, np.int32).reshape(-1, 2)
            words = np.array([OUTSIDE if word is None else word for word in found.word_ids], np.int32)
            if len(text.split()) > 1 and len(np.unique(words)) < 2:
                words[:] = OUTSIDE  # a tokenizer that knows no words (Llama's) calls the whole text one
            yield (
                text,
                _Context(np.array(found.ids, np.int32), spans[:, 0].copy(), with_marks(text, *spans.T).copy(), words),
            )
        first = stop


def _covering(context: _Context, start: int, stop: int) -> tuple[int, int] | None:
    """The first and last token of the smallest span that covers characters start … stop − 1; None where there is none."""
    over = np.flatnonzero((context.ends > start) & (context.starts < stop) & (context.ends > context.starts))
    if not len(over):
        return None
    # Of tokens with the same offsets (a space's own piece before a word, bytes of one character) one covers as much as all.
    firsts, lasts = over[context.starts[over] <= start], over[context.ends[over] >= stop]
    first = int(firsts[-1]) if len(firsts) else int(over[0])
    last = int(lasts[0]) if len(lasts) else int(over[-1])
    return first, max(first, last)  # an answer of one character in several tokens: the last of them
