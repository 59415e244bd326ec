"""An address on the web or in a store → a file in the cache, fetched once and asked about again each time.

http and https by the standard library, `s3://`, `gs://`, `hf://` and others by fsspec where its package for them is
installed. Invariants: a file in the cache is whole; a fetch ends, by size, by time or by being done; a page of HTML is
never taken for data; HF_TOKEN goes to the Hub alone, and not where it redirects.

    fetch("https://example.org/nsmc.tsv").path
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import shutil
import time
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, build_opener

from byeori.data.wording import short
from byeori.errors import DataError
from byeori.run import whole, write_json

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*://", re.IGNORECASE)
_SIGNS = "%/:=&?~#+!$,;'@()*[]-._"  # what stands in addresses as it is
_SECRET = re.compile(
    r"((?:^|(?<=&))[^=&]*(?:sig|token|key|secret|credential|password|auth)[^=&]*=)[^&]*", re.IGNORECASE
)
MOST = 64 << 30  # bytes of one file
_FREE = 1 << 30  # bytes of disk that are left alone
_STALE = 86_400.0  # seconds after which a file in part is nobody's
_WAIT = 30.0  # seconds without a byte
_SLOW = 1024, 60.0  # bytes a second that must come, looked at after so many seconds
_CHUNK = 1 << 20
_TYPES = {
    "text/csv": ".csv", "text/tab-separated-values": ".tsv", "application/json": ".json", "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl", "application/zip": ".zip", "application/gzip": ".gz", "application/x-gzip": ".gz",
    "application/vnd.apache.parquet": ".parquet", "text/plain": ".txt",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}  # fmt: skip


@dataclass(slots=True)
class Fetched:
    """path: in the cache, under the name the file has there. sha256: of its bytes."""

    path: Path
    sha256: str
    notes: list[str] = field(default_factory=list)


def is_url(source: str) -> bool:
    """`https://…`, `s3://…`, `file://…` and the like; not what archives are spelled with."""
    found = _SCHEME.match(source)
    return found is not None and source[: found.end() - 3].casefold() not in ("zip", "tar")


def shown(url: str) -> str:
    """An address as it may stand in a report or a card: without a password, and without a query, which may be a signature,
    where the path alone names a file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "" if PurePosixPath(parts.path).suffix else _SECRET.sub(r"\1…", parts.query)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _plain(url: str) -> str:
    """An address as it is asked for: spaces and letters beyond ASCII written as a browser sends them."""
    parts = urlsplit(url)
    host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    return urlunsplit((parts.scheme, host, quote(parts.path, safe=_SIGNS), quote(parts.query, safe=_SIGNS), ""))


def cache() -> Path:
    """`byeori/urls` in HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "byeori" / "urls"


def fetch(url: str) -> Fetched:
    """The file at an address: from the cache where it is there unchanged, by its ETag or date. Raises DataError.

    Where the address can't be reached, what was fetched before is taken, and a note says so.
    """
    try:
        urlsplit(url)
    except ValueError as error:
        raise DataError(f"{url}: this is no address ({error}).") from None
    _refuse_pages(url)
    if url.casefold().startswith("file://"):
        path = Path(unquote(urlsplit(url).path))
        if path.is_dir():
            raise DataError(f"{url}: this is a folder. Give its path: {path}")
        if not path.is_file():
            raise DataError(f"{url}: there is no such file.")
        with path.open("rb") as stream:
            return Fetched(path, hashlib.file_digest(stream, "sha256").hexdigest())
    folder = cache() / hashlib.sha256(url.encode()).hexdigest()[:20]
    known = _known(folder)
    try:
        if urlsplit(url).scheme.casefold() in ("http", "https"):
            return _by_http(url, folder, known)
        return _by_fsspec(url, folder, known)
    except DataError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        if known:
            note = f"{shown(url)}: not reached now ({_reason(error)}); taken as it was fetched on {known['fetched']}."
            return Fetched(folder / known["name"], known["sha256"], [note])
        raise DataError(
            f"{url}: it can't be fetched ({_reason(error)}). Look at the address and the network."
        ) from None


def _known(folder: Path) -> dict[str, Any] | None:
    """What is in the cache, if it is whole."""
    try:
        known = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or not whole: fetched again
        return None
    file = folder / str(known.get("name"))
    return known if file.is_file() and file.stat().st_size == known.get("bytes") else None


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return short(" ".join(str(text).split()), 160)


def _refuse_pages(url: str) -> None:
    """Addresses that are known to be pages about a file, with the address of the file itself."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").casefold(), parts.path
    if host in ("github.com", "www.github.com") and (found := re.match(r"/([^/]+/[^/]+)/blob/(.+)", path)):
        raise DataError(
            f"{url}: this is GitHub's page about a file. The file itself is at "
            f"https://raw.githubusercontent.com/{found.group(1)}/{found.group(2)}"
        )
    if host.endswith("huggingface.co"):
        if "/blob/" in path:
            raise DataError(
                f"{url}: this is the Hub's page about a file. The file is at {url.replace('/blob/', '/resolve/', 1)}"
            )
        if found := re.fullmatch(r"/datasets/([^/]+(?:/[^/]+)?)/?(?:viewer.*|tree.*)?", path):
            raise DataError(f"{url}: this is the page of a Hub data set. Give its id: {found.group(1)}")
    if host in ("drive.google.com", "docs.google.com") and "/export" not in path and "export=" not in parts.query:
        raise DataError(f"{url}: this is a page of Google Drive. Download the file there, and give the file.")


