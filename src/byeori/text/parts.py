"""Texts made of parts, of which only some are learnt: a prompt and its completion, a conversation and the assistant's turns.

Invariants: the tokens of what stands before a learnt part are those a call gets for it alone, so that a model is trained on just
what it will be asked to go on from; a learnt part is what the model writes there, and the last one of a row ends in an end token,
the tokenizer's or the chat template's; a row that is too long keeps some of what is learnt, whatever its prompt's length.

    encoded = encode_parts(tokenizer, [[Part("Q: 1+1? A:", False), Part(" 2", True)]], max_length=512)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any, NamedTuple

import numpy as np

from byeori.data.wording import short
from byeori.errors import DataError, ModelError, RowsError
from byeori.text.blocks import around, shifted, token_lists
from byeori.text.encode import _kept
from byeori.text.store import Encoded

Messages = list[dict[str, str]]
WRITER = "assistant"


class Part(NamedTuple):
    text: str
    learnt: bool


@dataclass
class EncodedParts(Encoded):
    """`prompts_cut`: rows whose prompt alone was too long, cut from its left; `ended`: those that got an end token which their
    text hasn't."""

    prompts_cut: int = 0
    ended: int = 0


def encode_parts(
    tokenizer: Any, rows: Sequence[list[Part]], max_length: int, truncation: str = "head", special: bool = True
) -> EncodedParts:
    """One sequence a row; columns as `byeori.text.blocks.encode_documents` has them.

    `special`: the tokenizer's special tokens go around the row, and the end token after it in any case; a conversation's
    template has its own, and where its last turn ends in none, the end token stands there too. Of a row that is too long
    the part that `truncation` names stays; where nothing learnt would be left, as much of the prompt's end as there is room
    for, and the first learnt part.
    """
    before, after = around(tokenizer) if special else ([], [])
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    if special and not after:
        after = end
    closing = _closing(tokenizer)
    heads = ["".join(part.text for part in row[: count + 1]) for row in rows for count in range(len(row))]
    found = iter(token_lists(tokenizer, heads))
    ids: list[np.ndarray] = []
    learnt: list[np.ndarray] = []
    characters: list[float] = []
    cut = prompts_cut = ended = 0
    for row in rows:
        tokens, flags = _joined(tokenizer, row, [next(found) for _ in row])
        last = bool(row) and row[-1].learnt
        added = end if not special and last and tokens[-1:] and tokens[-1] not in closing else after
        ended += not special and bool(added)
        tokens = [*before, *tokens, *added] or [tokenizer.unk_token_id or 0]
        flags = [*[False] * len(before), *flags, *[last] * len(added)] or [False]
        kept = _kept(len(tokens), max_length, truncation)
        cut += len(kept) < len(tokens)
        if any(flags[1:]) and not np.asarray(flags)[kept[1:]].any():
            kept = _behind_prompt(flags, len(before), max_length)
            prompts_cut += 1
        ids.append(np.asarray(tokens, np.int32)[kept])
        learnt.append(np.asarray(flags, bool)[kept])
        share = learnt[-1].sum() / max(1, sum(flags))
        characters.append(float(share * sum(len(part.text) for part in row if part.learnt)))
    lengths = np.array([len(one) for one in ids], np.int64)
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    columns = {
        "labels": shifted(flat, lengths, np.concatenate(learnt) if learnt else None),
        "begins": np.ones(len(lengths), np.uint8),
        "characters": np.array(characters, np.float32),
    }
    return EncodedParts(flat, lengths, columns, truncated=cut, prompts_cut=prompts_cut, ended=ended)


def _closing(tokenizer: Any) -> set[int]:
    """Tokens that can end a turn: special ones, and those that were added to the vocabulary."""
    known = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    return known - {tokenizer.unk_token_id}


