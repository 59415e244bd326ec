"""A sheet as it was read → a sheet whose columns can be roles: nested rows laid flat, columns of one thing joined.

Corpora of 모두의 말뭉치 are told by their shape for any role; else nothing happens for the roles of text classification.
What is done is said in a note.

    reshape(sheet, "dev.json", Wish(None, ("question", "context", "answers"))).columns["question"]
"""

from __future__ import annotations

from byeori.data import chat, choices, nikl, parallel, squad, summaries, tokens
from byeori.data.rows import Sheet
from byeori.data.wish import Wish


def reshape(sheet: Sheet, name: str, wish: Wish) -> Sheet:
    """The sheet with what its shape suggests, for the roles wanted. Raises DataError where nothing but a person can say."""
    if sheet.suggested:  # its reader knew
        return sheet
    if nikl.is_corpus(sheet):
        return nikl.explode(sheet, name, wish)
    given = {role: wish.given(role) for role in wish.roles}
    if wish.wants("question") and squad.is_nested(sheet):
        sheet = squad.explode(sheet, name)
    if wish.wants("choices"):
        choices.reshape(sheet, name, given)
    if wish.wants("prompt"):
        chat.reshape(sheet, name, given)
    if wish.wants("source", "target"):
        parallel.reshape(sheet, name, given, wish.settings, wish.before)
        if not sheet.suggested:
            summaries.reshape(sheet, name, given, wish.wants("references"))
    if wish.wants("tokens", "entities"):
        tokens.reshape(sheet, name, wish.roles)
    return sheet
