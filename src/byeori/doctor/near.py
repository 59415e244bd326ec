"""Texts that nearly repeat one another, within a part and between training and test rows.

Invariants: every pair that is named has an exact Jaccard similarity of at least the threshold; exact copies are no finding
of this file; the result is a function of texts, threshold and seed; time grows about linearly with the rows, whatever the
data looks like (a bucket of thousands of texts costs a few comparisons a text, never all pairs), memory by about 130 bytes
a row. A text of fewer than `MIN_SHINGLES` different shingles is not compared: "굿!" is no copy of "굿", both are short.

    near_duplicates(["the film was far too long for me", "The film was far too long for me!!"]).groups == [[0, 1]]

Shingles of two syllables or four letters in normal form (doctor/shingles.py); MinHash (Broder 1997) with banding
(Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, chapter 3), candidates thinned by the low bytes of their
signatures (b-bit minwise hashing, Li and König 2010) and then compared exactly. Written here because the library for
this, datasketch, works text by text in Python: 2.8 s for 6,000 reviews where this takes 0.08, two minutes and more for
300,000.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from byeori.doctor.shingles import MAX_CHARACTERS, characters, chunks

Row = str | tuple[str, ...]

MIN_SHINGLES = 8  # nine syllables, eleven letters; below, one edit decides everything
MISSED = 0.005  # share of pairs right at the threshold that banding may lose
MAX_HASHES = 80
ALL_PAIRS = 12  # members of a bucket that are all compared with one another
LEADERS = 4  # of a larger bucket, with which each of it is compared
COMPARED = 2**21  # shingles compared exactly at once: 100 MB of temporaries


@dataclass(slots=True)
class Near:
    """What nearly repeats. Positions count from 0; of equal texts only the first is named.

    groups: positions in rising order, the texts of a group being connected by pairs (not all need be alike), the largest
    group first. pairs: (position, position, Jaccard similarity) of the comparisons that connect the groups.
    count: distinct texts that nearly repeat an earlier one. short: distinct texts too short to be compared.
    """

    groups: list[list[int]] = field(default_factory=list)
    pairs: list[tuple[int, int, float]] = field(default_factory=list)
    short: int = 0

    @property
    def count(self) -> int:
        return sum(len(group) - 1 for group in self.groups)

    @property
    def likest(self) -> list[float]:
        """The highest similarity within each group."""
        number = {place: at for at, group in enumerate(self.groups) for place in group}
        found = [0.0] * len(self.groups)
        for first, _, similarity in self.pairs:
            found[number[first]] = max(found[number[first]], similarity)
        return found


def near_duplicates(texts: Sequence[Row], *, threshold: float = 0.8, seed: int = 0) -> Near:
    """Groups of texts that are nearly, but not exactly, one another. Raises ValueError unless 0 < threshold ≤ 1.

    A row of several texts is a tuple: it nearly repeats another where each of its texts does (short ones: where they are
    equal in normal form), so that ten questions about one paragraph are ten questions.
    """
    rows = list(dict.fromkeys(_first_places(texts)))
    own = [texts[row] for row in rows]
    signed = _Signatures(threshold, seed).sign(own)
    roots = np.arange(len(own))
    edges = _Edges(own, own, signed, signed, threshold)
    for band in range(signed.bands.shape[1]):
        for first, second in _meetings(signed.bands[:, band], signed.compared):
            open_ = roots[first] != roots[second]
            if edges.add(first[open_], second[open_]):
                roots = edges.components(len(own))
    members: dict[int, list[int]] = {}
    for place in sorted({*edges.first.tolist(), *edges.second.tolist()}):
        members.setdefault(int(roots[place]), []).append(rows[place])
    order = np.lexsort((edges.second, edges.first, -edges.similarity))
    return Near(
        groups=sorted(members.values(), key=lambda group: (-len(group), group)),
        pairs=[(rows[edges.first[at]], rows[edges.second[at]], float(edges.similarity[at])) for at in order.tolist()],
        short=int((~signed.compared).sum()),
    )


def near_copies(
    train: Sequence[Row], test: Sequence[Row], *, threshold: float = 0.8, seed: int = 0
) -> dict[int, tuple[int, float]]:
    """For each position of `test` that nearly repeats a training text: the likest found and its similarity.

    Test texts that stand in training as they are (leakage proper) are left out; equal test texts are all named.
    Rows of several texts are tuples, as for `near_duplicates`. Raises ValueError unless 0 < threshold ≤ 1.
    """
    known = set(train)
    rows = list(dict.fromkeys(_first_places(train)))
    places: dict[Row, list[int]] = {}
    for place, text in enumerate(test):
        if text not in known:
            places.setdefault(text, []).append(place)
    own, asked = [train[row] for row in rows], list(places)
    signatures = _Signatures(threshold, seed)
    there, here = signatures.sign(own), signatures.sign(asked)
    edges = _Edges(own, asked, there, here, threshold)
    for band in range(there.bands.shape[1]):
        first, second = _crossings(there.bands[:, band], there.compared, here.bands[:, band], here.compared)
        edges.add(first, second)
    order = np.lexsort((-edges.first, edges.similarity, edges.second))  # of each test text the likest, earliest last
    best = {int(edges.second[at]): (rows[int(edges.first[at])], float(edges.similarity[at])) for at in order.tolist()}
    return dict(sorted((place, best[at]) for at, text in enumerate(asked) if at in best for place in places[text]))


class _Signatures:
    """The hash functions: `bands` bands of `width` hashes each, so that a pair at the threshold meets almost surely."""

    def __init__(self, threshold: float, seed: int):
        if not 0 < threshold <= 1:
            raise ValueError(f"{threshold=} is not above 0 and at most 1")
        self.width, self.bands = _banding(threshold)
        rng = np.random.default_rng(seed)
        count = self.width * self.bands
        self.factors = rng.integers(0, 2**31, count, np.uint32) * np.uint32(2) + np.uint32(1)
        self.added = rng.integers(0, 2**32, count, np.uint32)

    def sign(self, rows: Sequence[Row]) -> _Signed:
        texts = [row if isinstance(row, str) else "\n".join(row) for row in rows]
        n, hashes = len(texts), self.width * self.bands
        bands, low = np.zeros((n, self.bands), np.uint32), np.zeros((n, hashes), np.uint8)
        compared = np.zeros(n, bool)
        for start, stop in chunks(texts):
            shingles, owner = characters(texts[start:stop]).shingles()
            counts = np.bincount(owner, minlength=stop - start)
            enough = counts >= MIN_SHINGLES
            there = np.flatnonzero(enough)
            if not len(there):
                continue
            keep = enough[owner]
            values = (shingles[keep] >> np.uint64(32)).astype(np.uint32)
            starts = np.cumsum(counts[there]) - counts[there]
            mixed = np.zeros(len(there), np.uint32)
            moved = np.empty_like(values)
            for place in range(hashes):
                np.multiply(values, self.factors[place], out=moved)
                moved += self.added[place]
                least = np.minimum.reduceat(moved, starts)  # (texts,)
                least ^= least >> np.uint32(15)  # the multiplication leaves the low bits of the minimum poor
                least *= np.uint32(0x2C1B3C6D)
                least ^= least >> np.uint32(12)
                low[start + there, place] = least & np.uint32(0xFF)
                mixed = (mixed ^ least) * np.uint32(0x9E3779B1) + np.uint32(0x85EBCA77)
                if place % self.width == self.width - 1:
                    bands[start + there, place // self.width] = mixed
                    mixed = np.zeros(len(there), np.uint32)
            compared[start + there] = True
        return _Signed(bands, low, compared)


@dataclass(slots=True)
class _Signed:
    """bands: uint32 (n, bands), equal where all hashes of a band are; low: uint8 (n, hashes); compared: bool (n,)."""

    bands: np.ndarray
    low: np.ndarray
    compared: np.ndarray


def _banding(threshold: float) -> tuple[int, int]:
    """The widest bands (fewest chance meetings) that lose at most MISSED of the pairs at the threshold."""
    best = (1, MAX_HASHES)
    for width in range(1, 17):
        meets = threshold**width
        bands = 1 if meets == 1 else math.ceil(math.log(MISSED) / math.log1p(-meets))
        if width * bands <= MAX_HASHES:
            best = (width, bands)
    return best


class _Edges:
    """Pairs that were compared exactly and are alike: positions among two lists of texts, and their similarity."""

    def __init__(self, rows: Sequence[Row], others: Sequence[Row], there: _Signed, here: _Signed, threshold: float):
        self.columns, self.width = _columns(rows, others), len(others)
        self.there, self.here, self.threshold = there, here, threshold
        hashes = there.low.shape[1]
        doubt = math.sqrt(max(threshold * (1 - threshold), 1 / hashes) / hashes)
        self.agreeing = int(hashes * (threshold - 4 * doubt))  # fewer equal bytes: alike with odds of 1 in 30,000
        self.first = self.second = np.zeros(0, np.int64)
        self.similarity = np.zeros(0)
        self.seen = np.zeros(0, np.int64)  # pairs compared already, alike or not

    def add(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Compare rows[first] with others[second]; whether any of them are new and alike."""
        likely = self._likely(first, second)
        keys = _distinct(first[likely] * self.width + second[likely])
        if len(self.seen):
            keys = keys[self.seen[np.minimum(np.searchsorted(self.seen, keys), len(self.seen) - 1)] != keys]
        if not len(keys):
            return False
        self.seen = np.sort(np.concatenate([self.seen, keys]))
        first, second = keys // self.width, keys % self.width
        similarity = _jaccard(self.columns, first, second, self.threshold)
        alike = similarity >= self.threshold
        self.first = np.concatenate([self.first, first[alike]])
        self.second = np.concatenate([self.second, second[alike]])
        self.similarity = np.concatenate([self.similarity, similarity[alike]])
        return bool(alike.any())

    def _likely(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        found = np.zeros(len(first), bool)
        for start in range(0, len(first), 2**16):
            part = slice(start, start + 2**16)
            equal = self.there.low[first[part]] == self.here.low[second[part]]
            found[part] = equal.sum(axis=1) >= self.agreeing
        return found

    def components(self, n: int) -> np.ndarray:
        """int64 (n,): equal numbers for texts that pairs connect."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        nodes = _distinct(np.concatenate([self.first, self.second]))  # most texts are in no pair
        ends = (np.searchsorted(nodes, self.first), np.searchsorted(nodes, self.second))
        graph = coo_matrix((np.ones(len(self.first), bool), ends), (len(nodes), len(nodes)))
        roots = np.arange(n) + len(nodes)
        roots[nodes] = connected_components(graph, directed=False)[1]
        return roots


def _first_places(texts: Sequence[Row]) -> Iterator[int]:
    seen: dict[Row, int] = {}
    return (seen.setdefault(text, place) for place, text in enumerate(texts))


def _buckets(keys: np.ndarray, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts sorted by key and position, (m,); where each bucket starts, and its size, (buckets,)."""
    rows = np.flatnonzero(compared)
    joint = np.sort(keys[rows].astype(np.uint64) << np.uint64(32) | rows.astype(np.uint64))
    key = joint >> np.uint64(32)
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, np.int64)
    return (joint & np.uint64(0xFFFFFFFF)).astype(np.int64), starts, np.diff(starts, append=len(key))


