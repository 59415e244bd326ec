"""The server as a whole: it listens at once, loads beside that, drains when it is told to stop.

Invariants: a port that is taken, a token file without a token and two models of one name end it before it listens; from SIGTERM or
Ctrl-C on new requests get 503 and those under way are answered, for `drain` seconds; a model that can't be loaded ends it with that
error.

    serve(["runs/nsmc"], port=8000)                # until it is stopped
    with running(["runs/nsmc"]) as server: requests.post(f"{server.url}/models/nsmc", json={"inputs": "…"})
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori import settings
from byeori.errors import ByeoriError, SettingError
from byeori.predict.options import Using
from byeori.run import dumps
from byeori.serve.models import load, named
from byeori.serve.options import TOKEN_VARIABLE, Serving

if TYPE_CHECKING:
    from byeori.predict.run import Run
    from byeori.serve.lane import Lane
    from byeori.serve.playground import Page

BODY_SECONDS = 30.0
BACKLOG = 1_024
SHORT = 16  # bytes of a token that is worth one


class Server:
    """`url` once it listens. `ready` is called, in the loop's thread, once the models can be asked: it may set `api.page`, an ASGI app
    (the playground) for all paths that are no API; until then these are 404."""

    def __init__(
        self,
        models: Iterable[Any] | Mapping[str, Any],
        *,
        task: Any = None,
        note: Callable[[dict[str, Any]], None] | None = None,
        ready: Callable[[Server], None] | None = None,
        **values: Any,
    ):
        """`values`: the settings of `Serving` and `Using`, and problem_type. Raises SettingError."""
        from byeori.predict.options import TOLD
        from byeori.serve.playground import wanted

        own = {name: values.pop(name) for name in settings.names(Serving) if name in values}
        (self.serving,) = settings.read(own, Serving, where="serve")
        told = {name: values.pop(name) for name in TOLD if name in values}
        settings.read(values, Using, where="serve")
        self.options = {**values, **told, **({} if task is None else {"task": task})}
        self.hosted = named(models)
        self.tokens = tokens_of(self.serving)
        self.note = note or (lambda event: None)
        self.when_ready = ready
        self.error: BaseException | None = None
        self.with_page = wanted(self.serving.ui)
        self.page: Page | None = None
        self.url = ""
        self._socket: socket.socket | None = None
        self._uvicorn: Any = None
        self.started = time.perf_counter()

    # start --------------------------------------------------------------------------------------------------------
    def listen(self) -> None:
        """Take the port. Raises SettingError where it can't be had."""
        host, port = self.serving.host, self.serving.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            # By its protocol asyncio tells that answers must not wait for the last one's receipt (Nagle: 40 ms each).
            self._socket = socket.socket(found[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(found[4])
            self._socket.listen(BACKLOG)
        except OSError as error:
            raise SettingError(
                f"{host}:{port}: this address can't be listened at ({error.strerror or error}). Give another --port (0 for any that is "
                f"free), or another --host."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"

    def run(self) -> int:
        """Until it is stopped; the exit code. Raises what a model could not be loaded for."""
        if self._socket is None:
            self.listen()
        self.note(
            {"event": "listening", "url": self.url, "models": [one.name for one in self.hosted if one.of is None]}
        )
        if not self.tokens and not _is_loopback(self.serving.host):
            self.note({"event": "open", "host": self.serving.host})
        asyncio.run(self._serve())
        if self.error is not None:
            raise self.error
        return 130 if self._uvicorn.signal == signal.SIGINT else 0

    def stop(self) -> None:
        """As SIGTERM does; from any thread."""
        self._loop.call_soon_threadsafe(self._uvicorn.drain, signal.SIGTERM)

    async def _serve(self) -> None:
        from byeori.serve.app import Api
        from byeori.serve.bodies import Limits
        from byeori.serve.door import Door
        from byeori.serve.inputs import Most
        from byeori.serve.meters import Meters
        from byeori.serve.owner import Owner
        from byeori.serve.runner import Draining, configured

        serving = self.serving
        self._loop = asyncio.get_running_loop()
        self.meters = Meters()
        self.owner = Owner(
            self.hosted, partial(load, options=self.options), self._lane, self._post, most=serving.max_waiting,
            timeout=serving.timeout, ready=self._ready, died=self._died, hopeless=self._hopeless,
        )  # fmt: skip
        limits = Limits(int(serving.max_body_mb * 1e6), min(BODY_SECONDS, serving.timeout))
        most = Most(serving.max_request_rows, serving.max_request_tokens)
        self.api = Api(self.owner, limits, most, self.meters, serving.log_texts)
        log = self._log if serving.log_requests else None
        self.door = Door(self.api.asgi(), tokens=self.tokens, meters=self.meters, log=log, failed=self._failed)
        self._gauges()
        self._uvicorn = Draining(configured(self.door), self, serving.drain)
        self.owner.start()
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            if self.page is not None:
                await self.page.end()
            self.owner.stop(timeout=5.0)

    def _post(self, function: Callable[..., None], *values: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *values)
        except RuntimeError:  # the loop has ended: nobody is left to be told
            return

    def _lane(self, run: Run) -> Lane:
        from byeori.serve.lane import Lane

        options: dict[str, Any] = {
            "window": self.serving.window / 1e3, "budget": self.serving.batch_tokens, "limit": self.serving.max_request_tokens,
            "failed": self._failed, "batched": self._batched,
        }  # fmt: skip
        if run.task.generates:
            from byeori.serve.writing import lane_for

            return lane_for(run, **options)
        return Lane(run, **options)

    def _gauges(self) -> None:
        import psutil

        process = psutil.Process()
        self.meters.gauges |= {
            "waiting_requests": lambda: self.owner.waiting, "in_flight": lambda: self.door.inside - 1,
            "ready": lambda: float(self.owner.loaded and not self.door.draining), "restarts_total": lambda: self.owner.restarts,
            "process_resident_bytes": lambda: process.memory_info().rss,
        }  # fmt: skip

    # what happens -------------------------------------------------------------------------------------------------
    def _ready(self) -> None:
        self.note({"event": "ready", "seconds": round(time.perf_counter() - self.started, 2)})
        if self.with_page:
            from byeori.serve.playground import Page

            self.page = Page(self)
            self.page.begin()
        if self.when_ready is not None:
            self.when_ready(self)

    def _batched(self, rows: int, tokens: int) -> None:
        self.meters.count("batches")
        self.meters.observe("batch_rows", rows)
        self.meters.observe("batch_tokens", tokens)

    def _log(self, seen: dict[str, Any]) -> None:
        self.note({"event": "request", **seen})

    def _failed(self, error: BaseException) -> None:
        """Its kind and place; what it says may quote a text."""
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        said = str(error)[:500] if self.serving.log_texts or isinstance(error, ByeoriError) else ""
        self.note({"event": "failed", "error": type(error).__name__, "where": where, "said": said})

    def _died(self, error: BaseException) -> None:
        self._failed(error)
        self.note({"event": "restarted", "times": self.owner.restarts})

    def _hopeless(self, error: BaseException) -> None:
        self.error = error
        self._uvicorn.should_exit = True

    def drained(self) -> bool:
        """From here on new requests are refused; whether none is under way any more."""
        self.door.draining = self.api.draining = True
        if self.door.inside:
            return False
        if self.page is not None:
            self.page.hang_up()
        return True


def tokens_of(serving: Serving) -> list[bytes]:
    """Those that requests may bring; none where none are asked for. Raises SettingError."""
    found = [os.environ[TOKEN_VARIABLE]] if os.environ.get(TOKEN_VARIABLE, "").strip() else []
    if serving.token_file is not None:
        try:
            lines = Path(serving.token_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"token_file={serving.token_file!r}: it can't be read ({error}).") from None
        own = [line.strip() for line in lines if line.strip()]
        if not own:
            raise SettingError(
                f"token_file={serving.token_file!r}: there is no token in it. Write one, a line by itself."
            )
        found += own
    if short := next((one for one in found if len(one.strip()) < SHORT), None):
        raise SettingError(
            f"a token of {len(short.strip())} characters can be guessed; give {SHORT} or more: python -c 'import secrets; "
            f"print(secrets.token_urlsafe(32))'"
        )
    return [one.strip().encode() for one in found]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def needs_extra() -> None:
    """Raises SettingError where the packages of the extra are missing."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise SettingError(
            f"the server needs {error.name}, which isn't installed: pip install 'byeori[serve]'"
        ) from None


def serve(
    models: Iterable[Any] | Mapping[str, Any], *, note: Callable[[dict[str, Any]], None] | None = None, **values: Any
) -> int:
    """Serve models until the process is told to stop; the exit code. Raises SettingError, ModelError."""
    needs_extra()
    return Server(models, note=note, **values).run()


@contextmanager
def running(models: Iterable[Any] | Mapping[str, Any], *, wait: float = 120.0, **values: Any) -> Iterator[Server]:
    """A server in a thread of this process, ready; on any free port unless one is given. For notebooks and tests."""
    needs_extra()
    came = threading.Event()
    server = Server(models, ready=lambda _: came.set(), **{"port": 0, "ui": False, **values})
    server.listen()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            failed.append(error)
        came.set()

    thread = threading.Thread(target=run, name="byeori-server", daemon=True)
    thread.start()
    try:
        if not came.wait(wait):
            raise ByeoriError(f"the server wasn't ready after {wait:g} s.")
        if failed:
            raise failed[0]
        yield server
    finally:
        if thread.is_alive() and server._uvicorn is not None:
            server.stop()
            thread.join(30.0)


class Lines:
    """Events as lines for people on standard error, or as JSON."""

    def __init__(self, as_json: bool = False):
        self.as_json = as_json

    def __call__(self, event: dict[str, Any]) -> None:
        print(dumps(event) if self.as_json else said(event), file=sys.stderr, flush=True)


def said(event: dict[str, Any]) -> str:
    """One line of an event."""
    kind = event["event"]
    if kind == "listening":
        each = ", ".join(f"POST /models/{name}" for name in event["models"])
        return f"Listening at {event['url']} ({each}); loading."
    if kind == "open":
        return (
            f"Warning: {event['host']} can be reached from other machines, and no token is asked for. Give --token-file FILE, or set "
            f"{TOKEN_VARIABLE}."
        )
    if kind == "ready":
        return f"Ready after {event['seconds']:g} s. Ctrl-C stops it."
    if kind == "page":
        return f"A page to try them: {event['url']}"
    if kind == "draining":
        return "Stopping: requests under way are answered, new ones refused."
    if kind == "failed":
        return f"Failed: {event['error']} at {event['where']}{': ' + event['said'] if event['said'] else ''}."
    if kind == "restarted":
        return f"The model's thread died and is started again ({event['times']})."
    parts = [event["method"], event["route"], event.get("model", ""), str(event["status"])]
    parts += [f"{event[name]} {name}" for name in ("rows", "tokens", "ms") if name in event]
    return " ".join(filter(None, [*parts, dumps(event["body"]) if "body" in event else ""]))
