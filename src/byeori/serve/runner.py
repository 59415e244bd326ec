"""uvicorn, with an end that answers what is under way.

Invariants: the first SIGTERM or Ctrl-C drains, the second ends at once; while it drains the port stays open, so that who comes is
told 503 and not left before a closed door.

    await Draining(configured(app), server, 30.0).serve(sockets=[…])
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from byeori.serve.protocol import Protocol

if TYPE_CHECKING:
    from byeori.serve.server import Server

KEEP_ALIVE = 30  # seconds between two requests of a connection
GRACE = 2  # seconds that connections have to close in the end
HEAD_BYTES = 32_768


def configured(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=Protocol, ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False, server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=GRACE, h11_max_incomplete_event_size=HEAD_BYTES,
    )  # fmt: skip


class Draining(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, server: Server, seconds: float):
        super().__init__(config)
        self.server, self.seconds = server, seconds
        self.signal: int | None = None
        self.until: float | None = None

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Called by the signal, between two of Python's instructions: nothing is done here."""
        if self.until is not None:
            self.signal = sig
            self.should_exit = self.force_exit = True
            return
        self.server._loop.call_soon_threadsafe(self.drain, sig)

    def drain(self, sig: int) -> None:
        if self.until is None:
            self.signal = sig
            self.until = time.monotonic() + self.seconds
            self.server.note({"event": "draining"})
            self.server.drained()

    async def on_tick(self, counter: int) -> bool:
        if self.until is not None and not self.should_exit:
            if self.server.drained():
                self.should_exit = True
            elif time.monotonic() > self.until:  # those that are left hear that they won't be answered
                await asyncio.to_thread(self.server.owner.stop, GRACE)
                self.should_exit = True
        return await super().on_tick(counter)
