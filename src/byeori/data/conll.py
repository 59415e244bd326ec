"""Files of one token a line → sentences: CoNLL-2003, CoNLL-U, KLUE-NER, WNUT-17 and their like, told by their content.

Blank lines (a lone tab or byte-order mark included) end a sentence. A row is a sentence; errors name the line.
Invariants: a token is what stands between separators, so a space (KLUE) and a zero-width character are tokens; every
sentence found is a row, left out and counted, or the reason of an error.

    parse(b"Seoul\\tB-LOC\\nis\\tO\\n\\n", "a.tsv", recognise(b"Seoul\\tB-LOC\\nis\\tO\\n\\n")).rows == 1
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from byeori.data.rows import FileInfo, Sheet
from byeori.data.wording import count, listed, nearest, short
from byeori.errors import DataError

SUFFIXES = (".conll", ".conllu", ".conllup", ".bio", ".iob", ".iob2", ".iobes", ".bioes", ".annotated", ".ner")
_UD = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_CONLL2003 = ("TOKEN", "POS", "CHUNK", "NER")
TAG = re.compile(r"(O|[BIESLUM][-_]\S+|\S+[-_][BIESLUM])$")
_UD_ID = re.compile(r"\d+([-.]\d+)?$")
_NAMES = re.compile(r"#+\s*(?:global\.columns|컬럼명|columns?)\s*[:=]\s*(\S.*)$", re.IGNORECASE)
_COMMENT = re.compile(r"#+ *(\w+) *= ?(.*)$")
_MARKS = "\ufeff\u200b\u200e\u200f"  # invisible: a line of nothing else is a blank line
_SAMPLE = 1 << 18


@dataclass(slots=True)
class Layout:
    """tab: separated by tabs, else by spaces. width: columns. names: of the columns, made up where the file has none; named:
    it has them, header: in its first line."""

    tab: bool
    width: int
    names: list[str] = field(default_factory=list)
    universal: bool = False
    header: bool = False
    named: bool = False

    def split(self, line: str) -> list[str]:
        return line.split("\t") if self.tab else [part for part in line.split(" ") if part]

    def is_comment(self, line: str) -> bool:
        """`# …` and `## …`; a token that begins with # has no space after it, or as many columns as the others."""
        if not line.startswith("#"):
            return False
        if self.universal:
            return line.count("\t") + 1 != self.width
        if line.lstrip("#")[:1] not in ("", " "):
            return False
        return self.tab or _COMMENT.match(line) is not None or len(self.split(line)) != self.width


def lines_of(data: bytes) -> list[str]:
    """The lines of UTF-8 bytes, cut at line feeds (and carriage returns where there are no line feeds) only."""
    text = data.decode("utf-8").replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return text.split("\n")


def is_blank(line: str) -> bool:
    return not line.strip(_MARKS + " \t\r\x0b\x0c")


