"""A page in headless Chromium, by the DevTools protocol over a pipe: what it asks the network for, what it says on the console, its DOM.

with Browser() as browser: seen = browser.open(path, dark=True); seen.requests, seen.console, seen.evaluate("document.title")
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-sync", "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
SECONDS = 60
STILL = """(async () => {
  const one = document.querySelector(WHAT), frame = () => new Promise(done => setTimeout(done, 30));
  if (!one) return null;
  one.scrollIntoView({block: 'center', behavior: 'instant'});
  let last = '', same = 0, box;
  while (same < 3) {
    await frame();
    box = one.getBoundingClientRect();
    const now = [box.x, box.y, box.width, box.height].join();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  const x = box.x + box.width / 2, y = box.y + box.height / 2, over = document.elementFromPoint(x, y);
  return box.width && over && (one.contains(over) || over.contains(one)) ? [x, y] : null;
})()"""
# WCAG 2.2, 1.4.3: contrast of each text with what lies under it
CONTRAST = """(() => {
  const parts = value => { const n = value.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [.2126, .7152, .0722][place], 0);
  const under = one => {
    if (!one) return parts(getComputedStyle(document.body).backgroundColor);
    const [r, g, b, a] = parts(getComputedStyle(one).backgroundColor);
    if (a >= 1) return [r, g, b];
    const below = under(one.parentElement);
    return [r, g, b].map((v, place) => v * a + below[place] * (1 - a));
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || one.tagName.toLowerCase() === 'title') continue;
    const style = getComputedStyle(one);
    const ink = light(parts(one.closest('svg') ? style.fill : style.color)), paper = light(under(one));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < 4.5) found.push([walk.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return found;
})()"""
# the browser reads from 3 and writes to 4
PLACED = """
import os, sys
pipes = [os.dup(int(one)) for one in sys.argv[1:3]]
spare = [os.dup2(one, 200 + place) for place, one in enumerate(pipes)]
[os.dup2(one, 3 + place) for place, one in enumerate(spare)]
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Seen:
    """An open page; `requests` are the addresses it asked for, `console` what it or the browser said of it."""

    browser: Browser
    session: str
    target: str
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def evaluate(self, source: str) -> Any:
        found = self.browser.call(
            "Runtime.evaluate", {"expression": source, "returnByValue": True, "awaitPromise": True}, self.session
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, source: str, seconds: float = 20) -> Any:
        """Until an expression is true; what it is then."""
        end = time.monotonic() + seconds
        while not (found := self.evaluate(source)):
            assert time.monotonic() < end, (
                f"{source}\n{self.console}\n{self.evaluate('document.body.innerText')[:3000]}"
            )
            time.sleep(0.03)
        return found

    def press(self, what: str) -> None:
        """The mouse on the middle of the first element that a selector finds, once it lies still and nothing lies over it."""
        place = self.wait(STILL.replace("WHAT", json.dumps(what)))
        for kind in ("mousePressed", "mouseReleased"):
            given = {"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1}
            self.browser.call("Input.dispatchMouseEvent", given, self.session)

    def write(self, what: str, text: str) -> None:
        """Instead of what stands in a field, as an input method puts it there."""
        self.press(what)
        self.evaluate(f"document.querySelector({json.dumps(what)}).select()")
        self.browser.call("Input.insertText", {"text": text}, self.session)

    def attach(self, what: str, *paths: Path) -> None:
        """Files, for a field that takes them."""
        root = self.browser.call("DOM.getDocument", {}, self.session)["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", {"nodeId": root, "selector": what}, self.session)["nodeId"]
        files = {"files": [str(path) for path in paths], "nodeId": node}
        self.browser.call("DOM.setFileInputFiles", files, self.session)

    def close(self) -> None:
        self.browser.call("Target.closeTarget", {"targetId": self.target})

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        found = self.browser.call("Page.captureScreenshot", {"captureBeyondViewport": True}, self.session)
        path.write_bytes(base64.b64decode(found["data"]))

    def told(self, event: dict[str, Any]) -> None:
        kind, given = event["method"], event["params"]
        if kind == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif kind == "Runtime.consoleAPICalled":
            self.console.append(str([one.get("value") for one in given["args"]]))
        elif kind == "Runtime.exceptionThrown":
            self.console.append(str(given["exceptionDetails"]))
        elif kind == "Log.entryAdded":
            self.console.append(given["entry"]["text"])


class Browser:
    def __enter__(self) -> Browser:
        self.folder = tempfile.mkdtemp()
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        name = chromium()
        assert name is not None
        command = [name, *FLAGS, f"--user-data-dir={self.folder}", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PLACED, str(theirs_in), str(theirs_out), *command], pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self.input, self.output, self.rest, self.number = ours_in, ours_out, b"", 0
        self.pages: dict[str, Seen] = {}
        self.loaded: set[str] = set()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.input)
        os.close(self.output)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        self.number += 1
        asked = {"id": self.number, "method": method, "params": params or {}}
        os.write(self.output, json.dumps({**asked, **({"sessionId": session} if session else {})}).encode() + b"\0")
        return self._read(lambda one: one.get("id") == self.number)["result"]

    def open(self, path: Path | str, dark: bool = False, width: int = 1000, language: str | None = None) -> Seen:
        """A file, or an address; `language` is what the browser says its reader's is."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        seen = self.pages[session] = Seen(self, session, target)
        for name in ("Network.enable", "Runtime.enable", "Log.enable", "Page.enable"):
            self.call(name, {}, session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]}, session)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", size, session)
        if language is not None:
            self.call("Network.setUserAgentOverride", {"userAgent": "Chromium", "acceptLanguage": language}, session)
        url = path.resolve().as_uri() if isinstance(path, Path) else path
        self.call("Page.navigate", {"url": url}, session)
        self._read(lambda one: one.get("method") == "Page.loadEventFired" and one.get("sessionId") == session)
        return seen

    def _read(self, wanted: Any) -> dict[str, Any]:
        """The first message that is wanted; events on the way are told to their pages."""
        end = time.monotonic() + SECONDS
        while True:
            while b"\0" in self.rest:
                text, self.rest = self.rest.split(b"\0", 1)
                one = json.loads(text)
                assert "error" not in one, one
                if one.get("sessionId") in self.pages and "method" in one:
                    self.pages[one["sessionId"]].told(one)
                if wanted(one):
                    return one
            left = end - time.monotonic()
            assert left > 0 and select.select([self.input], [], [], left)[0], "the browser says nothing"
            more = os.read(self.input, 1 << 16)
            assert more, "the browser has ended"
            self.rest += more
