"""Pairs of texts: sides that don't belong together, sides that are the same, labels that the second side alone tells.

A pair of a translation is misaligned where lengths, numbers or script of its sides speak against each other: the ratio of lengths
is told by its distance from the median in median absolute deviations (as in Gale & Church, 1993, lengths of translations go
together), numbers of three digits or more have to stand on both sides.

    misaligned(part, "ko", "en")
"""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow.compute as pc

from byeori.data.languages import script, written_in
from byeori.data.wording import count, listed, short
from byeori.doctor.characters import SCRIPTS, Characters
from byeori.doctor.findings import LOOK, NOTE, STOP, Finding, example
from byeori.doctor.parts import Part, share, verb

FAR = 6.0  # robust deviations of the logarithm of the ratio of lengths
SHORT = 15  # characters below which a ratio says nothing
ASKED = 5_000  # pairs whose second side is asked alone
_DIGITS = re.compile(r"\d[\d,.]*\d|\d")
_BEFORE = frozenset("십백천만억조경$€£¥₩")
_UNIT = re.compile(  # numbers that are written otherwise, or become others, in another language
    r"[\s-]*(?:[십백천만억조경원엔]|달러|유로|파운드|마일|킬로|미터|피트|℃|℉|°|"
    r"(?:k|m|bn|hundred|thousand|[mbtr]+illion|won|yen|dollars?|euros?|pounds?|[kc]?m|k[gp]h?|km/?h|miles?|mph|feet|foot|inch(?:es)?|acres?|"
    r"square|knots?)\b|m²)", re.IGNORECASE,
)  # fmt: skip


def same_sides(part: Part, roles: tuple[str, str]) -> Finding | None:
    """Rows whose two sides are the same text."""
    first, second = (part.column(role) for role in roles)
    at = np.flatnonzero(
        pc.equal(pc.utf8_trim_whitespace(first), pc.utf8_trim_whitespace(second)).to_numpy(zero_copy_only=False)
    )
    if not len(at):
        return None
    return Finding(
        "same_sides", LOOK if len(at) > 0.01 * len(part) else NOTE, part.name, len(at),
        f"{count(len(at), 'row')} {verb(len(at), 'has', 'have')} the same text on both sides; the first is {part.where(int(at[0]))}: "
        f"{part.brief(int(at[0]))}.",
        "Leave them out if the sides are to differ: a model learns to copy from them.",
        [part.number(i) for i in at], [example([part.number(i)], part.shown(int(i), [roles[0]])) for i in at[:20]],
    )  # fmt: skip


def long_targets(part: Part) -> Finding | None:
    """Summaries longer than what they sum up."""
    source, target = (pc.utf8_length(part.column(role)).to_numpy() for role in ("source", "target"))
    at = np.flatnonzero(target > source)
    if not len(at):
        return None
    return Finding(
        "long_targets", LOOK if len(at) > 0.05 * len(part) else NOTE, part.name, len(at),
        f"{len(at):,} {verb(len(at), 'summary is', 'summaries are')} longer than the text; the first is "
        f"{part.where(int(at[0]))} ({target[at[0]]:,} characters for {source[at[0]]:,}).",
        "See whether source and target are the right way round (--source, --target), and whether the text was cut.",
        [part.number(i) for i in at], [example([part.number(i)], part.shown(int(i), ["source", "target"])) for i in at[:20]],
    )  # fmt: skip