# http -------------------------------------------------------------------------------------------------------------
def _by_http(url: str, folder: Path, known: dict[str, Any] | None) -> Fetched:
    parts = urlsplit(url)
    if not parts.hostname:
        raise DataError(f"{url}: there is no host in this address.")
    request = Request(_plain(url), headers={"User-Agent": "byeori", "Accept": "*/*"})
    _sign(request)
    if known and known.get("etag"):
        request.add_header("If-None-Match", known["etag"])
    elif known and known.get("last_modified"):
        request.add_header("If-Modified-Since", known["last_modified"])
    try:
        answer = build_opener().open(request, timeout=_WAIT)
    except HTTPError as error:
        if error.code == 304 and known:
            return Fetched(folder / known["name"], known["sha256"], [f"{shown(url)}: unchanged, taken from the cache."])
        raise DataError(f"{url}: {_refused(error)}") from None
    except URLError as error:
        raise OSError(_reason(error)) from None
    with answer:
        headers: Message = answer.headers
        kind = headers.get_content_type()
        name = _name(url, headers)
        size = headers.get("Content-Length", "")
        expected = int(size) if size.isdecimal() and not headers.get("Content-Encoding") else None
        about = {"etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")}
        return _keep(url, folder, name, answer, expected, about, page=kind == "text/html")


def _sign(request: Request) -> None:
    """HF_TOKEN for files of the Hub, and only there: the header is not carried along a redirect."""
    from huggingface_hub import constants, get_token

    token = get_token()
    if token and urlsplit(request.full_url).netloc == urlsplit(constants.ENDPOINT).netloc:
        request.add_unredirected_header("Authorization", f"Bearer {token}")


def _refused(error: HTTPError) -> str:
    what = {
        401: "it may only be read with a name and a password, or with a token (HF_TOKEN for the Hub)",
        403: "reading it is not allowed",
        404: "there is no such file",
        410: "the file is gone",
        429: "the server asks for fewer requests; try again later",
    }.get(error.code, "the server failed; try again later" if error.code >= 500 else "it can't be read")
    return f"the server answered {error.code} ({short(error.reason or '', 40)}): {what}."


def _name(url: str, headers: Message) -> str:
    """The file's name: of the address, else as the server calls it; with a suffix by its type where it has none."""
    offered = headers.get_filename() or ""
    names = [PurePosixPath(unquote(urlsplit(url).path)).name, PurePosixPath(offered.replace("\\", "/")).name]
    name = (
        next((one for one in names if PurePosixPath(one).suffix), "")
        or next((one for one in names if one), "")
        or "data"
    )
    name = re.sub(r'[\x00-\x1f<>:"|?*\\/]', "_", name)[-120:].lstrip(".") or "data"
    if not PurePosixPath(name).suffix:
        name += _TYPES.get(headers.get_content_type(), "")
    return name


