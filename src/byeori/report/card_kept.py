"""What a person wrote in a model card, kept when the card is made again.

Invariants: a card ends in a comment that holds digests of what was made: of its text without the parts that are a person's
(between `<!-- yours: … -->` and `<!-- /yours: … -->`), and of each entry of its metadata. What stands in those parts, and
entries that a person changed, added or took out, go into the next card as they are; a card whose text was changed
elsewhere, or that was not made here, is not touched.

    kept = read(path.read_text("utf-8")); kept.touched, kept.parts["harms"], kept.metadata(made)
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

FRONT = re.compile(r"\A\ufeff?---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
PART = re.compile(r"<!-- yours: (?P<name>[a-z]+) -->\n?(?P<text>.*?)\n?<!-- /yours: (?P=name) -->", re.DOTALL)
MADE = re.compile(r"\n?<!-- Made by Byeori (?P<digests>\{.*?\}) -->\s*\Z", re.DOTALL)


@dataclass
class Kept:
    """Of a card that is there: the language it was made in, the texts of a person's parts by name, whether its text was
    changed elsewhere; `changed` and `removed` are a person's entries of the metadata."""

    lang: str | None = None
    parts: dict[str, str] = field(default_factory=dict)
    touched: bool = False
    changed: dict[str, Any] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    def metadata(self, made: dict[str, Any]) -> dict[str, Any]:
        """The entries of a card made anew, with a person's in their places."""
        return {name: value for name, value in made.items() if name not in self.removed} | self.changed


def part(name: str, text: str) -> str:
    """A part of a card that is a person's, with what stands in it so far."""
    return f"<!-- yours: {name} -->\n{text}\n<!-- /yours: {name} -->"


def signed(front: dict[str, Any], text: str, lang: str) -> str:
    """The text of a card with the comment that says what was made; `front`: its metadata as it was made."""
    digests = {"lang": lang, "text": _of_text(text), "metadata": {name: _of(value) for name, value in front.items()}}
    return f"{text.rstrip()}\n\n<!-- Made by Byeori {json.dumps(digests)} -->\n"


def read(card: str) -> Kept:
    """What a person wrote in a card: all of it, where nothing says that it was made here."""
    import yaml

    card = card.replace("\r\n", "\n")
    met = MADE.search(card)
    try:
        digests = json.loads(met["digests"]) if met else None
        recorded, text_digest, lang = digests["metadata"], digests["text"], digests["lang"]  # type: ignore[index]
    except (ValueError, KeyError, TypeError):
        return Kept(touched=True)
    assert met is not None
    lang = lang if lang in ("en", "ko") else None
    front = FRONT.match(card)
    text = card[front.end() if front else 0 : met.start()]
    try:
        entries = yaml.safe_load(front[1]) if front else {}
    except yaml.YAMLError:
        entries = None
    if not isinstance(entries, dict) or not isinstance(recorded, dict):
        return Kept(lang, touched=True)
    changed = {str(name): value for name, value in entries.items() if recorded.get(str(name)) != _of(value)}
    parts = {one["name"]: one["text"].strip("\n") for one in PART.finditer(text)}
    return Kept(lang, parts, _of_text(text) != text_digest, changed, frozenset(recorded.keys() - entries.keys()))


def _of_text(text: str) -> str:
    """A digest of a card's text without a person's parts; spaces at the ends of lines count for nothing."""
    bare = PART.sub(lambda met: f"<!-- {met['name']} -->", text)
    return _digest("\n".join(line.rstrip() for line in bare.strip().split("\n")))


def _of(value: Any) -> str:
    return _digest(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
