"""The heads of encoders as a few plain steps, for a runtime that runs bodies alone.

Invariants: steps are linear maps, normalizations and activations in their order; whether they give the model's own answers is tried
where they are written (`export_ctranslate2`), not trusted.

    steps, weights = steps_of(model, "AutoModelForTokenClassification")      # [{"kind": "linear", "name": "0"}], {"0.weight": …}
"""

from __future__ import annotations

from typing import Any

import numpy as np

Part = Any
HEADS = (
    "AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering",
    "AutoModelForMultipleChoice", "AutoModelForMaskedLM", "AutoModel",
)  # fmt: skip
ACTIVATIONS = ("tanh", "relu", "gelu", "gelu_new", "silu")


def steps_of(model: Any, auto: str) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The steps, JSON-ready, and their weights float32. Raises AttributeError, KeyError for a head of another build."""
    steps: list[dict[str, Any]] = []
    weights: dict[str, np.ndarray] = {}
    for number, part in enumerate(_parts(model, auto)):
        if isinstance(part, str):
            if part not in ACTIVATIONS:
                raise KeyError(part)
            steps.append({"kind": part})
            continue
        name = str(number)
        weights[f"{name}.weight"] = part.weight.detach().float().numpy()
        if getattr(part, "bias", None) is not None:
            weights[f"{name}.bias"] = part.bias.detach().float().numpy()
        eps = getattr(part, "eps", None)
        steps.append(
            {"kind": "linear", "name": name} if eps is None else {"kind": "norm", "name": name, "eps": float(eps)}
        )
    return steps, weights


def _parts(model: Any, auto: str) -> list[Part]:
    """Modules and names of activations, in the order in which they are run."""
    family, config = model.config.model_type, model.config
    act = getattr(config, "hidden_act", None) or getattr(config, "activation", "gelu")
    if auto == "AutoModel":
        return []
    if auto == "AutoModelForTokenClassification":
        return [model.classifier]
    if auto == "AutoModelForQuestionAnswering":
        return [model.qa_outputs]
    if auto == "AutoModelForMaskedLM":
        return _masked(model, family, act)
    if family == "distilbert":
        return [model.pre_classifier, "relu", model.classifier]
    if family == "bert":
        return [model.bert.pooler.dense, "tanh", model.classifier]
    if auto == "AutoModelForMultipleChoice":
        if family == "electra":
            return [model.sequence_summary.summary, config.summary_activation or "gelu", model.classifier]
        return [model.roberta.pooler.dense, "tanh", model.classifier]
    middle = "gelu" if family == "electra" else "tanh"
    return [model.classifier.dense, middle, model.classifier.out_proj]


def _masked(model: Any, family: str, act: Any) -> list[Part]:
    if family == "bert":
        head = model.cls.predictions
        return [head.transform.dense, act, head.transform.LayerNorm, head.decoder]
    if family == "distilbert":
        return [model.vocab_transform, act, model.vocab_layer_norm, model.vocab_projector]
    if family == "electra":
        head = model.generator_predictions
        return [head.dense, "gelu", head.LayerNorm, model.generator_lm_head]
    return [model.lm_head.dense, "gelu", model.lm_head.layer_norm, model.lm_head.decoder]
