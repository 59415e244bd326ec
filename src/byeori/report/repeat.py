"""The report's last sections: what the training cost, where it ran, and the command that repeats it.

html = settings(read_facts("run"))
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from byeori.report.cost import costs
from byeori.report.facts import Facts, file_name, plain, table
from byeori.report.markup import folded, grid, said, text

MACHINE = ("device", "precision", "threads", "pack_tokens")


def speed(facts: Facts) -> str:
    rows = [[facts.say(name), value] for name, value in costs(facts)]
    caption = facts.say("What the training cost")
    return grid(["", ""], rows, caption, head=False) if rows else ""


def environment(facts: Facts) -> str:
    """Machine and versions."""
    machine = table(facts.found, "machine")
    rows = [[facts.say(str(name)), value] for name, value in machine.items() if value is not None]
    rows += [[facts.say(name), facts.settings[name]] for name in MACHINE if facts.settings.get(name) is not None]
    rows += [[name, version] for name, version in table(facts.found, "versions").items()]
    return grid(["", ""], rows, facts.say("Where and with what it ran"), head=False) if rows else ""


def settings(facts: Facts) -> str:
    """The command that repeats the run, what was found, every setting."""
    if not facts.settings:
        return ""
    command = f"byeori train {shlex.quote(facts.name + '/settings.yaml')} --output NEW"
    hashes = [[file_name(path), digest] for path, digest in table(facts.found, "data_sha256").items()]
    rows = [[name, _setting(value, facts)] for name, value in facts.settings.items() if value is not None]
    heads = [facts.say("file"), "SHA-256"]
    every = grid([facts.say("setting"), facts.say("value")], rows, facts.say("Settings as they were resolved"))
    return (
        f"<p>{text(facts.say('This command repeats the run where the same data and base model lie:'))}</p>"
        f"<pre><code>{text(command)}</code></pre>"
        + (grid(heads, hashes, facts.say("The data that was read")) if hashes else "")
        + folded(facts.say("All {count} settings", count=len(rows)), every)
    )


def _setting(value: Any, facts: Facts) -> str:
    """A setting without the folders of the machine."""
    shown = said(value)
    return file_name(shown) if re.match(r"[\\/~]|[A-Za-z]:[\\/]", shown) else plain(shown, facts)
