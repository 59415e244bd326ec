"""The model card: model/README.md with the Hub's metadata, what was measured, and blanks for what only a person knows.

Invariants: every sentence is a fact of the run folder, says that something was not measured, or is a blank that says so; no
path of the machine and no row of the data stands on it; what a person wrote into the blanks goes into the next card as it
is (byeori.report.card_kept). Form: huggingface.co/docs/hub/model-cards; Mitchell et al. 2019.

    text = card(read_facts("run")); text = card(read_facts("run"), "ko")
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from byeori.report.about import about, baselines, calibrated, cleaning, long_inputs
from byeori.report.card_data import PYTHON_ROWS, files, hub_sets, metadata
from byeori.report.card_kept import Kept, part, signed
from byeori.report.card_measured import SURE, labels_measured
from byeori.report.card_words import BLANKS, Words, words
from byeori.report.cost import costs
from byeori.report.facts import NO_SCORE, Facts, attempt, number, real, table
from byeori.report.markdown import code, md
from byeori.report.score_notes import score_notes

PROCEDURE = (
    "epochs", "max_steps", "batch_size", "learning_rate", "schedule", "warmup_ratio", "warmup_steps", "weight_decay",
    "max_grad_norm", "label_smoothing", "class_weights", "threshold", "max_length", "truncation", "precision", "order",
    "early_stopping", "best_metric", "seed", "source_prefix", "source_lang", "target_lang", "max_target_length", "stride",
    "block_length", "mlm_probability",
)  # fmt: skip
KINDS = {
    "single_label": "one label for each input",
    "multi_label": "any number of labels for each input",
    "regression": "a number for each input",
}
WRITES = ("summarization", "translation", "text2text-generation", "text-generation", "span-corruption")
MOST_LABELS = 60

Section = Callable[[Facts, Words, Kept], str]


def card(facts: Facts, lang: str | None = None, kept: Kept | None = None) -> str:
    """The whole README.md as text, in English (`en`) or Korean (`ko`).

    kept: what a person wrote in the card that is there, whose language is taken where none is asked for. Raises ValueError where
    a person's entries of the metadata are not what the Hub takes.
    """
    from huggingface_hub import ModelCardData

    kept = kept or Kept()
    lang = lang or kept.lang or "en"
    say = words(lang)
    sections: dict[str, Section] = {
        "Intended uses and limits": _limits, "Labels": _labels, "How to use": _use, "Training data": _data,
        "Training procedure": _procedure, "Evaluation": _evaluation, "Bias and risks": _risks,
        "Licence and contact": _licence, "Environment": _environment,
    }  # fmt: skip
    blocks = [f"# {md(facts.name)}", attempt(lambda one: _summary(one, say), facts, "the card's summary")]
    for title, make in sections.items():
        made = attempt(lambda one, make=make: make(one, say, kept), facts, f"the card's section {title}")  # type: ignore[misc]
        if made or title != "Labels":  # which most tasks have none of
            blocks += [f"## {say(title)}", made or say("Not recorded.")]
    front = metadata(facts).to_dict()
    merged = ModelCardData(**kept.metadata(front)).to_yaml()
    return f"---\n{merged.rstrip()}\n---\n\n" + signed(front, "\n\n".join(block for block in blocks if block), lang)


def _summary(facts: Facts, say: Words) -> str:
    body = facts.config.get("architectures") or []
    kind = say(KINDS[facts.kind]) if facts.kind in KINDS else ""
    said = [
        say("A model for {task}: {kind}.", task=facts.task, kind=kind)
        if kind
        else say("A model for {task}.", task=facts.task)
    ]
    shape = f" ({code(body[0])})" if body else ""
    if facts.base_model:
        said.append(say("It was fine-tuned from {base} with Byeori.", base=f"{code(facts.base_model)}{shape}"))
    elif facts.from_scratch:
        said.append(
            say(
                "It was trained from scratch with Byeori, in the shape of {shape}.",
                shape=f"{code(facts.from_scratch)}{shape}",
            )
        )
    elif body:
        said.append(say("It is a {body}, trained with Byeori.", body=code(body[0])))
    if facts.kind and facts.pairs:
        said.append(say("An input is a pair of texts."))
    return " ".join(said)


def _blank(name: str, say: Words, kept: Kept) -> str:
    """A part that is a person's: what was written there, or what is to be."""
    text = kept.parts.get(name)
    blank = f"_{say(BLANKS[name])}_"
    unwritten = text is None or text in {f"_{words(lang)(BLANKS[name])}_" for lang in ("en", "ko")}
    return part(name, blank if unwritten else str(text))


