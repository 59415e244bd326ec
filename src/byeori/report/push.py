"""A run's model to the Hub: shown, looked through, asked about, uploaded, tagged.

Invariants: nothing is sent before all that goes was shown and looked through; a secret or a row of the data in a file that would go
stops it; a repository is private unless it is asked to be public, and one that is public isn't taken for a private one; sending
again sends what is missing alone.

    byeori push run me/nsmc --dry-run
    found = push("run", "me/nsmc"); found["url"], found["tag"]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from byeori.errors import ModelError, SettingError
from byeori.report.hub import Hub, There, address, quiet
from byeori.report.leaks import SECONDS, Leak, Quoted, secrets
from byeori.report.parcel import KEPT, WRITTEN, Parcel, pack
from byeori.report.rows import labels, sources

MAIN = "main"
SHOWN = 5  # leaks that an error names
NUMBERED = re.compile(r"v(\d+)$")
REF = re.compile(r"(?!/|.*(?:[/.]\.|//|@\{|\\))[^\x00-\x20~^:?*\[\x7f]+(?<!\.lock)(?<![/.])$")  # git's rules for a name


@dataclass
class Plan:
    """All that is known before anything is sent. `there`: the Hub's side, None where it wasn't asked."""

    parcel: Parcel
    repo_id: str
    url: str
    private: bool
    branch: str
    tag: str | None
    message: str
    there: There | None = None
    gone: list[str] = field(default_factory=list)  # files of an earlier push that this model doesn't have
    looked: str = ""
    leaks: list[Leak] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(piece.bytes for piece in self.parcel.pieces)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        parcel = self.parcel
        return {
            "repo_id": self.repo_id, "url": self.url, "private": self.private, "exists": self.there and self.there.exists,
            "revision": self.branch, "tag": self.tag, "message": self.message,
            "files": [{"name": piece.name, "bytes": piece.bytes} for piece in parcel.pieces], "bytes": self.bytes,
            "deleted": self.gone, "stays": [{"name": name, "why": why} for name, why in parcel.stays],
            "looked": self.looked, "leaks": [str(leak) for leak in self.leaks], "notes": parcel.notes,
            "pushed": False, "commit": None,
        }  # fmt: skip


def push(
    run: str | Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    tag: str | None = None,
    message: str | None = None,
    extras: Sequence[str] = (),
    allow: Sequence[str] = (),
    dry_run: bool = False,
    ask: Callable[[Plan], bool] | None = None,
    note: Callable[[str], None] | None = None,
    model: Path | None = None,
    rows: bool = True,
    bars: bool = False,
) -> dict[str, Any]:
    """What `byeori push` does; `Plan.as_dict` with "pushed" and "commit".

    tag: a name; v1, v2 … if not given, the next one that is free (an unchanged model keeps its tag); "none" for no tag.
    extras: parts of the run that else stay (report, samples, mistakes, watched, predictions, history, metrics, slices, settings,
    data), or other files of model/ by name. allow: files that may go whatever was found in them. ask: shown the plan, says
    whether it goes. dry_run: the Hub isn't asked anything. model: a copy of the run's model/, to go in its place. rows: look
    for rows of the data.
    Raises SettingError, ModelError (also for secrets and rows that would leave), HubError.
    """
    note = note or (lambda text: None)
    branch, allowed = revision or MAIN, [name.strip() for one in allow for name in one.split(",")]
    for what, name in (("revision", branch), ("tag", tag)):
        if name is not None and not REF.match(name):
            raise SettingError(f"{what}={name!r}: git takes no such name. Give letters, digits, -, _ and .")
    name = address(repo_id)
    parcel = pack(run, extras, model)
    card = next((text for piece, text in parcel.text_pieces if piece.name == "README.md"), None)
    if not private and card is not None and not re.search(r"^license:", card, re.MULTILINE):
        parcel.notes.append(
            "The card names no licence: others may not know what they are allowed to do with the model."
        )
    with quiet(bars):
        hub = Hub(name, note)
        plan = Plan(parcel, name, hub.url, private, branch, tag, message or parcel.message)
        _look_through(plan, allowed, rows)
        if not dry_run:
            plan.there = hub.look(branch)
            _meet(plan, hub, plan.there)
        going = (ask is None or ask(plan)) and not dry_run
        if plan.leaks:
            raise ModelError(_refusal(plan))
        found = plan.as_dict()
        if not going:
            return found
        oid, new = hub.send(
            parcel.pieces, private=private, branch=branch, message=plan.message, gone=plan.gone,
        )  # fmt: skip
        found["tag"] = _tagged(plan, hub, oid)
        return {**found, "exists": True, "pushed": True, "changed": new, "commit": oid}


def _look_through(plan: Plan, allowed: Sequence[str], rows: bool) -> None:
    """Secrets in all texts that go; rows of the data in those that hold none by their nature."""
    parcel = plan.parcel
    names = {piece.name for piece in parcel.pieces}
    for name in allowed:
        if name not in names:
            raise SettingError(f"allow={name!r}: no such file would go. There are {', '.join(sorted(names))}.")
    texts = [(piece, text) for piece, text in parcel.text_pieces if piece.name not in allowed]
    for piece, text in texts:
        plan.leaks += secrets(piece.name, text)
    plan.looked = f"{len(texts)} texts hold {len(plan.leaks) or 'no'} secret{'s' if len(plan.leaks) > 1 else ''}"
    if parcel.run is None:
        parcel.notes.append("This is no run's model, so there are no rows to look for in what goes.")
    if parcel.run is None or not rows:
        return
    quoted = Quoted({piece.name: text for piece, text in texts if not piece.quotes}, labels(parcel.run))
    missing: list[str] = []
    for source, found in sources(parcel.run, missing):
        if not quoted.look(found, source):
            missing.append(
                f"after {SECONDS:.0f} s of looking for rows, {quoted.rows:,} were compared; the others weren't."
            )
            break
    if quoted.cut:
        missing.append("more text goes than is compared with the rows: the first 500,000 letters were.")
    plan.leaks += quoted.leaks.values()
    plan.looked += f" and {len(quoted.leaks) or 'none'} of {quoted.rows:,} rows of the data"
    parcel.notes += [f"Not looked through: {one}" for one in missing]


def _meet(plan: Plan, hub: Hub, there: There) -> None:
    """What the Hub has, put into the plan. Raises SettingError where it isn't what was asked for."""
    plan.repo_id, plan.url = there.repo_id, hub.url
    if there.exists and plan.private and there.private is False:
        raise SettingError(
            f"{plan.repo_id}: this repository is there already and public, so everyone could read what goes. If that is meant, say "
            f"--public (private=False); else give another name, or `hf repos settings {plan.repo_id} --private` first."
        )
    if there.exists and not plan.private and there.private:
        plan.parcel.notes.append(
            f"The repository is private and stays so; `hf repos settings {plan.repo_id} --public` changes that."
        )
        plan.private = True
    plan.parcel.notes += [
        f"There is a {kind} of this name too; the model gets a repository of its own." for kind in there.namesakes
    ]
    names = {piece.name for piece in plan.parcel.pieces}
    plan.gone = [
        one for one in there.files
        if one not in names and any(fnmatchcase(one, form) for form in WRITTEN if form not in KEPT)
    ]  # fmt: skip
    if plan.tag is None:
        plan.tag = _next(there)
    elif plan.tag in there.tags and there.tags[plan.tag] != there.branches.get(plan.branch):
        commit = there.tags[plan.tag][:7]
        raise SettingError(
            f"tag={plan.tag!r}: this tag is there already, on commit {commit}. Give another one, or take it away first: "
            f"hf repos tag delete {plan.repo_id} {plan.tag}"
        )


