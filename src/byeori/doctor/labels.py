"""Labels: balance, rare classes, two spellings of one, texts that carry different ones, a label the text gives away.

counts, findings = check(part, "single_label", names)
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pyarrow.compute as pc

from byeori.data.labels import as_list, label_name, resolve_labels
from byeori.data.wording import count, listed, short
from byeori.doctor.findings import FIRST, LOOK, NOTE, STOP, Finding, example
from byeori.doctor.parts import Part, histogram, share, verb
from byeori.errors import DataError

RARE = 10  # rows below which a class is rare
UNEVEN = 10.0  # the largest class's rows for one of the smallest, from which macro scores and weights matter
DOMINANT = 0.9  # share of the largest class
CLOSE = 0.5  # of the labels' standard deviation: numbers nearer to each other don't contradict


def kind_of(part: Part, asked: str | None) -> tuple[str | None, str | None]:
    """(problem type, None), or (None, the sentence why these labels can't be learnt)."""
    values = part.table["label"].to_pylist()
    if not values:
        return None, "no row has a label."
    try:
        kind, _ = resolve_labels(
            values, asked, part.rows.label_names if _names_fit(values, part.rows.label_names) else None, part.where
        )
    except DataError as error:
        return None, str(error)
    return kind, None


def _names_fit(values: list[Any], names: list[str] | None) -> bool:
    return names is not None and {label_name(one) for one in values if not isinstance(one, list)} <= set(names)


def names_of(part: Part, kind: str) -> list[Any]:
    """Each row's label: its name, a list of names (multi_label), or a number."""
    values = part.table["label"].to_pylist()
    known = part.rows.label_names
    if kind == "regression":
        return [float(one) for one in values]
    if kind == "multi_label":
        return [as_list(one) for one in values]
    if known and all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < len(known) for one in values):
        return [known[one] for one in values]
    names = [label_name(one) for one in values]
    return [one[:-2] if one.endswith(".0") and one[:-2].lstrip("-").isdecimal() else one for one in names]


def facts(labels: list[Any], kind: str) -> dict[str, Any]:
    """`labels` of the contract."""
    if kind == "regression":
        numbers = np.asarray(labels, np.float64)
        numbers = numbers[np.isfinite(numbers)]
        told = histogram(numbers) if len(numbers) else {"edges": [0, 1], "counts": [0]}
        mean, std = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (0.0, 0.0)
        return {"problem_type": kind, "histogram": told, "mean": round(mean, 6), "std": round(std, 6)}
    flat = [one for label in labels for one in label] if kind == "multi_label" else labels
    return {"problem_type": kind, "counts": dict(Counter(flat).most_common())}


def conflicts(part: Part, labels: list[Any], roles: list[str], spread: float | None = None) -> Finding | None:
    """Different texts that carry different labels: whatever is learnt of them is wrong somewhere. `spread`: the standard deviation
    of all numbers, where these are some of them."""
    groups = part.codes(roles)
    spelled = [str(sorted(one)) if isinstance(one, list) else str(one) for one in labels]
    _, codes = np.unique(np.asarray(spelled, dtype=object), return_inverse=True)
    low, high = np.full(int(groups.max(initial=0)) + 1, len(codes) + 1), np.full(int(groups.max(initial=0)) + 1, -1)
    np.minimum.at(low, groups, codes)
    np.maximum.at(high, groups, codes)
    at = np.flatnonzero((low < high)[groups])
    if not len(at):
        return None
    members: dict[int, list[int]] = defaultdict(list)
    for row in at:
        members[int(groups[row])].append(int(row))
    numbers = isinstance(labels[0], float)
    span = {
        rows[0]: max(labels[i] for i in rows) - min(labels[i] for i in rows) if numbers else 0
        for rows in members.values()
    }
    largest = sorted(members.values(), key=lambda rows: (-span[rows[0]], -len(rows), rows[0]))
    one = largest[0]
    # Of numbers a mean of raters is hardly ever the same twice: only what is far apart is a contradiction.
    close = numbers and span[one[0]] < CLOSE * (float(np.std(labels)) if spread is None else spread)
    told = ", ".join(
        f'{number:,} × "{short(label, 20)}"' for label, number in Counter(spelled[i] for i in one).most_common(3)
    )
    examples = [
        example([part.number(i) for i in rows[:5]], part.shown(rows[0], roles),
                "labels " + ", ".join(f"{label} ({number:,})" for label, number in Counter(spelled[i] for i in rows).most_common()))
        for rows in largest[:20]
    ]  # fmt: skip
    texts = "1 text carries" if len(members) == 1 else f"{len(members):,} texts carry"
    return Finding(
        "conflicting_labels", NOTE if close else STOP if len(at) > 0.1 * part.size else LOOK, part.name, len(members),
        f"{texts} different labels, {count(len(at), 'row')} together; {part.brief(one[0])} has {told}.",
        "Their mean is the best that can be learnt; give it to each of them." if close
        else "Decide on one label for each, or leave these rows out: no model can be right on both.",
        [part.number(i) for i in at[:FIRST]], examples,
    )  # fmt: skip


