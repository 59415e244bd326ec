"""Columns → roles: by the name given, by known names (English and Korean), then by content where one choice is left.

Ambiguity is an error that lists the candidates: a wrong column trains without complaint.

    match({"document": ["재미있다"], "label": ["1"]}, {}).columns == {"text": "document", "label": "label"}
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from byeori.data.names import IDS, KEYS, KNOWN, MORE, NAMES, PAIRS, tiers
from byeori.data.wording import listed, nearest
from byeori.errors import DataError

FLAGS = {role: f"--{role.replace('_', '-')}" for role in ("text", "text_pair", "label", *NAMES, *MORE)}


# Roles whose values are no plain text or number: a column of the right name counts only if it holds such values.
_LISTS = {
    "tokens": (str,),
    "tags": (str, int),
    "references": (str,),
    "messages": (Mapping,),
    "choices": (str, Mapping),
    "entities": (Mapping, list, tuple),
}


class Absent(DataError):
    """A required role has no column; `roles` names those without."""

    def __init__(self, message: str, roles: Sequence[str]):
        super().__init__(message)
        self.roles = tuple(roles)


@dataclass(slots=True)
class Match:
    """columns: role → column (a list for several label columns). reason: one line on how they were found."""

    columns: dict[str, str | list[str]]
    reason: str


def fold(name: str) -> str:
    """A name as the tables spell names: NFC, lower case, `_` for spaces and hyphens."""
    return unicodedata.normalize("NFC", name).strip().casefold().replace(" ", "_").replace("-", "_")


def is_known_name(name: str) -> bool:
    return fold(name) in KNOWN


def is_label_like(values: Iterable[Any]) -> bool:
    """Few distinct short values that recur: what a label column holds."""
    seen = [str(value).strip() for value in values if value is not None]
    distinct = set(seen)
    return (
        0 < len(distinct) <= max(2, min(len(seen) // 2, 100))
        and len(distinct) < max(2, len(seen))
        and all(len(value) <= 40 for value in distinct)
    )


def match(
    columns: Mapping[str, Sequence[Any]],
    given: Mapping[str, str | Sequence[str] | None],
    roles: Sequence[str] = ("text", "text_pair", "label"),
    required: Sequence[str] = ("text",),
    name: str = "the data",
    before: Mapping[str, str | list[str]] | None = None,
    suggested: Mapping[str, str] | None = None,
) -> Match:
    """Find the column of each role.

    columns: name → first values (a few hundred are enough; they are looked at only where names don't tell).
    given: role → the name a person gave, dotted for a value inside nested objects (`labels.label`).
    before: role → its column in the training data, taken where the person named none and it is there.
    suggested: role → the column that the shape of the file makes it, taken where neither says otherwise.
    Raises DataError for a name that isn't there, for a required role without a column, and for ambiguity.
    """
    found: dict[str, str | list[str]] = {}
    how: dict[str, str] = {}
    wanted = roles
    for role in wanted:
        asked = given.get(role)
        if asked:
            found[role] = _given(asked, role, columns, name)
            how[role] = "given"
    _once(found, name)
    gone = _as_before(before or {}, columns, wanted, found, how)
    if given.get("text") and not given.get("text_pair"):
        roles = [role for role in roles if role != "text_pair"]
    for role, shaped in (suggested or {}).items():
        if role in wanted and role not in found and shaped not in {one for c in found.values() for one in _several(c)}:
            found[role], how[role] = shaped, "recognised"
    free = [c for c in columns if c not in _used(found)]
    if {"text", "text_pair"} <= set(roles) and "text" not in found:
        _pair(free, found, how)
        free = [c for c in columns if c not in _used(found)]
    for role in roles:
        if role not in found and (column := _by_name(role, free, columns, roles, name)):
            found[role], how[role] = column, "its name"
            free.remove(column)
    doubt = ""
    for role in roles:
        # A column that merely looks like labels is taken only where labels are needed or nothing else is left.
        if role not in found and (role == "text" or role == "label" and (role in required or len(columns) == 2)):
            hits = _by_content(role, columns, free)
            if len(hits) == 1:
                found[role], how[role] = hits[0], "its content"
                free.remove(hits[0])
            elif hits and role in required:
                raise DataError(f"{name}: {_ambiguous(role, hits)}")
            elif hits:
                doubt = f"; {listed(hits)} could each be the {role}, so none was taken"
    absent = [role for role in required if role not in found]
    if absent:
        role = absent[0]
        raise Absent(
            f"{name}: no column was recognised as the {role.replace('_', ' ')}. {exist(columns)}{_inside(columns)} "
            f"Name it with {FLAGS.get(role, '--' + role)}{_apart(columns)}.",
            absent,
        )
    found = {role: found[role] for role in wanted if role in found}
    parts = [f"{role} = {listed(_several(c))} ({how[role]})" for role, c in found.items()]
    left = [c for c in columns if c not in _used(found)]
    reason = f"{name}: {', '.join(parts) or 'no roles'}{doubt}" + (f"; not used: {_left(left)}." if left else ".")
    if gone and len(columns) > 1:
        had = ", ".join(f"{role} = {listed(_several(column))}" for role, column in gone.items())
        flags = " and ".join(FLAGS.get(role, f"--{role}") for role in gone)
        reason += f" The training data had {had}, not found here: if the choice is wrong, name another with {flags}."
    return Match(found, reason)


def _apart(columns: Mapping[str, Sequence[Any]]) -> str:
    """What else may be the matter where a single column has signs in its name that part columns elsewhere."""
    alone = next(iter(columns)) if len(columns) == 1 else ""
    return ", or say what separates the columns with --separator" if re.search(r"\w\W+\w", alone) else ""


def _as_before(
    before: Mapping[str, str | list[str]],
    columns: Mapping[str, Sequence[Any]],
    wanted: Sequence[str],
    found: dict[str, str | list[str]],
    how: dict[str, str],
) -> dict[str, str | list[str]]:
    """Let columns take the roles they had in training; returns those that are not there.

    Text and pair go together: one of them named by a person, or one of them not there, and neither is taken.
    """
    gone: dict[str, str | list[str]] = {}
    known = {role: column for role, column in before.items() if role in wanted}
    for group in (("text", "text_pair"), *((role,) for role in known if role not in ("text", "text_pair"))):
        here = {role: known[role] for role in group if role in known}
        if set(group) & set(found):
            continue
        if all(one in columns or one.split(".", 1)[0] in columns for c in here.values() for one in _several(c)):
            if not _used(here) & _used(found):
                found |= here
                how |= dict.fromkeys(here, "as in training")
        else:
            gone |= here
    return gone


def _several(column: str | list[str]) -> list[str]:
    return [column] if isinstance(column, str) else column


def _used(found: Mapping[str, str | list[str]]) -> set[str]:
    used: set[str] = set()
    for column in found.values():
        for one in _several(column):
            used |= {one, one.split(".", 1)[0]}
    return used


def _once(found: Mapping[str, str | list[str]], name: str) -> None:
    """Refuse one column in two roles."""
    roles: dict[str, str] = {}
    for role, column in found.items():
        for one in [column] if isinstance(column, str) else column:
            if one in roles:
                raise DataError(f'{name}: "{one}" is given for {FLAGS[roles[one]]} and for {FLAGS[role]}.')
            roles[one] = role


def exist(columns: Iterable[str]) -> str:
    """The sentence that says which columns there are."""
    names = list(columns)
    return f"The only column is {listed(names)}." if len(names) == 1 else f"The columns are {listed(names)}."


def _left(columns: Sequence[str]) -> str:
    """The columns without a role, those among them that number the rows said so."""
    ids = [column for column in columns if fold(column) in KEYS]
    if len(ids) == len(columns):
        return listed(ids) + (" (an id)" if len(ids) == 1 else " (ids)")
    more = f" ({listed(ids)} {'is an id' if len(ids) == 1 else 'are ids'})" if ids else ""
    return listed(columns) + more


def _inside(columns: Mapping[str, Sequence[Any]], most: int = 8) -> str:
    """The sentence that names what lies inside columns of objects, as it would be given: `talk.content.HS01`."""
    found: list[str] = []
    for name, values in columns.items():
        _paths(name, next((value for value in values if isinstance(value, Mapping) and value), None), found, 4)
    return f" Inside the objects there are {listed(found, most=most)}." if found else ""


def _paths(name: str, value: Any, found: list[str], deep: int) -> None:
    if isinstance(value, Mapping) and deep:
        for key, inner in value.items():
            _paths(f"{name}.{key}", inner, found, deep - 1)
    elif "." in name and isinstance(value, (str, int, float)):
        found.append(name)


def _given(wanted: str | Sequence[str], role: str, columns: Mapping[str, Sequence[Any]], name: str) -> str | list[str]:
    if isinstance(wanted, str) and role == "label" and wanted not in columns and "," in wanted:
        wanted = [part.strip() for part in wanted.split(",") if part.strip()]
    if not isinstance(wanted, str):
        several = [str(_given(one, role, columns, name)) for one in wanted]
        if len(set(several)) < len(several):
            raise DataError(f"{name}: {FLAGS.get(role, role)} names a column twice: {listed(several)}.")
        return several[0] if len(several) == 1 else several
    if wanted in columns or wanted.split(".", 1)[0] in columns and "." in wanted:
        return wanted
    close = nearest(wanted, list(columns))
    hint = f' Did you mean "{close}"?' if close else ""
    raise DataError(f'{name}: there is no column "{wanted}" ({FLAGS.get(role, role)}). {exist(columns)}{hint}')


def _pair(free: Sequence[str], found: dict[str, str | list[str]], how: dict[str, str]) -> None:
    """Take a known pair of names, where no column is simply called `text`."""
    folded = {fold(c): c for c in free}
    if "text_pair" in found:
        partner = fold(str(found["text_pair"]))
        for first, second in PAIRS:
            if second == partner and first in folded:
                found["text"], how["text"] = folded[first], "its name"
                return
        return
    if "text" in folded:
        return
    for first, second in PAIRS:
        if first in folded and second in folded:
            found |= {"text": folded[first], "text_pair": folded[second]}
            how |= {"text": "its name", "text_pair": "its name"}
            return


def _by_name(
    role: str, free: Sequence[str], columns: Mapping[str, Sequence[Any]], roles: Sequence[str], name: str
) -> str | None:
    for tier in tiers(role, roles):
        hits = [c for c in free if fold(c) in tier and (role not in _LISTS or holds(role, columns[c]))]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise DataError(f"{name}: {_ambiguous(role, hits)}")
    return None


def holds(role: str, values: Sequence[Any]) -> bool:
    """Whether the first value that is not missing or empty is a list such as the role wants (none at all: yes)."""
    for value in values:
        if role in ("choices", "entities") and isinstance(value, Mapping):
            return True
        if value is not None and not isinstance(value, (list, tuple)):
            return False
        if value:
            return isinstance(value[0], _LISTS[role])
    return any(value is not None for value in values)


def _ambiguous(role: str, hits: Sequence[str]) -> str:
    flag = FLAGS.get(role, f"--{role}")
    message = f"{listed(hits)} could each be the {role.replace('_', ' ')}. Name one, for example {flag} {hits[0]}"
    if role == "label":
        return f"{message}, or several for multi-label: --label {','.join(hits)}"
    if role == "text":
        return f"{message}, or a pair: --text {hits[0]} --text-pair {hits[1]}"
    return f"{message}."


def _by_content(role: str, columns: Mapping[str, Sequence[Any]], free: Sequence[str]) -> list[str]:
    """The columns that could be the text or the label by what they hold."""
    usable = [c for c in free if fold(c) not in IDS]
    if role == "text":
        return usable if len(columns) == 1 else [c for c in usable if _is_text(columns[c])]
    labels = [c for c in usable if is_label_like(_plain(columns[c]))]
    return labels or [c for c in usable if _is_score(columns[c])]


def _plain(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None and not isinstance(value, (dict, list))]


def _is_text(values: Sequence[Any]) -> bool:
    """Strings, mostly distinct, with letters, longer than a code."""
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if not texts or len(texts) < len(values) / 2 or is_label_like(texts):
        return False
    letters = sum(any(c.isalpha() for c in text) for text in texts) / len(texts)
    spaced = sum(" " in text.strip() for text in texts) / len(texts)
    return letters > 0.5 and (spaced > 0.3 or sum(map(len, texts)) / len(texts) >= 8)


def _is_score(values: Sequence[Any]) -> bool:
    """Numbers with fractions: the values of a regression."""
    plain = _plain(values)
    try:
        numbers = [float(value) for value in plain if not isinstance(value, bool)]
    except ValueError:
        return False
    return bool(numbers) and any(number % 1 for number in numbers)