def recognise(data: bytes, suffix: str = "", known: Collection[str] | None = None) -> Layout | None:
    """How the file is laid out, or None where it is no file of one token a line.

    A suffix of SUFFIXES is believed; any other file must show blank lines (or tags as BIO and its like spell them)
    and a last column of few short values. known: None where tags are wanted; else the names of training, of its columns and
    its tags: so may plain text look (names of two words, a line each), and what is only to be predicted must show tags so
    spelled or known, or columns so named, too.
    """
    head = data[:_SAMPLE]
    lines = lines_of(head.decode("utf-8", errors="ignore").encode())
    if len(head) < len(data) and len(lines) > 1:
        lines.pop()
    full = [line for line in lines if not is_blank(line)]
    plain = [line for line in full if not re.match(r"#+ |-DOCSTART-", line)] or (full if suffix not in SUFFIXES else [])
    if not plain:
        return Layout(tab=False, width=0, names=["token"]) if full and suffix in SUFFIXES else None
    layout = Layout(tab=sum("\t" in line for line in plain) * 2 > len(plain), width=0)
    rows = [layout.split(line) for line in plain]
    layout.width = Counter(map(len, rows)).most_common(1)[0][0]
    good = [row for row in rows if len(row) == layout.width]
    layout.universal = layout.tab and layout.width == 10 and all(_UD_ID.match(row[0]) for row in good)
    _name(layout, full, good)
    if suffix in SUFFIXES:
        return layout
    if not 2 <= layout.width <= 14 or len(good) < 0.9 * len(rows):
        return None
    tags = [row[3 if layout.universal else -1].strip() for row in good[layout.header :]]
    spelled = sum(bool(TAG.match(tag)) for tag in tags) >= 0.95 * len(tags)
    first, last = lines.index(full[0]), len(lines) - lines[::-1].index(full[-1])
    parted = any(is_blank(line) for line in lines[first:last])
    few = len(set(tags)) <= max(20, len(tags) // 4) and all(len(tag) <= 40 and " " not in tag for tag in tags)
    short_tokens = sum(len(row[0]) <= 40 for row in good) >= 0.95 * len(good)
    if not (tags and short_tokens and few and (parted or spelled)):
        return None
    return layout if known is None or spelled or layout.universal or _is_known(layout, tags, known) else None


def _is_known(layout: Layout, tags: Sequence[str], known: Collection[str]) -> bool:
    """Whether the file's columns, or nearly all of its tags, have names of training."""
    columns = layout.named and {name.casefold() for name in layout.names} & {name.casefold() for name in known}
    return bool(columns) or sum(tag in known for tag in tags) >= 0.95 * len(tags)


def _name(layout: Layout, lines: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Names of the columns: from a comment, a header line, the format; else `token`, `column_2`, …, `tag`."""
    for line in lines[:20]:
        found = _NAMES.match(line) if line.startswith("#") else None
        names = re.split(r"\t| +", found.group(1).strip()) if found else []
        if len(names) == layout.width:
            layout.names, layout.named = names, True
            return
    folded = [cell.strip().casefold() for cell in rows[0]] if rows else []
    named = {"token", "word", "form", "단어", "토큰"} & set(folded[:2]) and len(set(folded)) == len(folded) > 1
    if named and rows[0][-1] not in {row[-1] for row in rows[1:]}:
        layout.names, layout.header, layout.named = [cell.strip() for cell in rows[0]], True, True
    elif layout.universal:
        layout.names = list(_UD)
    elif layout.width == 4 and sum(bool(TAG.match(row[2]) and TAG.match(row[3])) for row in rows) > 0.9 * len(rows):
        layout.names = list(_CONLL2003)
    else:
        middle = [f"column_{at}" for at in range(2, layout.width)]
        layout.names = ["token", *middle, "tag"] if layout.width > 1 else ["token"]


def column_of(asked: str, layout: Layout, name: str, flag: str) -> int:
    """The 0-based column that a name (in any case) or a 1-based number stands for. Raises DataError."""
    folded = [one.casefold() for one in layout.names]
    if asked.casefold() in folded:
        return folded.index(asked.casefold())
    if asked.isdecimal() and 1 <= int(asked) <= layout.width:
        return int(asked) - 1
    close = nearest(asked, layout.names)
    raise DataError(
        f'{name}: there is no column "{asked}" ({flag}). The columns are {listed(layout.names)}, or 1 to {layout.width}.'
        + (f' Did you mean "{close}"?' if close else "")
    )


def parse(
    data: bytes,
    name: str,
    layout: Layout,
    info: FileInfo | None = None,
    *,
    tokens: str | None = None,
    tags: str | None = None,
    need_tags: bool = True,
    bad: str = "raise",
    broken: Collection[int] = (),
) -> Sheet:
    """Read all sentences.

    tokens, tags: columns by name or number; the first and the last (CoNLL-U: FORM and UPOS) if not given, and the
    sheet's columns carry the name given. need_tags: a token without a tag makes its sentence unusable.
    bad: `raise`, `skip` or `keep` unusable sentences. broken: 0-based lines with bytes not in the encoding.
    Raises DataError with the line.
    """
    reader = _Reader(name, layout)
    token_at = column_of(tokens, layout, name, "--tokens") if tokens else 1 if layout.universal else 0
    tag_at: int | None = None
    if layout.width > 1:
        tag_at = column_of(tags, layout, name, "--tags") if tags else 3 if layout.universal else layout.width - 1
    token_name = tokens or layout.names[token_at]
    tag_name = tags or ("" if tag_at is None else layout.names[tag_at])
    if tag_at == token_at:
        raise DataError(f'{name}: "{tag_name}" can\'t be both the tokens (--tokens) and the tags (--tags).')
    reader.read(lines_of(data), token_at, tag_at, need_tags, set(broken))
    if not reader.tokens:
        raise DataError(f"{name}: there is no sentence in this file. Write one token and its tag a line.")
    info = info or FileInfo(name)
    info.format, info.rows = "conllu" if layout.universal else "conll", len(reader.tokens)
    wrong = reader.wrong
    if wrong and bad == "raise":
        raise DataError(_unusable(name, wrong, len(reader.tokens)))
    kept = [i for i in range(len(reader.tokens)) if bad == "keep" or i not in wrong]
    columns: dict[str, Any] = {token_name: [[] if i in wrong else reader.tokens[i] for i in kept]}
    suggested = {"tokens": token_name}
    if tag_at is not None:
        columns[tag_name] = [[] if i in wrong else reader.tags[i] for i in kept]
        suggested["tags"] = tag_name
        _refuse_blank_column(columns[tag_name], tag_name, name, layout)
    for key, values in reader.comments.items():
        if len(values) == len(reader.tokens) and key not in columns:
            columns[key] = [values[i] for i in kept]
    notes = [f"{name}: {reader.said(token_at, tag_at)}."]
    if wrong and bad == "skip":
        shown = "; ".join(f"row {i + 1}: line {line}: {why}" for i, (line, why) in list(wrong.items())[:5])
        notes.append(f"{name}: {count(len(wrong), 'sentence')} that can't be used left out ({shown}).")
    unit = "character" if reader.by_character else "word"
    numbers = np.asarray([i + 1 for i in kept], np.int64) if len(kept) < len(reader.tokens) else None
    problems = {at: f"line {wrong[i][0]}: {wrong[i][1]}" for at, i in enumerate(kept) if i in wrong}
    return Sheet(columns, len(kept), info, notes, numbers, problems, {}, suggested, {"unit": unit})


def _unusable(name: str, wrong: dict[int, tuple[int, str]], found: int) -> str:
    row, (line, why) = next(iter(wrong.items()))
    more = f" {len(wrong):,} of {found:,} sentences are like this." if len(wrong) > 1 else ""
    return f"{name}, line {line} (row {row + 1}): {why}.{more} Fix the file, or leave such sentences out with --skip-bad-rows."


def _refuse_blank_column(tags: Sequence[Sequence[str]], column: str, name: str, layout: Layout) -> None:
    if all(tag == "_" for sentence in tags for tag in sentence):
        others = [one for one in layout.names if one != column]
        raise DataError(
            f'{name}: the column "{column}" holds no tag ("_" everywhere). Name another of {listed(others)} with --tags.'
        )


class _Reader:
    """One pass over the lines; sentence i is `tokens[i]`, `tags[i]`, and `wrong[i]` says (line, why) it is unusable."""

    def __init__(self, name: str, layout: Layout):
        self.name, self.layout = name, layout
        self.tokens: list[list[str]] = []
        self.tags: list[list[str]] = []
        self.wrong: dict[int, tuple[int, str]] = {}
        self.comments: dict[str, list[str]] = {}
        self.skipped: Counter[str] = Counter()

    def read(self, lines: Sequence[str], token_at: int, tag_at: int | None, need: bool, broken: set[int]) -> None:
        layout, started, header = self.layout, False, self.layout.header
        spaces = layout.tab and layout.width == 2  # a space may be a token there
        for number, line in enumerate(lines, 1):
            cells = layout.split(line)
            if is_blank(line) and not (spaces and line.startswith(" \t") and self._has_spaces()):
                self.skipped["tab-only line"] += "\t" in line
                started = False
                continue
            if layout.is_comment(line):
                self._comment(line, started)
                continue
            if cells[0] == "-DOCSTART-":
                self.skipped["-DOCSTART- line"] += 1
                started = False
                continue
            if layout.universal and re.fullmatch(r"\d+[-.]\d+", cells[0]):
                self.skipped["multiword range or empty node"] += 1
                continue
            if header:
                header = False
                continue
            if not started:
                self.tokens.append([])
                self.tags.append([])
                started = True
            at = len(self.tokens) - 1
            why = self._why(cells, token_at, tag_at, need)
            if number - 1 in broken:
                why = "bytes that are not in the file's encoding"
            if why:
                self.wrong.setdefault(at, (number, why))
                continue
            self.tokens[at].append(cells[token_at])
            if tag_at is not None:
                self.tags[at].append(cells[tag_at].strip() if len(cells) > tag_at else "")

    def _why(self, cells: Sequence[str], token_at: int, tag_at: int | None, need: bool) -> str | None:
        """What is wrong with a line, or None."""
        width = self.layout.width
        token = cells[token_at] if len(cells) > token_at else ""
        if not token:
            return f'no token stands before the tag "{short(cells[-1])}"'
        if tag_at is not None and need and (len(cells) < width or not cells[tag_at].strip()):
            return f'the token "{short(token)}" has no tag'
        if len(cells) > width:
            return f'{count(len(cells), "column")} where other lines have {width} ("{short(" ".join(cells))}")'
        return None

    def _has_spaces(self) -> bool:
        return any(token == " " for sentence in self.tokens[:50] for token in sentence)

    def _comment(self, line: str, started: bool) -> None:
        self.skipped["comment line"] += 1
        found = _COMMENT.match(line)
        key = {"text": "text", "sent_id": "id"}.get(found.group(1)) if found else None
        if found is None or key is None:
            return
        column, sentence = self.comments.setdefault(key, []), len(self.tokens) - started
        if len(column) == sentence:
            column.append(found.group(2))

    @property
    def by_character(self) -> bool:
        return (
            all(len(token) == 1 for sentence in self.tokens for token in sentence) and sum(map(len, self.tokens)) >= 20
        )

    def said(self, token_at: int, tag_at: int | None) -> str:
        layout = self.layout
        kind = "CoNLL-U" if layout.universal else f"one token a line, separated by {'tabs' if layout.tab else 'spaces'}"
        total = sum(map(len, self.tokens))
        parts = [f"{kind}: {count(len(self.tokens), 'sentence')}, {count(total, 'token')}"]
        parts.append(f"tokens from column {token_at + 1} ({layout.names[token_at]})")
        if tag_at is not None:
            parts.append(f"tags from column {tag_at + 1} ({layout.names[tag_at]})")
        left = [count(number, what) for what, number in self.skipped.items() if number]
        return ", ".join(parts) + (f"; left out: {', '.join(left)}" if left else "")
