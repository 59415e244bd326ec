"""Checkpoints: all that a training is, written whole or not at all, in safetensors and JSON only.

Invariants: a checkpoint holds the weights that train, optimizer, schedule, random states, place, best score, hooks; its folder
appears under its name only when everything in it is on disk, with a manifest of sizes and checksums by which damage is found;
tensors go by the names of the parameters, so that any number of ranks reads them; loading runs no code.

    write(folder / "step-00000200", snapshot(model, optimizer, schedule, state, random_of(World(), device)))
    state = load(newest(folder, print), model, optimizer, schedule, compact)
"""

from __future__ import annotations

import json
import os
import random as random_
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from byeori.errors import ModelError
from byeori.models.adapters import digest
from byeori.models.device import random_states, set_random_states
from byeori.models.embedding import CompactEmbedding, full_weights
from byeori.models.world import World, stretch
from byeori.run import write_folder, write_json
from byeori.train import tensors
from byeori.train.tensors import Tensors

FORMAT = 3
OWN = ("initial_lr", "weight_decay", "betas", "eps")  # of an optimizer's group: settings, not state
NAME = re.compile(r"step-(\d{8,})$")
BLOCK = 1 << 20  # bytes read at once
STATE, MANIFEST = "state.json", "manifest.json"
Held = dict[tuple[str, str], torch.Tensor]


def name(step: int) -> str:
    return f"step-{step:08d}"


def all_of(folder: Path) -> list[Path]:
    """The checkpoints there are, the oldest first, damaged ones too."""
    found = [path for path in folder.glob("step-*") if NAME.match(path.name) and path.is_dir()]
    return sorted(found, key=step_of)


def step_of(folder: Path) -> int:
    found = NAME.match(folder.name)
    assert found is not None
    return int(found[1])


def newest(folder: Path, tell: Callable[[str], None], before: int | None = None) -> Path | None:
    """The newest sound checkpoint, of an update below `before` if that is given; None if there is none.

    Damaged ones on the way are told by name.
    """
    for path in reversed(all_of(folder)):
        if before is not None and step_of(path) >= before:
            continue
        wrong = damage(path)
        if wrong is None:
            return path
        tell(f"{path}: this checkpoint is damaged ({wrong}); the one before it is taken, if there is one.")
    return None


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files; None if they are as they were written. Reads all of them."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"it has no {MANIFEST}"
    except (OSError, ValueError) as error:
        return f"{MANIFEST}: {error}"
    if told.get("format") != FORMAT:
        return f"its format is {told.get('format')}, and this version reads {FORMAT}"
    for file, facts in told["files"].items():
        path = folder / file
        try:
            if not path.is_file():
                return f"{file} is missing"
            if path.stat().st_size != facts["bytes"]:
                return f"{file} has {path.stat().st_size:,} bytes instead of {facts['bytes']:,}"
            if _crc32(path) != facts["crc32"]:
                return f"{file} is not what was written"
        except OSError as error:
            return f"{file}: {error.strerror}"
    return None


@dataclass
class Snapshot:
    """What a checkpoint will hold: tensors by file, and the rest as JSON.

    `rows`: of tensors that ranks share, by file and name, the first row and the one after the last of each rank.
    """

    files: dict[str, dict[str, torch.Tensor]]
    state: dict[str, Any]
    rows: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(one.numel() * one.element_size() for file in self.files.values() for one in file.values())


def snapshot(
    model: Any, optimizer: Any, schedule: Any, state: dict[str, Any], random: dict[str, torch.Tensor], held: Held | None = None,
    world: World | None = None,
) -> Snapshot:  # fmt: skip
    """All of a training as it is now, on ranks that share it this one's part; with `held`, copied there, so that the training may go on.

    The copies' memory is taken again by the next snapshot of the same `held`.
    """
    world = world or World()
    with full_weights(model):
        # Tied tensors are one storage: each is saved once, and load_state_dict fills both from it.
        seen: set[int] = set()
        weights: dict[str, torch.Tensor] = {}
        frozen = _frozen(model)
        for key, value in model.state_dict(keep_vars=True).items():
            if key in frozen or _place(value) in seen:  # a frozen one comes with the model again
                continue
            seen.add(_place(value))
            weights[key] = value
        found = {"model": _kept("model", _own(weights, world), held)}
    moments, plain = _flatten(model, optimizer)
    found["optimizer"] = _kept("optimizer", _own(moments, world), held)
    found["random"] = random
    rows = {"model": _shares(weights, world), "optimizer": _shares(moments, world)}
    more = {"frozen": _digest(model), "python": _python_states(), "optimizer": plain, "schedule": _schedule(schedule)}
    if held is not None:
        for device in {value.device for value in weights.values() if value.is_cuda}:
            torch.cuda.synchronize(device)  # copies into pinned memory are on their way
    return Snapshot(found, {**state, **more}, rows)


def _own(values: dict[str, torch.Tensor], world: World) -> dict[str, torch.Tensor]:
    """What this rank writes: its part of what is shared, and on the main one the rest."""
    return {key: _local(value) for key, value in values.items() if world.main or _is_shared(value)}


