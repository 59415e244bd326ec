"""The block of a model card that the Hub reads: what it knows of a model before anybody opens the page.

Invariants: nothing is claimed that the run folder doesn't say: a base model and data sets only by the ids they have on the
Hub, never by a path of the machine; a licence only where the base model's card states one. `model-index` holds every score
of the part shown that is defined, its 95% interval and unit among the metric's `args`, the only place the format has for
them. Form: huggingface.co/docs/hub/model-cards, github.com/huggingface/hub-docs (modelcard.md).

    print(metadata(read_facts("run")).to_yaml())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byeori.report.about import TASKS
from byeori.report.facts import Facts, file_name, table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

# our scores → the ids of the Hub's metrics; others keep their own name
HUB_METRICS = {
    "macro_f1": "f1", "weighted_f1": "f1", "micro_f1": "f1", "f1_strict": "f1", "char_f1": "f1", "char_f1_klue": "f1",
    "has_answer_f1": "f1", "micro_precision": "precision", "macro_precision": "precision", "micro_recall": "recall",
    "macro_recall": "recall", "mcc": "matthews_correlation", "pearson": "pearsonr", "spearman": "spearmanr",
    "auroc": "roc_auc", "r2": "r_squared", "has_answer_exact_match": "exact_match", "no_answer_accuracy": "accuracy",
    "next_sentence_accuracy": "accuracy", "rouge1": "rouge", "rouge2": "rouge", "rougeL": "rouge", "rougeLsum": "rouge",
    "bleu": "sacrebleu", "chrf++": "chrf",
}  # fmt: skip
PYTHON_ROWS = "rows given in Python"
UNKNOWN = "unknown"  # what the format asks for where a data set isn't on the Hub


def metadata(facts: Facts) -> ModelCardData:
    """The block the Hub reads, checked by huggingface_hub's own classes."""
    from huggingface_hub import ModelCardData

    results = _results(facts)
    sets = [one["id"] for part in facts.parts.values() for one in hub_sets(part)]
    base = facts.base_id
    relation: dict[str, Any] = (
        {"base_model_relation": "adapter" if table(facts.saved, "adapter") else "finetune"} if base else {}
    )
    return ModelCardData(
        language=_languages(facts),
        license=facts.licence,
        base_model=base,
        **relation,
        datasets=list(dict.fromkeys(sets)) or None,
        pipeline_tag=facts.task if facts.task in TASKS else None,
        library_name="peft" if table(facts.saved, "adapter") else "transformers",
        tags=["byeori"],
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=facts.name if results else None,
        eval_results=results or None,
    )


def hub_sets(part: dict[str, Any]) -> list[dict[str, Any]]:
    """{"id", "config", "revision"} of the data sets of the Hub that a part was read from, each once."""
    found = [table(file, "hub") for file in part.get("files") or []]
    return list({one["id"]: one for one in found if isinstance(one.get("id"), str)}.values())


def files(part: dict[str, Any]) -> list[str]:
    """Names of the files of a part, each once; of the Hub's data sets their ids, with the configuration."""
    return list(dict.fromkeys(_shown(file) for file in part.get("files") or []))


def _shown(file: dict[str, Any]) -> str:
    if file.get("format") == "python":
        return PYTHON_ROWS
    known = table(file, "hub")
    named = known.get("id")
    return (
        file_name(file["path"]) if not named else f"{named} ({known['config']})" if known.get("config") else str(named)
    )


def _results(facts: Facts) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    part = facts.parts.get(facts.part or "", {})
    sets = hub_sets(part)
    known = sets[0] if len(sets) == 1 else {}
    name = ", ".join(files(part)) or facts.part or UNKNOWN
    return [
        EvalResult(
            task_type=facts.task, dataset_type=known.get("id", UNKNOWN), dataset_name=name, dataset_split=facts.part,
            dataset_config=known.get("config"), dataset_revision=known.get("revision"),
            metric_type=HUB_METRICS.get(score, "f1" if score.startswith("f1.") else score),
            metric_name=facts.words(score), metric_value=round(values["value"], 6), metric_args=_args(facts, score, values),
        )
        for score, values in facts.scores.items()
        if values["value"] is not None
    ]  # fmt: skip


def _args(facts: Facts, score: str, values: dict[str, float | None]) -> dict[str, Any] | None:
    details = table(table(table(facts.metrics, facts.part), score), "details")
    told = {name: details[name] for name in ("unit", "signature") if details.get(name)}
    if values["low"] is not None and values["high"] is not None:
        told["confidence_interval"] = [round(values["low"], 6), round(values["high"], 6)]
        told["confidence_level"] = 0.95
    return told or None


def _languages(facts: Facts) -> str | list[str] | None:
    """Of a translation both, as codes; else that of the texts."""
    from byeori.data.languages import code

    pair = [facts.own(name) for name in ("source_lang", "target_lang")]
    known = [found for one in pair if isinstance(one, str) and (found := code(one))]
    return known if len(known) == 2 else facts.language
