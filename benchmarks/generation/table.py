"""Results → Markdown: seconds, Byeori's lead over each contestant, steps, tokens a second, memory, equal texts.

print(table("generation.jsonl"))
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.common import median, ratios
from benchmarks.generation.jobs import CONTESTANTS, JOBS

HEAD = (
    "| job | contestant | s | Byeori's lead | decoder steps | tokens/s | peak MB | texts as the tutorial's |",
    "|---|---|---|---|---|---|---|---|",
)  # fmt: skip


def table(path: str) -> str:
    """The last run of each job. A lead is the contestant's seconds over Byeori's, round by round: median (least–most)."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    made = list(HEAD)
    for name, job in JOBS.items():
        own = [line for line in lines if line["job"] == name and not line["trial"]]
        if not own:
            continue
        last = own[-1]["run"]
        found = {who: [line for line in own if line["run"] == last and line["who"] == who] for who in CONTESTANTS}
        mean = own[-1]["tokens"] / own[-1]["rows"]
        shown = f"{job.shown}: {own[-1]['rows']} texts, {mean:.0f} tokens on average, at most {job.most}"
        for who, results in found.items():
            if results:
                made.append(_row(shown, who, results, found["byeori"]))
                shown = ""
    return "\n".join(made)


def _row(shown: str, who: str, results: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    lead = "–"
    if ours and who != "byeori" and len(ours) == len(results):
        lead = ratios(ours, results)
    equal = results[-1]["equal"]
    cells = [
        shown, f"{who}{_way(results[-1])}", f"{median(results, 'seconds'):.1f}", lead,
        "–" if results[-1]["steps"] is None else f"{results[-1]['steps']:,}", f"{median(results, 'tokens_rate'):,.0f}",
        f"{median(results, 'memory_mb'):,.0f}", "–" if equal is None else f"{100 * equal:.1f}%",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _way(result: dict[str, Any]) -> str:
    """The tuned contestant's batch, and what else was chosen."""
    chosen = {name: result["way"].get(name) for name in ("batch", "precision", "layout")}
    said = [str(value) for value in chosen.values() if value not in (None, "float32")]
    return f" ({', '.join(said)})" if said else ""
