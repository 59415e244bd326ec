"""A prediction as HTML for people: bars, marks in the text, texts side by side, the tokens that were read.

Invariants: whatever a model, a tokenizer or a person wrote stands in it as text, never as HTML; colour never says anything alone.

    shown(say, run, body, ask)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from byeori.serve.ask import Ask

Say = Callable[..., str]
COLOURS = 6  # of marks
SEQUENCES, TOKENS = 8, 512  # of which tokens are shown
FEW = 64  # numbers of a vector drawn


def shown(say: Say, run: Any, body: dict[str, Any], ask: Ask) -> str:
    """By the task of the run; of what no task of ours gives, the JSON."""
    kind = {
        "text-classification": _labels, "token-classification": _entities, "question-answering": _answers,
        "fill-mask": _masks, "multiple-choice": _choices, "zero-shot-classification": _zero_shot,
        "feature-extraction": _vectors,
    }.get(run.task.name)  # fmt: skip
    if kind is not None:
        return kind(say, run, body["inputs"], ask)
    if run.task.generates:
        return beside(say, run.task.name, body["inputs"], texts_of(ask))
    return f"<pre>{escape(json.dumps(ask.answers[0], ensure_ascii=False, indent=1, default=str))}</pre>"


# bars -------------------------------------------------------------------------------------------------------------
def bars(said: Sequence[tuple[str, float]], beside: Sequence[str] = (), best_first: bool = True) -> str:
    """Each with a bar: of scores from 0 to 1 their share, of others the share of the largest."""
    sizes = [abs(score) for _, score in said]
    most = 1.0 if all(0 <= score <= 1 for _, score in said) else max(sizes, default=1.0) or 1.0
    rows = []
    for place, ((label, score), size) in enumerate(zip(said, sizes, strict=True)):
        best = " best" if best_first and place == 0 else ""
        more = f'<span class="by-more">{escape(beside[place])}</span>' if beside else ""
        rows.append(
            f'<li class="by-bar{best}"><span class="by-label">{escape(label)}{more}</span>'
            f'<span class="by-track"><i style="width:{100 * size / most:.1f}%"></i></span>'
            f'<span class="by-score">{number(score)}</span></li>'
        )
    return f'<ol class="by-bars">{"".join(rows)}</ol>'


def number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"


def _several(found: Any) -> list[dict[str, Any]]:
    return list(found) if isinstance(found, list) else [found]


def _labels(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = _several(ask.answers[0])
    if not found:
        return f'<p class="by-none">{escape(say("No label is over the threshold."))}</p>'
    if getattr(run.task, "problem_type", None) == "regression":
        return f'<p class="by-value">{number(found[0]["score"])}</p>'
    return bars([(str(one["label"]), one["score"]) for one in found])


def _choices(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = _several(ask.answers[0])
    return bars([(str(one["label"]), one["score"]) for one in found])


def _zero_shot(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = ask.answers[0]
    return bars(list(zip(map(str, found["labels"]), found["scores"], strict=True)))


def _masks(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = ask.answers[0]
    groups = found if found and isinstance(found[0], list) else [found]
    made = []
    for place, group in enumerate(groups, start=1):
        head = f"<h4>{escape(say('Mask {place}', place=place))}</h4>" if len(groups) > 1 else ""
        made.append(head + bars([(str(one["token_str"]), one["score"]) for one in group]))
        if len(groups) == 1 and group:
            made.append(f'<p class="by-text">{escape(str(group[0]["sequence"]))}</p>')
    return "".join(made)


# marks in a text --------------------------------------------------------------------------------------------------
def marked(text: str, spans: Sequence[tuple[int, int, str, str]], kinds: Sequence[str]) -> str:
    """The text with `spans` (start, end, kind, more) marked, those that overlap an earlier one left out."""
    parts, at = [], 0
    for start, end, kind, more in sorted(spans):
        if start < at or end > len(text) or end <= start:
            continue
        colour = kinds.index(kind) % COLOURS
        name = f"<b>{escape(kind)}</b>" if kind else ""
        title = f' title="{escape(more)}"' if more else ""
        parts += [escape(text[at:start]), f'<mark class="by-c{colour}"{title}>{escape(text[start:end])}{name}</mark>']
        at = end
    return f'<p class="by-text">{"".join(parts)}{escape(text[at:])}</p>'


def _entities(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = _several(ask.answers[0])
    text = given if isinstance(given, str) else str(given)
    spans, rows = [], []
    for one in found:
        kind, score = str(one.get("entity_group") or one.get("entity")), one["score"]
        word = str(one["word"])
        if isinstance(one.get("start"), int) and isinstance(one.get("end"), int):
            spans.append((one["start"], one["end"], kind, number(score)))
            word = text[one["start"] : one["end"]]
        rows.append((word, kind, score))
    kinds = sorted({kind for _, kind, _ in rows})
    if not rows:
        return marked(text, [], []) + f'<p class="by-none">{escape(say("Nothing was found in it."))}</p>'
    return marked(text, spans, kinds) + bars(
        [(word, score) for word, _, score in rows], [kind for _, kind, _ in rows], False
    )


def _answers(say: Say, run: Any, given: Any, ask: Ask) -> str:
    found = _several(ask.answers[0])
    best = found[0]
    none = say("no answer")
    spans = [(best["start"], best["end"], "", number(best["score"]))] if best["answer"] else []
    said = bars([(one["answer"] or none, one["score"]) for one in found])
    return said + marked(given["context"], spans, [""])


# texts ------------------------------------------------------------------------------------------------------------
def texts_of(ask: Ask) -> list[str]:
    """What was written for the first row."""
    found = _several(ask.answers[0])
    return [str(value) for one in found for name, value in one.items() if name.endswith("_text")]


def beside(say: Say, task: str, given: Any, texts: Sequence[str], open_: bool = False) -> str:
    """Sources beside what was written for them; what goes on from a beginning, after it. `open_`: more is to come."""
    source = given[-1]["content"] if isinstance(given, list) else str(given)
    cursor = '<i class="by-cursor"></i>' if open_ else ""
    if task == "text-generation" and not isinstance(given, list):
        made = [
            f'<p class="by-text"><span class="by-given">{escape(source)}</span>{escape(one)}{cursor}</p>'
            for one in texts
        ]
        return "".join(made)
    heads = {"translation": "Translation", "summarization": "Summary", "text-generation": "Answer"}
    head = say(heads.get(task, "What was written"))
    left = say("Question" if isinstance(given, list) else "Source")
    right = "".join(f'<p class="by-text">{escape(one)}{cursor}</p>' for one in texts)
    return (
        f'<div class="by-beside"><section><h4>{escape(left)}</h4><p class="by-text">{escape(source)}</p></section>'
        f"<section><h4>{escape(head)}</h4>{right}</section></div>"
    )


# vectors ----------------------------------------------------------------------------------------------------------
def _vectors(say: Say, run: Any, given: Any, ask: Ask) -> str:
    vectors = [_flat(one) for one in ask.answers]
    first = vectors[0]
    texts = list(given) if isinstance(given, list) else [given]
    made = []
    if len(vectors) > 1:
        likes = [(text, _cosine(first, other)) for text, other in zip(texts[1:], vectors[1:], strict=True)]
        likes.sort(key=lambda one: -one[1])
        made.append(f"<h4>{escape(say('How alike they are (cosine)'))}</h4>{bars(likes)}")
    length = math.sqrt(sum(value * value for value in first))
    facts = [
        (say("numbers"), f"{len(first):,}"), (say("length"), number(length)), (say("least"), number(min(first))),
        (say("largest"), number(max(first))), (say("mean"), number(sum(first) / len(first))),
    ]  # fmt: skip
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    few = ", ".join(number(value) for value in first[:8])
    dots = ", …" if len(first) > 8 else ""
    made.append(
        f"<h4>{escape(say('The vector of the first text'))}</h4><dl class='by-facts'>{listed}</dl>{_drawn(say, first[:FEW])}"
        f'<p class="by-text by-mono">[{few}{dots}]</p>'
    )
    return "".join(made)


def _flat(found: Any) -> list[float]:
    """The vector of a text; of one a token, their mean."""
    values = found.tolist() if hasattr(found, "tolist") else found
    while values and isinstance(values[0], list) and len(values) == 1:
        values = values[0]
    if values and isinstance(values[0], list):
        return [sum(column) / len(values) for column in zip(*values, strict=True)]
    return values


def _cosine(one: list[float], other: list[float]) -> float:
    sizes = math.sqrt(sum(a * a for a in one)) * math.sqrt(sum(b * b for b in other))
    return sum(a * b for a, b in zip(one, other, strict=True)) / sizes if sizes else 0.0


def _drawn(say: Say, values: list[float]) -> str:
    most = max(map(abs, values), default=0.0) or 1.0
    sticks = "".join(
        f'<rect x="{4 * place}" y="{20 - 20 * max(value, 0) / most:.1f}" width="3" height="{20 * abs(value) / most:.1f}"/>'
        for place, value in enumerate(values)
    )
    title = escape(say("Its first {count} numbers", count=len(values)))
    return (
        f'<svg class="by-sticks" viewBox="0 0 {4 * len(values)} 40" preserveAspectRatio="none" role="img"><title>{title}</title>'
        f"{sticks}</svg>"
    )


# tokens -----------------------------------------------------------------------------------------------------------
def tokens(say: Say, run: Any, ask: Ask) -> str:
    """What the model read: each token with its id; special and unknown ones are marked."""
    from byeori.doctor.sees_tokens import described

    seen = ask.seen or []
    if not seen:
        return ""
    made, left = [], TOKENS
    for ids, segments in seen[:SEQUENCES]:
        some = ids[:left]
        left -= len(some)
        each = described(run.tokenizer, some, segments[: len(some)] if segments else None)
        new = [b.get("segment", 0) != a.get("segment", 0) for a, b in pairwise(each)]
        chips = "".join(_chip(say, one, cut) for one, cut in zip(each, [False, *new], strict=True))
        rest = (
            f"<i>{escape(say('and {count} more', count=f'{len(ids) - len(some):,}'))}</i>"
            if len(ids) > len(some)
            else ""
        )
        made.append(f'<p class="by-tokens">{chips}{rest}</p>')
        if left <= 0:
            break
    total = sum(len(ids) for ids, _ in seen)
    head = say("{count} tokens", count=f"{total:,}")
    if len(seen) > 1:
        head += ", " + say("in {count} sequences", count=f"{len(seen):,}")
    if len(seen) > len(made):
        head += " " + say("(the first {count} are shown)", count=len(made))
    return f'<details class="by-read"><summary>{escape(say("What the model read"))}: {escape(head)}</summary>{"".join(made)}</details>'


def _chip(say: Say, one: dict[str, Any], cut: bool) -> str:
    kind = "special" if one["special"] else "unknown" if one["unknown"] else ""
    named = f' class="{kind}"' if kind else ""
    mark = f"<em>{escape(say(kind))}</em>" if kind == "unknown" else ""
    text = one.get("text", one["token"])
    shown_text = escape(text.replace(" ", "␣").replace("\n", "⏎")) or "∅"
    return f"{'<br>' if cut else ''}<span{named}>{shown_text}{mark}<small>{one['id']}</small></span>"


def refused(say: Say, status: int, sentence: str) -> str:
    """A refusal in the server's own sentence."""
    return f'<div class="by-refused" role="alert"><b>{status}</b> {escape(sentence)}</div>'
