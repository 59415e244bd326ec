"""The page to try the served models on: mounted beside the API once they are ready, in Korean and in English.

Invariants: Gradio is imported in a thread of its own, after ready; nothing is fetched from elsewhere, which the page's
Content-Security-Policy holds the browser to; of Gradio's many routes only those answer that the page needs, no more is read of a
request than the server's own limits, and another site's page can't post to it; what it stores is removed with the server.

    page = Page(server); page.begin()
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import tempfile
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byeori.errors import SettingError
from byeori.serve.ask import Refused
from byeori.serve.bodies import too_large
from byeori.serve.door import refuse
from byeori.serve.playground_words import LANGUAGES
from byeori.serve.within import Within

if TYPE_CHECKING:
    from byeori.serve.server import Server

GET = re.compile(
    r"(?:config|theme\.css|favicon\.ico|manifest\.json|(?:assets|static|svelte)/.+|gradio_api/(?:info|app_id|startup-events|theme\.css|"
    r"queue/data|heartbeat/[\w-]+|upload_progress|file=(?!https?:).+))?/?"
)
POST = re.compile(r"gradio_api/(?:queue/join|upload|cancel|reset)/?")
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; media-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='#1d6fd6'/>"
    "<path d='M10 6v20M10 16h7a5 5 0 0 1 0 10h-7' fill='none' stroke='#fff' stroke-width='4' stroke-linecap='round'/></svg>"
)
FIXED = {  # what Gradio's page and browsers ask for at the root
    "/favicon.ico": (b"image/svg+xml", ICON.encode()),
    "/manifest.json": (b"application/manifest+json", b'{"name": "Byeori", "start_url": "/", "display": "browser"}'),
}
ELSEWHERE = (b"cross-site", b"same-site")
_building = threading.Lock()  # Gradio reads its folder from the environment while it builds


def is_there() -> bool:
    return importlib.util.find_spec("gradio") is not None


def wanted(ui: bool | None) -> bool:
    """Whether there is to be a page. Raises SettingError where it is asked for and can't be had."""
    if ui and not is_there():
        raise SettingError("ui=True: the playground needs gradio, which isn't installed: pip install 'byeori[ui]'")
    return is_there() if ui is None else ui


class Page:
    """An ASGI app for all paths that are no API."""

    def __init__(self, server: Server):
        self.server = server
        self.within = Within(server.api, server.door)
        self.apps: dict[str, Any] = {}
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    # there and gone -----------------------------------------------------------------------------------------------
    def begin(self) -> None:
        """In the loop's thread."""
        threading.Thread(target=self._make, name="byeori-page", daemon=True).start()

    def _make(self) -> None:
        started = time.perf_counter()
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="byeori-page-", ignore_cleanup_errors=True)
            made = built(self.within, Path(self._folder.name))
        except Exception as error:  # the models can be asked without it
            self.server._post(self.server._failed, error)
            return
        self.server._post(self._open, made, time.perf_counter() - started)

    def _open(self, made: dict[str, Any], seconds: float) -> None:
        self._task = asyncio.ensure_future(self._live(made, seconds))

    async def _live(self, made: dict[str, Any], seconds: float) -> None:
        async with AsyncExitStack() as stack:
            for parent in made.values():
                await stack.enter_async_context(parent.router.lifespan_context(parent))
            self.apps = made
            self.server.api.page = self
            self.server.note({"event": "page", "url": f"{self.server.url}/", "seconds": round(seconds, 2)})
            await self._ending.wait()

    def hang_up(self) -> None:
        """Open pages' lines end, on which the server would wait for its grace; in the loop's thread."""
        for parent in self.apps.values():
            for route in parent.routes:
                if stop := getattr(getattr(route, "app", None), "stop_event", None):
                    stop.set()

    async def end(self) -> None:
        self._ending.set()
        if self._task is not None:
            await self._task
        if self._folder is not None:
            self._folder.cleanup()

    # requests -----------------------------------------------------------------------------------------------------
    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope["byeori"]["route"] = "page"
        path, method, headers = scope["path"], scope["method"], dict(scope["headers"])
        if path == "/" and method in ("GET", "HEAD"):
            await self._redirect(headers, send)
            return
        if path in FIXED and method in ("GET", "HEAD"):
            await _send(send, scope, *FIXED[path])
            return
        head, _, rest = path.removeprefix("/").partition("/")
        if head == "report" and method in ("GET", "HEAD"):
            await self._report(scope, rest, send)
            return
        if head not in self.apps or not self._known(method, rest):
            await refuse(scope, send, Refused(404, "there is no such path. GET /openapi.json lists what there is."))
            return
        if method == "POST" and headers.get(b"sec-fetch-site") in ELSEWHERE:
            await refuse(scope, send, Refused(403, "another site's page can't ask this one."))
            return
        limits = self.server.api.limits
        size = headers.get(b"content-length", b"")
        if size.isdigit() and int(size) > limits.size:
            await refuse(scope, send, too_large(limits))
            return
        await self.apps[head](scope, _limited(receive, limits.size), _guarded(send))

    @staticmethod
    def _known(method: str, path: str) -> bool:
        return bool((GET if method in ("GET", "HEAD") else POST if method == "POST" else _NONE).fullmatch(path))

    async def _redirect(self, headers: dict[bytes, bytes], send: Any) -> None:
        where = f"/{language_of(headers.get(b'accept-language', b''))}/".encode()
        head = [
            (b"location", where),
            (b"vary", b"Accept-Language"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 307, "headers": head})
        await send({"type": "http.response.body", "body": b""})

    async def _report(self, scope: dict[str, Any], name: str, send: Any) -> None:
        run = self.server.api.models[name].run if name in self.server.api.models else None
        folder = None if run is None else run.folder
        if folder is None or not folder.report.is_file():
            await refuse(scope, send, Refused(404, "there is no report of such a model."))
            return
        body = await asyncio.to_thread(folder.report.read_bytes)
        await _send(
            send, scope, b"text/html; charset=utf-8", body, (b"content-security-policy", REPORT_POLICY.encode())
        )


