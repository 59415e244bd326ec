"""What of a run goes to the Hub, what stays and why.

Invariants: of model/ goes what transformers and Byeori write there, and nothing else unless it is named; all other parts of a run
stay unless they are asked for by name; a model that is damaged or isn't there yet is refused.

    parcel = pack("run", extras=("report",)); parcel.pieces[0].name, parcel.stays
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from byeori.errors import ModelError, SettingError
from byeori.models.adapter_folder import CONFIG, WEIGHTS, holds_adapter
from byeori.report.facts import real, table
from byeori.run import RunFolder, read_json

# What transformers, peft and Byeori write into a model's folder, and the licence that people add.
WRITTEN = (
    "README.md", "LICENSE", "LICENSE.*", "byeori.json", "config.json", "generation_config.json", "model.safetensors",
    "model-*-of-*.safetensors", "model.safetensors.index.json", CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "source.spm",
    "target.spm", "tokenizer.model", "sentencepiece.bpe.model", "chat_template.jinja",
)  # fmt: skip
KEPT = ("README.md", "LICENSE", "LICENSE.*")  # of an earlier push, where this one has none: they are a person's
RUN = "run"  # the folder of the repository that the parts of a run go to

# Parts of a run that stay: the word for --with, why they stay, whether they hold rows by their nature.
STAYING = {
    "report": ("quotes rows of the data", True),
    "samples": ("holds rows of the data", True),
    "mistakes": ("holds rows of the data", True),
    "watched": ("holds predictions of the data's rows", True),
    "predictions": ("hold answers of the data", True),
    "history": ("losses and scores of each step", False),
    "metrics": ("the scores; the card has them", False),
    "slices": ("scores by length, label and source", False),
    "settings": ("names places on this machine", False),
    "data": ("names places on this machine", False),
    "checkpoints": ("to resume from; not a model", None),
    "trackers": ("logs", None),
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A file and its name in the repository; `quotes`: it holds rows of the data by its nature."""

    name: str
    path: Path
    quotes: bool = False

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size


