"""What must stand beside a score for it to mean something: the unit it counts, its signature, what its parts are.

Invariants: a note is made of the score's own details in metrics.json; scores that share one share the sentence.

    score_notes({"rougeL": {"value": 0.4, "details": {"unit": "eojeol"}}})    # ["ROUGE counts eojeol."]
"""

from __future__ import annotations

from typing import Any

from byeori.report.facts import table, words

FAMILIES = {"rouge1": "ROUGE", "rouge2": "ROUGE", "rougeL": "ROUGE", "rougeLsum": "ROUGE"}
UNITS = {"word": "words", "eojeol": "eojeol", "morpheme": "morphemes", "syllable": "syllables"}


def score_notes(scores: dict[str, Any]) -> list[str]:
    """Sentences on the scores of one part, as metrics.json or `byeori evaluate --json` has them."""
    units: dict[str, list[str]] = {}
    notes: list[str] = []
    empty = 0
    for name in scores:
        details = table(table(scores, name), "details")
        unit = UNITS.get(str(details.get("unit")), details.get("unit"))
        if unit:
            stemmed = " after Porter's stemmer" if details.get("stemmer") else ""
            named = units.setdefault(f"{unit}{stemmed}", [])
            if (family := FAMILIES.get(name, words(name))) not in named:
                named.append(family)
        if details.get("signature"):
            notes.append(f"{words(name)} is sacrebleu's: {details['signature']}.{_parts(details)}")
        if details.get("note") and details["note"] not in notes:
            notes.append(str(details["note"]))
        empty = max(empty, details.get("empty_predictions") or 0)
    counted = [
        f"{' and '.join(names)} {'count' if len(names) > 1 else 'counts'} {unit}." for unit, names in units.items()
    ]
    if empty:
        notes.append(f"{empty:,} predictions are empty.")
    return counted + notes


def _parts(details: dict[str, Any]) -> str:
    """BLEU's: n-grams that match, brevity penalty, lengths."""
    if not all(name in details for name in ("counts", "totals", "bp", "sys_len", "ref_len")):
        return ""
    pairs = ", ".join(f"{count:,}/{total:,}" for count, total in zip(details["counts"], details["totals"], strict=True))
    return (
        f" Matching n-grams, n = 1–4: {pairs}; brevity penalty {details['bp']:.3f}; {details['sys_len']:,} tokens for "
        f"{details['ref_len']:,}."
    )
