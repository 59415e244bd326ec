"""The report's section on the data: parts, lengths, labels, what the data doctor found, what reading did.

html = data(read_facts("run"))
"""

from __future__ import annotations

from byeori.report.about import cleaning
from byeori.report.facts import Facts, file_name, table
from byeori.report.found import articles
from byeori.report.inspection_facts import dicts
from byeori.report.markup import folded, grid, items, text, whole

CLASSES = 100  # labels listed one by one
EXAMPLES = 3  # of a finding
LENGTHS = (("p0", "shortest"), ("p50", "median"), ("p90", "90%"), ("p99", "99%"), ("p100", "longest"))


def data(facts: Facts) -> str:
    """Rows, files, lengths, labels, findings and notes of each part."""
    if not facts.parts:
        return ""
    rows, labels = [], {}
    for name, part in facts.parts.items():
        length = table(part, "length")
        files = ", ".join(dict.fromkeys(file_name(file["path"]) for file in part.get("files") or []))
        rows.append(
            [
                facts.say(name),
                whole(part.get("rows")),
                files,
                whole(part.get("tokens")),
                *[whole(length.get(key)) for key, _ in LENGTHS],
                whole(part.get("truncated")),
            ]
        )
        if table(part, "labels"):
            labels[name] = table(part, "labels")
    heads = [facts.say(name) for name in ("part", "rows", "files", "tokens", *[word for _, word in LENGTHS], "cut")]
    found = [grid(heads, rows, facts.say("Lengths are tokens a row"), numbers=(1, *range(3, 10)))]
    if labels:
        found.append(_labels(facts, labels))
    if said := cleaning(facts):
        found.append(f"<p>{text(said)}</p>")
    return "".join(found) + _findings(facts) + _notes(facts)


def _labels(facts: Facts, labels: dict[str, dict[str, int]]) -> str:
    most = {name: max(c.get(name) or 0 for c in labels.values()) for counts in labels.values() for name in counts}
    names = sorted(most, key=lambda name: -most[name])
    shown = [[name, *[whole(counts.get(name, 0)) for counts in labels.values()]] for name in names[:CLASSES]]
    caption = facts.say("Rows or tokens of each label")
    if len(names) > CLASSES:
        caption = facts.say("the {some} most frequent of {all:,}", some=CLASSES, all=len(names))
    heads = [facts.say("label"), *map(facts.say, labels)]
    made = grid(heads, shown, caption, numbers=range(1, 1 + len(labels)))
    return f"<h3>{text(facts.say('Labels'))}</h3>{made}"


def _findings(facts: Facts) -> str:
    """What the doctor saw in brief before the training."""
    found = dicts(facts.data, "findings")
    if not found:
        return f"<p>{text(facts.say('The data doctor found nothing.'))}</p>" if "findings" in facts.data else ""
    worst = [one for one in found if one.get("level") != "note"]
    notes = [one for one in found if one.get("level") == "note"]
    made = articles(worst, facts.lang, EXAMPLES)
    if notes:
        title = facts.say("{count} notes of the data doctor", count=len(notes))
        made += folded(title, articles(notes, facts.lang, EXAMPLES))
    return made


def _notes(facts: Facts) -> str:
    notes = [f"{name}: {note}" for name, note in facts.notes]
    english = "" if facts.lang == "en" else "en"
    return f"<h3>{text(facts.say('What reading found and did'))}</h3>{items(notes, english)}" if notes else ""
