"""The model card: model/README.md with the Hub's metadata and what was measured, and nothing else.

Invariants: every sentence is a fact of the run folder or says that something was not measured; no path of the machine
and no row of the data stands on it. Form: huggingface.co/docs/hub/model-cards.

    text = card(read_facts("run"))
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from byeori.report.about import TASKS, about, baselines, cleaning, long_inputs
from byeori.report.cost import costs
from byeori.report.facts import NO_SCORE, Facts, attempt, file_name, interval, number, table

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

# our scores → the ids of the Hub's metrics; others keep their own name
HUB_METRICS = {
    "macro_f1": "f1", "weighted_f1": "f1", "micro_f1": "f1", "micro_precision": "precision", "micro_recall": "recall",
    "mcc": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr", "exact_match": "exact_match",
}  # fmt: skip
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
MOST_LABELS = 60


def card(facts: Facts) -> str:
    """The whole README.md as text."""
    sections = {
        "Labels": _labels, "How to use": about(facts).use, "Training data": _data, "Training procedure": _procedure,
        "Evaluation": _evaluation, "Not measured": _blanks, "Environment": _environment,
    }  # fmt: skip
    blocks = [f"# {md(facts.name)}", attempt(_summary, facts, "the card's summary")]
    for title, make in sections.items():
        made = attempt(make, facts, f"the card's section {title}")
        if made or title != "Labels":  # which most tasks have none of
            blocks += [f"## {title}", made or "Not recorded."]
    return f"---\n{metadata(facts).to_yaml()}\n---\n\n" + "\n\n".join(block for block in blocks if block) + "\n"


def metadata(facts: Facts) -> ModelCardData:
    """The block the Hub reads: model-index holds the scores of `facts.part` that are defined."""
    from huggingface_hub import EvalResult, ModelCardData

    rows = facts.parts.get(facts.part or "", {})
    name = ", ".join(_files(rows)) or facts.part or "unknown"
    results = [
        EvalResult(
            task_type=facts.task, dataset_type=_slug(name), dataset_name=name, dataset_split=facts.part,
            metric_type=HUB_METRICS.get(score, score), metric_name=facts.words(score), metric_value=round(values["value"], 6),
        )
        for score, values in facts.scores.items()
        if values["value"] is not None
    ]  # fmt: skip
    base = facts.base_model
    return ModelCardData(
        language=facts.language,
        license=facts.licence,
        base_model=base if base and re.fullmatch(r"[\w.\-]+(/[\w.\-]+)?", base, re.ASCII) else None,
        pipeline_tag=facts.task if facts.task in TASKS else None,
        library_name="transformers",
        tags=["byeori"],
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )


def _summary(facts: Facts) -> str:
    body = facts.config.get("architectures") or []
    said = [f"A model for {facts.task}" + (f": {KINDS[facts.kind]}." if facts.kind in KINDS else ".")]
    if facts.base_model:
        shape = f" ({code(body[0])})" if body else ""
        said.append(f"It was fine-tuned from {code(facts.base_model)}{shape} with Byeori.")
    elif facts.from_scratch:
        shape = f" ({code(body[0])})" if body else ""
        said.append(f"It was trained from scratch with Byeori, in the shape of {code(facts.from_scratch)}{shape}.")
    elif body:
        said.append(f"It is a {code(body[0])}, trained with Byeori.")
    if facts.kind and facts.pairs:
        said.append("An input is a pair of texts.")
    return " ".join([*said, long_inputs(facts)]).rstrip()


def _labels(facts: Facts) -> str:
    """Empty for a task without labels, and where nothing names them."""
    counted = about(facts).labels or ("rows" if facts.kind else "")
    if not counted or not facts.labels:
        return ""
    counts = table(facts.parts.get("train", {}), "labels")
    lines = [f"| id | label | training {counted} |", "|---:|---|---:|"]
    for place, label in enumerate(facts.labels[:MOST_LABELS]):
        count = counts.get(label)
        lines.append(f"| {place} | {md(label)} | {f'{count:,}' if isinstance(count, int) else ''} |")
    more = len(facts.labels) - MOST_LABELS
    return "\n".join(lines) + (f"\n\nand {more:,} more; config.json has them all." if more > 0 else "")


def _data(facts: Facts) -> str:
    if not facts.parts:
        return ""
    lines = ["| part | rows | files | tokens, median | tokens, longest | cut |", "|---|---:|---|---:|---:|---:|"]
    for name, part in facts.parts.items():
        length = table(part, "length")
        cells = [part.get("rows"), None, length.get("p50"), length.get("p100"), part.get("truncated")]
        shown = [f"{cell:,.0f}" if isinstance(cell, int | float) else "" for cell in cells]
        shown[1] = ", ".join(md(file) for file in _files(part))
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    notes = [f"- {name}: {md(note)}" for name, note in facts.notes]
    return "\n\n".join(block for block in ("\n".join(lines), md(cleaning(facts)), "\n".join(notes)) if block)


def _procedure(facts: Facts) -> str:
    names = [name for name in PROCEDURE if name != "threshold" or facts.kind == "multi_label"]
    settings = [(name, facts.settings.get(name)) for name in names]
    lines = ["| setting | value |", "|---|---|"]
    lines += [f"| {name} | {md(value)} |" for name, value in settings if value is not None]
    measured = [f"- {name}: {md(value)}" for name, value in costs(facts)]
    judged = "validation" in facts.metrics or "validation" in facts.parts
    said = "AdamW; biases and norms are spared from weight decay. " + (
        "The model kept is the best by the validation score."
        if judged
        else "There were no validation rows: the last model is kept."
    )
    return "\n".join(
        [said, "", *(lines if len(lines) > 2 else ["Settings were not recorded."]), "", *measured]
    ).rstrip()


def _evaluation(facts: Facts) -> str:
    if not facts.scores:
        return "Not measured: there are no test or validation scores."
    kinds = [kind for kind in ("trivial", "linear") if facts.baseline(kind)]
    rows = facts.rows(facts.part)
    lines = [facts.verdict[1], ""]
    if facts.part == "validation":
        lines += ["These rows also chose the model that was kept, so the scores lean to the good side.", ""]
    scored = f"score on {facts.part}" + (f" ({rows:,} rows)" if rows else "")
    lines.append(f"| {scored} | value | 95% interval |" + "".join(f" {kind} baseline |" for kind in kinds))
    lines.append("|---|---:|---|" + "---:|" * len(kinds))
    for name, score in facts.scores.items():
        between = "" if score["low"] is None else interval(score).partition("(")[2].rstrip(")")
        others = [facts.beside(kind, name) for kind in kinds]
        beside = "".join(f" {NO_SCORE if other is None else number(other['value'])} |" for other in others)
        lines.append(f"| {md(facts.words(name))} | {number(score['value'])} | {between} |{beside}")
    lines += ["", "Intervals are bootstrap intervals over the rows; they count neither other seeds nor other data."]
    return "\n".join([*lines, baselines(facts)]).rstrip()


def _blanks(facts: Facts) -> str:
    blanks = [
        "- Bias: scores for groups of people, dialects or topics were not measured.",
        "- Other domains: the model was scored only on rows of the files named above.",
        "- Spread over seeds: this is one training with one seed.",
    ]
    if facts.from_scratch:
        blanks.append("- Licence: there is no base model; the texts it was trained on, and you, say it.")
    elif not facts.licence:
        blanks.append("- Licence: none is known of the base model; look it up before passing this model on.")
    return "\n".join(blanks)


def _environment(facts: Facts) -> str:
    versions = table(facts.found, "versions")
    known = [f"- {md(name)} {md(version)}" for name, version in versions.items()]
    for name in ("device", "threads"):
        if facts.settings.get(name) is not None:
            known.append(f"- {name}: {md(facts.settings[name])}")
    if facts.found.get("model_revision"):
        known.append(f"- revision of the base model: {code(facts.found['model_revision'])}")
    return "\n".join(known)


def _files(part: dict[str, Any]) -> list[str]:
    """Names of the files of a part, each once."""
    return list(dict.fromkeys(file_name(file["path"]) for file in part.get("files") or []))


def _slug(name: str) -> str:
    """A name as the Hub takes it for a data set's type."""
    return re.sub(r"[^\w.\-/]+", "-", name).strip("-").lower() or "unknown"


def md(value: Any) -> str:
    """A value as plain text inside Markdown: nothing in it is markup."""
    text = " ".join(html.escape(str(value), quote=False).split())
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)


def code(value: Any) -> str:
    return f"`{str(value).replace('`', '')}`"
