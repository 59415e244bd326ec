"""What `byeori.doctor.sees` found, in lines for people.

lines(seen.data)
"""

from __future__ import annotations

from typing import Any

from byeori.data.wording import count, short
from byeori.doctor.sees_table import across
from byeori.doctor.sees_tokens import lines_of, said

KEYS = ("segment", "word", "characters", "text", "tag", "next", "seen", "drawn", "part", "answer")
WORDS = 5  # those of the most tokens
VALUE = 160  # characters of a row's value


def lines(data: dict[str, Any]) -> list[str]:
    """Lines of a text (`kind` texts) or of rows."""
    return _texts(data) if data["kind"] == "texts" else _rows(data)


def _texts(data: dict[str, Any]) -> list[str]:
    found = [f"{data['model']} ({data['tokenizer']}): {said(data['tokens'])}{_room(data)}", ""]
    found += lines_of(data["tokens"], ("segment", "word", "characters", "text"))
    found += ["", f"attention: all {len(data['tokens']):,} tokens, nothing is padded", _segments(data)]
    found += [
        f"back to text: {short(data['decoded'], 400)}" + ("" if data["same"] else "  (not the text as it was given)")
    ]
    if data.get("words"):
        most = sorted(data["words"], key=lambda one: -one["tokens"])[:WORDS]
        found.append(
            f"tokens a word: {data['fertility']:.2f} over {len(data['words']):,} words; most: "
            + ", ".join(f"{one['word']} {one['tokens']}" for one in most)
        )
    if "decoder" in data:
        found += ["", *decoder(data["decoder"])]
    return found + [f"{one['level']}: {one['said']} {one['fix']}".rstrip() for one in data["contract"]]


def _room(data: dict[str, Any]) -> str:
    limit = data["limit"]
    takes = "the model sets no limit" if limit is None else f"the model takes {limit:,}"
    cut = f"; cut to max_length {data['max_length']:,}" if data["truncated"] else ""
    return f"; {takes}{cut}"


def _segments(data: dict[str, Any]) -> str:
    if not data["segments"]:
        return "segment ids: none are sent (the model has no embeddings for them, or its tokenizer makes none)"
    kinds = sorted({one["segment"] for one in data["tokens"] if "segment" in one})
    return f"segment ids: {', '.join(map(str, kinds))}"


def _rows(data: dict[str, Any]) -> list[str]:
    found = [f"{data['task']}, {data['model']} ({data['tokenizer']}), max_length {data['max_length']:,}"]
    found.append("segment ids are sent" if data["segments"] else "no segment ids are sent")
    found += [f"of these rows: {note}" for note in data["notes"]]
    for row in data["rows"]:
        found += ["", *_row(row)]
    return found


def _row(row: dict[str, Any]) -> list[str]:
    found = [f"── {row['where']}{label(row)}{_size(row)}"]
    found += [
        f"   {role}: {_value(value)}" for role, value in row["given"].items() if "label" not in row or role != "label"
    ]
    for one in row["sequences"]:
        found += ["", *_sequence(one)]
    if "decoder" in row:
        found += ["", *decoder(row["decoder"])]
    return found


def label(row: dict[str, Any]) -> str:
    """`   label 긍정 (id 1)`."""
    own = row.get("label")
    if own is None:
        return ""
    name, number = _value(own["name"]), _value(own["id"])
    return f"   label {name}" + ("" if name == number else f" (id {number})")


def _size(row: dict[str, Any]) -> str:
    if row["given"]:
        return ""
    tokens = sum(one["counts"]["tokens"] for one in row["sequences"])
    return f": {tokens:,} tokens, {count(len(row['sequences']), 'document')}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return short(", ".join(_value(one) for one in value), VALUE)
    if isinstance(value, dict):
        return short("; ".join(f"{name} {_value(one)}" for name, one in value.items() if one not in (None, [])), VALUE)
    return short(value, VALUE)


def _sequence(one: dict[str, Any]) -> list[str]:
    name = one["kind"] if one["of"] == 1 else f"{one['kind']} {one['number']:,} of {one['of']:,}"
    parts = [f"{name}: {said(one['tokens'])}"]
    if one.get("characters"):
        parts.append(f"characters {one['characters'][0]:,}–{one['characters'][1]:,} of the context")
    if one.get("shared"):
        parts.append(f"{one['shared']:,} tokens shared with the window before")
    if one.get("said"):
        parts.append(one["said"])
    keys = [key for key in KEYS if key != "characters"]
    found = ["; ".join(parts), *lines_of(one["tokens"], keys, unit=one.get("unit", "word"))]
    return found + (["", *decoder(one["decoder"])] if "decoder" in one else [])


def decoder(one: dict[str, Any]) -> list[str]:
    """The first tutorial's table: what the decoder is fed over what it is to write."""
    columns: list[tuple[str, ...]] = [
        (str(place), fed, str(number), "−100" if label < 0 else right, str(label).replace("-", "−"))
        for place, (fed, number, right, label) in enumerate(
            zip(one["inputs"], one["input_ids"], one["targets"], one["labels"], strict=True)
        )
    ]
    names = ["", "decoder inputs", "  ids", "decoder targets", "  labels"]
    if "best" in one:
        names.append("likeliest")
        guesses = [*one["best"], *[""] * (len(columns) - len(one["best"]))]
        columns = [(*column, guess) for column, guess in zip(columns, guesses, strict=True)]
    ignored = f"{one['ignored']:,} places are −100 and count for nothing; " if one["ignored"] else ""
    return [
        *across(names, columns),
        f"{ignored}the decoder is fed {one['start']} first, then each target a place later; −100 is never fed to it",
    ]
