"""What a token of a training takes, kept per model and kind of device, so that the same model isn't tried again in the next run.

A file a cost in `budgets` beside the token stores (`byeori.text.cache`), named by all that a measurement depends on. It may be
deleted at any time; one that can't be read is made anew.

    cost = kept_cost(model, task, store, packing, device, "float32", max_length=512)
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules import module as torch_modules

from byeori.batches.budget import Cost
from byeori.batches.loader import Packing
from byeori.models.fused import GLOBAL_HOOKS
from byeori.models.packed import unwrapped
from byeori.tasks.base import Task
from byeori.text.cache import folder, limit
from byeori.text.fingerprint import versions
from byeori.text.store import TokenStore
from byeori.train.memory import measured

OWN = ("byeori", "transformers", "torch", "peft")  # whose code is told by its version
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def kept_cost(
    model: Any, task: Task, store: TokenStore, packing: Packing, device: torch.device, precision: str, max_length: int
) -> Cost:
    """As `measured`, from an earlier run where there was one. Raises what `measured` raises, SettingError."""
    place = place_of(model, task, store, packing, device, precision, max_length)
    if place is not None and (found := _read(place)) is not None:
        return found
    cost = measured(model, task, store, packing, device, precision, max_length)
    if place is not None:
        with contextlib.suppress(OSError):  # nowhere to write: measured again next time
            _write(place, dataclasses.asdict(cost))
    return cost


def place_of(
    model: Any, task: Task, store: TokenStore, packing: Packing, device: torch.device, precision: str, max_length: int
) -> Path | None:
    """The file of a model's cost here; None where nothing is kept. Raises SettingError."""
    key = _key(model, task, store, packing, device, precision, max_length)
    if key is None or not limit():
        return None
    try:
        return folder().parent / "budgets" / f"{key}.json"
    except RuntimeError:  # a user without a home, as in containers
        return None


def kept_limit(place: Path) -> int | None:
    """Tokens a pack that memory once didn't suffice for more of; None if it always did."""
    try:
        found = json.loads(_limit_of(place).read_text(encoding="utf-8"))["tokens"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) and found > 0 else None


def keep_limit(place: Path, tokens: int) -> None:
    with contextlib.suppress(OSError):  # nowhere to write: it is found again next time
        _write(_limit_of(place), {"tokens": tokens})


def _limit_of(place: Path) -> Path:
    return place.with_suffix(".limit.json")


def _read(place: Path) -> Cost | None:
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
        cost = Cost(**values)
    except (OSError, ValueError, TypeError):
        return None
    sound = all(isinstance(value, float | int) and value >= 0 for value in values.values())
    return cost if sound and len(values) == len(dataclasses.fields(Cost)) and cost.token > 0 else None


def _write(place: Path, values: dict[str, Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=".part-", dir=place.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(values, file)
        os.replace(part, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _key(
    model: Any, task: Task, store: TokenStore, packing: Packing, device: torch.device, precision: str, max_length: int
) -> str | None:
    """A hash of what the measurement depends on; None where somebody's own code has a part in it."""
    inner: Any = unwrapped(model)
    kinds = {type(task), *(type(module) for module in inner.modules())}
    hooks = [hook for module in inner.modules() for kept in HOOKS for hook in getattr(module, kept).values()]
    code = [*kinds, *(hook if hasattr(hook, "__module__") else type(hook) for hook in hooks)]
    if any(str(one.__module__).partition(".")[0] not in OWN for one in code):
        return None
    if any(getattr(torch_modules, name) for name in GLOBAL_HOOKS):
        return None
    if any("forward" in vars(module) for module in inner.modules()):
        return None
    device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    settings = {name: repr(value) for name, value in vars(task.settings).items()}
    parts = [
        versions(), torch.__version__, _version("peft"), device_name, precision, max_length, [packing.group_cost, packing.varlen],
        [type(task).__name__, settings, inner.config.to_json_string(use_diff=False)],
        [(type(module).__name__, module.training, [len(getattr(module, kept)) for kept in HOOKS]) for module in inner.modules()],
        [(name, list(p.shape), str(p.dtype), p.requires_grad) for name, p in inner.named_parameters()],
        sorted((name, level, list(store.columns[name].shape[1:]), str(store.columns[name].dtype)) for name, level in store.levels.items()),
        any(getattr(module, "gradient_checkpointing", False) for module in inner.modules()), inner.config._attn_implementation,
    ]  # fmt: skip
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
