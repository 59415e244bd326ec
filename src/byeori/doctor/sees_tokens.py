"""Tokens for people: each with its id, its mark, and where it stands in the text, and how they are laid out in a table.

Invariants: ids are those that were encoded, never made again; a token is special where the tokenizer lists it so, unknown
where it is the unknown one; of a long sequence the ends are shown and, in between, what matters.

    tokens = described(tokenizer, [2, 11, 3]); lines_of(tokens, ("segment",))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from byeori.doctor.sees_table import table

ENDS = (24, 8)  # tokens shown of a long sequence, at its two ends
MOST = 64  # tokens shown of one that is shown whole
HEADS = {
    "place": "#", "token": "token", "id": "id", "mark": "mark", "segment": "segment", "word": "word", "characters": "characters",
    "text": "text", "part": "part", "tag": "label", "next": "next", "seen": "seen as", "drawn": "drawn", "answer": "answer",
    "best": "likeliest", "loss": "loss",
}  # fmt: skip
RIGHT = ("place", "id", "segment", "loss")
LONGEST = 4  # bytes of a letter
WORD = re.compile(r"\S+")


def described(tokenizer: Any, ids: Sequence[int], segments: Any = None) -> list[dict[str, Any]]:
    """A dict a token: place, token, id, special, unknown, and its segment (of `segments`, integers (tokens,)) where they are sent."""
    names = tokenizer.convert_ids_to_tokens([int(one) for one in ids])
    own = {getattr(tokenizer, f"{role}_token_id", None) for role in ("pad", "cls", "sep", "mask", "bos", "eos")}
    unknown = None if tokenizer.unk_token_id in own else tokenizer.unk_token_id  # GPT-2's stands for the end as well
    special = set(tokenizer.all_special_ids) - {unknown}
    found: list[dict[str, Any]] = [
        {"place": place, "token": str(name), "id": int(number), "special": int(number) in special, "unknown": int(number) == unknown}
        for place, (number, name) in enumerate(zip(ids, names, strict=True))
    ]  # fmt: skip
    if is_byte_level(tokenizer):
        for one, letters in zip(found, readable(tokenizer, [str(one["token"]) for one in found]), strict=True):
            if not one["special"]:
                one["text"] = letters
    for one, segment in zip(found, [] if segments is None else segments, strict=False):
        one["segment"] = int(segment)
    return found


def is_byte_level(tokenizer: Any) -> bool:
    """Whether its pieces are of bytes, which nobody reads: "ëĤĺ" for "나"."""
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    return type(decoder).__name__ == "ByteLevel"


def readable(tokenizer: Any, names: Sequence[str]) -> list[str]:
    """The letters that pieces of bytes end, "…" for a piece that ends none: those of a letter in three are "…", "…", "나"."""
    decode = tokenizer.backend_tokenizer.decoder.decode
    found, open_ = [], []
    for name in names:
        open_.append(name)
        letters = decode(open_)
        whole = not letters.endswith("\ufffd") or len(open_) > LONGEST
        found.append(letters if whole else "…")
        open_ = [] if whole else open_
    return found


def name_of(tokenizer: Any, token: int) -> str:
    """A token as people read it: pieces of bytes that are whole letters as these, a space in front as Ġ."""
    name = str(tokenizer.convert_ids_to_tokens(int(token)))
    if not is_byte_level(tokenizer) or int(token) in tokenizer.all_special_ids:
        return name
    letters = tokenizer.backend_tokenizer.decoder.decode([name])
    if "\ufffd" in letters:
        return name
    return f"Ġ{letters[1:]}" if letters.startswith(" ") else letters


def placed(tokens: list[dict[str, Any]], text: str, starts: Any, ends: Any) -> None:
    """Give tokens the characters they stand for (`starts` and `ends`, integers (tokens,)): start, end, and the text there;
    nothing for a start below 0."""
    for one, start, end in zip(tokens, starts, ends, strict=True):
        if start >= 0:
            one |= {"start": int(start), "end": int(end), "text": text[int(start) : int(end)]}


def counts(tokens: Sequence[dict[str, Any]]) -> dict[str, int]:
    """{"tokens", "special", "unknown"}."""
    return {"tokens": len(tokens), **{name: sum(one[name] for one in tokens) for name in ("special", "unknown")}}


def said(tokens: Sequence[dict[str, Any]]) -> str:
    """`14 tokens, 2 of them special, 1 unknown`."""
    of = counts(tokens)
    found = f"{of['tokens']:,} token{'s' * (of['tokens'] != 1)}"
    found += f", {of['special']:,} of them special" if of["special"] else ""
    return found + (f", {of['unknown']:,} unknown" if of["unknown"] else "")


def fertility(text: str, tokens: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """Each word of the text (what stands between spaces) and how many tokens lie over it; of tokens with characters."""
    spans = [(one["start"], one["end"]) for one in tokens if "start" in one]
    words = [(found[0], *found.span()) for found in WORD.finditer(text)]
    return [(word, sum(start < last and end > first for start, end in spans)) for word, first, last in words]


def lines_of(
    tokens: Sequence[dict[str, Any]], keys: Sequence[str] = (), most: int = MOST, unit: str = "word"
) -> list[str]:
    """A line a token: its place, name, id and mark, then `keys` as far as a token has them; what is left out is counted.

    Shown of a long sequence: its ends, and every token that has a key of "drawn" or "answer", or a label that is learnt.
    """
    wanted = ["place", "token", "id"]
    if any(one["special"] or one["unknown"] for one in tokens):
        wanted.append("mark")
    wanted += [key for key in keys if any(key in one or key == "characters" for one in tokens)]
    rows: list[list[Any]] = []
    left = 0
    for at, one in enumerate(tokens):
        if len(tokens) > most and ENDS[0] <= at < len(tokens) - ENDS[1] and not _matters(one):
            left += 1
            continue
        if left:
            rows.append(_gap(left, wanted))
            left = 0
        rows.append([_cell(one, key) for key in wanted])
    heads = {**HEADS, "word": unit}
    return table([heads[key] for key in wanted], rows, {at for at, key in enumerate(wanted) if key in RIGHT})


def _matters(token: dict[str, Any]) -> bool:
    told = token.get("tag") not in (None, "O", "−100") or token.get("best") in ("start", "end")
    return "drawn" in token or "answer" in token or told


def _gap(number: int, wanted: Sequence[str]) -> list[Any]:
    return ["⋮", f"{number:,} more", *[""] * (len(wanted) - 2)]


def _cell(token: dict[str, Any], key: str) -> Any:
    if key == "mark":
        return "special" if token["special"] else "unknown" if token["unknown"] else ""
    if key == "characters":
        return f"{token['start']}–{token['end']}" if "start" in token else ""
    if key == "id":
        return str(token["id"])
    return token.get(key, "")
