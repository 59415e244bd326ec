"""Temperature scaling, folded into the model: probabilities that say how often they are right, for whoever loads it.

Invariants: the temperature is fitted on validation rows alone; it divides the weights and the bias of the last linear layer, so that
plain transformers gives the same probabilities, and no prediction changes but for rounding; byeori.json says it was done; done once.

    found = calibrate(ready, folder, step, logits, references)

One number for all classes, by which logits are divided (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.errors import ModelError, SettingError
from byeori.metrics.calibration import calibration_scores, confidences, fit_temperature, log_loss
from byeori.predict.model_folder import save_model
from byeori.predict.windows import window
from byeori.run import RunFolder, read_json
from byeori.tasks.probabilities import softmax

if TYPE_CHECKING:
    from torch import nn

    from byeori.train.prepare import Ready

FEW = 4  # rows that the layer is found by
KIND = "single_label"


def check(ready: Ready) -> None:
    """Before anything is trained: can it be done? Raises SettingError, ModelError."""
    task, settings = ready.task, ready.settings
    if not getattr(task.settings, "calibrate", False):
        return
    kind = getattr(task, "problem_type", None)
    if kind != KIND:
        raise SettingError(
            f"calibrate: a temperature is for one label a row (single_label), and these are {kind}. Leave it out."
        )
    if "validation" not in ready.rows:
        raise SettingError(
            "calibrate: there are no validation rows to fit the temperature on. Give --validation, or a --validation-size above 0; test "
            "rows are for the last word."
        )
    if (settings.adapter or settings.adapter_config) and not settings.merge_adapter:
        raise SettingError(
            "calibrate: an adapter that is saved alone leaves the last layer to its base. Leave out --no-merge-adapter or --calibrate."
        )
    if hasattr(ready, "loaded"):
        last_layer(ready)


def last_layer(ready: Ready) -> tuple[str, nn.Linear]:
    """The linear layer whose output the logits are: that with half of whose weights they are exactly half. Raises ModelError."""
    import torch

    model, store = ready.loaded.model, window(ready.stores["validation"], 0, min(FEW, len(ready.stores["validation"])))
    before = np.asarray(ready.engine.run(store).values).copy()
    for name, layer in reversed([*model.named_modules()]):
        if not isinstance(layer, torch.nn.Linear) or layer.out_features != before.shape[-1]:
            continue
        scale(layer, 2.0)
        after = np.asarray(ready.engine.run(store).values).copy()
        scale(layer, 0.5)
        if (after * 2 == before).all():
            return name, layer
    raise ModelError(
        f"calibrate: the logits of {type(model).__name__} come out of no linear layer of its own, so a temperature can't be folded into "
        f"it. Leave out --calibrate."
    )


def scale(layer: nn.Linear, temperature: float) -> None:
    """Divide a layer's output by a temperature."""
    import torch

    with torch.no_grad():
        for one in (layer.weight, layer.bias):
            if one is not None:
                one.div_(temperature)


def calibrate(
    ready: Ready, folder: RunFolder, step: int, logits: np.ndarray, references: np.ndarray, main: bool = True
) -> dict[str, Any]:
    """Fit the temperature, fold it into the model at hand and into model/; what metrics.json says under "calibration".

    logits: float (n, L) of the validation rows, by the model at hand; references: their ids.
    """
    name, layer = last_layer(ready)
    task: Any = ready.task
    before = _done_before(folder, name, layer)
    if before is not None:  # killed between this and metrics.json
        task.temperature = before
        return {"temperature": before, "fitted_on": "validation", "rows": len(references)}
    temperature = fit_temperature(logits, references)
    scale(layer, temperature)
    task.temperature = temperature
    if main:
        save_model(folder.model, ready.loaded.model, ready.loaded.tokenizer, task, ready.decoding, step)
    found: dict[str, Any] = {"temperature": temperature, "fitted_on": "validation", "rows": len(references)}
    for when, used in (("before", 1.0), ("after", temperature)):
        ece = calibration_scores(*confidences(softmax(logits / used), references), resamples=0)["ece"]["value"]
        found[when] = {"loss": log_loss(logits, references, used), "ece": ece}
    return found


def _done_before(folder: RunFolder, name: str, layer: nn.Linear) -> float | None:
    """The temperature that the weights at hand have in them already."""
    import torch
    from safetensors import safe_open

    temperature = (read_json(folder.model / "byeori.json").get("state") or {}).get("temperature")
    if temperature is None:
        return None
    for path in folder.model.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            if f"{name}.weight" in file.keys():  # noqa: SIM118 - not a dict
                same = torch.equal(file.get_tensor(f"{name}.weight"), layer.weight.detach().cpu())
                return float(temperature) if same else None
    return None
