"""How tags are written: BIO, IOB1, BIOES, BILOU, BMES, the letter before or after the type (B-PER, PER-B), or bare tags.

Invariants: converting keeps one tag a token; what `to_bio` gives is well formed BIO (IOB2), and holds the entities that
conlleval and seqeval's default read from the tags it was given (Tjong Kim Sang and Buchholz 2000), well formed or not.

    scheme = recognise([["PER-U", "O"]]); to_bio(["PER-U", "O"], Parts(scheme.types)) == ["B-PER", "O"]
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from byeori.data.labels import natural
from byeori.data.wording import nearest, short
from byeori.errors import DataError

OUTSIDE = "O"
UNTYPED = "ENTITY"  # the type of tags that are a letter alone
BARE = "bare"
_LETTERS = "BIESLUM"
_BEFORE, _AFTER = re.compile(rf"([{_LETTERS}])([-_])(.+)$"), re.compile(rf"(.+)([-_])([{_LETTERS}])$")
_SAME = {"L": "E", "U": "S", "M": "I"}  # BILOU's and BMES's letters as BIOES has them
_OFTEN = 20  # a tag that occurs once may be a slip for one that occurs so often
_FEW = 5  # more rare tags than this that resemble others are the nature of a large tag set

Part = tuple[str, str]  # a letter of BIES and a type; ("O", "") outside


@dataclass(frozen=True)
class Scheme:
    """name: BIO, IOB1, BIOES, BILOU, BMES or "bare"; types: of entities, or the bare tags, in natural order.

    separator: what stands between letter and type, "" where there are letters alone.
    begun_by_i: entities that begin with an I- although the scheme has a B- for that.
    """

    name: str
    types: tuple[str, ...]
    suffix: bool = False
    separator: str = "-"
    begun_by_i: int = 0

    @property
    def bare(self) -> bool:
        return self.name == BARE

    @property
    def is_ours(self) -> bool:
        """Whether its tags are BIO as `to_bio` writes it."""
        return self.name == "BIO" and not self.suffix and self.separator == "-"

    @property
    def said(self) -> str:
        """The scheme in words."""
        if self.bare:
            return f"bare, {len(self.types)} of them"
        example = next(iter(self.types), UNTYPED)
        written = f", written {_written(example, 'B', self)}" if self.suffix or self.separator != "-" else ""
        found = f"{self.name}{written}, {len(self.types)} types of entities"
        if self.begun_by_i:
            found += f"; {self.begun_by_i:,} entities begin with an I- and are read as if it were a B-"
        return found

    def write(self, bio: Sequence[str]) -> list[str]:
        """Well-formed BIO tags → the same entities in this scheme."""
        found = []
        for place, tag in enumerate(bio):
            if tag == OUTSIDE:
                found.append(OUTSIDE)
                continue
            kind, starts = tag[2:], tag[0] == "B"
            ends = place + 1 == len(bio) or bio[place + 1] != f"I-{kind}"
            beside = place > 0 and bio[place - 1][2:] == kind
            letter = {
                "BIOES": "S" if starts and ends else "B" if starts else "E" if ends else "I",
                "BMES": "S" if starts and ends else "B" if starts else "E" if ends else "M",
                "BILOU": "U" if starts and ends else "B" if starts else "L" if ends else "I",
                "IOB1": "B" if starts and beside else "I",
            }.get(self.name, tag[0])
            found.append(_written(kind, letter, self))
        return found


class Parts(dict[str, Part]):
    """tag → its letter and type, found when first asked for; `types` decides where a tag could be read both ways.

    A tag that fits no scheme is outside: a checkpoint's labels may hold `X` or `[CLS]`.
    """

    def __init__(self, types: Collection[str]):
        self.types = types

    def __missing__(self, tag: str) -> Part:
        ways = [part for suffix in (False, True) if (part := part_of(tag, suffix))]
        found = next((part for part in ways if part[1] in self.types), ways[0] if ways else (OUTSIDE, ""))
        self[tag] = found
        return found


def part_of(tag: str, suffix: bool) -> Part | None:
    """Letter and type of a tag; None where it isn't written so."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if len(tag) == 1 and tag in _LETTERS:
        return _SAME.get(tag, tag), UNTYPED
    found = (_AFTER if suffix else _BEFORE).match(tag)
    if found is None:
        return None
    letter, kind = (found[3], found[1]) if suffix else (found[1], found[3])
    return _SAME.get(letter, letter), kind


