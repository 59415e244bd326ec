"""The inspection: a source, and what a task and a model make of it, looked at from all sides → one JSON object.

Invariants: nothing is written and no row is changed; the same source, settings and seed give the same object, `seconds` and the
estimate's measured rate aside; an object is made whatever the rows hold, errors are for sources that can't be read at all.

    inspection = inspect("nsmc.tsv", TextClassification(), asked=SimpleNamespace()); inspection.verdict
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.data.languages import code
from byeori.data.wording import count, listed
from byeori.doctor import answers, columns, copies, labels, pairs, splits, tags, texts, tokens
from byeori.doctor.findings import LOOK, NOTE, STOP, Finding, example, failing, ordered, stops, verdict
from byeori.doctor.parts import Part, verb
from byeori.doctor.source import Source, open_source

if TYPE_CHECKING:
    from byeori.doctor.characters import Characters
    from byeori.doctor.meeting import Met
    from byeori.tasks.base import Task

NEAR = 0.8  # Jaccard similarity from which texts nearly repeat
DOUBTFUL = 20
_SEPARATOR = re.compile(r'^(.+?): in ([\d,]+) rows? the text holds the separator "(.+?)".*row (\d+)')
DOUBT_ROWS = 60_000  # the most rows of a cross-validated model; of more, these are drawn


@dataclass
class Inspection:
    """`data`: the whole object, JSON-ready. `source`: the rows behind it, where there are some. `shown`: what the model sees."""

    data: dict[str, Any]
    source: Source | None = None
    shown: list[Any] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """ready, look or stop."""
        return str(self.data["verdict"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        return list(self.data["findings"])

    def stops(self, fail_on: str | None = None) -> list[str]:
        """The kinds for which a script should end with exit code 3: those at level stop, and what `fail_on` asks for.

        Raises SettingError for a word of it that is no kind and no level.
        """
        return stops(self.findings, failing(fail_on))


@dataclass
class Looked:
    """One part, looked at."""

    part: Part
    facts: dict[str, Any]
    findings: list[Finding]
    characters: dict[str, Characters]
    labels: list[Any] | None = None
    kind: str | None = None
    counted: tokens.Counted | None = None


def inspect(
    data: Any,
    task: Task | None,
    *,
    asked: Any,
    others: dict[str, Any] | None = None,
    met: Met | None = None,
    plan: Any = None,
    near: bool = True,
    doubt: bool = True,
    said: list[str] | None = None,
) -> Inspection:
    """Look at `data` (and `others`: part → its source) with a task's eyes.

    asked: settings of reading. met: tokenizer and model (`doctor.meeting`), for lengths in tokens and, with plan (settings of
    a training), the estimate. near, doubt: the two checks that cost the most. said: notes made before. Raises DataError.
    """
    from byeori.doctor.guess import guess
    from byeori.tasks import find

    began = time.perf_counter()
    notes = list(said or ())
    if task is None:
        name, told = guess(data, asked)
        task = find(name)()
        notes.append(told)
    source = open_source(data, task, asked, others)
    notes += source.notes
    seed = int(getattr(plan, "seed", 0) or 0)
    pool = ThreadPoolExecutor(1)  # the tokenizer, which is no Python, works beside the other checks
    counting = {name: pool.submit(_count, part, task, met, plan) for name, part in source.parts.items()}
    pool.shutdown(wait=False)
    looked = {name: look(part, task, asked) for name, part in source.parts.items()}
    train = looked.get("train") or next(iter(looked.values()))
    findings = [finding for one in looked.values() for finding in one.findings]
    roles = copied_roles(train.part)
    judged = {name: one.labels for name, one in looked.items() if one.labels is not None}
    kind = train.kind
    for name, one in looked.items():
        if one is train or not roles or not len(one.part) or not len(train.part):
            continue
        asked_roles = [role for role in roles if role not in ("target", "completion") and one.part.has(role)]
        both = judged if {train.part.name, name} <= set(judged) and train.part.name == "train" else None
        leak = splits.leakage(train.part, one.part, asked_roles, both)
        findings += [leak] if leak else []
        if near:
            findings += copies.near_leakage(train.part, one.part, asked_roles, seed)
        if kind and kind == one.kind and kind != "regression" and task.name != "multiple-choice":
            new = splits.unknown_labels(judged[train.part.name], one.part, judged[name])
            findings += [new] if new else []
        findings += splits.shift(train.part, one.part, kind if kind == one.kind else None, judged, seed)
    if near and roles and len(train.part):
        findings += copies.near(train.part, roles, seed)
    if doubt and kind and train.labels and task.name == "text-classification":
        findings += _suspicious(train, seed)
    for name, one in looked.items():
        one.counted = counting[name].result()
        if one.counted is not None:
            one.facts["tokens"] = one.counted.facts()
            findings += tokens.check(one.part, one.counted, task.name)
    if met is not None:
        findings += _contract(met, train.part)
    made = {
        "source": source.name, "task": task.name, "model": met.name if met else None,
        "rows": sum(part.found for part in source.parts.values()), "bad_rows": sum(len(part.bad) for part in source.parts.values()),
        "files": source.files, "columns": source.columns, "other_columns": columns.others(train.part), "notes": notes,
        "parts": {name: one.facts for name, one in looked.items()},
        "findings": [finding.as_dict() for finding in ordered(findings)],
        "estimate": _estimate(train, met, task, plan, asked, set(looked)) if met and plan is not None else None,
        "verdict": verdict(findings), "seconds": round(time.perf_counter() - began, 3),
    }  # fmt: skip
    return Inspection(made, source)


def unreadable(data: Any, error: Exception) -> Inspection:
    """The object for a source that can't be read at all."""
    finding = Finding("unreadable", STOP, "train", 1, str(error), "Fix what it says, or name the data otherwise.")
    return Inspection({
        "source": str(data), "task": None, "model": None, "rows": 0, "bad_rows": 0, "files": [], "columns": {}, "other_columns": [],
        "notes": [], "parts": {}, "findings": [finding.as_dict()], "estimate": None, "verdict": STOP, "seconds": 0.0,
    })  # fmt: skip