def misaligned(
    part: Part, characters: dict[str, Characters], languages: tuple[str | None, str | None]
) -> Finding | None:
    """Pairs whose lengths, numbers or scripts speak against their being each other's translation."""
    source, target = part.texts("source"), part.texts("target")
    lengths = [characters[role].lengths for role in ("source", "target")]
    reasons: dict[int, list[str]] = {}
    ratio = np.log(np.maximum(1, lengths[0])) - np.log(np.maximum(1, lengths[1]))
    middle = np.median(ratio)
    spread = 1.4826 * np.median(np.abs(ratio - middle)) or 1e-9
    long = np.maximum(*lengths) >= SHORT
    for i in np.flatnonzero(long & (np.abs(ratio - middle) > np.maximum(FAR * spread, np.log(2.5)))):
        reasons.setdefault(int(i), []).append(f"{lengths[0][i]:,} characters beside {lengths[1][i]:,}")
    for place, (first, second) in enumerate(zip(source, target, strict=True)):
        ours, theirs = _numbers(first), _numbers(second)
        if ours and theirs and not ours.keys() & theirs.keys():
            both = [listed(sorted(written.values())[:3]) for written in (ours, theirs)]
            reasons.setdefault(place, []).append(f"numbers {both[0]} beside {both[1]}")
    scripts = [
        _expected(part, role, language, characters[role])
        for role, language in zip(("source", "target"), languages, strict=True)
    ]
    if scripts[0] != scripts[1]:  # of one script, a line in the other's place can't be told so
        for role, expected in zip(("source", "target"), scripts, strict=True):
            dominant = characters[role].dominant
            wrong = (dominant >= 0) & (dominant != expected) & (characters[role].lengths >= SHORT)
            for i in np.flatnonzero(wrong):
                reasons.setdefault(int(i), []).append(f"the {role} is written in {SCRIPTS[dominant[i]]}")
    if not reasons:
        return None
    at = sorted(reasons, key=lambda i: (-len(reasons[i]), i))
    rows = sorted(reasons)
    kinds = Counter(_kind(reason) for all_ in reasons.values() for reason in all_)
    told = ", ".join(f"{number:,} by their {what}" for what, number in kinds.most_common())
    one = at[0]
    return Finding(
        "misaligned_pairs", STOP if len(rows) > 0.3 * len(part) else LOOK if len(rows) > 0.002 * len(part) else NOTE, part.name, len(rows),
        f"{count(len(rows), 'pair')} ({share(len(rows), len(part))}) may not be each other's translation, {told}; {part.where(one)}: "
        f'"{short(source[one], 30)}" beside "{short(target[one], 30)}" ({reasons[one][0]}).',
        "Look at the neighbours too: one line lost in one file shifts all that follow. Leave out what doesn't belong together.",
        [part.number(i) for i in rows],
        [example([part.number(i)], [source[i], target[i]], "; ".join(reasons[i])) for i in at[:20]],
    )  # fmt: skip


def _numbers(text: str) -> dict[str, str]:
    """Numbers of three digits and more, without their last zeros → as written; none beside 만, 억, million and the like."""
    found, text = {}, html.unescape(text)
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\D", "", match[0]).lstrip("0")
        if (
            len(digits) >= 3
            and not _UNIT.match(text, match.end())
            and text[: match.start()].rstrip()[-1:] not in _BEFORE
        ):
            found[digits.rstrip("0") or digits] = match[0]
    return found


def _expected(part: Part, role: str, language: str | None, characters: Characters) -> int:
    own = {"ko": 1, "zh": 2, "ja": 3, "ru": 4, "el": 5, "ar": 6, "he": 7, "th": 8, "hi": 9}
    if language in own:
        return own[language]
    written = characters.dominant[characters.dominant >= 0]
    return int(np.bincount(written).argmax()) if len(written) else 0


def _kind(reason: str) -> str:
    return "numbers" if reason.startswith("numbers") else "script" if "written in" in reason else "lengths"


def turned(part: Part, languages: tuple[str | None, str | None]) -> str | None:
    """The sentence for files whose sides are the other way round; None where they are as named."""
    for role, language in zip(("source", "target"), languages, strict=True):
        some = part.texts(role)[:200]
        if language and some and not written_in(language, some):
            return f"The {role} is said to be {language} and is written in {script(some) or 'no script'}: name --source and --target."
    return None


def second_alone(part: Part, labels: list[Any], seed: int = 0) -> Finding | None:
    """How far the second text alone tells the label (Gururangan et al., 2018): what of a score is not about the pair."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    rng = np.random.default_rng(seed)
    at = rng.permutation(len(part))[:ASKED]
    _, y = np.unique(np.asarray([str(labels[i]) for i in at], dtype=object), return_inverse=True)
    if len(at) < 200 or y.max() < 1 or y.max() >= len(at) // 20:
        return None
    texts = [part.texts("text_pair")[i] for i in at]
    seen = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 3), n_features=2**15, alternate_sign=False).transform(
        texts
    )
    _, group = np.unique(part.codes(["text_pair"])[at], return_inverse=True)
    fold = rng.integers(0, 3, group.max() + 1)[group]
    right = sum(
        int(
            (
                MultinomialNB(alpha=0.1).fit(seen[fold != one], y[fold != one]).predict(seen[fold == one])
                == y[fold == one]
            ).sum()
        )
        for one in range(3)
    )
    accuracy, majority = right / len(at), np.bincount(y).max() / len(at)
    if accuracy < majority + 0.1:
        return None
    return Finding(
        "hypothesis_only", LOOK if accuracy > majority + 0.3 else NOTE, part.name, round(100 * accuracy),
        f"The second text alone tells {share(accuracy, 1)} of the labels (guessing the commonest: {share(majority, 1)}): its words "
        f"give the answer away.",
        "Hold a model's score against that figure, not against guessing.",
    )  # fmt: skip