def _keep(
    url: str,
    folder: Path,
    name: str,
    stream: IO[bytes],
    expected: int | None,
    about: dict[str, Any],
    page: bool = False,
) -> Fetched:
    """Write a stream into the cache, within limits, and say what it is beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(".*"):  # of fetches that were killed
        with contextlib.suppress(FileNotFoundError):  # done since
            if time.time() - old.stat().st_mtime > _STALE:
                old.unlink()
    most = min(MOST, shutil.disk_usage(folder).free - _FREE)
    if expected is not None and expected > most:
        raise DataError(_too_large(url, expected, most))
    digest, size, began = hashlib.sha256(), 0, time.monotonic()
    with whole(folder / name) as temporary, temporary.open("wb") as file, _bar(name, expected) as bar:
        take = getattr(stream, "read1", stream.read)  # what has come, so that a slow server is noticed
        while part := take(_CHUNK):
            if size == 0 and (page or PurePosixPath(name).suffix == "") and _is_html(part):
                raise DataError(
                    f"{url}: a web page (HTML) was answered, not a data file. Look for the address of the file itself."
                )
            size += len(part)
            if size > most:
                raise DataError(_too_large(url, size, most))
            spent = time.monotonic() - began
            if spent > _SLOW[1] and size / spent < _SLOW[0]:
                raise DataError(
                    f"{url}: only {size:,} bytes came in {spent:.0f} seconds. Try again, or fetch the file yourself."
                )
            digest.update(part)
            file.write(part)
            bar.update(len(part))
        if expected is not None and size < expected:
            raise OSError(f"the connection ended after {size:,} of {expected:,} bytes")
        if not size:
            raise DataError(f"{url}: the file is empty.")
    made = {
        "url": shown(url),
        "name": name,
        "bytes": size,
        "sha256": digest.hexdigest(),
        "fetched": time.strftime("%Y-%m-%d"),
        **about,
    }
    write_json(folder / "about.json", made)
    return Fetched(
        folder / name, digest.hexdigest(), [f"{shown(url)}: fetched, {size:,} bytes, sha256 {digest.hexdigest()[:12]}…"]
    )


def _bar(name: str, expected: int | None) -> Any:
    """A line of progress on a terminal, as downloads of the Hub show one."""
    from huggingface_hub.utils import tqdm

    return tqdm(total=expected, unit="B", unit_scale=True, desc=short(name, 30), disable=None, leave=False)


def _is_html(head: bytes) -> bool:
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head"))


def _too_large(url: str, size: int, most: int) -> str:
    return (
        f"{url}: it holds {size:,} bytes or more, and there is room for {max(0, most):,} in {cache()}. Make room, or set HF_HOME "
        f"to a folder on a larger disk."
    )


# Other stores -----------------------------------------------------------------------------------------------------
def _by_fsspec(url: str, folder: Path, known: dict[str, Any] | None) -> Fetched:
    """s3, gs, hf…: by fsspec, if it knows the scheme and the package it needs is there."""
    import fsspec

    scheme = urlsplit(url).scheme
    try:
        store, path = fsspec.core.url_to_fs(url)
        info = store.info(path)
    except (ImportError, ValueError) as error:
        raise DataError(
            f"{url}: {scheme}:// can't be read here ({short(str(error), 120)}). Fetch the file and give its path."
        ) from None
    except FileNotFoundError:
        raise DataError(f"{url}: there is no such file.") from None
    except Exception as error:  # each store has its own kinds: credentials, regions, networks
        raise OSError(f"{type(error).__name__}: {short(str(error), 120)}") from None
    if info.get("type") == "directory":
        raise DataError(f"{url}: this is a folder. Name one file in it.")
    mark = str(info.get("ETag") or info.get("etag") or info.get("checksum") or "")
    if known and mark and known.get("etag") == mark:
        return Fetched(folder / known["name"], known["sha256"], [f"{shown(url)}: unchanged, taken from the cache."])
    name = PurePosixPath(path).name or "data"
    with store.open(path, "rb") as stream:
        return _keep(url, folder, name, stream, info.get("size"), {"etag": mark or None})
