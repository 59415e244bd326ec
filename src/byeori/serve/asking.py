"""Having a request answered: its body read, handed to the owner, waited for, whole or piece by piece.

Invariants: whoever leaves before the answer takes the request along; nobody is waited for longer than the server's time; what is
refused before the first piece of a stream is refused with a status.

    ask = await self.answered(request, hosted, wanted)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from byeori.serve import chat
from byeori.serve.ask import Ask, Refused, late
from byeori.serve.bodies import Gone, Limits, read
from byeori.serve.inputs import Most, Wanted
from byeori.serve.meters import Meters
from byeori.serve.owner import Hosted, Owner
from byeori.serve.wire import event


class Asking:
    def __init__(self, owner: Owner, limits: Limits, most: Most, meters: Meters, log_texts: bool = False):
        self.owner, self.limits, self.most, self.meters, self.log_texts = owner, limits, most, meters, log_texts

    async def _body(self, request: Request) -> dict[str, Any]:
        found = await read(request.receive, dict(request.scope["headers"]), self.limits)
        if self.log_texts:
            request.scope["byeori"]["body"] = found
        return found

    def _ask(self, request: Request, one: Hosted, wanted: Wanted, told: Any, heard: Any = None) -> Ask:
        self.owner.admit(one)
        request.scope["byeori"]["rows"] = len(wanted.rows)
        ask = Ask(
            wanted.rows, wanted.call, time.monotonic() + self.owner.timeout, self.owner.tell(told),
            None if heard is None else self.owner.tell(heard), wanted.length, wanted.details, wanted.cost,
            seen=[] if wanted.look else None,
        )  # fmt: skip
        self.owner.submit(one, ask)
        return ask

    async def _answered(self, request: Request, one: Hosted, wanted: Wanted) -> Ask:
        """Raises Refused, Gone."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ask = self._ask(request, one, wanted, lambda ask: _set(future))
        left = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({future, left}, timeout=self.owner.timeout + 1, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not future.done():
                self.owner.leave(ask)
        if not future.done():
            if left.done() and not left.cancelled():
                raise Gone
            raise late()
        self._count(request, ask)
        if ask.refused is not None:
            raise ask.refused
        return ask

    def _count(self, request: Request, ask: Ask) -> None:
        model = request.scope["byeori"]["model"]
        request.scope["byeori"]["tokens"] = ask.tokens + ask.new_tokens
        if ask.refused is None:
            self.meters.count("rows", len(ask.rows), model=model)
            self.meters.count("tokens_read", ask.tokens, model=model)
            self.meters.count("tokens_written", ask.new_tokens, model=model)

    async def _streamed(
        self, request: Request, one: Hosted, wanted: Wanted,
        shape: Callable[[Ask, AsyncIterator[dict[str, Any]]], AsyncIterator[Any]], openai: bool = False,
    ) -> Response:  # fmt: skip
        """Server-sent events; what is refused before the first token is refused with a status."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        ask = self._ask(request, one, wanted, lambda ask: queue.put_nowait(None), queue.put_nowait)
        left, first = asyncio.ensure_future(_left(request)), asyncio.ensure_future(queue.get())
        try:
            await asyncio.wait({first, left}, timeout=self.owner.timeout + 1, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.owner.leave(ask)
            raise
        finally:
            left.cancel()
        if not first.done() or ask.refused is not None:
            self.owner.leave(ask)
            first.cancel()
            if left.done() and not left.cancelled():
                raise Gone
            raise ask.refused or late()

        async def events() -> AsyncIterator[dict[str, Any]]:
            event = first.result()
            while event is not None:
                yield event
                event = await queue.get()
            if ask.refused is not None:
                raise ask.refused

        async def lines() -> AsyncIterator[bytes]:
            try:
                async with asyncio.timeout(self.owner.timeout + 1):
                    async for said in shape(ask, events()):
                        yield event(said)
                self._count(request, ask)
            except (Refused, TimeoutError) as error:
                refused = error if isinstance(error, Refused) else late()
                yield event(chat.error(refused) if openai else {"error": refused.sentence, "error_type": "generation"})
            finally:
                self.owner.leave(ask)
            yield b"data: [DONE]\n\n" if openai else b""

        return StreamingResponse(
            lines(), media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
        )


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _left(request: Request) -> None:
    """Ends when whoever asked has left."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