async def _send(send: Any, scope: dict[str, Any], kind: bytes, body: bytes, *more: tuple[bytes, bytes]) -> None:
    head = [
        (b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-cache"), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


_NONE = re.compile(r"(?!)")


def language_of(accepted: bytes) -> str:
    """The first of ours in an Accept-Language (RFC 9110, 12.5.4), by its weights; English else."""
    wishes = []
    for place, part in enumerate(accepted.decode("latin-1").split(",")):
        name, _, weight = part.partition(";")
        found = re.fullmatch(r"\s*q=(0(?:\.\d*)?|1(?:\.0*)?)\s*", weight)
        wishes.append((-(float(found[1]) if found else 1.0), place, name.strip().lower().split("-")[0]))
    return next((name for weight, _, name in sorted(wishes) if name in LANGUAGES and weight), "en")


def _limited(receive: Any, most: int) -> Any:
    """A body that grows beyond the limit ends as if its sender had left."""
    size = 0

    async def limited() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if size > most else message

    return limited


def _guarded(send: Any) -> Any:
    more = [
        (b"content-security-policy", POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]

    async def guarded(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *more]
        await send(message)

    return guarded


def built(within: Within, folder: Path) -> dict[str, Any]:
    """An app a language. Takes seconds: Gradio is imported here."""
    with _building:
        before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED")}
        os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False"}
        try:
            import fastapi
            import gradio as gr

            from byeori.serve.playground_blocks import made
            from byeori.serve.playground_style import FONTS, MONO, STYLE

            theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=MONO).set(
                body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300",
                block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300",
                block_label_text_color="*neutral_700", block_title_text_color="*neutral_700",
            )  # fmt: skip
            apps = {}
            for language in LANGUAGES:
                parent = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
                apps[language] = gr.mount_gradio_app(
                    parent, made(within, language, folder), f"/{language}", footer_links=[], run_history=False, show_error=True,
                    max_file_size=within.api.limits.size, ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False,
                    theme=theme, css=STYLE, head=head(language),
                )  # fmt: skip
            return apps
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def head(language: str) -> str:
    """Gradio's own words are in the browser's language, which here is the page's."""
    return (
        f"<script>document.documentElement.lang='{language}';Object.defineProperty(navigator,'language',{{get:()=>'{language}'}});"
        f"Object.defineProperty(navigator,'languages',{{get:()=>['{language}']}});</script>"
    )
