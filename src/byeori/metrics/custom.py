"""A user's own metric: the course's `compute_metrics(eval_pred)` unchanged, or a function of both columns.

Invariant: what comes back is {name: float}, or a SettingError says what was returned instead. Arguments are handed over
by the names a function gives them, so that scikit-learn's `f1_score(y_true, y_pred)` is not called the wrong way round.

    from byeori.metrics.custom import call_metric; call_metric(my_f1, predictions, references, logits, label_ids)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from byeori.errors import SettingError
from byeori.metrics.intervals import Interval, bootstrap_by_resampling, metric_name, named_numbers, take_rows

EVAL_PREDICTION_NAMES = {"eval_pred", "eval_preds", "p", "eval_prediction"}
PREDICTION_NAMES = {"predictions", "prediction", "preds", "pred", "predicted", "y_pred", "hypotheses", "p"}
REFERENCE_NAMES = {
    "references",
    "reference",
    "refs",
    "y_true",
    "true",
    "labels",
    "label_ids",
    "targets",
    "target",
    "gold",
}
SCORE_NAMES = {"y_score", "y_prob", "y_proba", "scores", "probs", "probabilities", "logits"}


def call_metric(metric: Callable, predictions, references, logits, label_ids) -> dict[str, float]:
    """{name: value} of one metric function.

    A function of one required parameter, or whose parameter is named eval_pred, eval_preds or p, gets
    `transformers.EvalPrediction(predictions=logits, label_ids=label_ids)`, which unpacks as (logits, labels). One of
    two gets (predictions, references): in that order, or the other way round where its first parameter is named for
    references (`y_true`, `references`, `labels`…), or by keyword where it takes them by keyword only. predictions,
    references: one a row; logits, label_ids: arrays whose first axis is rows, or None where no metric wants them. The
    result is a number, named after the function, or a dict of numbers. Raises SettingError for anything else, for a
    function of another shape and for one that asks for scores (`y_score`), which only an eval_pred function can have.
    """
    way = _way(metric)
    if way == "eval_pred":
        from transformers import EvalPrediction

        result = metric(EvalPrediction(predictions=logits, label_ids=label_ids))
    elif way == "keywords":
        result = metric(predictions=predictions, references=references)
    elif way == "references_first":
        result = metric(references, predictions)
    else:
        result = metric(predictions, references)
    return named_numbers(metric, result)


def scored_metric(
    metric: Callable,
    predictions,
    references,
    logits,
    label_ids,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """`call_metric` with intervals, {name: {"value", "low", "high"}}, in about two seconds.

    Parameters as in `call_metric` and `bootstrap_by_resampling`, which says how the time is kept.
    """
    columns = (predictions, references, logits, label_ids)
    every = np.arange(len(references))

    def on_rows(rows: np.ndarray, _: np.ndarray) -> dict[str, float]:
        # all rows: the very objects given; a resample: copies. Logits may be None where the metric asks for none
        if rows is every:
            return call_metric(metric, *columns)
        return call_metric(metric, *(None if column is None else take_rows(column, rows) for column in columns))

    return bootstrap_by_resampling(on_rows, every, every, resamples=resamples, seed=seed, level=level)


def wants_arrays(metric: Callable) -> bool:
    """Whether it is one of eval_pred, which gets logits and labels. Raises SettingError for one that can't be called."""
    return _way(metric) == "eval_pred"


def _way(metric: Callable) -> str:
    name = metric_name(metric)
    try:
        parameters = inspect.signature(metric).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature can only be tried with the usual two
        return "predictions_first"
    keyword_only = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in positional if p.default is p.empty]
    names = [p.name for p in positional]
    needed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if (
        {"predictions", "references"} <= set(keyword_only)
        and not required
        and not set(needed) - {"predictions", "references"}
    ):
        return "keywords"
    if needed or len(required) > 2:
        raise SettingError(
            f"The metric {name} needs {', '.join(required + needed)}, but a metric is called with "
            f"(predictions, references) or with (eval_pred). Wrap it in a function of one of these."
        )
    if len(required) <= 1 and names and (names[0] in EVAL_PREDICTION_NAMES or not _is_pair(names, required)):
        return "eval_pred"
    if len(names) > 1:
        asked = SCORE_NAMES & set(names[:2])
        if asked:
            raise SettingError(
                f"The metric {name} asks for {asked.pop()}, but predictions are labels, not scores. "
                f"Write a function of one parameter, def {name}(eval_pred), which gets (logits, labels)."
            )
        if names[0] in REFERENCE_NAMES and names[1] not in REFERENCE_NAMES:
            return "references_first"
    elif not names and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise SettingError(
            f"The metric {name} takes no parameters; it is called with (predictions, references) or with (eval_pred). "
            f"Give it one of these."
        )
    return "predictions_first"


def _is_pair(names: list[str], required: list[str]) -> bool:
    """Whether a function of at most one required parameter takes (predictions, references), going by their names."""
    if len(names) < 2:
        return False
    first, second = names[:2]
    named = (first in PREDICTION_NAMES and second in REFERENCE_NAMES) or (
        first in REFERENCE_NAMES and second in PREDICTION_NAMES
    )
    return named or not required
