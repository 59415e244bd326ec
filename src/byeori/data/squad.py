"""Reading comprehension in SQuAD's nesting → a row a question: SQuAD 1 and 2, KorQuAD, KLUE-MRC.

`data[].paragraphs[].qas[]`, and KorQuAD 2's `data[].qas[]`; a `Dataset` or JSON lines of such articles too. The rows
are counted as questions; what articles and questions carry besides stays beside them under its name.

    explode(sheet, "dev-v2.0.json").columns["question"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from byeori.data.columns import as_list
from byeori.data.rows import Sheet
from byeori.data.wording import count
from byeori.errors import DataError

_TAKEN = ("question", "context", "answers", "id", "title", "is_impossible")


def is_nested(sheet: Sheet) -> bool:
    """Whether the rows are articles with paragraphs, or paragraphs with questions."""
    for column in ("paragraphs", "qas"):
        if column in sheet.columns:
            values = as_list(sheet.columns[column][:50])
            return any(isinstance(value, (list, tuple)) for value in values)
    return False


def explode(sheet: Sheet, name: str) -> Sheet:
    """Articles → questions. Raises DataError (with article, paragraph and question) for what is no such thing."""
    articles = [
        dict(zip(sheet.columns, row, strict=True)) for row in zip(*map(as_list, sheet.columns.values()), strict=True)
    ]
    rows: list[dict[str, Any]] = []
    more: dict[str, None] = {}
    paragraphs = 0
    for at, article in enumerate(articles):
        if at in sheet.bad:
            raise DataError(f"{name}, article {at + 1}: {sheet.bad[at]}.")
        where = f"{name}, article {at + 1}"
        shared = _plain(article)
        for number, paragraph in _objects(article.get("paragraphs", [article]), where, "paragraph"):
            paragraphs += 1
            place = f"{where}, paragraph {number}"
            if "context" not in paragraph:
                raise DataError(
                    f'{place}: it has no "context" (it holds {", ".join(paragraph) or "nothing"}). Fix the file.'
                )
            for one, question in _objects(paragraph.get("qas"), place, "question"):
                if "question" not in question:
                    raise DataError(f'{place}, question {one}: it has no "question". Fix the file.')
                row = {**shared, **_plain(paragraph), **_plain(question)}
                row["answers"] = question.get("answers", question.get("answer"))
                row["id"] = question.get("id", question.get("guid"))
                rows.append(row)
                more |= dict.fromkeys(key for key in row if key not in _TAKEN)
    if not rows:
        raise DataError(
            f"{name}: there is no question in its {count(len(articles), 'article')}. Give a file that holds some."
        )
    columns = {key: [row.get(key) for row in rows] for key in (*_TAKEN, *more)}
    columns = {key: values for key, values in columns.items() if any(value is not None for value in values)}
    sheet.file.rows = len(rows)
    said = (
        f"{name}: {count(len(articles), 'article')}, {count(paragraphs, 'paragraph')}, {count(len(rows), 'question')}."
    )
    return Sheet(columns, len(rows), sheet.file, [*sheet.notes, said])


def _objects(values: Any, where: str, what: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a list with their 1-based numbers; nothing for a list that is missing."""
    if values is not None and not isinstance(values, (list, tuple)):
        raise DataError(f"{where}: a {type(values).__name__} stands where a list of {what}s is wanted. Fix the file.")
    for number, value in enumerate(values or [], 1):
        if not isinstance(value, Mapping):
            raise DataError(
                f"{where}, {what} {number}: a {type(value).__name__} stands where an object is wanted. Fix the file."
            )
        yield number, value


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """What of an article, paragraph or question is a text, a number or a truth value."""
    return {key: one for key, one in value.items() if isinstance(one, (str, int, float))}
