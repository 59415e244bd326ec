"""Hub data set ids → `datasets` objects, with every failure turned into one sentence.

An id is `name`, `user/name`, either with `/configuration` or `:configuration`, and with `:split` last: `klue/mrc`,
`glue:mrpc`, `klue/klue:nli:validation`, `imdb:train[:10%]`. What follows a colon is a split if it spells one.

    parse("glue/mrpc:train[:10%]") == Address("glue/mrpc", None, "train[:10%]")
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from byeori.data import slices
from byeori.data.archives import PACKED
from byeori.data.conll import SUFFIXES
from byeori.data.places import DATA_SUFFIXES, split_of
from byeori.data.wording import listed, nearest, short
from byeori.errors import DataError, SettingError

_NAME = r"[A-Za-z0-9][\w.\-]*"
_ID = re.compile(rf"{_NAME}(/{_NAME}){{0,2}}(:[\w.\-]+)?$")
_CACHED = re.compile(r"/(?P<commit>[0-9a-f]{40})/[^/]+$")
_FILES = (*DATA_SUFFIXES, *SUFFIXES, *PACKED, ".pkl", ".pickle", ".xls", ".yaml", ".md")
_ABSENT = ("DatasetNotFoundError", "RepositoryNotFoundError", "HFValidationError", "HfUriError", "GatedRepoError")


# Where the data sets live now that went by one word in tutorials; the libraries take no such names any more.
_MOVED = {
    name.rpartition("/")[2]: name
    for name in (
        "nyu-mll/glue", "aps/super_glue", "klue/klue", "stanfordnlp/imdb", "stanfordnlp/sst2", "rajpurkar/squad",
        "rajpurkar/squad_v2", "KorQuAD/squad_kor_v1", "eriktks/conll2003", "leondz/wnut_17", "facebook/xnli", "e9t/nsmc",
        "Salesforce/wikitext", "abisee/cnn_dailymail", "EdinburghNLP/xsum", "FiscalNote/billsum", "fancyzhx/ag_news",
        "dair-ai/emotion", "cornell-movie-review-data/rotten_tomatoes", "Helsinki-NLP/opus_books", "Helsinki-NLP/kde4",
        "Yelp/yelp_review_full", "google-research-datasets/go_emotions", "google-research-datasets/paws-x",
        "cardiffnlp/tweet_eval", "kakaobrain/kor_nli", "allenai/swag", "PolyAI/banking77", "CogComp/trec",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """An id taken apart: the name (two or three words where the last may be a configuration), configuration, split."""

    name: str
    config: str | None = None
    split: str | None = None


def parse(source: str) -> Address:
    """An id as people write it → its parts."""
    name, split = source.removeprefix("hf://datasets/"), None
    for at, sign in enumerate(name):
        if sign == ":" and slices.is_split(name[at + 1 :]):
            name, split = name[:at], name[at + 1 :]
            break
    name, _, config = name.partition(":")
    return Address(name, config or None, split)


def looks_like_id(source: str) -> bool:
    """Whether a text may be an id; not a data file's name, and not one in a folder that exists here."""
    address = parse(source)
    plain = address.name + (f":{address.config}" if address.config else "")
    if not _ID.match(plain) or Path(plain).suffix.casefold() in _FILES:
        return False
    return "/" not in plain or not Path(plain).parent.is_dir()


def load(
    source: str, split: str | None = None, revision: str | None = None, streaming: bool = False
) -> tuple[Any, str | None, dict[str, str]]:
    """(a `Dataset` or, where no split is asked for, a `DatasetDict`; the split's name; where it lies: see `_repository`). The
    split of the id comes first.

    `klue/nli` is tried as an id, then as configuration `nli` of `klue`. streaming: their iterable kinds, for which
    percentages can't be told. HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured by the library underneath. Raises
    DataError, SettingError for percentages of a stream.
    """
    address = parse(source)
    split = address.split or split
    words = address.name.split("/")
    tries = [(_MOVED.get(address.name, address.name), address.config)]
    if len(words) == 3:
        tries = [("/".join(words[:2]), words[2])]
    elif len(words) == 2 and not address.config:
        owner, inner = words
        tries += [(_MOVED.get(owner, owner), inner), (f"{owner}/{owner}", inner)]
        tries = [*dict.fromkeys(tries)]
    asked = slices.parse(split) if split else ()
    if streaming and any("%" in part.cut or "-" in part.cut for part in asked):
        raise SettingError(f"split={split!r}: how many rows a stream has is not known. Give places, as train[:1000].")
    failure: Exception | None = None
    for number, (path, config) in enumerate(tries):
        try:
            with _offline_where_unreachable():
                found = _rows(path, config, asked, revision, streaming, source)
        except (DataError, SettingError):
            raise
        except Exception as error:  # the library raises a dozen kinds; each becomes a DataError below
            failure = failure if number else error
            if type(error).__name__ not in _ABSENT or _offline(error):
                failure = error
                break
            continue
        names = {split_of(part.name) or part.name for part in asked}
        where = _repository(found, path, config, revision)
        return found, (names.pop() or None) if len(names) == 1 else None, where
    raise DataError(_message(source, failure, revision)) from None


