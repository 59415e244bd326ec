"""report.html: a run on one page that needs nothing else: no script, no link, no font from outside.

Invariants: every text from the run is escaped; a part that can't be made from the folder's files says so in its place;
Korean text is marked `lang="ko"`; colours hold in light and dark.

    text = page(read_facts("run"))
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from html import escape
from typing import Any

from byeori.report import plots
from byeori.report.about import about, baselines, cleaning
from byeori.report.cost import costs
from byeori.report.facts import (
    Facts,
    attempt,
    file_name,
    interval,
    number,
    plain,
    real,
    table,
)
from byeori.report.markup import Made, grid, items, said, text, whole
from byeori.report.score_notes import score_notes

CLASSES = 100  # labels listed one by one
EVALUATIONS = 40
VERDICTS = {"better": "▲", "worse": "▼", "open": "≈", "unknown": "?"}

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b2330;--soft:#566173;--line:#d5dae2;--card:#f5f7fa;
--accent:#0b5cad;--rgb:11,92,173;--good:#17693a;--bad:#a8201a;--open:#7a5200}
@media(prefers-color-scheme:dark){:root{--bg:#13171e;--fg:#e7eaf0;--soft:#a9b3c2;--line:#353d4a;--card:#1b212b;
--accent:#7bb8ff;--rgb:80,150,235;--good:#6fd39a;--bad:#ff9a92;--open:#f0c060}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);overflow-wrap:anywhere;
font:16px/1.55 system-ui,"Noto Sans KR","Noto Sans CJK KR","Apple SD Gothic Neo","Malgun Gothic",sans-serif}
:lang(ko){word-break:keep-all}
h1{font-size:1.7rem;line-height:1.25;margin:0}
h2{font-size:1.2rem;margin:2.6rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.6rem 0 .4rem}p{margin:.5rem 0}ul{padding-left:1.2rem}.soft{color:var(--soft)}
.verdict{margin:1.2rem 0;padding:.9rem 1.1rem;background:var(--card);border-left:5px solid var(--soft);
font-size:1.08rem}
.better{border-color:var(--good)}.worse{border-color:var(--bad)}.open{border-color:var(--open)}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0;min-width:min(100%,26rem);font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.3rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;
overflow-wrap:break-word}
thead th{color:var(--soft);font-weight:600;white-space:nowrap}tbody th{font-weight:500}
.n{text-align:right;white-space:nowrap}
.matrix td{text-align:right;min-width:3.4rem;background:rgba(var(--rgb),var(--p,0))}.matrix .same{font-weight:700}
.yes,.no{white-space:nowrap;color:var(--good)}.no{color:var(--bad)}
svg{display:block;width:100%;min-width:34rem;max-width:44rem;height:auto;margin:.4rem 0}
svg text{fill:var(--soft);font-size:12px}svg .strong{fill:var(--fg);font-weight:600}.grid{stroke:var(--line)}
.line{fill:none;stroke-width:2}.s0{stroke:var(--accent)}.s1{stroke:var(--open);stroke-dasharray:7 4}
.dot{fill:var(--accent)}.dot.s1{fill:var(--open);stroke:none}svg .k0{fill:var(--accent)}svg .k1{fill:var(--open)}
.mark{fill:none;stroke:var(--fg);stroke-width:2}.cloud{fill:var(--accent);fill-opacity:.45}
pre{padding:.8rem 1rem;background:var(--card);overflow-x:auto;white-space:pre-wrap}
code{font-family:ui-monospace,Consolas,monospace;font-size:.92em}summary{cursor:pointer;color:var(--accent)}
"""


def page(facts: Facts) -> str:
    """The whole page."""
    sections: tuple[tuple[str, Callable[[Facts], str]], ...] = (
        ("Scores", scores),
        ("Curves", curves),
        ("Predictions", predictions),
        ("Samples", samples),
        ("Data", data),
        ("Speed", speed),
        ("Settings", settings),
    )
    body = []
    for title, make in sections:
        made = attempt(make, facts, f"the section {title}")
        body.append(
            f"<section><h2>{title}</h2>{made or '<p>Not there: the files of the run do not hold it.</p>'}</section>"
        )
    kind, verdict = facts.verdict
    head = f'<p class="verdict {kind}"><span aria-hidden="true">{VERDICTS[kind]} </span>{text(verdict)}</p>'
    if facts.missing:  # after the sections, which add to it
        body.insert(0, "<section><h2>Missing in this run</h2>" + items(facts.missing) + "</section>")
    begun = f"{facts.from_scratch}, from scratch" if facts.from_scratch else facts.base_model
    about = " · ".join(text(one) for one in (facts.task, (facts.kind or "").replace("_", " "), begun) if one)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(facts.name)} · Byeori report</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{text(facts.name)}</h1>"
        f'<p class="soft">{about}</p>{head}</header>\n<main>' + "\n".join(body) + "</main></body></html>\n"
    )


