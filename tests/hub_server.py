"""A Hub of data sets on the loopback: the few addresses that `datasets` and `huggingface_hub` ask, answered from a folder.

Invariants: nothing but 127.0.0.1 is ever reached; a repository is a folder of files, read when it is asked for; every
request is kept in `asked`.

    with HubServer(folder) as hub: hub.add("klue", {"data/train.csv": b"…"}); hub.at_hand(monkeypatch)
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REVISIONS = {"main": "a" * 40, "old": "b" * 40}


class HubServer:
    """Repositories by id; each has the same files under every revision unless `old` ones are given."""

    def __init__(self, cache: Path):
        self.cache = cache
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self)

            def do_POST(self) -> None:
                hub.answer(self, sent=self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, files: dict[str, bytes], old: dict[str, bytes] | None = None) -> None:
        self.repositories[name] = {REVISIONS["main"]: files, REVISIONS["old"]: old or files}

    def at_hand(self, monkeypatch: Any) -> None:
        """For the length of a test this is the Hub, and its caches lie in a folder of the test."""
        import datasets
        import huggingface_hub
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(self.cache / "hub"))
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", self.url, raising=False)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", self.url)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", self.cache / "datasets")
        monkeypatch.setattr(
            datasets.config, "HUB_DATASETS_URL", self.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
        )
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    def answer(self, handler: BaseHTTPRequestHandler, body: bool = True, sent: bytes = b"") -> None:
        path, deep = unquote(urlsplit(handler.path).path), "recursive=true" in handler.path.casefold()
        self.asked.append(f"{handler.command} {path}")
        status, content, headers = self._found(path, sent, deep)
        part = handler.headers.get("Range")
        if status == 200 and part:
            first, _, last = part.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content)) + 1, len(content))
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            status, content = 206, content[int(first) : end]
        handler.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if body:
            handler.wfile.write(content)

    def _found(self, path: str, sent: bytes, deep: bool) -> tuple[int, bytes, dict[str, str]]:
        for name, revisions in sorted(self.repositories.items(), key=lambda one: -len(one[0])):
            for start in (f"/api/datasets/{name}", f"/datasets/{name}"):
                if path == start or path.startswith(start + "/"):
                    return self._of(name, revisions, path[len(start) + 1 :], sent, deep)
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}

    def _of(self, name: str, revisions: dict, rest: str, sent: bytes, deep: bool) -> tuple[int, bytes, dict[str, str]]:
        what, _, rest = rest.partition("/")
        word, _, rest = rest.partition("/")
        sha = REVISIONS.get(word or "main", word)
        if sha not in revisions:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        files = revisions[sha]
        if what in ("", "revision"):
            siblings = [{"rfilename": file} for file in files]
            flags = {"private": False, "disabled": False, "gated": False, "downloads": 0, "tags": []}
            return _json({"id": name, "sha": sha, "siblings": siblings, **flags})
        if what == "tree":
            found = _tree(files, rest, deep)
            return _json(found) if found else (404, b"{}", {"X-Error-Code": "EntryNotFound"})
        if what == "paths-info":
            json_sent = sent.startswith(b"{")
            asked = json.loads(sent)["paths"] if json_sent else parse_qs(sent.decode())["paths"]
            folders = {str(parent) for file in files for parent in Path(file).parents}
            known = [_entry(one, files[one]) for one in asked if one in files]
            known += [{"type": "directory", "path": one, "oid": "0"} for one in asked if one in folders]
            return _json(known)
        if what == "resolve" and rest in files:
            etag = hashlib.sha256(files[rest]).hexdigest()
            return 200, files[rest], {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        return 404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha}


def _entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def _tree(files: dict[str, bytes], under: str, deep: bool) -> list[dict[str, Any]]:
    start = f"{under}/" if under else ""
    inside = {path.removeprefix(start): content for path, content in files.items() if path.startswith(start)}
    folders = {str(parent) for path in inside for parent in Path(path).parents} - {"."}
    entries = [_entry(start + path, content) for path, content in inside.items() if deep or "/" not in path]
    return entries + [
        {"type": "directory", "path": start + one, "oid": "0"} for one in sorted(folders) if deep or "/" not in one
    ]


def _json(value: Any) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}