@dataclass
class Parcel:
    """`pieces` go; `stays`: (what, why). `facts`: byeori.json, {} of a model that others made."""

    run: RunFolder | None
    model: Path
    pieces: list[Piece] = field(default_factory=list)
    stays: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The first line of the commit: the task, the headline score, the update."""
        parts = [str(self.facts.get("task") or "a model")]
        headline = str(self.metrics.get("headline"))
        for part in ("test", "validation"):
            value = real(table(table(self.metrics, part), headline).get("value"))
            if value is not None:
                parts.append(f"{headline} {value:.4g} ({part})")
                break
        if self.facts.get("step") is not None:
            parts.append(f"step {self.facts['step']}")
        return "Byeori: " + ", ".join(parts)

    @cached_property
    def text_pieces(self) -> list[tuple[Piece, str]]:
        """Those that are texts, with what stands in them."""
        return [(piece, text) for piece in self.pieces if (text := _text(piece.path)) is not None]


def pack(path: str | Path, extras: Sequence[str] = (), model: Path | None = None) -> Parcel:
    """A run, its model/ or another model's folder → what would go. `model`: a copy of its model/, to go in its place.

    Raises SettingError for a folder or an extra that isn't there, ModelError for a model that can't go.
    """
    run, found = _place(Path(path))
    parcel = Parcel(run, model or found)
    _check(parcel)
    words = [word.strip() for one in extras for word in one.split(",") if word.strip()]
    for file in sorted(parcel.model.rglob("*")):
        if file.is_dir():
            continue
        name = file.relative_to(parcel.model).as_posix()
        if any(fnmatchcase(name, form) for form in WRITTEN) or name in words:
            parcel.pieces.append(Piece(name, file))
        elif not name.startswith("."):
            parcel.stays.append((f"{found.name}/{name}", f"Byeori didn't write it (--with {name})"))
    known = _parts(parcel, words) | {piece.name for piece in parcel.pieces}
    for word in words:
        if word not in known:
            there = ", ".join(name for name in STAYING if STAYING[name][1] is not None)
            raise SettingError(
                f"with={word!r}: there is no such part of the run, and no such file in its model/. There are {there}."
            )
    _notes(parcel)
    return parcel


def _place(path: Path) -> tuple[RunFolder | None, Path]:
    """The run, if the folder is one or a run's model/, and the model's folder. Raises SettingError, ModelError."""
    if path.name == "checkpoints" or re.fullmatch(r"step-\d{8,}", path.name):
        top = path.parent if path.name == "checkpoints" else path.parent.parent
        raise ModelError(
            f"{path}: a checkpoint is what a training goes on from (weights by parameter, optimizer, random states), not a model. "
            f"The run's best model is in {top / 'model'}: push {top}."
        )
    if not path.is_dir():
        what = "is a file" if path.exists() else "isn't there"
        raise SettingError(f"{path}: it {what}. Name a run's folder, its model/, or another model's folder.")
    if (path / "best" / "model").is_dir() and not (path / "model").is_dir():
        raise SettingError(f"{path}: this is a search of several runs. Push its best one: {path / 'best'}.")
    if any((path / name).is_file() for name in ("config.json", CONFIG, "byeori.json")):
        above = RunFolder(path.absolute().parent)
        return (above if path.absolute().name == "model" and above.settings.is_file() else None), path
    run = RunFolder(path)
    if run.model.is_dir():
        return run, run.model
    if run.has_checkpoint or any(one.exists() for one in run.parts):
        raise ModelError(
            f"{path}: this run has no model yet; it stopped before its first evaluation. Go on with --resume."
        )
    raise ModelError(
        f"{path}: there is neither a run nor a model in this folder: no settings.yaml, no model/, no config.json."
    )


def _check(parcel: Parcel) -> None:
    """Raises ModelError for a model of which something is missing or damaged."""
    folder = parcel.model
    if (folder / "byeori.json").is_file():
        parcel.facts = read_json(folder / "byeori.json")
    alone = holds_adapter(folder)
    config = folder / (CONFIG if alone else "config.json")
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{config}: the file is missing, so this is not a whole model.") from None
    except ValueError as error:
        raise ModelError(f"{config}: this is damaged, not JSON: {error}.") from None
    index = folder / "model.safetensors.index.json"
    if alone:
        wanted = {WEIGHTS}
    elif index.is_file():
        wanted = set(read_json(index).get("weight_map", {}).values())
    else:
        wanted = {"model.safetensors"}
    for name in sorted(wanted):
        if why := _cut(folder / name):
            raise ModelError(
                f"{folder / name}: {why}, so this is not a whole model. Train again, or copy it from where it is whole."
            )
    if parcel.run is not None and parcel.run.metrics.is_file():
        parcel.metrics = read_json(parcel.run.metrics)


def _cut(path: Path) -> str | None:
    """What is wrong with a file of weights, by its header and size; None for one that is whole."""
    if not path.is_file():
        return "the file is missing"
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            return "it is cut off or no safetensors file"
        try:
            header = json.loads(file.read(length))
            end = max((one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return "it is damaged"
    return None if end + 8 + length == size else f"it has {size:,} bytes where {end + 8 + length:,} belong"


def _parts(parcel: Parcel, words: Sequence[str]) -> set[str]:
    """The parts of the run: those asked for become pieces, the others stay. Returns the words that were known."""
    run = parcel.run
    if run is None:
        return set()
    found: set[str] = set()
    for word, (why, quotes) in STAYING.items():
        place = getattr(run, word)
        if not place.exists():
            continue
        if quotes is None or word not in words:
            shown = place.name + ("/" if place.is_dir() else "")
            parcel.stays.append((shown, why if quotes is None else f"{why} (--with {word})"))
            continue
        found.add(word)
        files = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
        parcel.pieces += [Piece(f"{RUN}/{one.relative_to(run.path).as_posix()}", one, bool(quotes)) for one in files]
    others = sorted(one.name for one in run.path.iterdir() if one not in run.parts and not one.name.startswith("."))
    if others:
        parcel.stays.append((", ".join(others[:3]) + (" …" if others[3:] else ""), "no part of the run"))
    return found


def _notes(parcel: Parcel) -> None:
    names = {piece.name for piece in parcel.pieces}
    run = parcel.run
    if run is not None and not run.finished:
        step = parcel.facts.get("step")
        parcel.notes.append(
            f"This training isn't finished: what goes is the best model so far{f', of step {step}' if step else ''}."
        )
    if "README.md" not in names:
        made = f"; `byeori report {run.path}` writes one" if run is not None else ""
        parcel.notes.append(f"There is no model card (README.md){made}.")
    if CONFIG in names and WEIGHTS in names and "model.safetensors" not in names:
        base = str(read_json(parcel.model / CONFIG).get("base_model_name_or_path") or "")
        local = Path(base).is_absolute() or base.count("/") > 1 or Path(base).is_dir()
        parcel.notes.append(
            f"This is an adapter alone: who loads it needs {base or 'its base model'} too"
            + (
                ", which is a folder of this machine: nobody else has it. Train with merge_adapter, or from a Hub id."
                if local
                else "."
            )
        )
    if own := table(parcel.facts, "own_task"):
        parcel.notes.append(
            f"Byeori loads it with {own.get('file')} alone (own task {own.get('class')}), which doesn't go along."
        )


def _text(path: Path) -> str | None:
    """A file's text; None for bytes."""
    if path.suffix in (".safetensors", ".spm", ".model", ".bin"):
        return None
    raw = path.read_bytes()
    return None if b"\0" in raw[:8192] else raw.decode("utf-8", errors="replace")
