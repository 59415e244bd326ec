"""The report's wrong rows: those whose texts were kept as they are read, with the words that drove them; all as a table.

Invariant: what a word does is told as a number beside its colour, and named for what it is: what the prediction loses when this
word is left out, no explanation of the model.

    html = wrong(read_facts("run"), "test", mislabelled(facts, "test"))
"""

from __future__ import annotations

from typing import Any

from byeori.report.facts import Facts, real, table
from byeori.report.listing import Listing
from byeori.report.markup import folded, grid, items, said, text

STRONGEST = 0.42  # opacity under the word that changes most: text stays readable on it
NAMED = 6  # words whose numbers are told
LEAST = 0.005  # a change below is nothing
SMALL = 0.05  # of a probability: what changes less is shaded less, though nothing in the row changes more

OCCLUSION = (
    "Shaded by what the prediction loses when this word is left out (each word once, the others as they are); underlined where it "
    "gains. This is no explanation of the model: words that say the same twice cover for each other."
)


def wrong(facts: Facts, part: str, listing: Listing | None) -> str:
    """Articles of the rows that have their texts, and the table of all."""
    if listing is None:
        return ""
    notes = "".join(f'<p class="soft">{text(note)}</p>' for note in listing.notes)
    if not listing.count:
        return f"<p>{text(facts.say('{title}: none.', title=listing.title))}</p>{notes}"
    rows = listing.worst
    heads = [facts.say("row"), *listing.heads]
    told = grid(heads, rows, facts.say("Rows as predictions/{part}.jsonl numbers them", part=part), listing.numbers)
    kept = _kept(facts, part)
    there = [cells for cells in rows if cells and cells[0] in kept]
    titled = "{title} ({some} of {all:,})"
    head = f"<h3>{text(facts.say(titled, title=listing.title, some=len(there or rows), all=listing.count))}</h3>"
    if not there:
        return head + told + notes + _untold(facts)
    made = "".join(_article(facts, cells, listing, kept[cells[0]]) for cells in there)
    why = f'<p class="soft">{text(facts.say(OCCLUSION))}</p>' if any(kept[c[0]].get("words") for c in there) else ""
    return head + why + made + folded(facts.say("All {count} as a table", count=len(rows)), told) + notes


def _kept(facts: Facts, part: str) -> dict[Any, dict[str, Any]]:
    rows = facts.mistakes.get("rows") if facts.mistakes.get("part") == part else None
    return {one.get("row"): one for one in rows if isinstance(one, dict)} if isinstance(rows, list) else {}


def _untold(facts: Facts) -> str:
    """Why there are no texts."""
    if facts.mistakes:
        return ""
    said = "Their texts are not kept in the run: mistakes.json isn't there."
    if facts.settings.get("previews") == 0:
        said = "Their texts are not kept in the run: it was trained with --previews 0."
    return f'<p class="soft">{text(facts.say(said))}</p>'


def _article(facts: Facts, cells: list[Any], listing: Listing, one: dict[str, Any]) -> str:
    row = facts.say("row {number}", number=cells[0])
    row = f"{row[:1].upper()}{row[1:]}"
    known = dict(zip(listing.heads, cells[1:], strict=False))
    if isinstance(one.get("reference"), list):  # entities by their words, where the table counts them
        known[facts.say("reference")] = said(one["reference"])
    shown = " · ".join(
        f"<strong>{text(head)}</strong> {text('' if value is None else value)}" for head, value in known.items()
    )
    inputs, words = table(one, "inputs"), table(one, "words")
    several = len([value for value in inputs.values() if value is not None]) > 1
    changes = [abs(c) for role in words for _, _, c in _spans(str(inputs.get(role) or ""), words[role])]
    most = max([*changes, 0.0 if one.get("of") is None else SMALL], default=0.0)
    texts = []
    for role, value in inputs.items():
        if value is None:
            continue
        named = f'<strong class="soft">{text(facts.say(role.replace("_", " ")))}</strong> ' if several else ""
        if isinstance(value, list):
            texts.append(f'<div class="text">{named}{items([str(each) for each in value])}</div>')
        else:
            texts.append(f'<p class="text">{named}{_marked(str(value), words.get(role), most)}</p>')
    where = f" <small>{text(one['where'])}</small>" if one.get("where") else ""
    return (
        f'<article class="stop"><h4>{text(row)}{where}</h4><p>{shown}</p>{"".join(texts)}{_told(facts, one)}</article>'
    )


def _marked(value: str, words: Any, most: float) -> str:
    """The text with its words shaded; `most` is the change that is shaded most."""
    spans = _spans(value, words)
    made, done = [], 0
    for start, end, change in spans:
        if abs(change) < max(LEAST, most / 20):
            continue
        kind = ' class="up"' if change > 0 else ""
        style = f'style="--p:{abs(change) / most * STRONGEST:.2f}"'
        made.append(f"{text(value[done:start])}<mark{kind} {style}>{text(value[start:end])}</mark>")
        done = end
    return "".join([*made, text(value[done:])])


def _told(facts: Facts, one: dict[str, Any]) -> str:
    """The strongest words in numbers."""
    found = []
    for role, words in table(one, "words").items():
        source = str(table(one, "inputs").get(role, ""))
        found += [(change, source[start:end]) for start, end, change in _spans(source, words) if abs(change) >= LEAST]
    if not found:
        said = "No single word changes it by {least} or more."
        return f'<p class="soft">{text(facts.say(said, least=LEAST))}</p>' if one.get("words") else ""
    strongest = sorted(found, key=lambda pair: -abs(pair[0]))[:NAMED]
    shown = ", ".join(f"“{word}” {signed(change)}" for change, word in strongest)
    said = "Left out, it changes {what} ({value}) by: {words}"
    what = one.get("of")
    of = facts.say("the predicted value") if what is None else facts.say("the probability of {label}", label=what)
    value = real(one.get("score"))
    return f'<p class="soft">{text(facts.say(said, what=of, value="" if value is None else f"{value:.3f}", words=shown))}</p>'


def signed(value: float) -> str:
    """With a sign as wide as the plus."""
    return f"{value:+.3f}".replace("-", "−")


def _spans(value: str, words: Any) -> list[tuple[int, int, float]]:
    """(start, end, change) of words inside the text, in their order."""
    found, done = [], 0
    for one in words if isinstance(words, list) else []:
        if not (isinstance(one, list) and len(one) == 3 and all(real(each) is not None for each in one)):
            continue
        start, end, change = int(one[0]), int(one[1]), float(one[2])
        if done <= start < end <= len(value):
            found.append((start, end, change))
            done = end
    return found
