"""An inspection in words: what page and terminal both say of its JSON object.

Invariant: any object of about the right shape is taken; what is missing or of another type is left out, not an error.

    verdict_sentence({"verdict": "look", "findings": [...]})
"""

from __future__ import annotations

from typing import Any

from byeori.data.wording import count
from byeori.doctor.findings import LEVELS
from byeori.report.facts import file_name, real, table
from byeori.report.plots import percent
from byeori.report.visible import one_line

GUESSED = "No task was named"  # how such a note begins
NAMES = {
    "ko": "Korean", "en": "English", "ja": "Japanese", "zh": "Chinese", "ru": "Russian", "latin": "Latin script",
    "none": "no letters", "other": "other",
}  # fmt: skip
SIZES = (
    ("min", "shortest"),
    ("median", "median"),
    ("mean", "mean"),
    ("p90", "90%"),
    ("p99", "99%"),
    ("max", "longest"),
)


def findings(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings by gravity, those of one level in the order they came in."""
    return sorted(dicts(data, "findings"), key=lambda one: LEVELS.index(level(one)))


def several(parent: Any, name: str) -> list[Any]:
    """The list under a name; an empty one if it isn't there or is no list."""
    found = parent.get(name) if isinstance(parent, dict) else None
    return found if isinstance(found, list) else []


def dicts(parent: Any, name: str) -> list[dict[str, Any]]:
    """The dicts of the list under a name."""
    return [one for one in several(parent, name) if isinstance(one, dict)]


def level(finding: dict[str, Any]) -> str:
    """stop, look or note; anything else is to be looked at."""
    given = finding.get("level")
    return given if isinstance(given, str) and given in LEVELS else "look"


def verdict(data: dict[str, Any]) -> str:
    """ready, look or stop."""
    given = data.get("verdict")
    return given if isinstance(given, str) and given in ("ready", "look", "stop") else "look"


def verdict_sentence(data: dict[str, Any]) -> str:
    """What to do about it, in a sentence or two."""
    number = {name: sum(level(one) == name for one in findings(data)) for name in LEVELS}
    notes = f"{count(number['note'], 'note')}" if number["note"] else ""
    kind = verdict(data)
    if kind == "stop":
        first = f"Don't train on this yet: {count(number['stop'], 'finding')} must be settled first"
        rest = [f"{number['look']} more to look at" if number["look"] else "", notes]
    elif kind == "look":
        first, rest = f"Look at this before you train: {count(number['look'], 'finding')} may cost you", [notes]
    else:
        first, rest = "Ready: nothing found that stands against training", [notes]
    return ", ".join([first, *filter(None, rest)]) + "."


def title(data: dict[str, Any]) -> str:
    """The name of what was inspected, without its folder."""
    return one_line(file_name(data.get("source") or "data"))


def kind_words(finding: dict[str, Any]) -> str:
    """`near duplicates`."""
    return one_line(finding.get("kind") or "finding").replace("_", " ")


def row_numbers(rows: Any, most: int = 5) -> str:
    """`rows 3, 99 …`, as they stand in messages, without commas; "" without."""
    numbers = [str(row) for row in rows if isinstance(row, int)] if isinstance(rows, list) else []
    if not numbers:
        return ""
    return (
        ("row " if len(numbers) == 1 else "rows ") + ", ".join(numbers[:most]) + (" …" if len(numbers) > most else "")
    )


def example_rows(example: dict[str, Any]) -> str:
    """`3, 99`, or where they are of several files `a.tsv 3, 99; b.tsv 7`."""
    rows, files = several(example, "rows"), several(example, "files")
    if len(files) != len(rows) or not rows:
        return row_numbers(rows).partition(" ")[2]
    by: dict[str, list[Any]] = {}
    for row, file in zip(rows, files, strict=True):
        by.setdefault(one_line(file), []).append(row)
    return "; ".join(f"{file} {row_numbers(own).partition(' ')[2]}".strip() for file, own in by.items())


def parts(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts that were found, training first."""
    return {one_line(name): part for name, part in table(data, "parts").items() if isinstance(part, dict)}


def guessed(data: dict[str, Any]) -> list[str]:
    """How the task was told where nobody named it: what all findings hang on. [] where it was named."""
    return [one_line(note) for note in several(data, "notes") if str(note).startswith(GUESSED)]


def read_line(data: dict[str, Any]) -> str:
    """`39,999 rows in 2 files (tsv, utf-8), 3 can't be read`."""
    files = dicts(data, "files")
    said = count(int(real(data.get("rows")) or 0), "row")
    if files:
        forms = dict.fromkeys(one_line(one[key]) for key in ("format", "encoding") for one in files if one.get(key))
        said += f" in {count(len(files), 'file')}" + (f" ({', '.join(forms)})" if forms else "")
    bad = int(real(data.get("bad_rows")) or 0)
    return said + (f", of which {bad:,} can't be read" if bad else "")


def columns_line(data: dict[str, Any]) -> str:
    """`text ← document, label ← label; not used: id`."""
    used = [f"{one_line(role)} ← {one_line(_name(name))}" for role, name in table(data, "columns").items()]
    others = [one_line(_name(name)) for name in several(data, "other_columns")]
    return ", ".join(used) + (f"; not used: {', '.join(others)}" if others else "")


def _name(name: Any) -> str:
    return ", ".join(map(str, name)) if isinstance(name, list) else str(name)


def label_counts(part: dict[str, Any]) -> dict[str, int]:
    """Rows of each label, the most frequent first; {} for numbers or without labels."""
    counts = table(table(part, "labels"), "counts")
    known = {str(name): int(value) for name, value in counts.items() if real(value) is not None}
    return dict(sorted(known.items(), key=lambda one: -one[1]))


def label_shares(data: dict[str, Any]) -> list[tuple[str, list[float | None]]]:
    """Each label with its share in every part; the most frequent of training first. Of rows, where a row has one label."""
    counts = {name: label_counts(part) for name, part in parts(data).items()}
    names = list(dict.fromkeys(label for one in counts.values() for label in one))
    totals = {name: sum(one.values()) or 1 for name, one in counts.items()}
    shown = [name for name in counts if counts[name]]
    return [(label, [counts[part].get(label, 0) / totals[part] for part in shown]) for label in names]


def shares(data: dict[str, Any], what: str, least: float = 0.0) -> list[tuple[str, list[float | None]]]:
    """`scripts` or `languages` of every part side by side, the most frequent first, those above `least` anywhere."""
    found = {name: table(part, what) for name, part in parts(data).items()}
    most = {key: max(real(one.get(key)) or 0.0 for one in found.values()) for one in found.values() for key in one}
    order = sorted((key for key, value in most.items() if value > least), key=lambda key: -most[key])
    return [(NAMES.get(key, key), [real(one.get(key)) or 0.0 for one in found.values()]) for key in order]


def size(value: Any) -> str:
    """A length: whole, or with one decimal where it isn't; "" for none."""
    found = real(value)
    return "" if found is None else f"{found:,.0f}" if found == int(found) or found >= 100 else f"{found:,.1f}"


def lengths_line(summary: dict[str, Any]) -> str:
    """`27 (99%: 138, longest 144)`."""
    return f"{size(summary.get('median'))} (99%: {size(summary.get('p99'))}, longest {size(summary.get('max'))})"


def roles(data: dict[str, Any]) -> list[str]:
    """The roles whose characters were counted, in order."""
    return list(dict.fromkeys(role for part in parts(data).values() for role in table(part, "characters")))


def cut_line(part: dict[str, Any]) -> str:
    """`12 (0.04%)` rows with more tokens than max_length; "" where no tokens were counted."""
    tokens, rows = table(part, "tokens"), real(part.get("rows"))
    cut = real(tokens.get("truncated"))
    if cut is None:
        return ""
    return f"{cut:,.0f} ({percent(cut / rows)})" if rows else f"{cut:,.0f}"


def over(data: dict[str, Any]) -> str:
    """What happens to rows that are too long: `cut at`, or `over` where they become several windows or pieces."""
    return "over" if data.get("task") in ("question-answering", "fill-mask", "text-generation") else "cut at"


def model_name(data: dict[str, Any]) -> str:
    """The model's own folder or id: of `runs/nsmc/model` the run, since every run's is called model."""
    given = one_line(data["model"]).rstrip("/")
    if not given.endswith("/model"):
        return file_name(given)
    return given.removesuffix("/model").rpartition("/")[2] or given


def estimate_facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What a training would take, in words and numbers."""
    found = table(data, "estimate")
    made = [
        ("tokens an epoch", size(found.get("tokens_per_epoch"))),
        ("updates", size(found.get("updates"))),
        ("time", span(found.get("seconds"))),
        ("memory", memory(found.get("memory_mb"))),
    ]
    return [(name, value) for name, value in made if value]


def span(seconds: Any) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 days`; "" for none."""
    found = real(seconds)
    if found is None:
        return ""
    for unit, name, least in ((86_400, "days", 172_800), (3_600, "h", 7_200), (60, "min", 120)):
        if found >= least:
            return f"{found / unit:.{0 if found >= 10 * unit else 1}f} {name}"
    return f"{found:.0f} s"


def memory(mb: Any) -> str:
    found = real(mb)
    return "" if found is None else f"{found / 1024:,.1f} GiB" if found >= 1024 else f"{found:,.0f} MiB"
