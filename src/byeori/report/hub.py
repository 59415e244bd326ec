"""The Hub as a push needs it: who asks, what is there, files in, a tag; every failure one sentence.

Invariants: all of it is `huggingface_hub`'s own requests, which resume (what the Hub has already isn't sent again) and try again
where a connection breaks; what it sends once only (repository, commit, tag) is tried again here, a bounded number of times, after
the wait that the Hub asks for.

    hub = Hub("me/nsmc", print); there = hub.look(); oid = hub.send(pieces, private=True, …); hub.tag("v1", oid)
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from byeori.errors import HubError, SettingError
from byeori.report.parcel import Piece

TRIES = 5
LONGEST = 300  # seconds that the Hub may ask us to wait
REACH = 10  # seconds for a first connection
AGAIN = (408, 429, 500, 502, 503, 504)
BROKEN = ("TimeoutException", "NetworkError", "RemoteProtocolError", "ConnectionError", "TimeoutError")
TOKENS = "https://huggingface.co/settings/tokens"
TYPES = ("datasets", "spaces", "kernels", "buckets")
T = TypeVar("T")


def address(repo_id: str) -> str:
    """A repository's name, also of its web address, if it is one of a model. Raises SettingError."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    name = re.sub(r"^(https?://(www\.)?(huggingface\.co|hf\.co)/|hf://)", "", str(repo_id).strip()).strip("/")
    name = name.removeprefix("models/") if name.count("/") > 1 else name
    start = f"{repo_id!r}: this is no name of a model's repository"
    kind = name.split("/")[0]
    if kind in TYPES and name.count("/") > 1:
        raise SettingError(f"{start} but of one among the Hub's {kind}. Give USER/NAME alone.")
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        why = " ".join(str(error).split()).split(": '")[0].rstrip(".")
        raise SettingError(f"{start}: {why}. Give USER/NAME, as in minsu/nsmc-roberta.") from None
    return name


@dataclass
class There:
    """What the Hub has: the whole name, who pushes, and the repository if it exists."""

    repo_id: str
    user: str
    exists: bool = False
    private: bool | None = None
    files: list[str] = field(default_factory=list)  # of the branch
    branches: dict[str, str] = field(default_factory=dict)  # name → commit
    tags: dict[str, str] = field(default_factory=dict)
    namesakes: list[str] = field(default_factory=list)  # repositories of other types with this name


