"""What a training cost, in words: seconds, rates, padding, memory, the update whose model was kept.

costs(read_facts("run"))      # [("training", "3 min 4 s"), ("updates", "300"), …]
"""

from __future__ import annotations

from byeori.report.facts import Facts, number, real, table, words


def costs(facts: Facts) -> list[tuple[str, str]]:
    """Named measures of the training, those that were taken."""
    t = facts.training
    shapes = (
        ("training", "seconds", duration),
        ("whole run", "total_seconds", duration),
        ("updates", "steps", lambda v: f"{v:,.0f}"),
        ("epochs", "epochs", lambda v: f"{v:g}"),
        ("rows a second", "examples_per_second", lambda v: f"{v:,.1f}"),
        ("tokens a second", "tokens_per_second", lambda v: f"{v:,.0f}"),
        ("padding", "padding", lambda v: f"{v:.1%} of the computed tokens"),
        ("peak memory", "peak_memory_mb", lambda v: f"{v:,.0f} MiB"),
        ("tokenizing", "tokenize_seconds", duration),
        ("evaluating", "evaluate_seconds", duration),
        ("saving", "checkpoint_seconds", duration),
    )
    found = [(name, show(value)) for name, key, show in shapes if (value := real(t.get(key))) is not None]
    if isinstance(t.get("packed"), bool):
        found.append(("batches", "packed" if t["packed"] else "rectangles of like length"))
    best = table(t, "best")
    if best:
        metric = f", validation {words(best['metric'])} {number(best.get('value'))}" if best.get("metric") else ""
        found.append(("kept model", f"update {best.get('step')}{metric}"))
    if t.get("stopped"):
        found.append(("stopped early", str(t["stopped"])))
    return found


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
