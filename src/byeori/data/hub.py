"""Hub data set ids → `datasets` objects, with every failure turned into one sentence.

looks_like_id("klue/nli") is True; looks_like_id("data/nsmc.tsv") is False
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from byeori.data.conll import SUFFIXES
from byeori.data.files import DATA_SUFFIXES
from byeori.data.wording import short
from byeori.errors import DataError

_ID = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?(:[\w.\-]+)?$")
_ABSENT = ("DatasetNotFoundError", "RepositoryNotFoundError", "HFValidationError", "GatedRepoError")


def looks_like_id(source: str) -> bool:
    """`name`, `user/name` or `name:configuration`; not a data file's name, and not in a folder that exists here."""
    if not _ID.match(source) or Path(source).suffix.casefold() in (*DATA_SUFFIXES, *SUFFIXES):
        return False
    return "/" not in source or not Path(source).parent.is_dir()


def load(source: str, split: str | None = None, revision: str | None = None) -> Any:
    """A `Dataset` or `DatasetDict`. `klue/nli` is tried as an id, then as configuration `nli` of `klue`.

    HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured by the library underneath. Raises DataError.
    """
    import datasets

    name, _, config = source.partition(":")
    tries = [(name, config or None)]
    if "/" in name and not config:
        owner, inner = name.split("/")
        tries += [(owner, inner), (f"{owner}/{owner}", inner)]  # the old spelling, and where such sets live now
    failure: Exception | None = None
    for number, (path, configuration) in enumerate(tries):
        try:
            with _offline_where_unreachable():
                return datasets.load_dataset(path, configuration, split=split, revision=revision)
        except Exception as error:  # the library raises a dozen kinds; each becomes a DataError below
            failure = failure if number else error
            if type(error).__name__ not in _ABSENT or _offline(error):
                failure = error
                break
    raise DataError(_message(source, failure)) from None


@contextmanager
def _offline_where_unreachable() -> Iterator[None]:
    """Where the Hub's name can't even be looked up, use the cache at once; the library would retry for long."""
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    if not _resolves(urlsplit(constants.ENDPOINT).hostname):
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _resolves(host: str | None) -> bool:
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # the proxy looks names up
    try:
        socket.getaddrinfo(host, 443)
        return True
    except OSError:
        return False


def _offline(error: Exception) -> bool:
    return isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in (
        "OfflineModeIsEnabled", "ConnectTimeout", "ConnectError", "LocalEntryNotFoundError",
    )  # fmt: skip


def _message(source: str, error: Exception | None) -> str:
    nothing = f"{source}: there is no such file or folder here, and"
    if error is not None and _offline(error):
        return (
            f"{nothing} the Hub could not be reached to look for a data set of that name. "
            "Give the path of a file, or try again with a network (and HF_HUB_OFFLINE unset)."
        )
    if type(error).__name__ in _ABSENT:
        return f"{nothing} no data set of that name on the Hub that you may read (for a private one set HF_TOKEN)."
    text = short(" ".join(str(error).split()), 240)
    if "Config name is missing" in str(error) or "BuilderConfig" in str(error):
        spelling = f"{source.partition(':')[0]}:CONFIGURATION"
        return f"{source}: this Hub data set has several configurations. Name one as {spelling} ({text})"
    return f"{source}: the Hub data set can't be loaded ({text})"
