"""The page's words in the reader's language: sentences are written in English where they are used, Korean stands in one table.

Invariant: a sentence the table lacks is said in English, never left out; a test finds each that is lacking.

    say("ko", "{count} rows", count="1,024") == "1,024행"
"""

from __future__ import annotations

from typing import Any

LANGUAGES = ("en", "ko")


class Told(str):
    """An English sentence that can be said again in another language."""

    template: str
    filled: dict[str, Any]


def told(template: str, **values: Any) -> Told:
    """A sentence from its template and what stands in it."""
    made = Told(template.format(**values) if values else template)
    made.template, made.filled = template, values
    return made


def say(language: str, sentence: str, **values: Any) -> str:
    """The sentence in the language; `values` are put in its places, sentences among them said in it too."""
    if isinstance(sentence, Told):
        values = sentence.filled
        sentence = sentence.template
    if language == "ko":
        from byeori.report.korean import KOREAN

        sentence = KOREAN.get(sentence, sentence)
    values = {name: say(language, one) if isinstance(one, Told) else one for name, one in values.items()}
    return sentence.format(**values) if values else sentence