def scores(facts: Facts) -> str:
    """Scores with their intervals beside both baselines; a table a part."""
    kinds = [kind for kind in ("trivial", "linear") if facts.baseline(kind)]
    found = []
    for part in ("test", "validation"):
        own = facts.scores if part == facts.part else table(facts.metrics, part)
        if not own:
            continue
        beside = kinds if part == facts.part else []
        rows = []
        for name, values in own.items():
            between = interval(values).partition("(")[2].rstrip(")")
            others = [interval(facts.beside(kind, name)) for kind in beside]
            rows.append([facts.words(name), number(values.get("value")), between, *others])
        count = facts.rows(part)
        caption = f"{part}, {count:,} rows" if count else part
        if part == "validation":
            caption += ": these rows chose the model, so the scores lean to the good side"
        found.append(
            grid(
                ["score", "value", "95% interval", *[f"{kind} baseline" for kind in beside]],
                rows,
                caption,
                numbers=(1, 2, 3, 4),
            )
        )
        if notes := score_notes(table(facts.metrics, part)):
            found.append(items(notes))
    if found:
        doubt = "Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data."
        found.append(f'<p class="soft">{doubt} {text(baselines(facts))}</p>')
    return "".join(found)


def curves(facts: Facts) -> str:
    """Loss and the headline validation score over the updates; all validation scores as a table."""
    loss = [
        (s, v)
        for one in facts.history
        if (v := real(one.get("loss"))) is not None and (s := real(one.get("step"))) is not None
    ]
    judged = [
        one for one in facts.history if isinstance(one.get("validation"), dict) and real(one.get("step")) is not None
    ]
    name = facts.metrics.get("headline") or (next(iter(judged[0]["validation"]), None) if judged else None)
    points = _validation(judged, name)
    chosen = table(facts.training, "best")
    kept = (real(chosen.get("step")), real(chosen.get("value")))
    mark: Any = (kept, f"kept: {number(kept[1])}") if kept in points else None
    found = []
    if loss:
        title = f"Training loss over {len(loss)} log lines: from {number(loss[0][1])} to {number(loss[-1][1])}"
        series: dict[str, Any] = {"training": loss}
        if validation := _validation(judged, "loss"):
            series["validation"] = validation
            title += f"; validation loss from {number(validation[0][1])} to {number(validation[-1][1])}"
        chart = plots.lines(title, series, x="update", y="loss", mark=mark if name == "loss" else None)
        found.append("<h3>Loss</h3>" + chart)
    if points and name != "loss":
        shown = facts.words(str(name))
        ends = f"from {number(points[0][1])} to {number(points[-1][1])}"
        title = f"Validation {shown} at {len(points)} evaluations: {ends}"
        chart = plots.lines(title, {str(name): points}, x="update", y=shown, mark=mark)
        found.append(f"<h3>Validation {text(shown)}</h3>" + chart)
    if judged:
        names = list(judged[-1]["validation"])
        rows = [
            [
                f"{one['step']:,}",
                f"{real(one.get('epoch')) or 0:.2f}",
                *[number(one["validation"].get(n)) for n in names],
            ]
            for one in judged[-EVALUATIONS:]
        ]
        caption = "Evaluations" + (f" (the last {EVALUATIONS} of {len(judged)})" if len(judged) > EVALUATIONS else "")
        found.append(grid(["update", "epoch", *map(facts.words, names)], rows, caption, numbers=range(2 + len(names))))
    return "".join(found)


def _validation(judged: list[dict[str, Any]], name: str | None) -> list[plots.Point]:
    """(step, value) of one validation score at the evaluations that have it."""
    return [(float(one["step"]), v) for one in judged if (v := real(one["validation"].get(name))) is not None]


