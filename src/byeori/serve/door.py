"""What every request passes: who may come in, whether the server still takes any, what is counted and logged of it.

Invariants: nothing of a request is read before its token is known to be right, but /health and /ready answer anyone; what is logged
are names of ours, a status and times, no text and no path that a client made up; an error nobody thought of is answered, once.

    app = Door(app, tokens=[b"…"], meters=meters, log=print)
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from byeori.serve import chat
from byeori.serve.ask import Refused
from byeori.serve.bodies import Gone
from byeori.serve.meters import Meters

OPEN = ("/health", "/ready")
HELD = "/gradio_api/heartbeat/"  # an open page's line: nothing is under way on it
BASIC = b'Basic realm="byeori: any name, the token as password", charset="UTF-8"'
KINDS = {
    400: "validation", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method", 408: "timeout", 413: "too_large",
    429: "overloaded", 500: "internal", 503: "unavailable", 504: "timeout",
}  # fmt: skip


class Door:
    """`log` is given what is known of a request once it is over; `failed` an error that has no sentence."""

    def __init__(
        self, app: Any, *, tokens: Sequence[bytes], meters: Meters, log: Callable[[dict[str, Any]], None] | None,
        failed: Callable[[BaseException], None],
    ):  # fmt: skip
        self.app, self.meters, self.log, self.failed = app, meters, log, failed
        self.tokens = [hashlib.sha256(one).digest() for one in tokens]
        self.draining = False
        self.inside = 0

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[Any]]
    ) -> None:
        if scope["type"] != "http":
            return
        started, path = time.perf_counter(), scope["path"]
        seen: dict[str, Any] = {"status": 0}
        scope["byeori"] = seen  # what handlers know of it: model, route, rows

        async def noting(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                if self.draining:
                    message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        counted = int(HELD not in path)
        self.inside += counted
        try:
            refused = self._refusal(scope, path)
            if refused is not None:
                await refuse(scope, noting, refused)
            else:
                await self.app(scope, receive, noting)
        except Gone:
            seen["status"] = 499
        except (ConnectionError, asyncio.CancelledError):
            seen["status"] = seen["status"] or 499
            raise
        except Exception as error:
            self.failed(error)
            if not seen["status"]:
                await refuse(
                    scope,
                    noting,
                    Refused(500, f"something failed that has no message of its own ({type(error).__name__})."),
                )
        finally:
            self.inside -= counted
            self.noted(scope, seen, time.perf_counter() - started)

    def _refusal(self, scope: dict[str, Any], path: str) -> Refused | None:
        if path in OPEN:
            return None
        if self.tokens and not self._known(scope):
            return Refused(401, "a token is needed: send it as Authorization: Bearer TOKEN.")
        if self.draining:
            return Refused(503, "this server is being stopped, and takes no further requests.", after=5.0)
        return None

    def _known(self, scope: dict[str, Any]) -> bool:
        """Compared by their hashes, all of them, in the time that takes, whatever was sent."""
        said = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = said[0].partition(b" ") if len(said) == 1 else (b"", b"", b"")
        if basic := scheme.lower() == b"basic":
            token = _password(token)
        given = hashlib.sha256(token.strip()).digest()
        right = [hmac.compare_digest(given, one) for one in self.tokens]
        return any(right) and (scheme.lower() == b"bearer" or (basic and _own(scope)))

    def noted(self, scope: dict[str, Any], seen: dict[str, Any], seconds: float) -> None:
        route = seen.get("route", "other")
        self.meters.count("requests", model=seen.get("model", ""), route=route, status=str(seen["status"]))
        if seen["status"] == 499:
            self.meters.count("disconnects")
        if seen.get("model"):
            self.meters.observe("request_seconds", seconds, model=seen["model"])
        if self.log is not None and route != "page" and scope["path"] not in (*OPEN, "/metrics"):
            self.log({**seen, "route": route, "method": scope["method"][:8], "ms": round(1e3 * seconds, 1)})


def _password(given: bytes) -> bytes:
    """Of HTTP's Basic scheme (RFC 7617): browsers ask for it and send it by themselves. Any name is taken."""
    try:
        return base64.b64decode(given.strip(), validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _own(scope: dict[str, Any]) -> bool:
    """Whether what a browser sends by itself is no other site's wish."""
    site = next((value for name, value in scope["headers"] if name == b"sec-fetch-site"), b"")
    return scope["method"] in ("GET", "HEAD") or site in (b"", b"same-origin", b"none")


async def refuse(scope: dict[str, Any], send: Callable[[Any], Awaitable[Any]], refused: Refused) -> None:
    """A refusal in the shape that the path's API has for one."""
    body = json.dumps(said(refused, "/v1/" in scope["path"]), ensure_ascii=False).encode()
    found = headers(refused, len(body))
    if refused.status == 401 and b"text/html" in dict(scope["headers"]).get(b"accept", b""):  # the browser asks for it
        found = [(name, BASIC if name == b"www-authenticate" else value) for name, value in found]
    start = {"type": "http.response.start", "status": refused.status, "headers": found}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def said(refused: Refused, openai: bool) -> dict[str, Any]:
    if openai:
        return chat.error(refused)
    found: dict[str, Any] = {"error": refused.sentence, "error_type": KINDS.get(refused.status, "validation")}
    return found if refused.field is None else {**found, "field": refused.field}


def headers(refused: Refused, size: int) -> list[tuple[bytes, bytes]]:
    found = [(b"content-type", b"application/json"), (b"content-length", str(size).encode())]
    if refused.after is not None:
        found.append((b"retry-after", str(max(1, round(refused.after))).encode()))
    if refused.status == 401:
        found.append((b"www-authenticate", b"Bearer"))
    if refused.status in (408, 413):
        found.append((b"connection", b"close"))
    return found