def _is_shared(value: torch.Tensor) -> bool:
    return hasattr(value, "to_local")


def _place(value: Any) -> int:
    """By which tied ones are the same."""
    local = _local(value)
    return local.data_ptr() if local.numel() else id(value)


def _local(value: Any) -> torch.Tensor:
    return value.to_local() if _is_shared(value) else value


def _shares(values: dict[str, torch.Tensor], world: World) -> dict[str, list[list[int]]]:
    """The rows that each rank has of each shared tensor."""
    return {
        key: [[mine.start, mine.stop] for mine in (stretch(len(value), rank, world.size) for rank in range(world.size))]
        for key, value in values.items()
        if _is_shared(value)
    }


def _kept(file: str, values: dict[str, torch.Tensor], held: Held | None) -> dict[str, torch.Tensor]:
    """The tensors on the CPU, in one piece each; in memory of their own where that is asked."""
    found = {}
    for key, value in values.items():
        value = value.detach()
        if held is None:
            found[key] = value.cpu().contiguous()
            continue
        place = held.get((file, key))
        if place is None or place.shape != value.shape or place.dtype != value.dtype:
            place = torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)
            held[file, key] = place
        found[key] = place.copy_(value, non_blocking=value.is_cuda)
    return found


def write_part(folder: Path, taken: Snapshot, world: World) -> None:
    """What this rank has of the tensors that ranks share, into a folder that is there. Raises OSError."""
    for file in taken.rows:
        tensors.write(folder / tensors.part(file, world.rank, world.size), taken.files[file])


def write(folder: Path, taken: Snapshot, parts: Path | None = None) -> None:
    """Raises OSError where the disk doesn't take it; then nothing is there under that name.

    `parts`: a folder with what ranks wrote of what they share, which goes along.
    """

    def fill(path: Path) -> None:
        for file, values in taken.files.items():
            if parts is None or file not in taken.rows:
                tensors.write(path / tensors.part(file, 0, 1), values)
                continue
            shared = sorted(one.name for one in parts.glob(f"{file}-*.safetensors"))
            for one in shared:
                os.replace(parts / one, path / one)
            write_json(path / tensors.index_of(file), {"files": shared, "rows": taken.rows[file]})
        write_json(path / STATE, taken.state)
        files = {one.name: {"bytes": one.stat().st_size, "crc32": _crc32(one)} for one in sorted(path.iterdir())}
        write_json(path / MANIFEST, {"format": FORMAT, "files": files})

    write_folder(folder, fill)


def state_of(folder: Path) -> dict[str, Any]:
    """All of a sound checkpoint but its tensors."""
    return json.loads((folder / STATE).read_text(encoding="utf-8"))


def load(
    folder: Path, model: Any, optimizer: Any, schedule: Any, compact: Any, world: World | None = None
) -> dict[str, Any]:
    """Put a sound checkpoint back into these objects; returns its state. Raises ModelError for another model's.

    Whatever the number of ranks that wrote it, each rank reads its own part; a rank that wasn't there draws its own random numbers.
    """
    world = world or World()
    state = state_of(folder)
    if None not in (state.get("frozen"), mine := _digest(model)) and state["frozen"] != mine:
        raise ModelError(
            f"{folder}: this checkpoint holds what trains alone, and the weights that stay are other ones now. Give the --model it began "
            f"with, or start anew with --overwrite."
        )
    reader = Tensors(folder, "model")
    with full_weights(model):
        frozen, here = _frozen(model), model.state_dict(keep_vars=True)
        weights = {key: _part_of(reader, key, here[key], world) if key in here else torch.empty(0) for key in reader}
        shapes = [key for key, value in weights.items() if key in here and _local(here[key]).shape != value.shape]
        missing = [key for key in here if key not in weights]
        unexpected = [key for key in weights if key not in here]
        untied = [key for key in missing if key not in frozen and not _tied_to(model, key, weights)]
    if shapes or untied or unexpected:
        raise ModelError(
            f"{folder}: its weights are another model's ({', '.join((shapes + untied + list(unexpected))[:3])} of {len(here)}). Give the "
            f"--model it began with, or start anew with --overwrite."
        )
    with torch.no_grad(), full_weights(model):
        for key, value in weights.items():
            _local(here[key]).copy_(value)
    if compact is not None:
        compact.read_again()
    own, bases = [{key: group[key] for key in OWN} for group in optimizer.param_groups], schedule.base_lrs
    optimizer.load_state_dict(_unflatten(folder, model, optimizer, state["optimizer"], world))
    schedule.load_state_dict(state["schedule"])
    # What this run was told holds, where the checkpoint was made with another rate or decay.
    schedule.base_lrs = bases
    for group, values, base, by in zip(optimizer.param_groups, own, bases, schedule.lr_lambdas, strict=True):
        group.update(values, lr=base * by(schedule.last_epoch))
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]
    _set_random(Tensors(folder, "random").all(), world, state, next(model.parameters()).device)
    _set_python_states(state["python"])
    return state


def _crc32(path: Path) -> str:
    """Of a file: it finds damage, and takes a third of the time of a hash that nobody could forge."""
    found = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            found = zlib.crc32(block, found)
    return f"{found:08x}"