def predictions(facts: Facts) -> str:
    """Where the model is right and wrong, as its task has it."""
    part = next((part for part in ("test", "validation") if facts.predictions.get(part)), None)
    made = about(facts).mistakes(facts, part) if part else ""
    return made and f'{made}<p class="soft">Rows are numbered as in predictions/{part}.jsonl.</p>'


def samples(facts: Facts) -> str:
    """The last samples of the training: texts, prediction, label."""
    if not facts.samples:
        return ""
    step = facts.samples[-1].get("step")
    marks = {True: '<span class="yes">✓ right</span>', False: '<span class="no">✗ wrong</span>'}
    rows = []
    for one in facts.samples:
        if one.get("step") == step:
            texts = "<br>".join(text(str(value)[:600]) for value in table(one, "inputs").values())
            score = f" {one['score']:.3f}" if real(one.get("score")) is not None else ""
            shown = text(said(one.get("prediction")) + score)
            right = one.get("right")
            rows.append(
                [
                    Made(texts),
                    Made(shown),
                    said(one.get("reference")),
                    Made(marks[right] if isinstance(right, bool) else ""),
                ]
            )
    caption = f"Training rows and what the model gave for them during update {step}"
    return grid(["inputs", "prediction", "reference", ""], rows, caption)


def data(facts: Facts) -> str:
    """Rows, files, lengths, labels and notes of each part."""
    if not facts.parts:
        return ""
    rows, labels = [], {}
    for name, part in facts.parts.items():
        length = table(part, "length")
        files = ", ".join(dict.fromkeys(file_name(file["path"]) for file in part.get("files") or []))
        rows.append(
            [
                name,
                whole(part.get("rows")),
                files,
                whole(part.get("tokens")),
                *[whole(length.get(key)) for key in ("p0", "p50", "p90", "p99", "p100")],
                whole(part.get("truncated")),
            ]
        )
        if table(part, "labels"):
            labels[name] = table(part, "labels")
    heads = ["part", "rows", "files", "tokens", "shortest", "median", "90%", "99%", "longest", "cut"]
    found = [grid(heads, rows, "Lengths are tokens a row", numbers=(1, *range(3, 10)))]
    if labels:
        most = {name: max(c.get(name) or 0 for c in labels.values()) for counts in labels.values() for name in counts}
        names = sorted(most, key=lambda name: -most[name])
        shown = [[name, *[whole(counts.get(name, 0)) for counts in labels.values()]] for name in names[:CLASSES]]
        caption = f"the {CLASSES} most frequent of {len(names):,}" if len(names) > CLASSES else ""
        found.append("<h3>Labels</h3>" + grid(["label", *labels], shown, caption, numbers=range(1, 1 + len(labels))))
    notes = [f"{name}: {note}" for name, note in facts.notes]
    if said := cleaning(facts):
        found.append(f"<p>{text(said)}</p>")
    return "".join(found) + ("<h3>What reading found and did</h3>" + items(notes) if notes else "")


def speed(facts: Facts) -> str:
    rows = costs(facts)
    return grid(["", ""], rows, head=False) if rows else ""


def settings(facts: Facts) -> str:
    """The command that repeats the run, what was found, every setting."""
    if not facts.settings:
        return ""
    command = f"byeori train {shlex.quote(facts.name + '/settings.yaml')} --output NEW"
    versions = ", ".join(f"{name} {version}" for name, version in table(facts.found, "versions").items())
    hashes = [[file_name(path), digest] for path, digest in table(facts.found, "data_sha256").items()]
    rows = [[name, _setting(value, facts)] for name, value in facts.settings.items() if value is not None]
    return (
        "<p>This command repeats the run where the same data and base model lie:</p>"
        f"<pre><code>{text(command)}</code></pre>"
        + (f"<p>Environment: {text(versions)}.</p>" if versions else "")
        + (grid(["file", "SHA-256"], hashes, "The data that was read") if hashes else "")
        + f"<details><summary>All {len(rows)} settings</summary>{grid(['setting', 'value'], rows)}</details>"
    )


def _setting(value: Any, facts: Facts) -> str:
    """A setting without the folders of the machine."""
    shown = said(value)
    return file_name(shown) if re.match(r"[\\/~]|[A-Za-z]:[\\/]", shown) else plain(shown, facts)
