"""Parts beside each other: rows that stand in two of them, and ways in which validation or test differs from training.

The sizes of effects are Cohen's w for labels (0.1 small, 0.3 medium, 0.5 large; Cohen, 1988), the Kolmogorov–Smirnov
distance for lengths, and for wording the AUC of a model that is asked which of the two parts a text is from
(0.5: it can't tell; Lopez-Paz & Oquab, 2017). Small effects are not said, however sure.

    leakage(train, test, ["text"]), shift(train, test, "single_label", labels)
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byeori.data.wording import count, listed, short
from byeori.doctor.findings import FIRST, LOOK, NOTE, STOP, Finding, example
from byeori.doctor.parts import Part, codes, share, verb

SURE = 0.001  # p-value
SMALL, MEDIUM = 0.1, 0.3
TOLD_APART, CLEARLY = 0.65, 0.8  # AUC
SAMPLE = 2_000  # texts of each part that are told apart


def together(parts: list[Part], roles: list[str], fold: bool) -> list[np.ndarray]:
    """The codes of several parts' rows, numbered alike."""
    columns = [pa.concat_arrays([part.column(role).cast(pa.string()) for part in parts]) for role in roles]
    found = codes(columns, fold)
    return np.split(found, np.cumsum([len(part) for part in parts])[:-1])


def called(part: Part) -> str:
    return "training" if part.name == "train" else part.name


def leakage(train: Part, part: Part, roles: list[str], labels: dict[str, list[Any]] | None = None) -> Finding | None:
    """Rows of a part whose texts stand in training, spaces and case aside."""
    theirs, ours = together([train, part], roles, True)
    exact_theirs, exact_ours = together([train, part], roles, False)
    first = np.full(int(max(theirs.max(initial=-1), ours.max(initial=-1))) + 1, -1)
    first[theirs[::-1]] = np.arange(len(theirs))[::-1]
    at = np.flatnonzero(first[ours] >= 0)
    if not len(at):
        return None
    exact = int(np.isin(exact_ours, exact_theirs).sum())
    there = first[ours[at]]
    other = 0
    if labels is not None:
        other = sum(str(labels[part.name][i]) != str(labels["train"][j]) for i, j in zip(at, there, strict=True))
    row = int(at[0])
    said = (
        f"{count(len(at), 'row')} of {part.name} ({share(len(at), part.size)}) {verb(len(at), 'stands', 'stand')} in {called(train)}, too"
        + ("" if exact == len(at) else f", {exact:,} of them letter for letter" if exact else ", spaces and case aside")
        + (f", {other:,} with another label" if other else "")
        + f"; {part.where(row)} is {called(train)}'s {train.where(int(there[0]))}: {part.brief(row)}."
    )
    return Finding(
        "leakage", STOP if len(at) > 0.05 * part.size else LOOK, part.name, len(at), said,
        f"Take them out of {called(train)} or out of {part.name}: scores on them measure memory.",
        [part.number(i) for i in at[:FIRST]],
        [example([part.number(i), train.number(int(j))], part.shown(int(i), roles), f"{called(train)}: {train.where(int(j))}")
         for i, j in zip(at[:20], there[:20], strict=True)],
    )  # fmt: skip


def unknown_labels(train: list[Any], part: Part, labels: list[Any]) -> Finding | None:
    """Labels of a part that training lacks."""
    known = {one for label in train for one in (label if isinstance(label, list) else [label])}
    at = [
        i
        for i, label in enumerate(labels)
        if any(one not in known for one in (label if isinstance(label, list) else [label]))
    ]
    if not at:
        return None
    new = Counter(
        one for i in at for one in (labels[i] if isinstance(labels[i], list) else [labels[i]]) if one not in known
    )
    return Finding(
        "unknown_labels", STOP, part.name, len(at),
        f"{count(len(at), 'row')} of {part.name} {'has' if len(at) == 1 else 'have'} a label that no training row has "
        f"({listed(dict(new.most_common(6)))}); the first is {part.where(at[0])}.",
        "Correct them, or add training rows of that class; training refuses them.", [part.number(i) for i in at],
        [example([part.number(i)], part.shown(i), str(labels[i])) for i in at[:20]],
    )  # fmt: skip


def shift(train: Part, part: Part, kind: str | None, labels: dict[str, list[Any]], seed: int = 0) -> list[Finding]:
    """How a part's labels, lengths and words differ from training's."""
    if min(len(train), len(part)) < 50:
        return []
    found: list[Finding | None] = []
    if kind and train.name in labels and part.name in labels:
        if kind == "regression":
            found.append(
                _numbers(train, part, np.asarray(labels[train.name], float), np.asarray(labels[part.name], float))
            )
        else:
            found.append(_labels(train, part, labels[train.name], labels[part.name]))
    found.append(_lengths(train, part))
    found.append(_words(train, part, seed))
    return [one for one in found if one]


