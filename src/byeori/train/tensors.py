"""Named tensors in safetensors files: one file, or a file a rank with an index of who holds which rows of what.

Invariants: nothing is unpickled; what one number of ranks wrote, any other number reads, a stretch of rows at a time; an error of
the disk comes as the OSError it is.

    write(folder / "model.safetensors", tensors); Tensors(folder, "model").read("classifier.weight")
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from byeori.run import refusals


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Raises OSError with the system's number where the file can't be written."""
    with refusals(path):
        save_file(tensors, path)


def part(name: str, rank: int, ranks: int) -> str:
    """The file of one rank; as transformers numbers the parts of a model."""
    return f"{name}.safetensors" if ranks == 1 else f"{name}-{rank + 1:05d}-of-{ranks:05d}.safetensors"


def index_of(name: str) -> str:
    return f"{name}.index.json"


class Tensors:
    """What was written under a name. Raises OSError, ValueError, SafetensorError where it can't be read."""

    def __init__(self, folder: Path, name: str):
        index = folder / index_of(name)
        self._files: list[Any] = []
        self._rows: dict[
            str, list[tuple[int, int, int]]
        ] = {}  # name → (file, first row, row after the last), of those in parts
        self._whole: dict[str, int] = {}
        if not index.is_file():
            self._open(folder / f"{name}.safetensors")
            self._whole = dict.fromkeys(self._files[0].keys(), 0)
            return
        told = json.loads(index.read_text(encoding="utf-8"))
        for file in told["files"]:
            self._open(folder / file)
        held = [set(file.keys()) for file in self._files]
        for key, stretches in told["rows"].items():
            self._rows[key] = [(i, a, b) for i, (a, b) in enumerate(stretches) if b > a]
        for i, keys in enumerate(held):
            for key in keys - self._rows.keys():
                self._whole.setdefault(key, i)

    def _open(self, path: Path) -> None:
        self._files.append(safe_open(path, framework="pt"))

    def __iter__(self) -> Iterator[str]:
        yield from self._whole
        yield from self._rows

    def read(self, name: str, first: int = 0, last: int | None = None) -> torch.Tensor:
        """The tensor, or its rows from `first` up to `last`; KeyError for a name that isn't there."""
        if name in self._whole:
            file = self._files[self._whole[name]]
            return file.get_tensor(name) if last is None else file.get_slice(name)[first:last]
        stretches = self._rows[name]
        last = max(b for _, _, b in stretches) if last is None else last
        parts = [
            self._files[i].get_slice(name)[max(a, first) - a : min(b, last) - a]
            for i, a, b in stretches
            if a < last and b > first
        ]
        return torch.cat(parts) if parts else self._files[stretches[0][0]].get_slice(name)[0:0]

    def all(self) -> dict[str, torch.Tensor]:
        return {name: self.read(name) for name in self}