def copied_roles(part: Part) -> list[str]:
    """The roles by which rows are copies of one another."""
    return [role for role in part.written if role != "references"]


def _count(part: Part, task: Task, met: Met | None, plan: Any) -> tokens.Counted | None:
    """The rows of a part in tokens; None without a tokenizer or a text."""
    if met is None or not len(part) or not copied_roles(part):
        return None
    limit = getattr(plan, "max_target_length", None) if task.generates and part.has("target") else None
    return tokens.Counted.of(part, met.tokenizer, met.max_length, task.name, limit)


def look(part: Part, task: Task, asked: Any) -> Looked:
    """All that one part says by itself, the costly checks aside."""
    sizes, scripts, spoken, characters = texts.facts(part)
    facts: dict[str, Any] = {
        "rows": len(part),
        "labels": None,
        "characters": sizes,
        "tokens": None,
        "scripts": scripts,
        "languages": spoken,
    }
    found = Looked(part, facts, [], characters)
    dropping = [bool(getattr(asked, name, None)) for name in ("skip_bad_rows", "drop_empty", "drop_empty_labels")]
    lost = [_bad(part, dropping[0]), texts.empty(part, dropping[1]), labels.missing(part, dropping[2])]
    found.findings = [one for one in lost if one] + _of_reading(part)
    if not len(part):
        return found
    roles = copied_roles(part)
    if roles:
        found.findings += texts.check(part, characters, roles)
    _labels(found, task, asked, roles)
    if part.has("source") and part.has("target"):
        found.findings += _sides(found, task)
    elif part.has("text_pair"):
        same = pairs.same_sides(part, ("text", "text_pair"))
        found.findings += [same] if same and same.count > 0.5 * len(part) else []
    found.findings += columns.check(part, found.labels)
    return found


def _of_reading(part: Part) -> list[Finding]:
    """What reading noticed of whole files: another encoding than UTF-8, the separator inside texts."""
    found = []
    for file in part.rows.origin.files:
        name = (file.encoding or "utf-8").casefold().replace("_", "-")
        if name not in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii") and file.rows:
            found.append(Finding(
                "encoding", NOTE, part.name, file.rows, f"{Path(file.path).name} is {file.encoding.upper()}, recognised by its bytes.",  # type: ignore[union-attr]
                "It was read as that; save files as UTF-8, which all tools agree on, or say --encoding.",
            ))  # fmt: skip
    for note in part.rows.notes:
        held = _SEPARATOR.search(note)
        if held:
            found.append(Finding(
                "separator_in_text", NOTE, part.name, int(held[2].replace(",", "")),
                f'In {held[1]} {count(int(held[2].replace(",", "")), "row")} of text {"holds" if held[2] == "1" else "hold"} the separator '
                f'"{held[3]}"; the first is row {held[4]}.',
                "They were cut at the last one; see whether label and text are as they should be.", [int(held[4])],
            ))  # fmt: skip
    return found


def _bad(part: Part, skipped: bool) -> Finding | None:
    if not part.bad:
        return None
    first = part.bad[0]
    return Finding(
        "bad_rows", LOOK if skipped else STOP, part.name, len(part.bad),
        f"{count(len(part.bad), 'row')} of {part.found:,} can't be used; the first is {first.where}: {first.reason}.",
        "They are left out (--skip-bad-rows)." if skipped
        else "Training refuses them: fix the file, or leave them out with --skip-bad-rows.",
        [one.number for one in part.bad], [example([one.number], [f"{one.where}: {one.reason}"]) for one in part.bad],
    )  # fmt: skip


