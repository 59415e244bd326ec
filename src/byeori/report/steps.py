"""A step that was run again, as lines for people.

print_step(byeori.replay("run", 200), rows=10)
"""

from __future__ import annotations

from typing import Any

MOST = 100  # characters of an input


def print_step(found: dict[str, Any], rows: int) -> None:
    """What `byeori.replay` gave; of its rows the first so many."""
    print(
        f"step {found['step']}: loss {found['loss']:.6g}, gradient norm {found['grad_norm']:.6g}, learning rate "
        f"{found['learning_rate']:.3g}; {len(found['rows'])} rows"
    )
    for one in found["rows"][:rows]:
        texts = " | ".join(str(value) for value in one["input"].values() if value is not None)
        short = texts if len(texts) <= MOST else texts[: MOST - 1] + "…"
        print(f"  {one['loss']:<10.4g} {one['where']}: {short}")
    if len(found["rows"]) > rows:
        print(f"  … and {len(found['rows']) - rows} more with smaller losses (--rows, --json)")