def to_bio(tags: Iterable[str], parts: Parts) -> list[str]:
    """Tags of any scheme → BIO."""
    found: list[str] = []
    before, had = OUTSIDE, ""
    for tag in tags:
        letter, kind = parts[tag]
        if letter == OUTSIDE:
            found.append(OUTSIDE)
        elif letter in "BS" or before in "OES" or kind != had:  # where one begins, the one before it has ended
            found.append(f"B-{kind}")
        else:
            found.append(f"I-{kind}")
        before, had = letter, kind
    return found


def recognise(rows: Sequence[Sequence[str]], where: Callable[[int], str]) -> Scheme:
    """The scheme of a file's tags; `where(i)` names row i.

    Raises DataError where every tag is "O", and for tags of which most, but not all, are written in one way.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row)
    if not set(counts) - {OUTSIDE}:
        raise DataError(
            f'{where(0)}: all tags of these {len(rows):,} rows are "O". Name the column of the tags with --tags.'
        )
    found = of_labels(list(counts))
    if found.bare:
        return found
    for tag in counts:
        if part_of(tag, found.suffix) is None:
            at = next(number for number, tags in enumerate(rows) if tag in tags)
            near = nearest(tag, [one for one in counts if part_of(one, found.suffix)])
            raise DataError(
                f'{where(at)}: the tag "{short(tag)}" (token {list(rows[at]).index(tag) + 1}) fits no scheme: it is neither "O" nor '
                f"written as most tags are, such as {_written(found.types[0], 'B', found)}."
                + (f' Did you mean "{near}"?' if near else "")
                + " Correct the file."
            )
    if found.name != "BIO":
        return found
    begun_i = begun_b = 0
    parts = Parts(found.types)
    for row in rows:
        before, had = OUTSIDE, ""
        for tag in row:
            letter, kind = parts[tag]
            apart = before == OUTSIDE or kind != had
            begun_i += letter == "I" and apart
            begun_b += letter == "B" and apart
            before, had = letter, kind
    iob1 = begun_i > 0 and not begun_b
    return Scheme("IOB1" if iob1 else "BIO", found.types, found.suffix, found.separator, 0 if iob1 else begun_i)


def of_labels(labels: Sequence[str]) -> Scheme:
    """The scheme that most of these labels fit; bare where that is none."""
    wanted = [label for label in dict.fromkeys(labels) if label != OUTSIDE]
    letters = [label for label in wanted if len(label) == 1 and label in _LETTERS]
    if wanted and len(letters) == len(wanted) and OUTSIDE in labels:
        return Scheme(_name(letters), (UNTYPED,), separator="")
    fits = [[m for label in wanted if (m := how.match(label))] for how in (_BEFORE, _AFTER)]
    suffix = len(fits[1]) > len(fits[0])
    chosen = fits[suffix]
    if len(chosen) * 2 <= len(wanted):
        return Scheme(BARE, tuple(sorted(dict.fromkeys(labels), key=natural)))
    types = {m[1] if suffix else m[3] for m in chosen}
    separator = Counter(m[2] for m in chosen).most_common(1)[0][0]
    return Scheme(
        _name([m[3] if suffix else m[1] for m in chosen]), tuple(sorted(types, key=natural)), suffix, separator
    )


def labels_for(scheme: Scheme, given: Sequence[str] | None = None) -> list[str]:
    """The labels of a head: bare tags, or "O" and both letters of every type; in the order given (tags or types), if one is.

    Raises DataError where the ones given lack a tag of the data.
    """
    if given is None:
        return list(scheme.types) if scheme.bare else bio_labels(scheme.types)
    theirs = of_labels(given)
    types = theirs.types if theirs.bare == scheme.bare else tuple(name for name in given if name != OUTSIDE)
    if lacking := [kind for kind in scheme.types if kind not in types]:
        raise DataError(
            f"the data has tags that the labels given lack: {', '.join(lacking[:6])}. Add them to labels, or leave labels out."
        )
    if scheme.bare:
        return list(given)
    return list(dict.fromkeys([*given, *bio_labels(types)])) if theirs.is_ours else bio_labels(types)


def continued(ids: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """The labels of what goes on with these, BIO labels: a B- becomes an I-, where there is one; −100 stays."""
    numbers = {name: number for number, name in enumerate(labels)}
    goes_on = [numbers.get("I" + name[1:], at) if name.startswith("B-") else at for at, name in enumerate(labels)]
    return np.where(ids < 0, ids, np.array(goes_on, np.int64)[np.maximum(ids, 0)])


def answered(tags: Sequence[str], inside: Sequence[bool], scheme: Scheme, parts: Parts) -> list[str]:
    """What a model said of the units of one text → BIO; bare tags as they are.

    inside: whether a unit lies in a token that begins before it, whose tag it has here: it goes on with that token's
    entity. Tags in our own BIO stay well formed or not, as the model gave them; labels of no scheme (X) are outside.
    """
    if scheme.bare:
        return list(tags)
    both = list(zip(tags, inside, strict=True))
    if scheme.is_ours:
        return [_bio_tag(parts[tag], within) for tag, within in both]
    own = iter(to_bio((tag for tag, within in both if not within), parts))
    return to_bio((_bio_tag(parts[tag], True) if within else next(own) for tag, within in both), parts)


def slips(rows: Sequence[Sequence[str]], scheme: Scheme, where: Callable[[int], str]) -> list[str]:
    """Sentences on tags (types of entities) that occur once and resemble one that occurs often."""
    parts = Parts(scheme.types)
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row if scheme.bare else (parts[tag][1] for tag in row if tag != OUTSIDE))
    often = {name: number for name, number in counts.items() if number >= _OFTEN}
    found = []
    for name in (name for name, number in counts.items() if number == 1):
        same = [one for one in often if one.casefold() == name.casefold()]
        near = same or (difflib.get_close_matches(name, list(often), 1, 0.8) if len(name) > 3 else [])
        if not near:
            continue
        at = next(number for number, tags in enumerate(rows) if any(name in (tag, parts[tag][1]) for tag in tags))
        found.append(
            f'{where(at)}: "{short(name)}" occurs once and resembles "{near[0]}" ({often[near[0]]:,} times). As it stands it is a '
            f"class of its own; if it is a slip, correct the file."
        )
    return found if len(found) <= _FEW else []


def bio_labels(types: Sequence[str]) -> list[str]:
    """What a head over BIO needs: "O", and both letters of every type."""
    return [OUTSIDE, *(f"{letter}-{kind}" for kind in types for letter in "BI")]


def _bio_tag(part: Part, inside: bool) -> str:
    letter, kind = part
    return OUTSIDE if letter == OUTSIDE else f"{'I' if inside or letter in 'IE' else 'B'}-{kind}"


def _name(letters: Iterable[str]) -> str:
    had = set(letters)
    if "M" in had:
        return "BMES"
    if had & set("ES"):
        return "BIOES"
    if had & set("LU"):
        return "BILOU"
    return "BIO" if "B" in had else "IOB1"


def _written(kind: str, letter: str, scheme: Scheme) -> str:
    if not scheme.separator:
        return letter
    return f"{kind}{scheme.separator}{letter}" if scheme.suffix else f"{letter}{scheme.separator}{kind}"
