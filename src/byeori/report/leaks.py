"""What must not leave with a model: secrets in its files, and rows of the data.

Invariants: a secret is told by file, line and how it begins, never whole; a row is found by its letters alone, whatever quoting,
markup or spacing stands around it; both take bounded time, and what was not looked at is said.

    found = secrets("README.md", text); Quoted({"README.md": text}).look(["정말 오랜만에 …"], "train.tsv")
"""

from __future__ import annotations

import html
import json
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Kind → a sign that each has (looked for first: fast), and its form. Forms are those their makers document.
SECRETS = {
    "a Hugging Face token": ("hf_", r"\bhf_[A-Za-z0-9]{30,}\b"),
    "a Hugging Face organisation token": ("api_org_", r"\bapi_org_[A-Za-z0-9]{30,}\b"),
    "an API key": ("sk-", r"\bsk-(?:proj-|ant-|live-|or-)?[A-Za-z0-9_\-]{20,}"),
    "a Stripe key": ("k_live_", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    "an AWS key": ("IA", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": ("gh", r"\bgh[pousr]_[A-Za-z0-9]{30,}\b"),
    "a GitHub token of its own rights": ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    "a GitLab token": ("glpat-", r"\bglpat-[A-Za-z0-9_\-]{20,}"),
    "a Slack token": ("xox", r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}"),
    "a Slack address": ("hooks.slack.com", r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    "a Google key": ("AIza", r"\bAIza[0-9A-Za-z_\-]{35}"),
    "a PyPI token": ("pypi-", r"\bpypi-[A-Za-z0-9_\-]{50,}"),
    "a web token (JWT)": ("eyJ", r"\beyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}"),
    "a private key": ("PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "a password in an address": ("://", r"\b[a-z][a-z0-9+.\-]*://[^\s/:@\"'<>]{1,64}:[^\s/@\"'<>]{3,}@"),
    "a password": (
        "",
        r"(?i)(?<![a-z])(?:password|passwd|pwd|api_?key|secret_?key|client_secret|access_key|auth_token)[\"']?\s*[:=]\s*[\"']?"
        r"(?=[^\s\"',;]*[a-z])(?=[^\s\"',;]*[^a-z\s\"',;])[^\s\"',;<>{}\[\]()]{8,}",
    ),
}  # fmt: skip
WORDS = re.compile(r"(?i)pass|pwd|key|secret|auth_token")  # what the last one begins with
FORMS = {kind: (sign, re.compile(form)) for kind, (sign, form) in SECRETS.items()}
NAMED = re.compile(r"(?i)(token|secret|passwor?d|api_?key|access_key)$")  # environment variables that hold one
SHOWN = 4  # characters of a secret that are shown

ANCHOR = 12  # letters by which a row is looked up
# Columns (Hangul and Han take two) from how many on a row counts: whole, by a stretch of it, or, if it has several words, where a
# quotation, a table's cell or a text of JSON is the row and nothing else.
WHOLE, STRETCH, EXACT = 24, 48, 12
MOST_LETTERS = 500_000  # of what goes
SECONDS = 20.0
MOST_ROWS = 200  # that are told
QUOTES = re.compile(r"[\"“”«»‹›「」『』`|>\n]|\*+|(?<!\w)['‘’]|['‘’](?!\w)")
_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Leak:
    """`file` as it would go, `line` (0 where it isn't told by lines), and a sentence about what stands there."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.what}"


def secrets(file: str, text: str) -> list[Leak]:
    """What looks like one in a text, and the values of this machine's own (HF_TOKEN …) wherever they stand."""
    found: dict[tuple[int, int], tuple[str, str]] = {}
    for kind, (sign, form) in FORMS.items():
        if sign in text and (sign or WORDS.search(text)):
            for one in form.finditer(text):
                found.setdefault(one.span(), (kind, one[0]))
    for name, value in own_secrets().items():
        for one in re.finditer(re.escape(value), text):
            found.setdefault(one.span(), (f"what {name} holds", value))
    leaks, last = [], -1
    for (start, end), (kind, value) in sorted(found.items()):
        if start < last:  # inside another one
            continue
        last = end
        leaks.append(Leak(file, text.count("\n", 0, start) + 1, f"{kind} ({_hidden(value)})"))
    return leaks


def own_secrets() -> dict[str, str]:
    """The Hub's token, and variables of the environment whose names say that they hold a secret."""
    from huggingface_hub import get_token

    values = {name: value for name, value in os.environ.items() if NAMED.search(name)}
    values["your Hub login"] = get_token() or ""
    return {name: value for name, value in values.items() if len(value) >= 16 and not re.search(r"[\s/]", value)}


def _hidden(value: str) -> str:
    """A secret as it may be shown: what its kind begins with, and its length."""
    head = re.match(r"[a-z][a-z0-9+.\-]*://", value) or re.match(r"\W*\w+?(?:_|-|(?=\W))", value)
    shown = (head[0] if head else "")[:16]
    return f"{shown or value[:SHOWN]}…, {len(value)} characters"


def letters(text: str) -> str:
    """Letters and digits alone, composed and in lower case."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _SIGNS.sub("", text).lower()


def width(text: str) -> int:
    return len(text) + sum(sign >= "\u1100" for sign in text)


def quotable(file: str, text: str) -> Iterator[str]:
    """The pieces of a file that may hold a row: a document whole, of JSON its texts, of lines (a vocabulary) each."""
    if file.endswith((".json", ".jsonl")):
        for part in text.split("\n") if file.endswith(".jsonl") else (text,):
            try:
                yield from texts_of(json.loads(part), keys=True)
            except ValueError:
                yield part
    elif file.endswith(".txt"):
        yield from text.split("\n")
    else:
        yield html.unescape(text)


def texts_of(value: Any, keys: bool = False) -> Iterator[str]:
    """All texts in a value of JSON; a list of words is one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            if keys:
                yield str(name)
            yield from texts_of(one, keys)
    elif isinstance(value, list | tuple):
        if not keys and value and all(isinstance(one, str) for one in value):
            yield " ".join(value)
        else:
            for one in value:
                yield from texts_of(one, keys)


def _several(text: str) -> bool:
    """Whether it has several words: a word alone may be a label, a token, a setting's name."""
    return len(text.split(maxsplit=1)) > 1


class Quoted:
    """The letters of what goes, by which rows are looked up in it."""

    def __init__(self, texts: Mapping[str, str], labels: Iterable[str] = ()):
        self.labels = {letters(one) for one in labels}  # which may stand there, also where a row is one
        self.starts: list[tuple[int, str]] = []
        parts: list[str] = []
        self.exact: dict[str, str] = {}  # the letters of what stands alone in quotes, a cell, a text of JSON → its file
        size, self.cut = 0, False
        for file, text in texts.items():
            self.starts.append((size, file))
            for piece in quotable(file, text):
                for alone in filter(_several, QUOTES.split(piece) if len(piece) > ANCHOR else ()):
                    self.exact.setdefault(letters(alone), file)
                if len(piece) < ANCHOR or width(found := letters(piece)) < WHOLE:
                    continue
                if size + len(found) > MOST_LETTERS:
                    self.cut = True
                    break
                parts.append(found)
                size += len(found) + 1
        self.text = "\n".join(parts)
        self.windows = {self.text[at : at + ANCHOR] for at in range(len(self.text) - ANCHOR + 1)}
        self.until = time.monotonic() + SECONDS
        self.rows, self.leaks = 0, dict[tuple[str, str], Leak]()

    def look(self, rows: Iterable[Any], source: str) -> bool:
        """Rows of one source (a row: a text, or a value of JSON with texts in it) → `leaks`. False: the time is over."""
        for number, row in enumerate(rows, 1):
            if number % 256 == 0 and time.monotonic() > self.until:
                return False
            self.rows += 1
            if not self.windows and not self.exact:
                continue
            for text in texts_of(row):
                file = self._holds(text)
                if file is not None and len(self.leaks) < MOST_ROWS:
                    start = " ".join(text.split())[:24]
                    self.leaks.setdefault((file, text), Leak(file, 0, f"row {number:,} of {source} (“{start}…”)"))
        return True

    def _holds(self, text: str) -> str | None:
        """The file in which a row stands, whole or by a stretch."""
        if len(text) <= EXACT // 2:
            return None
        row = letters(text)
        if row in self.exact and width(row) >= EXACT and row not in self.labels and _several(text):
            return self.exact[row]
        for at in range(0, len(row) - ANCHOR + 1, ANCHOR):
            if (anchor := row[at : at + ANCHOR]) not in self.windows:
                continue
            place = self.text.find(anchor)
            while place >= 0:
                first, last = at, at + ANCHOR
                while first and place - (at - first) and self.text[place - (at - first) - 1] == row[first - 1]:
                    first -= 1
                while last < len(row) and self.text[place + last - at : place + last - at + 1] == row[last]:
                    last += 1
                whole = last - first == len(row)
                if width(row[first:last]) >= (WHOLE if whole else STRETCH) and not (whole and row in self.labels):
                    return next(file for start, file in reversed(self.starts) if start <= place)
                place = self.text.find(anchor, place + 1)
        return None