def _repository(found: Any, path: str, config: str | None, revision: str | None) -> dict[str, str]:
    """{"id", "config", "revision"} of a data set on the Hub, as far as they are known.

    The library's own cache has the commit in its path: OWNER___NAME/CONFIGURATION/VERSION/COMMIT/FILE.
    """
    one = next(iter(found.values()), None) if isinstance(found, Mapping) else found
    cached = [str(file["filename"]) for file in getattr(one, "cache_files", None) or []]
    met = _CACHED.search(cached[0].replace("\\", "/")) if cached else None
    known = {"id": path, "config": config, "revision": met["commit"] if met else revision}
    return {name: value for name, value in known.items() if value}


def _rows(path: str, config: str | None, asked: Any, revision: str | None, streaming: bool, source: str) -> Any:
    """`load_dataset`, of the splits asked for, by the names they have there."""
    import datasets

    more: dict[str, Any] = {"streaming": True} if streaming else {}
    if not asked:
        return datasets.load_dataset(path, config, split=None, revision=revision, **more)
    try:
        return _parts(path, config, asked, revision, more)
    except ValueError as error:
        known = _splits_in(str(error))
        if not known:
            raise
    renamed = []
    for part in asked:
        same = [one for one in known if one == part.name] or [
            one for one in known if split_of(one) == split_of(part.name)
        ]
        if not same or not part.name:
            close = nearest(part.name, known)
            hint = f' Did you mean "{close}"?' if close else ""
            raise DataError(f'{source}: there is no split "{part.name}". There are {listed(known)}.{hint}')
        renamed.append(slices.Part(same[0], part.cut))
    return _parts(path, config, renamed, revision, more)


def _parts(path: str, config: str | None, asked: Any, revision: str | None, more: dict[str, Any]) -> Any:
    import datasets

    if not more:
        spelled = "+".join((part.name or "train") + part.cut for part in asked)
        return datasets.load_dataset(path, config, split=spelled, revision=revision)
    pieces = []
    for part in asked:
        rows = datasets.load_dataset(path, config, split=part.name or "train", revision=revision, **more)
        start, _, end = part.cut.strip("[]").partition(":")
        rows = rows.skip(int(start)) if start else rows
        pieces.append(rows.take(int(end) - int(start or 0)) if end else rows)
    return pieces[0] if len(pieces) == 1 else datasets.concatenate_datasets(pieces)


def _splits_in(message: str) -> list[str]:
    """The splits that the library names where it doesn't know the one asked for."""
    found = re.search(
        r"(?:Should be one of|Available splits:|available splits are:?) *\[?([^\]]*)", message, re.IGNORECASE
    )
    return re.findall(r"['\"]([\w.\-]+)['\"]", found.group(1)) if found else []


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


def _message(source: str, error: Exception | None, revision: str | None = None) -> str:
    nothing = f"{source}: there is no such file or folder here, and"
    if error is not None and _offline(error):
        return (
            f"{nothing} the Hub could not be reached to look for a data set of that name. "
            "Give the path of a file, or try again with a network (and HF_HUB_OFFLINE unset)."
        )
    if revision and error is not None and ("Revision" in type(error).__name__ or "evision" in str(error)):
        return f'{source}: this Hub data set has no revision "{revision}" (--data-revision).'
    if type(error).__name__ in _ABSENT:
        return f"{nothing} no data set of that name on the Hub that you may read (for a private one set HF_TOKEN)."
    plain = " ".join(str(error).split())
    text = short(plain, 240)
    known = _configurations_in(plain)
    if known:
        spelled = source.removeprefix("hf://datasets/").partition(":")[0]
        address = parse(source)
        wrong = address.config and f'no configuration "{address.config}", but ' or ""
        close = nearest(address.config or "", known) or known[0]
        split = f":{address.split}" if address.split else ""
        return (
            f"{source}: this Hub data set has {wrong}{listed(known)}. Name one, for example {spelled}:{close}{split}."
        )
    if "scripts are no longer supported" in plain:
        return (
            f"{source}: this Hub data set is made by a Python script, which is not run. Many of these have their rows as "
            f"Parquet too: add --data-revision refs/convert/parquet, or look on the Hub for a copy of it."
        )
    return f"{source}: the Hub data set can't be loaded ({text})"


def _configurations_in(message: str) -> list[str]:
    """The configurations that the library names where none, or one that isn't there, was given."""
    found = re.search(r"(?:available configs:|not found\. Available:) *\[([^\]]*)\]", message)
    return re.findall(r"['\"]([^'\"]+)['\"]", found.group(1)) if found else []