def _meetings(keys: np.ndarray, compared: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs to compare of the texts that share a key, in rounds; between rounds the caller connects what is alike.

    Each with the first of its bucket; then all pairs of a small bucket, of a large one each with a few others.
    """
    rows, starts, sizes = _buckets(keys, compared)
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    for turn in range(LEADERS):
        leader = rows[starts + turn * (sizes // LEADERS)]  # spread over the bucket
        inside = rows[np.repeat(starts, sizes) + _counting(sizes)]
        leader = np.repeat(leader, sizes)
        yield np.minimum(leader, inside), np.maximum(leader, inside)
        if turn == 0:
            yield _all_pairs(rows, starts, sizes)
            starts, sizes = starts[sizes > ALL_PAIRS], sizes[sizes > ALL_PAIRS]
        if not len(starts):
            return


def _all_pairs(rows: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in range(3, ALL_PAIRS + 1):
        members = rows[starts[sizes == size][:, None] + np.arange(size)]  # (buckets, size)
        one, other = np.triu_indices(size, 1)
        first.append(members[:, one].ravel())
        second.append(members[:, other].ravel())
    return np.concatenate(first), np.concatenate(second)


def _crossings(
    keys: np.ndarray, compared: np.ndarray, other_keys: np.ndarray, others_compared: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (first, other) that share a key: of a bucket its first ALL_PAIRS, for each of the others."""
    rows, starts, sizes = _buckets(keys, compared)
    asked = np.flatnonzero(others_compared)
    if not len(rows) or not len(asked):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    own = keys[rows[starts]]  # rising
    place = np.minimum(np.searchsorted(own, other_keys[asked]), len(own) - 1)
    met = own[place] == other_keys[asked]
    asked, place = asked[met], place[met]
    width = np.minimum(sizes[place], ALL_PAIRS)
    return rows[np.repeat(starts[place], width) + _counting(width)], np.repeat(asked, width)


def _distinct(values: np.ndarray) -> np.ndarray:
    """Sorted, each once; by sorting, where np.unique's hash table took ten times as long."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def _counting(sizes: np.ndarray) -> np.ndarray:
    """0, 1, … size − 1 for each size, end to end."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _columns(rows: Sequence[Row], others: Sequence[Row]) -> list[tuple[Sequence[str], Sequence[str]]]:
    """The texts of rows and others, a pair of columns for each text a row has, the shorter ones (questions) first."""
    if not rows or not others:
        return []
    if isinstance(rows[0], str) and isinstance(others[0], str):
        return [(rows, others)]  # type: ignore[list-item]
    ours, theirs = ([(row,) if isinstance(row, str) else row for row in some] for some in (rows, others))
    columns = list(zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True))
    return sorted(columns, key=lambda column: sum(map(len, column[0])))


