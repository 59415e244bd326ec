"""Plain text → documents, for tasks that learn from running text.

How a file falls into documents is asked for (`document`: line, paragraph or file) or follows from it, and is said:
a file that begins with a WikiText heading (` = Title = `) is cut at these; one with blank lines at them; any other holds
a document a line. Blank lines are between documents, never documents.

    parse(b"one\\ntwo\\n\\nthree\\n", "a.txt")[0] == {"text": ["one\\ntwo", "three"]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from byeori.data.conll import lines_of
from byeori.data.wording import count, listed, nearest
from byeori.errors import DataError, SettingError

KINDS = ("line", "paragraph", "file")
_HEADING = re.compile(r" ?= (?![= ]).* = ?$")
_MOST_LINES = 200  # a block of more lines on average: the blank lines are strays, not borders


def parse(data: bytes, name: str, document: str | None = None) -> tuple[dict[str, list[str]], list[str]]:
    """(the column `text`, notes). Raises SettingError for an unknown `document`, DataError for a file without text."""
    if document is not None and document not in KINDS:
        close = nearest(document, KINDS)
        hint = f" Did you mean {close}?" if close else ""
        raise SettingError(f'document: "{document}" is none of {listed(KINDS, "or")}.{hint}')
    lines = lines_of(data)
    full = [at for at, line in enumerate(lines) if line.strip()]
    if not full:
        raise DataError(f"{name}: the file is empty.")
    lines = lines[full[0] : full[-1] + 1]
    blocks = list(_blocks(lines))
    headings = [at for at in range(len(lines)) if _is_heading(lines, at)]
    if document is None and headings[:1] == [0]:
        texts = [_joined(lines[start:end]) for start, end in zip(headings, [*headings[1:], len(lines)], strict=True)]
        said = f'{count(len(texts), "document")}, cut at headings such as "{lines[0].strip()}"'
    elif document == "file":
        texts, said = [_joined(lines)], "one document, the whole file"
    elif document == "paragraph" or document is None and 1 < len(blocks) >= len(full) / _MOST_LINES:
        texts, said = [_joined(block) for block in blocks], f"{count(len(blocks), 'document')}, cut at blank lines"
    else:
        texts = [line for line in lines if line.strip()]
        said = f"{count(len(texts), 'document')}, one a line"
        if len(texts) < len(lines):
            said += f" ({count(len(lines) - len(texts), 'blank line')} left out)"
    return {"text": texts}, [f"{name}: {said} (--document line, paragraph or file says otherwise)."]


def _is_heading(lines: Sequence[str], at: int) -> bool:
    """A level-1 heading of WikiText, with blank lines (or the file's ends) around it."""
    if not _HEADING.match(lines[at]):
        return False
    return (at == 0 or not lines[at - 1].strip()) and (at + 1 == len(lines) or not lines[at + 1].strip())


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _joined(lines: Sequence[str]) -> str:
    """Lines as they are, without blank ones at the end."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return "\n".join(lines[:end])