def _labels(found: Looked, task: Task, asked: Any, roles: list[str]) -> None:
    """Labels, tags and answers of one part, into its facts and findings."""
    part = found.part
    if part.has("choices"):
        found.facts["labels"], more = answers.choices(part)
        found.findings += more
    elif part.has("tags") or part.has("entities"):
        found.facts["labels"], more = tags.check(part)
        found.findings += more
    elif part.has("answers"):
        found.findings += answers.questions(part, int(getattr(task.settings, "max_answer_length", 30)))
    elif part.has("label"):
        kind, why = labels.kind_of(part, getattr(asked, "problem_type", None) or getattr(task, "problem_type", None))
        if kind is None:
            found.findings.append(labels.unusable(part, str(why)))
            return
        found.kind, found.labels = kind, labels.names_of(part, kind)
        found.facts["labels"] = labels.facts(found.labels, kind)
        found.findings += labels.check(part, found.labels, kind, roles)
        if part.has("text_pair") and kind == "single_label" and part.name == "train":
            alone = pairs.second_alone(part, found.labels)
            found.findings += [alone] if alone else []


def _sides(found: Looked, task: Task) -> list[Finding]:
    """Checks of a source and its target."""
    part, facts = found.part, found.part.rows.facts
    told = (getattr(task.settings, "source_lang", None), getattr(task.settings, "target_lang", None))
    spoken = (code(told[0] or "") or facts.get("source_lang"), code(told[1] or "") or facts.get("target_lang"))
    same = pairs.same_sides(part, ("source", "target"))
    made = [same] if same else []
    if task.name == "translation" or all(spoken) and spoken[0] != spoken[1]:
        aligned = pairs.misaligned(part, found.characters, spoken)
        made += [aligned] if aligned else []
        turned = pairs.turned(part, spoken)
        made += (
            [Finding("misaligned_pairs", STOP, part.name, len(part), turned, "Turn them with --source and --target.")]
            if turned
            else []
        )
    if task.name == "summarization":
        long = pairs.long_targets(part)
        made += [long] if long else []
    return made


def _suspicious(train: Looked, seed: int) -> list[Finding]:
    from byeori.doctor.doubt import suspicious_labels

    part, given = train.part, train.labels or []
    at = np.arange(len(part))
    if len(at) > DOUBT_ROWS:
        at = np.sort(np.random.default_rng(seed).permutation(at)[:DOUBT_ROWS])
    role = part.inputs[0]
    second = part.texts("text_pair") if part.has("text_pair") else None
    texts, others = [part.texts(role)[i] for i in at], [second[i] for i in at] if second else None
    found = suspicious_labels(str(train.kind), texts, others, [given[i] for i in at], seed=seed, most=DOUBTFUL)
    if not found.rows:
        return []
    first = found.rows[0]
    row, number = int(at[first.position]), max(found.count, len(found.rows))
    right = (
        ""
        if found.right is None or train.kind == "regression"
        else f" (it agrees with {found.right:.0%} of all labels)"
    )
    unit = "standard deviations away" if train.kind == "regression" else "doubt"
    return [Finding(
        "suspicious_labels", NOTE, part.name, number,
        f"{count(number, 'label')} {verb(number, 'is', 'are')} doubted by a plain model{right}; most of all "
        f'{part.where(row)}, "{_told(first.given)}", which it takes for "{_told(first.suggested)}": {part.brief(row)}.'
        + (f" {found.said}" if found.said else ""),
        "Read these rows: some will be mistakes, others are what a plain model can't know.",
        [part.number(int(at[one.position])) for one in found.rows],
        [example([part.number(int(at[one.position]))], part.shown(int(at[one.position])),
                 f"labelled {_told(one.given)}, suggested {_told(one.suggested)}, {one.doubt:.2f} {unit}") for one in found.rows],
    )]  # fmt: skip


def _told(label: Any) -> str:
    return f"{label:.3g}" if isinstance(label, float) else str(label)


def _contract(met: Met, part: Part) -> list[Finding]:
    from byeori.doctor.meeting import contract

    return contract(met, part)


def _estimate(train: Looked, met: Met, task: Task, plan: Any, asked: Any, parts: set[str]) -> dict[str, Any] | None:
    """Of the rows that are left for training once the parts that are missing are split off."""
    from byeori.doctor.estimate import estimate

    if train.counted is None or not task.trains or not len(train.part) or met.unfit:
        return None
    rest = 1.0 - sum(
        getattr(plan, f"{name}_size")
        for name in ("validation", "test")
        if name not in parts and getattr(plan, f"{name}_size") < 1
    )
    sizes = np.minimum(train.counted.lengths, met.max_length)
    found = estimate(
        met.model, tokens=round(train.counted.tokens * rest), rows=max(1, round(len(train.part) * rest)),
        seen=float((sizes.astype(float) ** 2).sum() / max(1, sizes.sum())), max_length=met.max_length, batch_size=plan.batch_size,
        epochs=plan.epochs, max_steps=plan.max_steps, device=getattr(asked, "device", None) or "auto",
        precision=getattr(asked, "precision", None) or "auto", pack_tokens=plan.pack_tokens,
    )  # fmt: skip
    left = [name for name in ("validation", "test") if name not in parts and getattr(plan, f"{name}_size")]
    if left:
        found["how"] += f" {listed(left).replace(chr(34), '').capitalize()} rows are split off first."
    return found