def _behind_prompt(flags: list[bool], before: int, max_length: int) -> np.ndarray:
    """Places of `max_length` tokens that end with the first learnt part, or as much of it as leaves room for one token of the
    prompt; the first `before` tokens, the special ones, stay."""
    room = max_length - before
    first = flags.index(True, 1)  # a row's first token is nobody's label
    after = flags.index(False, first) if False in flags[first:] else len(flags)
    stop = first + min(after - first, room - 1)
    return np.r_[0:before, max(before, stop - room) : stop]


def _joined(tokenizer: Any, row: list[Part], heads: list[list[int]]) -> tuple[list[int], list[bool]]:
    """The row's tokens and which are learnt; `heads`: the ids of its first part, of its first two…

    Parts are tokenized as one text where that leaves the tokens before them as they were, else one by one: "A: " and
    "Paris" are together "A:", " Paris", but a call's "A: " ends in a space of its own.
    """
    tokens: list[int] = []
    flags: list[bool] = []
    for part, head in zip(row, heads, strict=True):
        if head[: len(tokens)] == tokens:
            tokens = list(head)
        else:
            tokens = tokens + token_lists(tokenizer, [part.text])[0]
        flags += [part.learnt] * (len(tokens) - len(flags))
    return tokens, flags


def conversations(tokenizer: Any, several: Sequence[Messages]) -> list[list[Part]]:
    """`conversation` of each. Raises ModelError, and RowsError for those that the template refuses."""
    found: list[list[Part]] = []
    refused: dict[int, str] = {}
    for place, messages in enumerate(several):
        try:
            found.append(conversation(tokenizer, messages))
        except DataError as error:
            refused[place] = str(error)
    if refused:
        raise RowsError(refused)
    return found


def conversation(tokenizer: Any, messages: Messages) -> list[Part]:
    """A conversation as the tokenizer's chat template writes it: the assistant's turns are learnt, what opens them is not.

    Where a template writes earlier turns otherwise once others follow (as Qwen 3 leaves out old reasoning), only the last of the
    assistant's turns is learnt. Raises ModelError without a template, DataError where it refuses the messages.
    """
    places = [at for at, message in enumerate(messages) if message["role"] == WRITER]
    whole = render(tokenizer, messages[: places[-1] + 1]) if places else ""
    parts: list[Part] = []
    done = 0
    for at in places:
        opened = render(tokenizer, messages[:at], opening=True) if at else _other(tokenizer, messages[0])
        written = render(tokenizer, messages[: at + 1])
        if not whole.startswith(written):
            continue
        start = max(done, len(commonprefix([opened, written])))
        stop = max(start, len(written.rstrip()))  # line ends after the end token are nobody's turn
        parts += [Part(whole[done:start], False), Part(whole[start:stop], True)]
        done = stop
    return [part for part in parts if part.text]


def _other(tokenizer: Any, message: dict[str, str]) -> str:
    """A conversation's first turn with another content: as far as the two are equal, the template opens the turn."""
    return render(tokenizer, [{**message, "content": "B" if message["content"].startswith("A") else "A"}])


def render(tokenizer: Any, messages: Messages, opening: bool = False, going_on: bool = False) -> str:
    """The text of a conversation; `opening`: with what asks for the assistant's turn; `going_on`: its last turn is left open.

    Raises ModelError, DataError.
    """
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ModelError(
            f"the tokenizer ({type(tokenizer).__name__}) has no chat template, so nobody can tell how a conversation is written for "
            f"this model. Take the model's chat version (often named -Instruct or -Chat), give --tokenizer of a checkpoint that has a "
            f"template, give one with --chat-template FILE.jinja, or turn the conversations into prompts and completions."
        )
    try:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=opening, continue_final_message=going_on
        )
    except (TemplateError, ValueError, KeyError, TypeError) as error:
        roles = ", ".join(message["role"] for message in messages[:6])
        raise DataError(
            f'the conversation that begins with "{short(messages[0]["content"])}" (roles {roles}{", …" if len(messages) > 6 else ""}) is '
            f"refused by the tokenizer's chat template: {error}. Many templates want user and assistant by turns, and take a "
            f"system message only at the start, if at all."
        ) from error
