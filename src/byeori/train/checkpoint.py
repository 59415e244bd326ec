"""Checkpoints: all that a training is, written whole or not at all, in safetensors and JSON only.

Invariants: a checkpoint holds the weights that train, optimizer, schedule, random states, place, best score, hooks; its folder
appears under its name only when everything in it is on disk; loading runs no code.

    save(folder / "step-00000200", model, optimizer, schedule, state)
    state = load(last(folder), model, optimizer, schedule, compact)
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from byeori.errors import ModelError
from byeori.models.adapters import digest
from byeori.models.embedding import CompactEmbedding, full_weights
from byeori.run import write_folder, write_json

OWN = ("initial_lr", "weight_decay", "betas", "eps")  # of an optimizer's group: settings, not state
NAME = re.compile(r"step-(\d{8})$")


def name(step: int) -> str:
    return f"step-{step:08d}"


def last(folder: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    found = sorted(p for p in folder.glob("step-*") if NAME.match(p.name) and (p / "state.json").is_file())
    return found[-1] if found else None


def save(folder: Path, model: Any, optimizer: Any, schedule: Any, state: dict[str, Any], keep: int = 1) -> None:
    """Write a checkpoint; older ones go, but for the newest `keep`."""

    def fill(path: Path) -> None:
        with full_weights(model):
            # Tied tensors are one storage: save_file wants each once, load_state_dict fills both from it.
            seen: dict[int, str] = {}
            weights = {}
            frozen = _frozen(model)
            for key, value in model.state_dict().items():
                if key in frozen:  # as the model brings it again
                    continue
                if value.data_ptr() in seen and value.numel():
                    continue
                seen[value.data_ptr()] = key
                weights[key] = value.detach().contiguous()
            save_file(weights, path / "model.safetensors")
        tensors, plain = _flatten(optimizer.state_dict())
        save_file(tensors, path / "optimizer.safetensors")
        save_file(_random_states(), path / "random.safetensors")
        base = {"frozen": _digest(model)}
        write_json(path / "state.json", {**state, **base, "optimizer": plain, "schedule": _schedule(schedule)})

    write_folder(folder, fill)
    for old in sorted(p for p in folder.parent.glob("step-*") if NAME.match(p.name))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, model: Any, optimizer: Any, schedule: Any, compact: Any) -> dict[str, Any]:
    """Put a checkpoint back into these objects; returns its state. Raises ModelError if a part can't be read."""
    try:
        weights = load_file(folder / "model.safetensors")
        tensors = load_file(folder / "optimizer.safetensors")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        random = load_file(folder / "random.safetensors")
    except Exception as error:  # safetensors raises its own kinds
        raise ModelError(
            f"{folder}: this checkpoint can't be read ({error}). Remove the folder: --resume then takes the checkpoint before it, if there "
            f"is one, or begins anew."
        ) from error
    if state.get("frozen") not in (None, _digest(model)):
        raise ModelError(
            f"{folder}: this checkpoint holds what trains alone, and the weights that stay are other ones now. Give the --model it began "
            f"with, or start anew with --overwrite."
        )
    with full_weights(model):
        frozen = _frozen(model)
        missing, unexpected = model.load_state_dict(weights, strict=False)
        names = set(model.state_dict())
        untied = [key for key in missing if key not in frozen and not _tied_to(model, key, weights)]
    if untied or unexpected:
        raise ModelError(
            f"{folder}: its weights are another model's ({(untied + list(unexpected))[:3]} of {len(names)})."
        )
    if compact is not None:
        compact.read_again()
    own, bases = [{name: group[name] for name in OWN} for group in optimizer.param_groups], schedule.base_lrs
    optimizer.load_state_dict(_unflatten(tensors, state["optimizer"]))
    schedule.load_state_dict(state["schedule"])
    # What this run was told holds, where the checkpoint was made with another rate or decay.
    schedule.base_lrs = bases
    for group, values, base, by in zip(optimizer.param_groups, own, bases, schedule.lr_lambdas, strict=True):
        group.update(values, lr=base * by(schedule.last_epoch))
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]
    _set_random_states(random)
    return state


def settings(folder: Path) -> dict[str, Any]:
    """The settings it was made with; {} where its state can't be read (`load` says why)."""
    try:
        return json.loads((folder / "state.json").read_text(encoding="utf-8")).get("settings", {})
    except (OSError, ValueError):
        return {}


def _frozen(model: Any) -> set[str]:
    """Names of the weights that stay as they came; of word vectors the idle ones move, too."""
    moving = {id(part.weight) for part in model.modules() if isinstance(part, CompactEmbedding)}
    every = model.named_parameters(remove_duplicate=False)
    return {name for name, p in every if not p.requires_grad and id(p) not in moving}


def _digest(model: Any) -> str | None:
    """Of the frozen weights that are used: the head that an adapter's stands for is not. None where all train."""
    frozen = {name for name in _frozen(model) if ".original_module." not in name}
    return digest(model, only=frozen) if frozen else None


def _tied_to(model: Any, key: str, weights: dict[str, torch.Tensor]) -> bool:
    here = model.state_dict()
    return any(other in weights and here[other].data_ptr() == here[key].data_ptr() for other in here if other != key)


def _flatten(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors = {
        f"{number}.{key}": value.detach().contiguous()
        for number, entry in state["state"].items()
        for key, value in entry.items()
    }
    return tensors, {"param_groups": state["param_groups"]}


def _unflatten(tensors: dict[str, torch.Tensor], plain: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        number, _, part = key.partition(".")
        state.setdefault(int(number), {})[part] = value
    for group in plain["param_groups"]:
        group["betas"] = tuple(group["betas"])
    return {"state": state, "param_groups": plain["param_groups"]}


def _schedule(schedule: Any) -> dict[str, Any]:
    return {
        k: v
        for k, v in schedule.state_dict().items()
        if isinstance(v, int | float | bool | str | list) and k != "lr_lambdas"
    } | {"lr_lambdas": [None] * len(schedule.base_lrs)}


def _random_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _set_random_states(states: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            if f"cuda{i}" in states:
                torch.cuda.set_rng_state(states[f"cuda{i}"], i)