def _frozen(model: Any) -> set[str]:
    """Names of the weights that stay as they came; of word vectors the idle ones move, too."""
    moving = {id(part.weight) for part in model.modules() if isinstance(part, CompactEmbedding)}
    every = model.named_parameters(remove_duplicate=False)
    return {name for name, p in every if not p.requires_grad and id(p) not in moving}


def _digest(model: Any) -> str | None:
    """Of the frozen weights that are used: the head that an adapter's stands for is not. None where all train, or ranks share them."""
    if any(_is_shared(parameter) for parameter in model.parameters()):
        return None
    frozen = {name for name in _frozen(model) if ".original_module." not in name}
    return digest(model, only=frozen) if frozen else None


def _tied_to(model: Any, key: str, weights: dict[str, torch.Tensor]) -> bool:
    here = model.state_dict(keep_vars=True)
    return any(other in weights and _place(here[other]) == _place(here[key]) for other in here if other != key)


def _named(model: Any, optimizer: Any) -> list[list[str]]:
    """The names of the parameters of each group."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [[names[id(parameter)] for parameter in group["params"]] for group in optimizer.param_groups]


def _flatten(model: Any, optimizer: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    names = _named(model, optimizer)
    moments = {
        f"{key}/{name}": value
        for group, own in zip(optimizer.param_groups, names, strict=True)
        for parameter, name in zip(group["params"], own, strict=True)
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return moments, {"param_groups": groups, "names": names}


def _part_of(reader: Tensors, key: str, like: torch.Tensor, world: World) -> torch.Tensor:
    """A tensor, or of one that ranks share this rank's rows."""
    if not _is_shared(like):
        return reader.read(key)
    mine = stretch(len(like), world.rank, world.size)
    return reader.read(key, mine.start, mine.stop)


def _unflatten(folder: Path, model: Any, optimizer: Any, plain: dict[str, Any], world: World) -> dict[str, Any]:
    """As `load_state_dict` takes it. Raises ModelError where other weights train now."""
    names = _named(model, optimizer)
    if names != plain["names"]:
        raise ModelError(
            f"{folder}: other weights train now than did in this checkpoint. Resume with the settings it began with, or start anew with "
            f"--overwrite."
        )
    places = {name: place for place, name in enumerate(name for own in names for name in own)}
    state: dict[int, dict[str, torch.Tensor]] = {}
    sizes, wrong = dict(model.named_parameters()), []
    reader = Tensors(folder, "optimizer")
    for key in reader:
        kind, _, name = key.partition("/")
        like = sizes[name]
        value = reader.read(key) if kind == "step" else _part_of(reader, key, like, world)
        if kind != "step" and value.shape != _local(like).shape:
            wrong.append(name)
        elif kind != "step" and _is_shared(like):
            from torch.distributed.tensor import DTensor

            shared: Any = like
            value = DTensor.from_local(
                value, shared.device_mesh, shared.placements, shape=like.shape, stride=like.stride()
            )
        state.setdefault(places[name], {})[kind] = value
    if wrong:
        raise ModelError(
            f"{folder}: {wrong[0]} has another shape than in this checkpoint, as other words are in use now. Resume with the data it "
            f"began with, or start anew with --overwrite."
        )
    groups, first = [], 0
    for group, own in zip(plain["param_groups"], names, strict=True):
        groups.append({**group, "betas": tuple(group["betas"]), "params": list(range(first, first + len(own)))})
        first += len(own)
    return {"state": state, "param_groups": groups}


def _schedule(schedule: Any) -> dict[str, Any]:
    return {
        k: v
        for k, v in schedule.state_dict().items()
        if isinstance(v, int | float | bool | str | list) and k != "lr_lambdas"
    } | {"lr_lambdas": [None] * len(schedule.base_lrs)}


def random_of(world: World, device: torch.device) -> dict[str, torch.Tensor]:
    """torch's generators of all ranks, uint8, by rank: "cpu.0", "cuda.0" (that of the GPU it computes on)."""
    return {
        f"{kind}.{rank}": torch.from_numpy(one.copy())
        for kind, state in random_states(device).items()
        for rank, one in enumerate(world.gathered(state.numpy()))
    }


def _set_random(states: dict[str, torch.Tensor], world: World, told: dict[str, Any], device: torch.device) -> None:
    mine = {key.partition(".")[0]: state for key, state in states.items() if key.endswith(f".{world.rank}")}
    if mine:
        set_random_states(mine, device)
    else:
        torch.manual_seed(told["settings"]["seed"] + (told["step"] + 1) * world.size + world.rank)


def _python_states() -> dict[str, Any]:
    """Python's and NumPy's own, which hooks and tasks of somebody's may draw from."""
    kind, words, *rest = np.random.get_state(legacy=True)
    return {"random": random_.getstate(), "numpy": [kind, np.asarray(words).tolist(), *rest]}


def _set_python_states(states: dict[str, Any]) -> None:
    version, words, gauss = states["random"]
    random_.setstate((version, tuple(words), gauss))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
