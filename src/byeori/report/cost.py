"""What a training cost, in words: seconds, rates, padding, memory, the update whose model was kept.

costs(read_facts("run"))      # [("training", "3 min 4 s"), ("updates", "300"), …]
"""

from __future__ import annotations

from byeori.report.facts import Facts, number, real, table, words
from byeori.report.words import told


def costs(facts: Facts) -> list[tuple[str, str]]:
    """Named measures of the training, those that were taken."""
    t = facts.training

    def lasted(seconds: float) -> str:
        return facts.say(duration(seconds))

    shapes = (
        ("training", "seconds", lasted),
        ("whole run", "total_seconds", lasted),
        ("updates", "steps", lambda v: f"{v:,.0f}"),
        ("epochs", "epochs", lambda v: f"{v:g}"),
        ("rows a second", "examples_per_second", lambda v: f"{v:,.1f}"),
        ("tokens a second", "tokens_per_second", lambda v: f"{v:,.0f}"),
        ("padding", "padding", lambda v: facts.say("{share} of the computed tokens", share=f"{v:.1%}")),
        ("peak memory", "peak_memory_mb", lambda v: f"{v:,.0f} MiB"),
        ("tokenizing", "tokenize_seconds", lasted),
        ("evaluating", "evaluate_seconds", lasted),
        ("saving", "checkpoint_seconds", lasted),
    )
    found = [(name, show(value)) for name, key, show in shapes if (value := real(t.get(key))) is not None]
    if isinstance(t.get("packed"), bool):
        found.append(("batches", facts.say("packed" if t["packed"] else "rectangles of like length")))
    best = table(t, "best")
    if best:
        step, reached = best.get("step"), number(best.get("value"))
        kept = "update {step}, validation {score} {value}" if best.get("metric") else "update {step}"
        score = facts.say(words(best.get("metric") or ""))
        found.append(("kept model", facts.say(kept, step=step, score=score, value=reached)))
    resumed = t.get("resumed")
    if isinstance(resumed, list) and resumed:
        steps = ", ".join(str(one) for one in resumed)
        found.append(("resumed", facts.say("went on from update {steps}", steps=steps)))
    if t.get("stopped"):
        found.append(("stopped early", str(t["stopped"])))
    return found


def duration(seconds: float) -> str:
    if seconds < 60:
        return told("{seconds} s", seconds=f"{seconds:.1f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return told("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
    return told("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)