class Hub:
    """One repository, at the Hub that HF_ENDPOINT names. `note` hears of waits."""

    def __init__(self, repo_id: str, note: Callable[[str], None]):
        from huggingface_hub import HfApi

        self.repo_id, self.note = address(repo_id), note
        self.api = HfApi(library_name="byeori")
        self.user = ""

    @property
    def url(self) -> str:
        return f"{self.api.endpoint}/{self.repo_id}"

    def look(self, branch: str) -> There:
        """Who pushes, and what is there. Raises HubError."""
        check_token()
        self._reach()
        who = self._ask("asking who you are", self.api.whoami)
        self.user = str(who.get("name", ""))
        if "/" not in self.repo_id:
            self.repo_id = f"{self.user}/{self.repo_id}"
        access = (who.get("auth") or {}).get("accessToken") or {}
        if access.get("role") == "read":
            raise HubError(
                f"{self.repo_id}: the token in use ({access.get('displayName') or 'unnamed'}, of {self.user}) may only read. Make one "
                f"with the right to write at {TOKENS}, then {_login()}."
            )
        there = There(self.repo_id, self.user)
        info = self._found(self.repo_id)
        if info is None:
            there.namesakes = [kind for kind in ("dataset", "space") if self._found(self.repo_id, kind) is not None]
            return there
        there.exists, there.private = True, bool(info.private)
        refs = self._ask("listing its branches", lambda: self.api.list_repo_refs(self.repo_id))
        there.branches = {one.name: one.target_commit for one in refs.branches}
        there.tags = {one.name: one.target_commit for one in refs.tags}
        if branch in there.branches:
            there.files = self._ask(
                "listing its files", lambda: self.api.list_repo_files(self.repo_id, revision=branch)
            )
        return there

    def _found(self, repo_id: str, kind: str = "model") -> Any:
        from huggingface_hub.errors import RepositoryNotFoundError

        def info() -> Any:
            try:
                return self.api.repo_info(repo_id, repo_type=kind)
            except RepositoryNotFoundError:
                return None

        return self._ask("looking at the repository", info)

    def send(
        self, pieces: Sequence[Piece], *, private: bool, branch: str, message: str, gone: Sequence[str] = ()
    ) -> tuple[str, bool]:
        """Make the repository and the branch, if they aren't there; upload, and commit. Returns the commit, and whether it is new.

        gone: files of the branch that go with this commit. Raises HubError.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        api, name = self.api, self.repo_id
        self._ask("creating the repository", lambda: api.create_repo(name, private=private, exist_ok=True))
        if branch != "main":
            self._ask("creating the branch", lambda: api.create_branch(name, branch=branch, exist_ok=True))
        before = self._ask("looking at the branch", lambda: api.repo_info(name, revision=branch)).sha

        def commit() -> str:
            # Made anew for each try: they hold what the branch had before, and a commit whose answer was lost has changed that.
            operations: list[Any] = [CommitOperationAdd(piece.name, str(piece.path)) for piece in pieces]
            operations += [
                CommitOperationDelete(one) for one in gone if one in api.list_repo_files(name, revision=branch)
            ]
            return str(api.create_commit(name, operations, commit_message=message, revision=branch).oid)

        oid = self._ask("uploading", commit, also=(409, 412))
        return oid, oid != before

    def tag(self, tag: str, oid: str, message: str) -> None:
        """Name a commit. Raises HubError, also for a tag that names another one."""
        self._ask("tagging", lambda: self.api.create_tag(self.repo_id, tag=tag, revision=oid, tag_message=message))

    def _ask(self, doing: str, call: Callable[[], T], also: Sequence[int] = ()) -> T:
        """A call's answer; tried again where that may help. Raises HubError."""
        for number in range(1, TRIES + 1):
            try:
                return call()
            except Exception as error:  # the library and its parts raise a dozen kinds; each becomes a sentence
                wait = _wait(error, number, also)
                if wait is None or wait > LONGEST or number == TRIES:
                    raise HubError(self._sentence(doing, error, wait)) from error
                why = f"it answers {status}" if (status := _status(error)) else "the connection broke"
                self.note(f"{doing[0].upper()}{doing[1:]}: {why}; again in {wait:.0f} s (try {number + 1} of {TRIES}).")
                time.sleep(wait)
        raise AssertionError

    def _reach(self) -> None:
        """A connection within seconds, or none: the library would wait for minutes. Raises HubError."""
        from huggingface_hub import constants

        if constants.HF_HUB_OFFLINE:
            raise HubError(
                f"{self.repo_id}: HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, so the Hub isn't asked. Unset it to push; --dry-run "
                f"needs no Hub."
            )
        if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
            return  # whose it is to look names up
        parts = urlsplit(self.api.endpoint)
        try:
            socket.create_connection(
                (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)), REACH
            ).close()
        except OSError as error:
            raise HubError(
                f"{self.repo_id}: {parts.hostname} can't be reached ({error.strerror or error}). Look at the network, or at "
                f"HTTPS_PROXY behind a proxy, and push again; the run is untouched."
            ) from error

    def _sentence(self, doing: str, error: Exception, wait: float | None) -> str:
        """What went wrong while `doing`, and what to do."""
        start, status = f"{self.repo_id}, {doing}: ", _status(error)
        said = _said(error)
        if type(error).__name__ == "OfflineModeIsEnabled":
            return f"{start}HF_HUB_OFFLINE is set, so the Hub isn't asked. Unset it to push."
        if status == 401:
            return f"{start}the Hub doesn't know the token ({_origin()}). Make one with the right to write at {TOKENS}, then {_login()}."
        if status == 403:
            owner = self.repo_id.partition("/")[0]
            whose = (
                ""
                if owner == self.user
                else f" You are {self.user}, and it would belong to {owner}: is that the right name?"
            )
            return (
                f"{start}the token may not write there ({said}).{whose} A fine-grained token needs write access to the repositories of "
                f"{owner}; tokens are changed at {TOKENS}."
            )
        if status == 404:
            return f"{start}it isn't there, or not for you ({said})."
        if status == 409:
            return f"{start}it is there already, or another push runs ({said}). Push again."
        if status == 429:
            later = f"it asks to wait {wait:,.0f} s. Push again after that" if wait else "push again later"
            return f"{start}too many requests; {later}: what was uploaded isn't sent again."
        if status is not None and status >= 500:
            return (
                f"{start}the Hub failed {TRIES} times ({status}). Push again later: what was uploaded isn't sent again."
            )
        if status is not None:
            return f"{start}the Hub refused it ({status}: {said})."
        if "metadata in README.md" in str(error):
            return f"{start}the Hub doesn't take the card's metadata ({said}). Mend the lines between --- in model/README.md."
        if _broken(error):
            return f"{start}the connection broke ({said}). Push again: what was uploaded isn't sent again."
        return f"{start}{type(error).__name__}: {said}. Push again: what was uploaded isn't sent again."