def few_of(counts: dict[str, int], rows: int) -> tuple[dict[str, int], int]:
    """The classes with few rows, and how many would not be few."""
    least = min(RARE, max(2, rows // 20))
    return {name: number for name, number in counts.items() if number < least}, least


def rare(part: Part, counts: dict[str, int]) -> list[Finding]:
    """Classes with few rows."""
    few, least = few_of(counts, part.size)
    if not few:
        return []
    label = part.table["label"]
    first = rows_with(part, few)
    told = ", ".join(f'"{short(name, 20)}" ({number:,})' for name, number in list(few.items())[-5:])
    return [Finding(
        "rare_class", LOOK, part.name, len(few),
        f"{len(few):,} of {len(counts):,} classes {'has' if len(few) == 1 else 'have'} fewer than {least} rows: {told}.",
        "Add rows of them, or join them with another class: what has so few is neither learnt nor measured.",
        [part.number(i) for i in first], [example([part.number(i)], part.shown(i), str(label[i].as_py())) for i in first[:20]],
    )]  # fmt: skip


def uneven(part: Part, counts: dict[str, int]) -> list[Finding]:
    """One class that is nearly all, or many times another."""
    most, least, total = max(counts.values()), min(counts.values()), sum(counts.values())
    ratio = most / max(1, least)
    if len(counts) < 2 or ratio < UNEVEN and most < DOMINANT * total:
        return []
    name = max(counts, key=lambda one: counts[one])
    return [Finding(
        "imbalance", LOOK if most >= DOMINANT * total else NOTE, part.name, round(ratio),
        f'"{short(name, 20)}" is {share(most, total)} of the labels, {round(ratio):,} for one of the rarest class.',
        "Look at macro F1 rather than accuracy; --class-weights balanced gives rare classes more weight.",
    )]  # fmt: skip


def rows_with(part: Part, names: dict[str, int]) -> list[int]:
    """The first rows with one of these labels."""
    wanted = set(names)
    found = []
    for at, value in enumerate(part.table["label"].to_pylist()):
        own = as_list(value) if isinstance(value, list) else [label_name(value)]
        if wanted & set(own):
            found.append(at)
            if len(found) >= 20:
                break
    return found


def similar(part: Part, counts: dict[str, int], written: list[Any] | None = None) -> Finding | None:
    """Labels that may be one: the same but for case, spaces, width or marks, a number in two spellings, a typing error.

    written: one a row, as the file spells them; those of the label column if not given.
    """
    written = part.raw if written is None else written
    raw = Counter(str(one) for one in written or () if isinstance(one, str))
    spelled: dict[str, set[str]] = defaultdict(set)
    for name in {**counts, **{one: 0 for one in raw if one.strip()}}:
        spelled[_folded(name)].add(name)
    together = [sorted(names) for names in spelled.values() if len(names) > 1]
    pairs = [(names, "one and the same but for case, spaces or signs") for names in together]
    rare = [name for name, number in counts.items() if number <= max(2, 0.01 * sum(counts.values())) and len(name) >= 5]
    for name in rare[:200]:
        others = [
            other
            for other in counts
            if other != name and counts[other] > 3 * counts[name] and _folded(other) != _folded(name)
        ]
        near = difflib.get_close_matches(name, others, 1, 0.85)
        if near and not re.search(r"\d", name):
            pairs.append(([name, near[0]], "spelled nearly alike"))
    if not pairs:
        return None
    examples, rows, merged = [], [], True
    for names, how in pairs:
        number = {name: raw.get(name) or counts.get(name, 0) for name in names}
        usual = max(number, key=lambda name: number[name])
        merged &= len({name.strip() for name in names}) == 1
        at = [i for i, value in enumerate(written or ()) if str(value) in number and str(value) != usual][:5]
        numbers = [part.number(i) for i in at]
        rows += numbers
        told = " and ".join(f'"{name}" ({number[name]:,})' for name in names[:4])
        examples.append(example(numbers, names, f"{told}: {how}"))
    first = examples[0]["more"].partition(":")[0]
    cut = "Outer spaces are cut when labels are read, so these count as one; fix the file if others read it too."
    return Finding(
        "similar_labels", NOTE if merged else LOOK, part.name, len(pairs),
        f"{'These labels' if len(pairs) == 1 else f'{len(pairs):,} groups of labels'} may be one: {first}"
        + (f", row {rows[0]}." if rows else "."),
        cut if merged else "Give them one spelling: as they are, they are learnt as different classes.",
        rows, examples,
    )  # fmt: skip


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold().strip()
    plain = re.sub(r"[\s_\-.]+", " ", plain[:-2] if re.fullmatch(r"-?\d+\.0", plain) else plain).strip()
    return plain or name


def giveaway(part: Part, labels: list[str]) -> Finding | None:
    """A label whose name stands in its own rows' texts and hardly in others': what will be asked later won't say it."""
    counts = Counter(labels)
    if not 2 <= len(counts) <= 50 or not part.inputs:
        return None
    text = part.column(part.inputs[0])
    own = np.asarray(labels, dtype=object)
    found = []
    for name, number in counts.items():
        if len(name) < 3 or number < RARE or name.isdecimal():
            continue
        says = pc.match_substring(text, name, ignore_case=True).to_numpy(zero_copy_only=False)
        inside, outside = says[own == name].mean(), says[own != name].mean()
        if inside >= 0.8 and outside <= 0.05:
            found.append((name, np.flatnonzero(says & (own == name)), inside))
    if not found:
        return None
    name, at, part_of = found[0]
    return Finding(
        "giveaway", STOP if len(found) >= len(counts) - 1 else LOOK, part.name, len(found),
        f'The text says its label: "{name}" stands in {share(part_of, 1)} of the texts labelled so, as in {part.where(int(at[0]))}.',
        "Take it out of the text, unless texts will say it when they are asked about too.",
        [part.number(i) for i in at], [example([part.number(i)], part.shown(int(i)), name) for i in at[:5]],
    )  # fmt: skip


def outliers(part: Part, numbers: np.ndarray) -> list[Finding]:
    """Numbers more than 8 interquartile ranges away from the middle half: 999 for "not known"."""
    low, high = np.percentile(numbers, (25, 75))
    reach = 8 * max(high - low, 1e-12)
    at = np.flatnonzero((numbers < low - reach) | (numbers > high + reach))
    if high == low or not len(at):
        return []
    return [Finding(
        "label_outliers", LOOK, part.name, len(at),
        f"{count(len(at), 'label')} {verb(len(at), 'lies', 'lie')} far from all others: {numbers[at[0]]:g} in {part.where(int(at[0]))}, "
        f"where half of all lie between {low:g} and {high:g}.",
        "See whether they stand for something else, such as 999 for no answer: squared error follows them first.",
        [part.number(i) for i in at], [example([part.number(i)], part.shown(int(i)), f"{numbers[i]:g}") for i in at[:20]],
    )]  # fmt: skip


def missing(part: Part, dropped: bool) -> Finding | None:
    """Rows without a right answer."""
    lost = part.unanswered
    if not lost:
        return None
    return Finding(
        "empty_labels", NOTE if dropped else STOP, part.name, len(lost),
        f"{count(len(lost), 'row')} of {part.found:,} {'has' if len(lost) == 1 else 'have'} no right answer; the first is {lost[0].where}.",
        "They are left out (--drop-empty-labels)." if dropped
        else "Training refuses them: drop them with --drop-empty-labels, or fix the file.",
        [one.number for one in lost], [example([one.number], [one.reason]) for one in lost[:5]],
    )  # fmt: skip


def unusable(part: Part, why: str) -> Finding:
    """Labels that training would refuse, in its words."""
    values = {label_name(one) for one in part.table["label"].to_pylist()[:1000] if not isinstance(one, list)}
    constant = len(values) == 1 and "one class only" in why
    if constant:
        return Finding(
            "constant_label", STOP, part.name, 1, f"All {len(part):,} rows have the label {listed(values)}: there is nothing to learn.",
            "Name another column with --label, or add rows of another class.", [part.number(0)],
        )  # fmt: skip
    return Finding(
        "unusable_labels", STOP, part.name, 1, why, "Training refuses these labels; name another column with --label."
    )


def check(part: Part, labels: list[Any], kind: str, roles: list[str]) -> list[Finding]:
    """All checks of a label column."""
    found: list[Finding | None] = []
    if kind == "regression":
        numbers = np.asarray(labels, np.float64)
        found += outliers(part, numbers[np.isfinite(numbers)]) if np.isfinite(numbers).all() else []
        return [one for one in [*found, conflicts(part, labels, roles)] if one]
    counts = facts(labels, kind)["counts"]
    if counts:
        found += [*rare(part, counts), *uneven(part, counts)]
    found += [similar(part, counts), conflicts(part, labels, roles)]
    if kind == "single_label":
        found.append(giveaway(part, labels))
    return [one for one in found if one]
