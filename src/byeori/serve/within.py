"""Asking the models from within the server's process, for the playground: a request as any other, but for HTTP.

Invariants: it is read, admitted, batched, counted and logged as a request that came over a line, and refused in the same sentences;
whoever stops waiting (its task is cancelled, its generator closed) takes the request along.

    ask = await Within(api, door).ask("nsmc", {"inputs": "…"})
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from byeori.serve import inputs
from byeori.serve.ask import Ask, Refused, late
from byeori.serve.inputs import Wanted

if TYPE_CHECKING:
    from byeori.serve.app import Api
    from byeori.serve.door import Door
    from byeori.serve.owner import Hosted


async def _never() -> Any:
    """A client that doesn't leave: the task that waits is cancelled instead."""
    await asyncio.Event().wait()


class Within:
    def __init__(self, api: Api, door: Door):
        self.api, self.door = api, door

    async def ask(self, name: str, body: dict[str, Any], look: bool = False) -> Ask:
        """With `look` the tokens that were read come with it. Raises Refused."""
        with self._counted(name, body) as request:
            one, wanted = self._wanted(name, body, look)
            return await self.api._answered(request, one, wanted)

    async def written(self, name: str, body: dict[str, Any], look: bool = False) -> AsyncIterator[tuple[str, Ask]]:
        """The pieces of a text as they are written, each with the request itself, whose answer is there with the last.

        Raises Refused.
        """
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        with self._counted(name, body) as request:
            one, wanted = self._wanted(name, {**body, "stream": True}, look)
            ask = self.api._ask(request, one, wanted, lambda ask: queue.put_nowait(None), queue.put_nowait)
            try:
                async with asyncio.timeout(self.api.owner.timeout + 1):
                    while (event := await queue.get()) is not None:
                        yield event["text"], ask
            except TimeoutError:
                raise late() from None
            finally:
                self.api.owner.leave(ask)
            if ask.refused is not None:
                raise ask.refused
            self.api._count(request, ask)
            yield "", ask

    def _wanted(self, name: str, body: dict[str, Any], look: bool) -> tuple[Hosted, Wanted]:
        if self.door.draining:
            raise Refused(503, "this server is being stopped, and takes no further requests.", after=5.0)
        one = self.api._named(name)
        if one.run is None:
            raise Refused(503, f"{one.name} is still being loaded. GET /ready says when it can be asked.", after=1.0)
        wanted = inputs.read(one.run, body, self.api.most)
        wanted.look = look
        return one, wanted

    @contextmanager
    def _counted(self, name: str, body: dict[str, Any]) -> Iterator[Request]:
        started = time.perf_counter()
        seen: dict[str, Any] = {"status": 499, "route": "playground"}
        if name in self.api.models:
            seen["model"] = name
        if self.api.log_texts:
            seen["body"] = body
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "byeori": seen}
        try:
            yield Request(scope, _never)
            seen["status"] = 200
        except Refused as refused:
            seen["status"] = refused.status
            raise
        finally:
            self.door.noted(scope, seen, time.perf_counter() - started)
