"""Answers as they go over the wire: JSON, server-sent events, refusals.

Invariants: no answer holds NaN, which JSON has not; a large one is written beside the loop.

    return await large_json(value)
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from byeori.serve.ask import Refused
from byeori.serve.door import headers, said

LARGE = 20_000  # numbers and characters of an answer from which on it is written beside the loop


def refused_answer(request: Request, refused: Refused) -> Response:
    body = written(said(refused, "/v1/" in request.scope["path"]))
    made = Response(body, refused.status)
    made.raw_headers = headers(refused, len(body))
    return made


def json_answer(value: Any, status: int = 200) -> Response:
    return Response(written(value), status, media_type="application/json")


async def large_json(value: Any) -> Response:
    if _size(value) > LARGE:
        return Response(await asyncio.to_thread(written, value), media_type="application/json")
    return json_answer(value)


def _size(value: Any) -> int:
    """About how much is to be written; of lists by their first part."""
    if isinstance(value, list) and value:
        return len(value) * _size(value[0])
    return sum(map(_size, value.values())) if isinstance(value, dict) else 1


def written(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:  # a score that is no number: JSON has none
        from byeori.run import dumps

        return dumps(value).encode()


def event(value: Any) -> bytes:
    return b"data: " + written(value) + b"\n\n"
