"""The lines of a JSONL file of a run, read anew each time they are asked for: a file of predictions may have millions.

for line in Lines.found(path, missing, folder): line["row"]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byeori.report.words import told


@dataclass(frozen=True)
class Lines:
    """The JSON objects of a file, `count` in all; None for no file."""

    path: Path | None
    count: int

    @classmethod
    def found(cls, path: Path, missing: list[str], top: Path, none: bool = False) -> Lines:
        """Those of a file that can be read; lines that are no objects are counted, told in `missing`, and left out.

        none: a file without a byte is as it was written.
        """
        name, count = path.relative_to(top), 0
        bad: list[int] = []
        try:
            for place, one in _read(path):
                if one is None:
                    bad.append(place)
                else:
                    count += 1
        except FileNotFoundError:
            missing.append(told("{file} is missing.", file=name))
            return cls(None, 0)
        except (OSError, UnicodeDecodeError) as error:
            missing.append(told("{file} can't be read ({error}).", file=name, error=type(error).__name__))
            return cls(None, 0)
        if bad:
            said = "{file}: {count:,} damaged lines are left out, the first is line {first:,}."
            missing.append(told(said, file=name, count=len(bad), first=bad[0]))
        elif not count and not (none and not path.stat().st_size):
            missing.append(told("{file} is empty.", file=name))
        return cls(path, count)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (one for _, one in _read(self.path) if one is not None) if self.path is not None else iter(())


def _read(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """(its number, the object or None for what is none) of each line that isn't empty."""
    # Lines end at "\n" alone: others may stand inside a text.
    with open(path, encoding="utf-8", newline="\n") as file:
        for place, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                one = json.loads(line)
            except ValueError:
                one = None
            yield place, one if isinstance(one, dict) else None