def check_token() -> None:
    """Raises HubError where there is no token at all."""
    from huggingface_hub import get_token

    if not get_token():
        raise HubError(
            f"there is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN; a token with the right to write is made at "
            f"{TOKENS} (docs/hub.md)."
        )


@contextmanager
def quiet(bars: bool) -> Iterator[None]:
    """The library without its own words, and without progress bars unless wanted."""
    from huggingface_hub import utils

    before, shown = utils.logging.get_verbosity(), not utils.are_progress_bars_disabled()
    utils.logging.set_verbosity_error()
    if not bars:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.logging.set_verbosity(before)
        if shown and not bars:
            utils.enable_progress_bars()


def _status(error: BaseException) -> int | None:
    """The answer's number, where there was one; an error of an upload holds it as its cause."""
    for one in _chain(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if status is not None:
            return int(status)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _broken(error: BaseException) -> bool:
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    return not names.isdisjoint(BROKEN) and "OfflineModeIsEnabled" not in names


def _wait(error: Exception, number: int, also: Sequence[int]) -> float | None:
    """Seconds until the next try; None where that would help nothing."""
    status = _status(error)
    if status is None:
        return float(min(2 ** (number - 1), 16)) if _broken(error) else None
    if status not in (*AGAIN, *also):
        return None
    headers = next(one.response.headers for one in _chain(error) if getattr(one, "response", None) is not None)  # type: ignore[attr-defined]
    told = headers.get("Retry-After") or ""
    left = re.search(r";\s*r=0;\s*t=(\d+)", headers.get("RateLimit") or "")
    asked = int(left[1]) if left else int(told) if told.strip().isdigit() else None
    return float(asked) if asked is not None else float(min(2 ** (number - 1), 16))


def _said(error: Exception) -> str:
    """The Hub's own words, or the error's, in a line and without the addresses in it."""
    chain = [*_chain(error)]
    text = next((said for one in chain if (said := getattr(one, "server_message", None))), None) or str(chain[-1])
    text = re.sub(r"\(Request ID:[^)]*\)|https?://\S+", "", " ".join(str(text).split()))
    return text.strip(" .:\n")[:200] or type(error).__name__


def _origin() -> str:
    return "from HF_TOKEN, which goes before a login" if os.environ.get("HF_TOKEN") else "from `hf auth login`"


def _login() -> str:
    return "set it as HF_TOKEN" if os.environ.get("HF_TOKEN") else "`hf auth login --force`"