def _limits(facts: Facts, say: Words, kept: Kept) -> str:
    told = []
    if long := long_inputs(facts):
        told.append(say.made(long))
    if facts.kind == "single_label" and facts.labels:
        told.append(
            say("It always gives one of its {count} labels, also where none of them fits.", count=len(facts.labels))
        )
    if facts.kind == "multi_label":
        told.append(
            say("A label is given from a score of {threshold} on; there may be none.", threshold=facts.own("threshold"))
        )
    if facts.task == "question-answering":
        told.append(say(
            "It answers with words of the context, or not at all." if facts.own("impossible")
            else "It always answers with words of the context, also where the answer isn't there."
        ))  # fmt: skip
    if facts.task in WRITES:
        told.append(say("Nothing checks whether what it writes is true."))
    rows = files(facts.parts.get(facts.part or "", {}))
    if facts.scores and rows:
        told.append(
            say(
                "It was scored on {files} alone: how it does on other texts was not measured.",
                files=_listed(rows, say),
            )
        )
    return "\n\n".join([*(["\n".join(f"- {one}" for one in told)] if told else []), _blank("uses", say, kept)])


def _labels(facts: Facts, say: Words, kept: Kept) -> str:
    """Empty for a task without labels, and where nothing names them."""
    counted = about(facts).labels or ("rows" if facts.kind else "")
    if not counted or not facts.labels:
        return ""
    counts = table(facts.parts.get("train", {}), "labels")
    lines = [f"| {say('id')} | {say('label')} | {say(f'training {counted}')} |", "|---:|---|---:|"]
    for place, label in enumerate(facts.labels[:MOST_LABELS]):
        count = counts.get(label)
        lines.append(f"| {place} | {md(label)} | {f'{count:,}' if isinstance(count, int) else ''} |")
    more = len(facts.labels) - MOST_LABELS
    return "\n".join(lines) + (
        "\n\n" + say("and {more} more; config.json has them all.", more=f"{more:,}") if more > 0 else ""
    )


def _use(facts: Facts, say: Words, kept: Kept) -> str:
    """The blocks of code as they are, what stands between them in the card's language."""
    pieces = about(facts).use(facts).split("```")
    return "```".join(piece if place % 2 else say.paragraphs(piece) for place, piece in enumerate(pieces))


def _data(facts: Facts, say: Words, kept: Kept) -> str:
    blocks = []
    if facts.parts:
        heads = [say(head) for head in ("part", "rows", "files", "tokens, median", "tokens, longest", "cut")]
        lines = ["| " + " | ".join(heads) + " |", "|---|---:|---|---:|---:|---:|"]
        for name, one in facts.parts.items():
            length = table(one, "length")
            cells = [one.get("rows"), None, length.get("p50"), length.get("p100"), one.get("truncated")]
            shown = [f"{cell:,.0f}" if isinstance(cell, int | float) else "" for cell in cells]
            shown[1] = _listed(files(one), say)
            lines.append(f"| {name} | " + " | ".join(shown) + " |")
        blocks.append("\n".join(lines))
        known = {one["id"]: one for values in facts.parts.values() for one in hub_sets(values)}
        blocks.append("\n".join(
            say("- [{id}](https://huggingface.co/datasets/{id}) on the Hub", id=name)
            + (" " + say("at revision {revision}", revision=code(one["revision"])) if one.get("revision") else "")
            for name, one in known.items()
        ))  # fmt: skip
        blocks.append(md(say.made(cleaning(facts))))
        if facts.notes:
            notes = "\n".join(f"- {name}: {md(note)}" for name, note in facts.notes)
            blocks.append(say("What reading found and did:") + "\n\n" + notes)
    else:
        blocks.append(say("Not recorded."))
    return "\n\n".join(block for block in (*blocks, _blank("data", say, kept)) if block)


def _procedure(facts: Facts, say: Words, kept: Kept) -> str:
    names = [name for name in PROCEDURE if name != "threshold" or facts.kind == "multi_label"]
    settings = [(name, facts.settings.get(name)) for name in names]
    lines = [f"| {say('setting')} | {say('value')} |", "|---|---|"]
    lines += [f"| {name} | {md(value)} |" for name, value in settings if value is not None]
    spoken = dataclasses.replace(facts, lang=say.lang)
    measured = [f"- {spoken.say(name)}: {md(value)}" for name, value in costs(spoken)]
    judged = "validation" in facts.metrics or "validation" in facts.parts
    said = [
        say("AdamW; biases and norms are spared from weight decay."),
        say("The model kept is the best by the validation score.")
        if judged
        else say("There were no validation rows: the last model is kept."),
        calibrated(spoken),
    ]
    shown = lines if len(lines) > 2 else [say("Settings were not recorded.")]
    return "\n".join([" ".join(filter(None, said)), "", *shown, "", *measured]).rstrip()


