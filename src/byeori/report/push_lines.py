"""A push as lines for people: what goes, what stays, where to, what came of it.

print("\\n".join(plan_lines(plan)))
"""

from __future__ import annotations

import textwrap
from typing import Any

from byeori.report.push import MAIN, Plan
from byeori.report.table import aligned

WIDTH = 79


def size(count: int) -> str:
    """Bytes in units of a thousand, as the Hub shows them."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def plan_lines(plan: Plan) -> list[str]:
    """All of a plan, no line wider than a terminal."""
    kind = "private" if plan.private else "public: everyone can read it"
    if plan.there is None:
        state = f"{kind}; the Hub wasn't asked what it has"
    elif plan.there.exists:
        state = f"there already, {kind}"
    else:
        state = f"new, {kind}"
    rows = [["to", plan.url], ["", state]]
    if plan.branch != MAIN:
        new = plan.there is not None and plan.branch not in plan.there.branches
        rows.append(["branch", plan.branch + (" (new)" if new else "")])
    versions = "the next free one of v1, v2 …" if plan.tag is None else "no tag" if plan.tag == "none" else plan.tag
    rows += [["tag", versions], ["message", plan.message]]
    lines = [*aligned(rows, right=False), "", f"goes: {len(plan.parcel.pieces)} files, {size(plan.bytes)}"]
    pieces = [
        [size(piece.bytes), piece.name + ("  (holds rows of the data)" if piece.quotes else "")]
        for piece in plan.parcel.pieces
    ]
    width = max((len(one) for one, _ in pieces), default=0)
    lines += [f"  {amount:>{width}}  {name}" for amount, name in pieces]
    if plan.gone:
        lines += ["", "goes away there, of an earlier push:", *(f"  {name}" for name in plan.gone)]
    if plan.parcel.stays:
        lines += [
            "",
            "stays:",
            *("  " + line for line in aligned([list(one) for one in plan.parcel.stays], right=False)),
        ]
    lines += ["", *_wrapped(f"looked through: {plan.looked}")]
    for one in plan.parcel.notes:
        lines += _wrapped(one)
    return lines


def done_lines(found: dict[str, Any]) -> list[str]:
    """What came of it."""
    if not found["pushed"]:
        return ["Nothing was sent."]
    revision = found["tag"] or found["revision"]
    where = found["url"] if revision == MAIN else f"{found['url']}/tree/{revision}"
    said = (
        f"commit {found['commit'][:7]}"
        if found["changed"]
        else f"nothing had changed since commit {found['commit'][:7]}"
    )
    named = f", revision={revision!r}" if revision != MAIN else ""
    return [f"{where} ({said})", f"load it: byeori.load_run({found['repo_id']!r}{named})"]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