def _next(there: There) -> str:
    """The next free version: short, in order, and good for `revision=`."""
    numbers = [int(found[1]) for one in there.tags if (found := NUMBERED.match(one))]
    return f"v{max(numbers, default=0) + 1}"


def _tagged(plan: Plan, hub: Hub, oid: str) -> str | None:
    """Tag the commit; an unchanged one keeps the version it has."""
    there = plan.there
    assert there is not None and plan.tag is not None
    held = [name for name, commit in there.tags.items() if commit == oid]
    versions = [name for name in held if NUMBERED.match(name)]
    if plan.tag == "none":
        return None
    if plan.tag in held or (versions and plan.tag == _next(there)):
        return plan.tag if plan.tag in held else versions[-1]
    hub.tag(plan.tag, oid, plan.message)
    return plan.tag


def _refusal(plan: Plan) -> str:
    shown = "; ".join(map(str, plan.leaks[:SHOWN]))
    more = f"; and {len(plan.leaks) - SHOWN:,} more" if len(plan.leaks) > SHOWN else ""
    files = ",".join(dict.fromkeys(leak.file for leak in plan.leaks))
    return (
        f"nothing was sent, for this would leave with the model: {shown}{more}. Take it out of the files (`byeori report` writes the "
        f"card anew), or, where it may be read by others, add --allow {files}."
    )
