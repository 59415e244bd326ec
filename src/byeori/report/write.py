"""Write the card and report.html of a run, from the run folder alone.

Invariants: both files are written whole or not at all; made twice from the same folder they are the same to the byte;
what is missing or damaged in the folder is said in the report.

    write_report("run")
"""

from __future__ import annotations

from pathlib import Path

from byeori.errors import ModelError
from byeori.report.card import card
from byeori.report.facts import read_facts
from byeori.report.html import page
from byeori.run import RunFolder, write_text


def write_report(folder: RunFolder | str | Path) -> list[str]:
    """Write model/README.md and report.html; returns what was missing or damaged in the folder, a sentence each.

    Raises ModelError if there is no run in the folder, OSError if it can't be written to.
    """
    run = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    if not any(path.exists() for path in (run.settings, run.metrics, run.history, run.model)):
        raise ModelError(
            f"{run.path}: this is no run folder: there is no settings.yaml, metrics.json, history.jsonl or model in it."
        )
    facts = read_facts(run)
    if run.model.is_dir():
        write_text(run.model / "README.md", card(facts))
    write_text(run.report, page(facts))
    return facts.missing
