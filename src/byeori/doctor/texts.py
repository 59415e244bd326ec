"""Texts: copies, broken and unseen characters, decomposed Hangul, markup, boilerplate, rows in another script.

Every check is linear in the rows.

    findings, facts = check(part, task="text-classification")
"""

from __future__ import annotations

import html
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.wording import count, short
from byeori.doctor.characters import SCRIPTS, WEIGHTS, Characters, languages, shares
from byeori.doctor.findings import FIRST, LOOK, NOTE, STOP, Finding, example
from byeori.doctor.parts import Part, share, summary
from byeori.text.marks import is_mark

LONG = 25  # characters from which a shared beginning, end or sentence is more than a turn of phrase
OFTEN = 0.02  # share of the different texts that must have it
FEWEST = 10  # and their number
APART = 200  # rows that are not NFC of which it is seen why
BRIEF = 40  # characters of a text within a sentence
_MARKUP = re.compile(
    r"</?(?:br|p|div|span|a|b|i|em|strong|img|td|tr|table|ul|li|h[1-6])\b[^<>]{0,200}>|&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[a-zA-Z]{2,8});"
)
_SENTENCES = re.compile(r"(?<=[.!?。])\s+|\n+")
_BYTES = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0153\u0160-\u0161\u0178\u017d-\u017e\u0192\u02c6\u02dc\u2013-\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
PLACEHOLDERS = ("ns", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "undefined", "#ref!", "#name?", "#value!", "tbd",
                "[deleted]", "[removed]",
                "없음", "해당없음", "해당 없음", "내용없음", "내용 없음", "삭제된 댓글입니다.", "삭제된 메시지입니다.")  # fmt: skip
SENTENCE_ROWS = 50_000  # rows whose sentences are counted; more are taken evenly


def facts(part: Part) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Characters]]:
    """Of the contract: `characters`, `scripts`, `languages`; and the characters of each role."""
    found = {role: Characters.of(part.texts(role)) for role in part.written}
    scripts = sum((one.scripts for one in found.values()), np.zeros(len(SCRIPTS), np.int64))
    first = part.written[0] if part.written else None
    spoken = languages(found[first].dominant, part.texts(first)) if first else {}
    return {role: summary(one.lengths) for role, one in found.items()}, shares(scripts), spoken, found


def copies(part: Part, roles: list[str]) -> Finding | None:
    """Rows whose texts stand in an earlier row: every one beyond the first of each text."""
    groups = part.codes(roles)
    sizes = np.bincount(groups)
    extra = len(part) - len(sizes)
    if not extra:
        return None
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(sizes)
    top = np.argsort(-sizes, kind="stable")[:20]
    members = [order[ends[g] - sizes[g] : ends[g]] for g in top if sizes[g] > 1]
    first = np.full(len(sizes), -1)
    first[groups[::-1]] = np.arange(len(part))[::-1]
    again = np.flatnonzero(first[groups] != np.arange(len(part)))
    most = members[0]
    return Finding(
        "duplicate_rows", NOTE if extra < 0.01 * part.size else LOOK, part.name, extra,
        f"{count(extra, 'row')} of {part.size:,} ({share(extra, part.size)}) {'repeats' if extra == 1 else 'repeat'} the text of an "
        f"earlier row; {part.brief(int(most[0]))} stands in {len(most):,}.",
        "Keep one of each (in Python: drop duplicates before byeori.train); a split made here never parts equal texts.",
        [part.number(i) for i in again[:FIRST]],
        [example([part.number(i) for i in at[:5]], part.shown(int(at[0]), roles), f"{len(at):,} times") for at in members],
    )  # fmt: skip


