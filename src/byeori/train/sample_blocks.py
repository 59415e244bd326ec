"""A sample of a training as people read it, each task's in its own shape: fields of pieces of text with what they are.

Invariants: nothing is cut or aligned here (sample_lines.py does that for a width, notebook.py for a page); what the colours say
is said by signs too: "=" right, "≠" wrong, "~" nobody can say; "!" before what a model found and isn't there, "+" and "-" before
labels that are too many and that are missing; control characters are visible, letters composed (NFC).

    block({"kind": "label", "inputs": {"text": "좋아요"}, "prediction": "긍정", "reference": "긍정", "right": True}).mark == "="
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from byeori.text.visible import one_line

Piece = tuple[str, str]  # text and what it is: "", "right", "wrong", "missed", "soft"
MARKS = {True: "=", False: "≠", None: "~"}
TONES = {True: "right", False: "wrong", None: ""}
NOTHING: Piece = ("(no answer)", "soft")
EMPTY: Piece = ("(nothing)", "soft")
GUESSED = 3  # gaps whose guesses are listed
LONG = 2_000  # characters of one piece; no view shows as many


@dataclass
class Field:
    """Pieces under a name; where not all are seen, the one at `focus` is."""

    name: str
    pieces: list[Piece]
    focus: int = 0
    lines: int = 1  # at most
    wide: bool = False  # of a row: a text, which takes the room that is left
    spare: bool = False  # of a row: left out first


@dataclass
class Block:
    """One sample: `row`, its fields beside each other, "mark" the place of the mark; else a line or more a field."""

    mark: str
    fields: list[Field] = field(default_factory=list)
    row: bool = False


def block(sample: dict[str, Any]) -> Block:
    """By the sample's "kind"; one without, from a task of somebody's own, as inputs, prediction and reference."""
    return SHAPES.get(str(sample.get("kind")), _stacked)(sample)


# the answer is short: a row --------------------------------------------------------------------------------------------
def _label(sample: dict[str, Any]) -> Block:
    right = sample.get("right")
    score = sample.get("score")
    said = [
        Field("predicted", [_piece(sample["prediction"], TONES[right])]),
        Field("score", [("" if score is None else f"{score:.2f}", "soft")], spare=True),
    ]
    return Block(MARKS[right], [*said, Field("mark", []), Field("right", [_of(sample)]), *_texts(sample)], row=True)


def _labels(sample: dict[str, Any]) -> Block:
    """A set: those both have, then "+" too many, then "-" missing."""
    said, wanted = sample["prediction"], sample.get("reference")
    tone = "" if wanted is None else "right"
    parts = [_piece(one, tone) for one in said if wanted is None or one in wanted]
    parts += [_piece(f"+{_plain(one)}", "wrong") for one in said if wanted is not None and one not in wanted]
    parts += [_piece(f"-{_plain(one)}", "missed") for one in wanted or [] if one not in said]
    pieces = _joined(parts) or [("–", "soft")]
    return Block(MARKS[sample.get("right")], [Field("mark", []), Field("predicted", pieces), *_texts(sample)], row=True)


def _number(sample: dict[str, Any]) -> Block:
    apart = sample.get("difference")
    numbers = [
        Field("predicted", [(f"{sample['prediction']:.3f}", "")]), Field("mark", []),
        Field("right", [("" if sample.get("reference") is None else f"{sample['reference']:.3f}", "")]),
        Field("difference", [("" if apart is None else f"{apart:+.3f}", "soft")]),
    ]  # fmt: skip
    return Block(MARKS[sample.get("right")], [*numbers, *_texts(sample)], row=True)


# it is a place in a text: marked there ---------------------------------------------------------------------------------
def _entities(sample: dict[str, Any]) -> Block:
    """One line where both sides agree or nobody knows; else what was found over what is right."""
    text, spans, right = sample["text"], sample["spans"], sample.get("right")
    found, wanted = (_tuples(spans.get(side)) for side in ("prediction", "reference"))
    if right is not False:
        return Block(MARKS[right], [_entity_line("text", text, found, found, TONES[right])])
    said = _entity_line("predicted", text, found, wanted, "wrong")
    true = _entity_line("right", text, wanted, found, "missed")
    return Block(MARKS[right], [said, true])


def _entity_line(name: str, text: str, spans: list[tuple], others: list[tuple], tone: str) -> Field:
    """The text with its spans in brackets, those the other side lacks with a "!"."""
    agreed = "right" if tone in ("wrong", "missed") else tone
    pieces: list[Piece] = []
    focus: int | None = None
    first, end = 0, 0
    for start, stop, kind in spans:
        if start < end:
            continue
        pieces.append(_piece(text[end:start]))
        alone = (start, stop, kind) not in others
        if alone and focus is None:
            focus = len(pieces)
        first = first or len(pieces)
        pieces.append(_piece(f"[{'!' if alone else ''}{text[start:stop]}:{kind}]", tone if alone else agreed))
        end = stop
    pieces.append(_piece(text[end:]))
    if focus is None and (missed := [start for start, stop, kind in others if (start, stop, kind) not in spans]):
        return _focused(name, pieces, text, spans, missed[0])
    return Field(name, pieces, focus=first if focus is None else focus)


def _focused(name: str, pieces: list[Piece], text: str, spans: list[tuple], at: int) -> Field:
    """The piece in which a character stands that no span covers is cut there, so that both lines show the same place."""
    ends = [0]
    for start, stop, _ in spans:
        if start >= ends[-1]:
            ends += [start, stop]
    place = max(i for i, begun in enumerate(ends) if begun <= at)
    if place % 2:  # inside a span, which shows it
        return Field(name, pieces, focus=place)
    inside = slice(ends[place], ends[place + 1] if place + 1 < len(ends) else None)
    both = [_piece(text[inside.start : at]), _piece(text[at : inside.stop])]
    return Field(name, [*pieces[:place], *both, *pieces[place + 1 :]], focus=place + 1)


def _tags(sample: dict[str, Any]) -> Block:
    """word/TAG; where it is wrong word/TAG≠RIGHT."""
    text, spans, right = sample["text"], sample["spans"], sample.get("right")
    wanted = {(start, stop): kind for start, stop, kind in _tuples(spans.get("reference"))}
    pieces: list[Piece] = []
    focus = end = 0
    for start, stop, kind in _tuples(spans["prediction"]):
        if start < end:
            continue
        true = wanted.get((start, stop), kind)
        if true != kind and not focus:
            focus = len(pieces) + 1
        said = f"{text[start:stop]}/{kind}" + (f"≠{true}" if true != kind else "")
        pieces += [_piece(text[end:start]), _piece(said, "wrong" if true != kind else "")]
        end = stop
    return Block(MARKS[right], [Field("tags", [*pieces, _piece(text[end:])], focus=focus, lines=2)])


def _answer(sample: dict[str, Any]) -> Block:
    """Question, the context around the answer (found in [ ], right one in { }), both answers."""
    inputs, right = sample["inputs"], sample.get("right")
    tone, context, spans = TONES[right], inputs["context"], sample.get("spans") or {}
    marked = []
    if found := spans.get("prediction"):
        marked.append((*found, "[{}]", tone))
    true = spans.get("reference")
    if right is not True and true and not (found and true[0] < found[1] and found[0] < true[1]):
        marked.append((*true, "{{{}}}", "missed"))
    pieces: list[Piece] = []
    end = focus = 0
    for start, stop, form, style in sorted(marked):
        pieces.append(_piece(context[end:start]))
        if style != "missed" or not focus:
            focus = len(pieces)
        pieces.append(_piece(form.format(context[start:stop]), style))
        end = stop
    pieces.append(_piece(context[end:]))
    said = sample["prediction"]
    score = [] if sample.get("score") is None else [(f"  {sample['score']:.2f}", "soft")]
    fields = [
        Field("question", [_piece(inputs["question"])]), Field("context", pieces, focus=focus),
        Field("predicted", [_piece(said, tone) if said else NOTHING, *score]),
    ]  # fmt: skip
    if right is not True and sample.get("reference") is not None:
        given = [_piece(one) for one in sample["reference"]]
        fields.append(Field("right", _joined(given, " / ") or [NOTHING]))
    return Block(MARKS[right], fields)


def _gaps(sample: dict[str, Any]) -> Block:
    """The text with what was said in each gap, [said] or [said≠right]; and what else was likely in the first of them."""
    text = sample["inputs"]["text"]
    pieces: list[Piece] = []
    focus = end = 0
    for gap in sample["gaps"]:
        same = gap["predicted"] == gap["right"]
        if not same and not focus:
            focus = len(pieces) + 1
        said = f"[{gap['predicted']}]" if same else f"[{gap['predicted']}≠{gap['right']}]"
        pieces += [_piece(text[end : gap["start"]]), _piece(said, TONES[same])]
        end = gap["end"]
    fields = [Field("masked", [*pieces, _piece(text[end:])], focus=focus, lines=2)]
    guessed = [gap for gap in sample["gaps"] if gap.get("guesses")]
    guessed.sort(key=lambda gap: gap["predicted"] == gap["right"])
    for number, gap in enumerate(guessed[:GUESSED]):
        likely = [
            piece
            for word, share in gap["guesses"]
            for piece in (_piece(word, "right" if word == gap["right"] else ""), (f" {share:.2f}  ", "soft"))
        ]
        true = [("→ ", "soft"), _piece(gap["right"], "missed" if gap["predicted"] != gap["right"] else "right")]
        fields.append(Field("" if number else "guesses", [*likely, *true]))
    return Block(MARKS[sample.get("right")], fields)


# it is a choice, or a text ---------------------------------------------------------------------------------------------
def _choice(sample: dict[str, Any]) -> Block:
    """The text over its choices, each told whether it was chosen and is right."""
    inputs, right = sample["inputs"], sample.get("right")
    chosen, label = sample["chosen"], sample.get("label")
    score = [] if sample.get("score") is None else [(f"  {sample['score']:.2f}", "soft")]
    fields = [] if inputs.get("text") is None else [Field("text", [_piece(inputs["text"])])]
    for place, choice in enumerate(inputs.get("choices") or [sample["prediction"]]):
        name = "predicted" if place == chosen else "right" if place == label else ""
        tone = TONES[right] if place == chosen else "missed" if place == label else ""
        fields.append(Field(name, [_piece(choice, tone), *(score if place == chosen else [])]))
    return Block(MARKS[right], fields)


def _stacked(sample: dict[str, Any]) -> Block:
    """Inputs, prediction and reference under each other."""
    right = sample.get("right")
    fields = [Field(name, [_piece(value)], lines=2) for name, value in sample["inputs"].items() if value is not None]
    said = sample.get("prediction")
    none = NOTHING if said is None else EMPTY if said == "" else None
    fields.append(Field("predicted", [none or _piece(said, TONES[right])], lines=3))
    if sample.get("reference") is not None and right is not True:
        fields.append(Field("right", [_piece(sample["reference"])], lines=3))
    return Block(MARKS[right], fields)


SHAPES: dict[str, Callable[[dict[str, Any]], Block]] = {
    "label": _label, "labels": _labels, "number": _number, "entities": _entities, "tags": _tags, "answer": _answer,
    "gaps": _gaps, "choice": _choice, "text": _stacked,
}  # fmt: skip


def _piece(value: Any, tone: str = "") -> Piece:
    return _plain(value), tone


def _plain(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if len(text) > 2 * LONG:  # both ends: what is looked at may be at either
        text = f"{text[:LONG]}…{text[-LONG:]}"
    return unicodedata.normalize("NFC", one_line(text))


def _of(sample: dict[str, Any]) -> Piece:
    return ("", "") if sample.get("reference") is None else _piece(sample["reference"])


def _texts(sample: dict[str, Any]) -> list[Field]:
    return [Field(name, [_piece(value)], wide=True) for name, value in sample["inputs"].items() if value is not None]


def _joined(parts: Sequence[Piece], by: str = ", ") -> list[Piece]:
    return [piece for place, part in enumerate(parts) for piece in ([(by, "soft"), part] if place else [part])]


def _tuples(spans: Any) -> list[tuple]:
    return sorted(tuple(one) for one in spans or [])
