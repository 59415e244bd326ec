"""Which of a task's alternative sets of columns a file has: the first complete one wins.

choose({"tokens": [["a"]], "tags": [["O"]]}, {}, Wish(forms=(("tokens", "tags"), ("text", "entities")), …), "a.json")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from byeori.data.roles import FLAGS, Absent, Match, exist, match
from byeori.data.wish import Wish
from byeori.data.wording import listed
from byeori.errors import DataError

# Roles that mean something only beside another.
_BESIDE = {
    "tags": "tokens", "entities": "text", "completion": "prompt", "choices": "text", "answers": "question",
    "references": "target",
}  # fmt: skip
# The forms there are, for a person who names columns instead of a task.
KNOWN: tuple[tuple[str, ...], ...] = (
    ("tokens", "tags"),
    ("text", "entities"),
    ("question", "context"),
    ("text", "choices"),
    ("messages",),
    ("prompt", "completion"),
    ("source", "target"),
)
_MORE = {"question": ("answers", "id", "title"), "choices": ("label",), "source": ("references",)}


def choose(
    samples: Mapping[str, Sequence[Any]], wish: Wish, name: str, suggested: Mapping[str, str] | None = None
) -> Match:
    """The columns of the first form that is complete; first are those a person named columns of, then those that have
    training's columns.

    Raises DataError that says which roles each form lacks, and which columns there are.
    """
    given = {role: wish.given(role) for role in wish.roles}
    if not wish.forms:
        return match(samples, given, wish.roles, wish.required, name, wish.before, suggested)
    named = {role for role, column in given.items() if column}
    outer = {column.split(".", 1)[0] for column in samples}
    before = {
        r
        for r, c in wish.before.items()
        if {one.split(".", 1)[0] for one in ([c] if isinstance(c, str) else c)} <= outer
    }
    forms = sorted(wish.forms, key=lambda form: (-len(named & set(form)), -len(before & set(form))))
    lacking: list[tuple[Sequence[str], tuple[str, ...]]] = []
    doubt: DataError | None = None
    for form in forms:
        roles = _roles(form, wish)
        required = [role for role in roles if role in form or role in wish.required]
        try:
            return match(samples, {role: given[role] for role in roles}, roles, required, name, wish.before, suggested)
        except Absent as absent:
            lacking.append((required, absent.roles))
        except DataError as error:
            if named & set(form):
                raise
            doubt = doubt or error
    if doubt:
        raise doubt
    wanted = ", or ".join(f"{listed(form)} (not found: {listed(absent)})" for form, absent in lacking)
    ways = (" ".join(f"{FLAGS.get(role, '--' + role)} COLUMN" for role in absent) for _, absent in lacking)
    flags = ", or ".join(dict.fromkeys(ways))
    raise Absent(
        f"{name}: no complete set of columns was found: {wanted}. {exist(samples)} Name them: {flags}.", lacking[0][1]
    )


def _roles(form: Sequence[str], wish: Wish) -> list[str]:
    """The form's own roles and those that may stand beside it, in the order wanted."""
    others = {role for other in wish.forms for role in other} - set(form)
    beside = [role for role in wish.roles if role in form or role not in others]
    return [role for role in beside if role in form or _BESIDE.get(role, role) in (role, *form)]


def naming(settings: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """(roles, forms) of the columns that a person names; none for those of text classification."""
    named = {role for role in settings if settings[role]} - {"text", "text_pair", "label"}
    forms = tuple(form for form in KNOWN if named & set(form)) or tuple(
        f for f in KNOWN if named & set(_MORE.get(f[0], ()))
    )
    roles = dict.fromkeys(role for form in forms for role in (*form, *_MORE.get(form[0], ()), *_MORE.get(form[-1], ())))
    return tuple(roles), forms