def unseen(part: Part, characters: dict[str, Characters]) -> list[Finding]:
    """Control characters, characters without width, U+FFFD and text decoded with the wrong encoding."""
    found = []
    kinds = (
        ("control_characters", "control", "a control character",
         "Take them out (--clean control): they are tokens of their own, or unknown."),
        ("zero_width", "widthless", "a character without width (U+200B and the like)",
         "Take them out (--clean zero-width): they cut words into other tokens, and nobody sees why."),
    )  # fmt: skip
    for kind, name, what, advice in kinds:
        by = {role: getattr(one, name) for role, one in characters.items()}
        at = _any([*by.values()], len(part))
        if len(at):
            level = LOOK if len(at) > 0.01 * len(part) else NOTE
            found.append(_rows(part, kind, level, at, f"hold {what}", advice, by, _first_unseen, escaped=True))
    garbled = _any([one.broken for one in characters.values()], len(part))
    wrong = _wrongly_decoded(part, characters)
    at = np.union1d(garbled, wrong).astype(np.int64)
    if len(at):
        what = "hold characters that were lost or wrongly decoded (U+FFFD, or UTF-8 read as Latin-1 or CP949)"
        advice = "Get the text from where it was still whole, or read the file with its own --encoding."
        found.append(
            _rows(
                part,
                "encoding",
                STOP if len(at) >= 0.05 * len(part) else LOOK if len(at) >= 0.001 * len(part) else NOTE,
                at,
                what,
                advice,
            )
        )
    return found


def _wrongly_decoded(part: Part, characters: dict[str, Characters]) -> np.ndarray:
    """Rows with UTF-8 that somebody read as Latin-1, CP1252 or CP949, such as "ì•ˆë…•" for "안녕"."""
    found: set[int] = set()
    for role in part.written:
        texts = part.texts(role)
        latin = pc.match_substring_regex(part.column(role), "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u2122]")
        for at in np.flatnonzero(latin.to_numpy(zero_copy_only=False)):
            if len(_BYTES.findall(texts[at])) >= 2 and _repaired(texts[at], "latin-1", "cp1252"):
                found.add(int(at))
        # UTF-8 read as CP949 is rare signs of three bytes: Han beside Hangul, two in each three
        both = (characters[role].letters[:, 1] > 0) & (characters[role].letters[:, 2] > 0)
        for at in np.flatnonzero(both):
            if _repaired(texts[at], "cp949"):
                found.add(int(at))
    return np.array(sorted(found), np.int64)


def _repaired(text: str, *encodings: str) -> bool:
    """Whether a text becomes sound UTF-8 of other letters when it is written as it was wrongly read; its end may be cut."""
    for encoding in encodings:
        try:
            raw = text.encode(encoding)
            made = raw.decode("utf-8", "strict" if encoding != "cp949" else "replace")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        lost = made.count("\ufffd")
        if lost <= 0.4 * len(made) and sum("가" <= c <= "힣" for c in made) >= (3 if encoding == "cp949" else 0):
            return True
    return False


def undone(part: Part) -> np.ndarray:
    """int64: the rows that are not NFC."""
    return _any(
        [
            np.array([not unicodedata.is_normalized("NFC", one) for one in part.texts(role)], bool)
            for role in part.written
        ],
        len(part),
    )


def decomposed(part: Part, at: np.ndarray | None = None, many: int | None = None) -> Finding | None:
    """Rows that are not NFC: macOS writes Hangul as single jamo, which most vocabularies don't have.

    at: these rows, where they are known; many: how many there are, where the part has but the first of them.
    """
    at = undone(part) if at is None else at
    if not len(at):
        return None
    many = many or len(at)
    apart = sum(any(is_mark(c) for text in part.shown(int(i), part.written) for c in text) for i in at[:APART])
    what = "Hangul in single jamo, or letters apart from their marks" if apart else "compatibility signs"
    return _rows(
        part, "decomposed", LOOK if many >= 0.001 * part.size else NOTE, at, f"are not NFC ({what})",
        "Training composes them where texts hold Hangul (--normalize nfc: always); elsewhere most tokenizers make [UNK] of them.",
        many=many,
    )  # fmt: skip