def _jaccard(
    columns: list[tuple[Sequence[str], Sequence[str]]], first: np.ndarray, second: np.ndarray, threshold: float
) -> np.ndarray:
    """Exact similarities of the rows `first` and the others `second`, float64 (p,): of several texts the least of them.

    Once a text is below the threshold the rest of its row is not looked at.
    """
    found = np.ones(len(first))
    for own, other in columns:
        left = np.flatnonzero(found >= threshold)
        alike = _of_column(own, other, first[left], second[left], alone=len(columns) == 1)
        found[left] = np.minimum(found[left], alike)
    return found


def _of_column(
    texts: Sequence[str], others: Sequence[str], first: np.ndarray, second: np.ndarray, alone: bool
) -> np.ndarray:
    """`_of_texts` of texts[first] and others[second], so many at once as memory allows."""
    found = np.zeros(len(first))
    sizes = [
        min(len(texts[a]), MAX_CHARACTERS) + min(len(others[b]), MAX_CHARACTERS)
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    cuts = np.flatnonzero(np.diff(np.cumsum(np.array(sizes, np.int64)) // COMPARED, prepend=0))
    bounds = np.unique(np.concatenate([[0], cuts, [len(first)]]).astype(np.int64)).tolist()
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        a, b = first[start:stop], second[start:stop]
        ones, twos = _distinct(a), _distinct(b)
        at = np.stack([np.searchsorted(ones, a), np.searchsorted(twos, b) + len(ones)], axis=1)  # (p, 2)
        both = [texts[place] for place in ones.tolist()] + [others[place] for place in twos.tolist()]
        found[start:stop] = _of_texts(both, at, alone)
    return found


def _of_texts(texts: list[str], at: np.ndarray, alone: bool) -> np.ndarray:
    """Jaccard similarities of the shingle sets of texts[at[:, 0]] and texts[at[:, 1]], float64 (p,).

    With a set of fewer than MIN_SHINGLES: 0 for a text that stands `alone`, else whether the normal forms are equal.
    """
    made = characters(texts)
    hashes, owner = made.shingles()
    rank = np.unique(hashes, return_inverse=True)[1]
    member = _distinct(owner.astype(np.uint64) << np.uint64(32) | rank.astype(np.uint64))  # the sets, text by text
    ranks = member & np.uint64(0xFFFFFFFF)
    sizes = np.bincount((member >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    starts = np.cumsum(sizes) - sizes
    sides = at.ravel()  # (2p,): the two texts of each pair
    pair = np.repeat(np.arange(len(at)), sizes[at].sum(axis=1)).astype(np.uint64)
    inside = np.repeat(starts[sides], sizes[sides]) + _counting(sizes[sides])
    keyed = np.sort(pair << np.uint64(32) | ranks[inside])
    twice = keyed[1:][keyed[1:] == keyed[:-1]] >> np.uint64(32)
    shared = np.bincount(twice.astype(np.int64), minlength=len(at))
    own, other = sizes[at].T
    enough = np.minimum(own, other) >= MIN_SHINGLES
    short: np.ndarray | float = 0.0
    if not alone:
        same = np.array(made.same_texts())
        short = same[at[:, 0]] == same[at[:, 1]]
    return np.where(enough, shared / np.maximum(own + other - shared, 1), short)