def _labels(train: Part, part: Part, theirs: list[Any], ours: list[Any]) -> Finding | None:
    from scipy.stats import chi2

    flat = [
        Counter(one for label in some for one in (label if isinstance(label, list) else [label]))
        for some in (theirs, ours)
    ]
    names = sorted(set(flat[0]) | set(flat[1]), key=str)
    before, now = (np.array([counts.get(name, 0) for name in names], np.float64) for counts in flat)
    if not before.sum() or not now.sum() or len(names) < 2:
        return None
    p, q = before / before.sum(), now / now.sum()
    both = (before + now) / (before.sum() + now.sum())
    statistic = sum(float((counts.sum() * (one - both) ** 2 / both).sum()) for counts, one in ((before, p), (now, q)))
    sure = float(chi2.sf(statistic, len(names) - 1))
    effect = float(np.sqrt(((q - p) ** 2 / np.maximum(both, 1e-12)).sum()))
    if sure > SURE or effect < SMALL:
        return None
    most = int(np.abs(q - p).argmax())
    told = ", ".join(
        f"{name}: {share(a, 1)} → {share(b, 1)}" for name, a, b in list(zip(names, p, q, strict=True))[:12]
    )
    return Finding(
        "shift", LOOK, part.name, 1,
        f'Labels are spread differently in {part.name}: "{short(names[most], 20)}" is {share(p[most], 1)} of {called(train)} and '
        f"{share(q[most], 1)} of {part.name} (Cohen's w {effect:.2f}, {_size(effect)}; p {_p(sure)}).",
        f"Expect scores on {part.name} to differ from those on rows split off training; macro F1 is the fairer score.",
        [], [example([], [], told)],
    )  # fmt: skip


def _numbers(train: Part, part: Part, theirs: np.ndarray, ours: np.ndarray) -> Finding | None:
    from scipy.stats import ks_2samp

    theirs, ours = theirs[np.isfinite(theirs)], ours[np.isfinite(ours)]
    if min(len(theirs), len(ours)) < 50:
        return None
    tested = ks_2samp(theirs, ours, method="asymp")
    if tested.pvalue > SURE or tested.statistic < SMALL:
        return None
    return Finding(
        "shift", LOOK, part.name, 1,
        f"Labels are spread differently in {part.name}: their mean is {theirs.mean():.3g} in {called(train)} and {ours.mean():.3g} there "
        f"(Kolmogorov–Smirnov distance {tested.statistic:.2f}; p {_p(tested.pvalue)}).",
        f"Expect errors on {part.name} to differ from those on rows split off training.",
    )  # fmt: skip


def _lengths(train: Part, part: Part) -> Finding | None:
    from scipy.stats import ks_2samp

    role = train.inputs[0] if train.inputs else None
    if role is None or not part.has(role):
        return None
    theirs, ours = (pc.utf8_length(one.column(role)).to_numpy() for one in (train, part))
    tested = ks_2samp(theirs, ours, method="asymp")
    middle = np.median(theirs) + 1, np.median(ours) + 1
    if tested.pvalue > SURE or tested.statistic < 0.15 or max(middle) < 1.1 * min(middle):
        return None
    return Finding(
        "shift", LOOK if tested.statistic >= 0.3 else NOTE, part.name, 1,
        f"Texts of {part.name} are {'longer' if np.median(ours) > np.median(theirs) else 'shorter'}: the middle one has "
        f"{np.median(ours):,.0f} characters, in {called(train)} {np.median(theirs):,.0f} (Kolmogorov–Smirnov distance "
        f"{tested.statistic:.2f}).",
        f"See whether {part.name} is of the same kind of text as {called(train)}.",
    )  # fmt: skip


def told_apart(first: list[str], second: list[str], seed: int = 0) -> tuple[float, list[str]]:
    """(AUC, telling words) of a linear model that says which of two sets a text is from, each half judged by the other's model."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    some = [[one[i][:2_000] for i in rng.permutation(len(one))[:SAMPLE]] for one in (first, second)]
    texts, side = [*some[0], *some[1]], np.r_[np.zeros(len(some[0])), np.ones(len(some[1]))]
    try:
        found = CountVectorizer(binary=True, min_df=3, max_features=20_000, token_pattern=r"(?u)\b\w+\b").fit(texts)
    except ValueError:  # not a word that occurs three times
        return 0.5, []
    seen = found.transform(texts).astype(np.float64)
    half = rng.permutation(len(texts)) % 2
    score, weights = np.zeros(len(texts)), np.zeros(seen.shape[1])
    for fold in (0, 1):
        model = LogisticRegression(C=0.1, class_weight="balanced", solver="liblinear", max_iter=50).fit(
            seen[half != fold], side[half != fold]
        )
        score[half == fold] = model.decision_function(seen[half == fold])
        weights += model.coef_[0]
    names = found.get_feature_names_out()
    telling = [str(names[i]) for i in np.argsort(-np.abs(weights))[:6]]
    return float(roc_auc_score(side, score)), telling


def _words(train: Part, part: Part, seed: int) -> Finding | None:
    role = train.inputs[0] if train.inputs else None
    if role is None or not part.has(role):
        return None
    auc, telling = told_apart(train.texts(role), part.texts(role), seed)
    if auc < TOLD_APART:
        return None
    return Finding(
        "shift", LOOK if auc >= CLEARLY else NOTE, part.name, 1,
        f"Wording differs: a plain model tells texts of {part.name} from those of {called(train)} with an AUC of {auc:.2f} (0.5: not at "
        f"all), "
        f"most by {listed(telling[:4])}.",
        f"See whether {part.name} comes from another time, place or source than {called(train)}: its scores are of that.",
    )  # fmt: skip


def _size(effect: float) -> str:
    return "small" if effect < MEDIUM else "medium" if effect < 0.5 else "large"


def _p(value: float) -> str:
    return f"{value:.1g}" if value >= 1e-12 else "below 1e-12"