def placeholders(part: Part, characters: dict[str, Characters]) -> list[Finding]:
    """Texts that stand for no text (NS, N/A, null), and texts without a letter or a digit."""
    found: list[Finding] = []
    said: dict[str, np.ndarray] = {}
    silent: dict[str, np.ndarray] = {}
    for role in part.inputs:
        if role in ("tokens", "choices", "messages"):
            continue
        folded = pc.utf8_lower(pc.utf8_trim_whitespace(part.column(role)))
        said[role] = pc.is_in(folded, pa.array(PLACEHOLDERS)).to_numpy(zero_copy_only=False)
        silent[role] = np.zeros(len(part), bool)
        for i in np.flatnonzero(~characters[role].letters.any(1)):
            silent[role][i] = not any(c.isalnum() for c in part.texts(role)[i])
    at, none = _any([*said.values()], len(part)), _any([*silent.values()], len(part))
    if len(at):
        words = Counter(text.strip() for i in at for text in part.shown(int(i)) if text.strip().lower() in PLACEHOLDERS)
        found.append(_rows(
            part, "placeholders", LOOK, at, f"hold a word that stands for no text ({', '.join(list(words)[:3])})",
            "Leave them out if it stands for nothing; it is read as the text that it is.", said,
        ))  # fmt: skip
    if len(none):
        what = "hold no letter and no digit"
        advice = "See whether signs alone say what is to be learnt."
        found.append(_rows(part, "wordless", NOTE, none, what, advice, silent))
    return found


def markup(part: Part) -> Finding | None:
    signs: Counter[str] = Counter()
    by = {role: np.zeros(len(part), bool) for role in part.written}
    for role in part.written:
        likely = pc.match_substring_regex(part.column(role), r"</?[a-z]+[^<>]*>|&[#a-zA-Z0-9]+;")
        for at in np.flatnonzero(likely.to_numpy(zero_copy_only=False)):
            seen = [one for one in _MARKUP.findall(part.texts(role)[at]) if one[0] == "<" or html.unescape(one) != one]
            by[role][at] = bool(seen)
            signs.update(seen)
    rows = _any([*by.values()], len(part))
    if not len(rows):
        return None
    usual = ", ".join(sign for sign, _ in signs.most_common(3))
    return _rows(
        part, "markup", LOOK if len(rows) > 0.01 * len(part) else NOTE, rows, f"hold HTML ({short(usual, 60)})",
        "--clean html turns entities into characters; cut tags out, unless what is asked about later has them too.",
        by, lambda text: next((one.start() for one in _MARKUP.finditer(text) if one[0][0] == "<" or html.unescape(one[0]) != one[0]), 0),
    )  # fmt: skip


def other_scripts(part: Part, characters: dict[str, Characters]) -> Finding | None:
    """Rows whose letters are mostly of another script than those of nearly all rows."""
    role = part.written[0] if part.written else None
    if role is None or not len(part):
        return None
    dominant = characters[role].dominant
    written = dominant[dominant >= 0]
    if not len(written):
        return None
    usual = int(np.bincount(written).argmax())
    letters = characters[role].letters * WEIGHTS
    at = np.flatnonzero((dominant >= 0) & (dominant != usual) & (letters[:, usual] < 0.1 * letters.sum(1)))
    if not len(at) or len(at) > 0.3 * len(written):  # a data set of several languages is no mistake
        return None
    names = Counter(SCRIPTS[one] for one in dominant[at])
    told = ", ".join(f"{number:,} {name}" for name, number in names.most_common(3))
    return _rows(
        part, "mixed_scripts", NOTE, at, f"are mostly in another script than {SCRIPTS[usual]} ({told})",
        "See whether they belong here: a model made for one language learns little from another.",
    )  # fmt: skip


