"""Tags of words and entities of texts: how many of each, slips, words and sentences that are tagged in several ways.

counts, findings = check(part)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from byeori.data.wording import count, short
from byeori.doctor.findings import LOOK, NOTE, STOP, Finding, example
from byeori.doctor.labels import uneven
from byeori.doctor.parts import Part, share
from byeori.errors import ByeoriError
from byeori.tasks.tag_schemes import OUTSIDE, Parts, recognise, slips

OFTEN = 10  # times a word must have one tag for another to be strange
SURE = 0.95


def check(part: Part) -> tuple[dict[str, Any] | None, list[Finding]]:
    """`labels` of the contract: entities (or, of bare tags, words) by type; and the findings."""
    if part.has("entities"):
        return _entities(part)
    if not part.has("tags"):
        return None, []
    rows = part.table["tags"].to_pylist()
    try:
        scheme = recognise(rows, part.where)
    except ByeoriError as error:
        return None, [
            Finding(
                "unusable_labels",
                STOP,
                part.name,
                1,
                str(error),
                "Training refuses these tags; name their column with --tags.",
            )
        ]
    parts = Parts(scheme.types)
    counts: Counter[str] = Counter()
    broken: list[int] = []
    for at, tags in enumerate(rows):
        before: str | None = None
        wrong = False
        for tag in tags:
            if scheme.bare:
                counts[tag] += 1
                continue
            letter, kind = ("O", None) if tag == OUTSIDE else parts[tag]
            begins = letter in ("B", "S", "U") or kind is not None and kind != before
            counts.update([kind] if kind is not None and begins else [])
            wrong |= scheme.name in ("BIO", "BIOES", "BILOU") and letter in ("I", "E", "L", "M") and kind != before
            before = kind
        if wrong:
            broken.append(at)
    found = [*_rare(part, counts), *(uneven(part, dict(counts)) if counts and not scheme.bare else [])]
    if broken:
        i = broken[0]
        found.append(Finding(
            "tag_slips", LOOK if len(broken) > 0.01 * len(part) else NOTE, part.name, len(broken),
            f"In {count(len(broken), 'row')} a tag goes on with an entity that nothing begins; the first is {part.where(i)}.",
            "Each entity begins with B-; these are read as new entities.", [part.number(i) for i in broken],
            [example([part.number(i)], [" ".join(part.table["tokens"][i].as_py())], " ".join(rows[i])) for i in broken[:20]],
        ))  # fmt: skip
    for said in slips(rows, scheme, part.where):
        where = said.split(": ", 1)[0]
        row = where.rsplit(" ", 1)[-1]
        found.append(Finding("similar_labels", LOOK, part.name, 1, said.split(" As it stands")[0],
                             "As it stands it is a class of its own; if it is a slip, correct the file.",
                             [int(row)] if row.isdecimal() else []))  # fmt: skip
    sentences, words = _same_sentences(part, rows), _same_words(part, rows)
    return {"problem_type": "tags", "counts": dict(counts.most_common())}, found + [
        one for one in (sentences, words) if one
    ]


def _rare(part: Part, counts: Counter[str]) -> list[Finding]:
    rare = {name: number for name, number in counts.items() if number < OFTEN}
    if not rare:
        return []
    told = ", ".join(
        f'"{short(name, 20)}" ({number:,})' for name, number in sorted(rare.items(), key=lambda one: one[1])[:5]
    )
    return [Finding(
        "rare_class", LOOK, part.name, len(rare),
        f"{count(len(rare), 'tag')} of {len(counts):,} {'occurs' if len(rare) == 1 else 'occur'} fewer than {OFTEN} times: {told}.",
        "Add rows of them, or join them with another: what is so rare is neither learnt nor measured.",
    )]  # fmt: skip


def _entities(part: Part) -> tuple[dict[str, Any], list[Finding]]:
    rows = part.table["entities"].to_pylist()
    counts = Counter(one["label"] for row in rows for one in row or ())
    found = _rare(part, counts)
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for text, row in zip(part.texts("text"), rows, strict=True):
        for one in row or ():
            spelled[text[one["start"] : one["end"]]][one["label"]] += 1
    found += _inconsistent(part, {word: kinds for word, kinds in spelled.items()}, "tagged")
    return {"problem_type": "tags", "counts": dict(counts.most_common())}, found


def _same_sentences(part: Part, rows: list[list[str]]) -> Finding | None:
    """Equal sentences whose tags differ."""
    members: dict[int, list[int]] = defaultdict(list)
    for at, code in enumerate(part.codes(["tokens"])):
        members[int(code)].append(at)
    apart = [at for at in members.values() if len({tuple(rows[i]) for i in at}) > 1]
    if not apart:
        return None
    one = apart[0]
    return Finding(
        "conflicting_labels", LOOK, part.name, len(apart),
        f"{count(len(apart), 'text')} {'has' if len(apart) == 1 else 'have'} other tags in other rows; {part.brief(one[0])} in "
        f"{' and '.join(part.where(i) for i in one[:2])}.",
        "Decide on one: no model can be right on both.", sorted(part.number(i) for at in apart for i in at),
        [example([part.number(i) for i in at], [part.texts("tokens")[at[0]]], " | ".join(" ".join(rows[i]) for i in at[:2]))
         for at in apart[:20]],
    )  # fmt: skip


def _same_words(part: Part, rows: list[list[str]]) -> Finding | None:
    """Words that nearly always have one tag, and now and then another."""
    if part.rows.facts.get("unit") == "character":
        return None
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for tokens, tags in zip(part.table["tokens"].to_pylist(), rows, strict=True):
        for token, tag in zip(tokens, tags, strict=True):
            if tag != OUTSIDE:
                spelled[token][tag] += 1
    found = _inconsistent(part, spelled, "tagged")
    return found[0] if found else None


def _inconsistent(part: Part, spelled: dict[str, Counter[str]], how: str) -> list[Finding]:
    strange = []
    for word, kinds in spelled.items():
        (usual, times), *others = kinds.most_common()
        if others and times >= OFTEN and times >= SURE * sum(kinds.values()):
            strange.append((word, usual, times, others))
    if not strange:
        return []
    strange.sort(key=lambda one: (-one[2], one[0]))
    word, usual, times, others = strange[0]
    return [Finding(
        "inconsistent_tags", NOTE, part.name, len(strange),
        f'{count(len(strange), "word")} {"is" if len(strange) == 1 else "are"} nearly always {how} alike and now and then not: '
        f'"{short(word, 30)}" is {usual} {times:,} times and {others[0][0]} {count(others[0][1], "time")} ({share(others[0][1], times)}).',
        "See whether these are slips of those who tagged.", [],
        [example([], [word], ", ".join(f"{kind}: {number}" for kind, number in [(usual, times), *others]))
         for word, usual, times, others in strange[:20]],
    )]  # fmt: skip
