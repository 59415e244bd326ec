"""HTTP/1.1 as uvicorn speaks it, with an end to waiting for a request that doesn't come.

Invariants: a connection on which no whole head of a request has come within `HEAD` seconds is closed; one that is between two
requests is uvicorn's matter (keep-alive).

    uvicorn.Config(app, http=Protocol)
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 10.0


class Protocol(H11Protocol):
    seconds = HEAD
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            if self._late is None and self.timeout_keep_alive_task is None:
                self._watch()
        else:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._late = self.loop.call_later(self.seconds, self._give_up)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