def boilerplate(part: Part) -> list[Finding]:
    """A long beginning, end or sentence that many different texts share: a signature, an advertisement, a template."""
    found = []
    for role in part.inputs:
        if role in ("tokens", "choices"):
            continue
        values = part.column(role)
        different = np.unique(part.codes([role]), return_index=True)[1]
        if len(different) < FEWEST:
            continue
        texts = [part.texts(role)[i] for i in different]
        least = max(FEWEST, int(np.ceil(OFTEN * len(texts))))
        pieces: dict[str, str] = {}
        for what, start in (("beginning", True), ("end", False)):
            heads = Counter((one[:LONG] if start else one[-LONG:]) for one in texts if len(one) >= LONG)
            for head, number in heads.most_common(2):
                if number >= least and any(c.isalpha() for c in head):
                    alike = [one for one in texts if (one.startswith(head) if start else one.endswith(head))]
                    whole = (
                        os.path.commonprefix(alike)
                        if start
                        else os.path.commonprefix([one[::-1] for one in alike])[::-1]
                    )
                    pieces.setdefault(whole, what)
        step = max(1, -(-len(texts) // SENTENCE_ROWS))
        sentences = Counter(
            one.strip() for text in texts[::step] for one in set(_SENTENCES.split(text)) if len(one) >= LONG
        )
        for sentence, number in sentences.most_common(2):
            if number * step >= least and not any(sentence in piece for piece in pieces):
                pieces[sentence] = "sentence"
        for piece, what in pieces.items():
            if what == "sentence":
                mask = pc.match_substring(values, piece)
            else:
                mask = (pc.starts_with if what == "beginning" else pc.ends_with)(values, piece)
            at = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            found.append(Finding(
                "boilerplate", LOOK if len(at) > 0.05 * len(part) else NOTE, part.name, len(at),
                f'{count(len(at), "row")} ({share(len(at), len(part))}) share the {what} "{short(piece, 60)}" ({len(piece):,} characters).',
                "Cut it out: it takes tokens, and says nothing that tells one row from another.",
                [part.number(i) for i in at], [example([part.number(i) for i in at[:5]], [piece], what)],
            ))  # fmt: skip
    return found


def empty(part: Part, dropped: bool) -> Finding | None:
    if not part.empty:
        return None
    lost = part.empty
    return Finding(
        "empty", NOTE if dropped else STOP, part.name, len(lost),
        f"{count(len(lost), 'row')} of {part.found:,} {'has' if len(lost) == 1 else 'have'} an empty text; the first is {lost[0].where}.",
        "They are left out (--drop-empty)." if dropped else "Training refuses them: drop them with --drop-empty, or fix the file.",
        [one.number for one in lost], [example([one.number], [one.reason]) for one in lost[:5]],
    )  # fmt: skip


def check(part: Part, characters: dict[str, Characters], roles: list[str]) -> list[Finding]:
    """All checks of texts. `roles`: those by which rows are copies of one another."""
    found = [copies(part, roles), decomposed(part), markup(part), other_scripts(part, characters)]
    return [one for one in found if one] + unseen(part, characters) + placeholders(part, characters) + boilerplate(part)


def _any(masks: list[np.ndarray], rows: int) -> np.ndarray:
    return np.flatnonzero(np.logical_or.reduce(masks)) if masks else np.zeros(0, np.int64)


def _rows(
    part: Part,
    kind: str,
    level: str,
    at: np.ndarray,
    what: str,
    advice: str,
    by: Mapping[str, np.ndarray] | None = None,
    place: Callable[[str], int] = lambda text: 0,
    escaped: bool = False,
    many: int | None = None,
) -> Finding:
    """A finding of rows, with the first of them as examples; `escaped`: unseen characters are written out.

    by: role → bool (n,), which rows have it there; the sentence shows that text, from a little before `place` on.
    """

    def shown(row: int) -> list[str]:
        texts = part.shown(row, part.written)
        return [_visible(one) for one in texts] if escaped else texts

    role = next((role for role, mask in (by or {}).items() if mask[at[0]]), part.written[0])
    first = part.texts(role)[int(at[0])]
    start = place(first)
    first = first if start < BRIEF - 10 else f"…{first[start - BRIEF // 2 :]}"
    first = short(_visible(first) if escaped else first, BRIEF)
    many = many or len(at)
    if many == 1:
        what = re.sub(r"^(hold|are)\b", lambda found: {"hold": "holds", "are": "is"}[found[0]], what)
    return Finding(
        kind, level, part.name, many,
        f'{count(many, "row")} of {part.size:,} {what}; the first is {part.where(int(at[0]))}: "{first}".',
        advice, [part.number(i) for i in at], [example([part.number(i)], shown(int(i))) for i in at[:20]],
    )  # fmt: skip


def _visible(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" if _is_unseen(c) else c for c in text)


def _first_unseen(text: str) -> int:
    return next((place for place, one in enumerate(text) if _is_unseen(one) and one not in "\t\n\r"), 0)


def _is_unseen(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cf", "Cn") or one in "\u3164\u115f\u1160\u034f"
