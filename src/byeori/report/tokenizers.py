"""A tokenizer's report on a terminal: each figure a line, each tokenizer a column, then the words that are unknown.

print("\\n".join(report_lines(compare([("ours", tokenizer)], texts))))
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from byeori.data.wording import count, short
from byeori.report.table import aligned

_SHOWN = 8  # unknown words


def report_lines(report: dict[str, Any]) -> list[str]:
    """Plain lines of what `byeori.text.tokenizer_report.compare` found."""
    tokenizers = report["tokenizers"]
    heads = ["", *(short(_name(one["name"]), 28) for one in tokenizers)]
    rows = [[name, *(shown(one) for one in tokenizers)] for name, shown in _FIGURES]
    on = f" ({report['on']})" if report.get("on") else ""
    lines = [
        f"On {count(report['texts'], 'text')}{on}: {report['words']:,} words, {report['characters']:,} characters.",
        *aligned([heads, *rows]),
    ]
    for one in tokenizers:
        if one["unknown_words"]:
            words = ", ".join(f"{short(word, 16)} {times}" for word, times in one["unknown_words"][:_SHOWN])
            lines.append(f"{short(_name(one['name']), 28)}, unknown words: {words}")
        if one["unknown_characters"]:
            signs = " ".join(sign for sign, _ in one["unknown_characters"])
            lines.append(f"{short(_name(one['name']), 28)}, unknown characters: {signs}")
    return lines


def trained_lines(trained: Any) -> list[str]:
    """The report of a training, what it cost, and where the folder is."""
    cost = trained.report["training"]
    seconds = cost["survey_seconds"] + cost["learn_seconds"]
    lines = [
        *report_lines(trained.report),
        f"{cost['bytes'] / 1e6:,.1f} MB in {seconds:.1f} s ({cost['survey_seconds']:.1f} s of reading, {cost['learn_seconds']:.1f} s of "
        f"learning), {cost['mb_per_second']:.2f} MB/s",
    ]
    if trained.folder is not None:
        lines.append(f"{trained.folder}: {trained.saved_as}, {len(trained.tokenizer):,} tokens")
    return lines


def _name(name: str) -> str:
    """The last part of a path, a Hub id as it is."""
    return Path(name).name if Path(name).exists() else name


def _percent(key: str) -> Callable[[dict[str, Any]], str]:
    return lambda one: f"{one[key]:.2%}"


def _number(key: str, form: str) -> Callable[[dict[str, Any]], str]:
    return lambda one: format(one[key], form)


_FIGURES: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
    ("tokens in the vocabulary", _number("vocabulary", ",")),
    ("of these used", _percent("vocabulary_used")),
    ("tokens a word (eojeol)", _number("tokens_per_word", ".3f")),
    ("tokens a character", _number("tokens_per_character", ".3f")),
    ("words kept whole", _percent("whole_words")),
    ("characters known", _percent("characters_known")),
    ("unknown tokens", _percent("unknown_tokens")),
    ("words with unknown tokens", _percent("unknown_word_share")),
    ("texts given back exactly", _percent("round_trip")),
    ("but for spaces and NFC", _percent("round_trip_spaces")),
    ("MB/s", _number("mb_per_second", ",.1f")),
    ("tokens/s", _number("tokens_per_second", ",.0f")),
)