def _evaluation(facts: Facts, say: Words, kept: Kept) -> str:
    if not facts.scores:
        return say("Not measured: there are no test or validation scores.")
    kinds = [kind for kind in ("trivial", "linear") if facts.baseline(kind)]
    rows = facts.rows(facts.part)
    blocks = [say.made(facts.verdict[1])]
    if facts.part == "validation":
        blocks.append(say("These rows also chose the model that was kept, so the scores lean to the good side."))
    scored = say("score on {part}", part=facts.part) + (" " + say("({rows} rows)", rows=f"{rows:,}") if rows else "")
    heads = [scored, say("value"), say("95% interval"), *(say(f"{kind} baseline") for kind in kinds)]
    spoken = dataclasses.replace(facts, lang=say.lang)
    lines = ["| " + " | ".join(heads) + " |", "|---|---:|---|" + "---:|" * len(kinds)]
    for name, score in facts.scores.items():
        others = [facts.beside(kind, name) for kind in kinds]
        beside = [NO_SCORE if other is None else say(number(other["value"])) for other in others]
        cells = [md(spoken.words(name)), say(number(score["value"])), _between(score, say), *beside]
        lines.append("| " + " | ".join(cells) + " |")
    blocks.append("\n".join(lines))
    notes = [say.made(note) for note in score_notes(table(facts.metrics, facts.part))]
    blocks.append("\n".join(f"- {md(note)}" for note in notes))
    blocks.append(" ".join(one for one in (
        say("Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data."),
        baselines(spoken),
    ) if one))  # fmt: skip
    return "\n\n".join(block for block in blocks if block)


def _risks(facts: Facts, say: Words, kept: Kept) -> str:
    blocks = [_by_label(facts, say)]
    blanks = [
        say("Scores for groups of people, dialects or topics were not measured."),
        _seeds(facts, say) or say("Spread over seeds was not measured: this is one training with one seed."),
    ]
    blocks.append("\n".join(f"- {one}" for one in blanks))
    return "\n\n".join(block for block in (*blocks, _blank("harms", say, kept)) if block)


def _seeds(facts: Facts, say: Words) -> str:
    """What the headline was over all seeds, of a model that is one of several trainings; empty where nothing says it."""
    several = table(facts.metrics, "seeds")
    spread = table(table(several, facts.part), facts.headline)
    if facts.headline is None or real(spread.get("mean")) is None or real(spread.get("std")) is None:
        return ""
    values = {name: number(spread.get(name)) for name in ("mean", "std", "min", "max")}
    score = dataclasses.replace(facts, lang=say.lang).words(facts.headline)
    told = say(
        "Over {count} seeds, {score} has a mean of {mean} and a standard deviation of {std} ({min} to {max}).",
        count=len(several.get("asked") or ()), score=score, **values,
    )  # fmt: skip
    chosen = (
        "This is the one whose validation score was best." if several.get("chosen_by") else "This is the first one."
    )
    return f"{told} {say(chosen)}"


def _licence(facts: Facts, say: Words, kept: Kept) -> str:
    licence = facts.licence
    if facts.from_scratch:
        said = say("There is no base model; the licence follows from the texts it was trained on, and from you.")
    elif licence:
        said = say("The base model's licence is {licence}, as its own card states it.", licence=code(licence))
    else:
        said = say("No licence is known of the base model: look it up before passing this model on.")
    return "\n\n".join([said, _blank("licence", say, kept), _blank("contact", say, kept)])


def _by_label(facts: Facts, say: Words) -> str:
    """How the scores differ between labels, and how sure the model is of its mistakes: what a run can say of bias."""
    found = labels_measured(facts)
    if found is None:
        return ""
    heads = [say(one) for one in ("label", "rows", "precision", "recall", "F1", "95% interval")]
    lines = ["| " + " | ".join(heads) + " |", "|---|---:|---:|---:|---:|---|"]
    for name, scores in found.labels.items():
        cells = [say(number(scores[one]["value"])) for one in ("precision", "recall", "f1")]
        lines.append(
            f"| {md(name)} | {found.support[name]:,} | " + " | ".join(cells) + f" | {_between(scores['f1'], say)} |"
        )
    said = say(
        "{wrong} of {rows} {part} rows were answered wrongly",
        wrong=f"{found.wrong:,}",
        rows=f"{found.rows:,}",
        part=facts.part,
    )
    if found.sure is not None:
        said += say(", {sure} of them with a score of {least} or more", sure=f"{found.sure:,}", least=SURE)
    return say("By label, with the interval of F1:") + "\n\n" + "\n".join(lines) + f"\n\n{said}."


def _environment(facts: Facts, say: Words, kept: Kept) -> str:
    versions = table(facts.found, "versions")
    known = [f"- {md(name)} {md(version)}" for name, version in versions.items()]
    for name in ("device", "threads"):
        if facts.settings.get(name) is not None:
            known.append(f"- {say(name)}: {md(facts.settings[name])}")
    if facts.found.get("model_revision") and not facts.from_scratch:
        known.append(f"- {say('revision of the base model')}: {code(facts.found['model_revision'])}")
    return "\n".join(known)


def _between(score: Any, say: Words) -> str:
    if score["low"] is None or score["high"] is None:
        return ""
    return say("{low} to {high}", low=number(score["low"]), high=number(score["high"]))


def _listed(names: list[str], say: Words) -> str:
    return ", ".join(md(say(name) if name == PYTHON_ROWS else name) for name in names)
