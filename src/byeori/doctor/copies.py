"""Rows that nearly repeat others, as findings: within a part, and of a part that is judged in the training rows.

near(part, ["text"], seed=0)[0].kind == "near_duplicates"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from byeori.data.wording import count
from byeori.doctor import splits
from byeori.doctor.findings import LOOK, NOTE, Finding, example
from byeori.doctor.near import near_copies, near_duplicates
from byeori.doctor.parts import differing, share, verb

if TYPE_CHECKING:
    from byeori.doctor.parts import Part

ALIKE = 0.8  # least share of n-grams in common
MOST = 20  # examples


def near(part: Part, roles: list[str], seed: int) -> list[Finding]:
    """Rows of one part that nearly repeat an earlier one in each of their texts."""
    found = near_duplicates(_texts(part, roles), threshold=ALIKE, seed=seed)
    if not found.groups:
        return []
    groups = found.groups
    first = min(groups, key=lambda group: group[0])
    return [Finding(
        "near_duplicates", LOOK if found.count > 0.05 * len(part) else NOTE, part.name, found.count,
        f"{count(found.count, 'row')} ({share(found.count, len(part))}) nearly {verb(found.count, 'repeats', 'repeat')} an earlier one, "
        f"in {count(len(groups), 'group')}; {part.where(first[0])} and {part.where(first[1])}: "
        f"{differing(part, first[0], part, first[1], roles)}.",
        "See whether they are one row edited; give them to one part (--validation, --test) rather than to two.",
        [part.number(i) for i in sorted(i for group in groups for i in group[1:])[:5]],
        [example([part.number(i) for i in group[:5]], [_shown(part, roles, i) for i in group[:3]],
                 f"{count(len(group), 'text')}, similarity {alike:.2f}")
         for group, alike in list(zip(groups, found.likest, strict=True))[:MOST]],
    )]  # fmt: skip


def near_leakage(train: Part, part: Part, roles: list[str], seed: int) -> list[Finding]:
    """Rows of a part that stand in the training rows nearly alike; those that stand there as they are count as leakage."""
    ours, theirs = splits.together([part, train], roles, True)
    known = np.isin(ours, theirs)  # named as leakage already
    found = near_copies(_texts(train, roles), _texts(part, roles), threshold=ALIKE, seed=seed)
    at = [(place, *there) for place, there in sorted(found.items()) if not known[place]]
    if not at:
        return []
    place, there, alike = max(at, key=lambda one: (one[2], -one[0]))
    return [Finding(
        "near_leakage", LOOK if len(at) > 0.01 * len(part) else NOTE, part.name, len(at),
        f"{count(len(at), 'row')} of {part.name} ({share(len(at), len(part))}) {verb(len(at), 'stands', 'stand')} in "
        f"{splits.called(train)} nearly alike; {part.where(place)} and {splits.called(train)}'s {train.where(there)} ({alike:.2f}): "
        f"{differing(part, place, train, there, roles)}.",
        f"Take them out of {splits.called(train)} or out of {part.name}: scores on them measure memory.",
        [part.number(one[0]) for one in at],
        [example([part.number(i), train.number(j)], [_shown(part, roles, i), _shown(train, roles, j)], f"similarity {value:.2f}")
         for i, j, value in sorted(at, key=lambda one: -one[2])[:MOST]],
    )]  # fmt: skip


def _texts(part: Part, roles: list[str]) -> list:
    """A text a row, or a tuple of them: a premise that many rows share makes no copies of them."""
    columns = [part.texts(role) for role in roles]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _shown(part: Part, roles: list[str], at: int) -> str:
    return "\n".join(part.texts(role)[at] for role in roles)
