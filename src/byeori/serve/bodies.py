"""The body of a request: read within a time and a size, and taken apart as JSON, or refused in a sentence.

Invariants: no more is held than the limit; what isn't JSON of an object, holds no number (NaN) or no text that UTF-8 could write,
or is nested deeper than any request needs, is refused with 400 and the reason.

    values = await read(receive, headers, Limits(1 << 20, 10.0))
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from byeori.serve.ask import Refused

DEPTH = 32
LARGE = 1 << 16  # bytes from which on a body is taken apart beside the loop
WASTED, PATIENCE = (
    256 << 20,
    5.0,
)  # bytes and seconds of a body that is too large are read on, so that its sender hears why
SURROGATE = re.compile(rb"\\[uU][dD][89a-fA-F]")


@dataclass(frozen=True)
class Limits:
    """Bytes of a body, and seconds it may take to come."""

    size: int
    seconds: float


class Gone(Exception):
    """Whoever asked has left."""


async def read(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], headers: dict[bytes, bytes], limits: Limits
) -> dict[str, Any]:
    """The body as an object. Raises Refused, Gone."""
    body = await _bytes(receive, headers, limits)
    if len(body) > LARGE:
        return await asyncio.to_thread(parsed, body)
    return parsed(body)


async def _bytes(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]], headers: dict[bytes, bytes], limits: Limits
) -> bytes:
    said = headers.get(b"content-length", b"")
    large = said.isdigit() and int(said) > limits.size
    if large and headers.get(b"expect", b"").lower() == b"100-continue":  # it hasn't begun to send
        raise too_large(limits)
    try:
        async with asyncio.timeout(PATIENCE if large else limits.seconds):
            return await _whole(receive, limits)
    except TimeoutError:
        if large:
            raise too_large(limits) from None
        raise Refused(408, f"the body didn't come within {limits.seconds:g} s. Send it at once.") from None


async def _whole(receive: Callable[[], Awaitable[MutableMapping[str, Any]]], limits: Limits) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limits.size:
            chunks.append(chunk)
        else:
            chunks.clear()
        if size > WASTED:
            raise too_large(limits)
        if not message.get("more_body"):
            break
    if size > limits.size:
        raise too_large(limits)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large(limits: Limits) -> Refused:
    return Refused(
        413,
        f"the body is larger than {limits.size / 1e6:g} MB, which is what this server takes (--max-body-mb). Ask in parts.",
    )


def parsed(body: bytes) -> dict[str, Any]:
    """Raises Refused."""
    if not body:
        raise Refused(400, 'the body is empty: a JSON object such as {"inputs": "…"} is needed.')
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8: byte {error.start:,} begins no character.") from None
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_number)
    except RecursionError:
        raise Refused(400, f"the body is nested deeper than {DEPTH} levels.") from None
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {str(error)[:120]}.") from None
    if not isinstance(found, dict):
        raise Refused(400, f'the body is {_kind(found)}: a JSON object such as {{"inputs": "…"}} is needed.')
    _check(found, bool(SURROGATE.search(body)))
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _check(found: Any, surrogates: bool) -> None:
    """Raises Refused for what is nested too deep, and for half characters, which no text has."""
    waiting: list[tuple[Any, int, str]] = [(found, 1, "")]
    while waiting:
        value, depth, place = waiting.pop()
        if depth > DEPTH:
            raise Refused(400, f"the body is nested deeper than {DEPTH} levels.", place.lstrip(".")[:80] or None)
        if isinstance(value, dict):
            if surrogates:
                waiting += [(name, depth, f"{place}.(a name)") for name in value]
            waiting += [
                (one, depth + 1, f"{place}.{name}") for name, one in value.items() if not _flat(one, surrogates)
            ]
        elif isinstance(value, list):
            waiting += [
                (one, depth + 1, f"{place}[{at}]") for at, one in enumerate(value) if not _flat(one, surrogates)
            ]
        elif surrogates and isinstance(value, str) and not _whole_text(value):
            name = place.lstrip(".")[:80]
            raise Refused(
                400, f"{name}: the text holds half a character (a lone surrogate), which UTF-8 can't write.", name
            )


def _flat(value: Any, surrogates: bool) -> bool:
    return not isinstance(value, dict | list) and not (surrogates and isinstance(value, str))


def _whole_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
