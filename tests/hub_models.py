"""A Hub that takes models, on the loopback: the addresses that `huggingface_hub` asks for a push, and for what is pushed.

Invariants: nothing but 127.0.0.1 is reached; commits, branches, tags and large objects are kept as git and LFS would; what is asked
and how many bytes came stand in `asked` and `bytes`; `faults` say what fails, and how often.

    with PushHub(folder) as hub: hub.at_hand(monkeypatch); …; hub.files("me/nsmc")["config.json"]
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".model")
TOKEN = "hf_" + "w" * 34


@dataclass
class Fault:
    """Of requests whose "METHOD path" holds `what`, the first `times` get `status`; 0: half of what is sent is read, and the line cut."""

    what: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "no"


@dataclass
class Repo:
    private: bool
    commits: dict[str, dict[str, bytes | str]] = field(
        default_factory=dict
    )  # files; a str is the sha256 of a large one
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes | str], message: str) -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{message}".encode()).hexdigest()
        self.commits[oid], self.messages[oid], self.branches[branch] = files, message, oid
        return oid

    def at(self, revision: str) -> str | None:
        found = self.branches.get(revision) or self.tags.get(revision)
        return found or next((oid for oid in self.commits if oid.startswith(revision)), None)


class PushHub:
    """`part_bytes`: large files go in parts of so many bytes; `role`: of the token; `user`: whose it is."""

    def __init__(self, folder: Path, *, part_bytes: int | None = None, role: str = "write"):
        self.folder, self.part_bytes, self.role, self.user = folder, part_bytes, role, "me"
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.xet: dict[str, str] = {}  # sha256 → xet's hash, of files that the client stored by itself
        self.asked: list[str] = []
        self.bytes = 0  # of large files
        self.faults: list[Fault] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def answer(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET = do_POST = do_PUT = do_DELETE = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> PushHub:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def environment(self, xet: bool = False) -> dict[str, str]:
        """For a process of its own."""
        return {
            "HF_ENDPOINT": self.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "0" if xet else "1", "HF_HOME": str(self.folder / "home"), "HF_HUB_DISABLE_TELEMETRY": "1",
        }  # fmt: skip

    def at_hand(self, monkeypatch: Any, xet: bool = False) -> None:
        """For the length of a test this is the Hub, with a cache in a folder of the test and somebody logged in."""
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(self.folder / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(self.folder / "token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    def add(self, name: str, kind: str = "model", private: bool = True) -> Repo:
        repo = self.repos[kind, name] = Repo(private)
        repo.commit("main", {".gitattributes": b""}, "initial commit")
        return repo

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repo = self.repos["model", name]
        held = repo.commits[repo.at(revision) or ""]
        return {path: self.objects[one] if isinstance(one, str) else one for path, one in held.items()}

    def count(self, what: str) -> int:
        return sum(what in one for one in self.asked)

    # requests ---------------------------------------------------------------------------------------------------
    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        path, query = unquote(parts.path), {key: one[0] for key, one in parse_qs(parts.query).items()}
        line, length = f"{handler.command} {path}", int(handler.headers.get("Content-Length") or 0)
        self.asked.append(line)
        fault = next((one for one in self.faults if one.what in line and one.times > 0), None)
        if fault is not None:
            fault.times -= 1
            if not fault.status:
                self.bytes += len(handler.rfile.read(length // 2))
                handler.close_connection = True
                handler.connection.shutdown(2)
                return
        sent = self._body(handler, length)
        if fault is not None:
            said = json.dumps({"error": fault.message}).encode()
            self._write(handler, fault.status, said, {"Content-Type": "application/json", **fault.headers})
            return
        open_to_all = path.startswith(("/lfs/", "/api/agent")) or "/resolve/" in path
        if not open_to_all and handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._write(handler, 401, b'{"error": "Invalid credentials"}', {"X-Error-Message": "Invalid credentials"})
            return
        self._write(handler, *self._found(handler, path, query, sent))

    @staticmethod
    def _body(handler: BaseHTTPRequestHandler, length: int) -> bytes:
        if "chunked" not in (handler.headers.get("Transfer-Encoding") or ""):
            return handler.rfile.read(length)
        parts = []
        while size := int(handler.rfile.readline().split(b";")[0], 16):
            parts.append(handler.rfile.read(size))
            handler.rfile.readline()
        handler.rfile.readline()
        return b"".join(parts)

    @staticmethod
    def _write(handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def _found(self, handler: Any, path: str, query: dict, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
        command = handler.command
        if path == "/api/whoami-v2":
            access = {"displayName": "laptop", "role": self.role}
            return _json({"name": self.user, "orgs": [], "auth": {"accessToken": access}})
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(sent))
        if path.startswith("/lfs/"):
            return self._large(path, query, sent)
        if found := re.match(r"/api/(models|datasets|spaces)/([^/]+/[^/]+)(?:/(.*))?$", path):
            kind, name, rest = found.groups()
            return self._api(command, kind[:-1], name, rest or "", sent)
        if found := re.match(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch$", path):
            return _json({"transfer": "basic", "objects": [self._batch(one) for one in json.loads(sent)["objects"]]})
        if found := re.match(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$", path):
            return self._resolve(handler, *found.groups())
        return _error(404, "RepoNotFound")

    def _create(self, asked: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        name = f"{asked.get('organization') or self.user}/{asked['name']}"
        key = (asked.get("type", "model"), name)
        if name.split("/")[0] != self.user:
            return _error(403, "", "You don't have the rights to create a model under this namespace")
        if key in self.repos:
            return (
                409,
                json.dumps({"error": "You already created this model repo", "url": f"{self.url}/{name}"}).encode(),
                {},
            )
        self.add(name, key[0], asked.get("visibility") == "private")
        return _json({"url": f"{self.url}/{name}"})

    def _api(self, command: str, kind: str, name: str, rest: str, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
        repo = self.repos.get((kind, name))
        if repo is None:
            return _error(404, "RepoNotFound", "Repository not found")
        what, _, rest = rest.partition("/")
        if what == "refs":
            refs = {"branches": repo.branches, "tags": repo.tags, "converts": {}}
            return _json({
                key: [{"name": one, "ref": f"refs/{key}/{one}", "targetCommit": oid} for one, oid in held.items()]
                for key, held in refs.items()
            })  # fmt: skip
        revision = unquote(rest.split("/")[0]) or "main"
        if what == "branch":
            if revision in repo.branches:
                return _error(409, "", "Reference already exists")
            repo.branches[revision] = repo.branches["main"]
            return _json({})
        oid = repo.at(revision)
        if oid is None:
            return _error(404, "RevisionNotFound")
        held = repo.commits[oid]
        if what in ("", "revision"):
            siblings = [{"rfilename": one} for one in held]
            return _json(
                {"id": name, "modelId": name, "sha": oid, "private": repo.private, "siblings": siblings, "tags": []}
            )
        if what == "tree":
            return _json([{"type": "file", "path": one, "size": 0, "oid": _oid(part)} for one, part in held.items()])
        if what == "tag":
            tag = json.loads(sent)["tag"]
            if tag in repo.tags:
                return _error(409, "", "Tag reference exists already")
            repo.tags[tag] = oid
            return _json({})
        if what == "preupload":
            asked = json.loads(sent)["files"]
            return _json({"files": [{
                "path": one["path"], "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular", "shouldIgnore": False,
                "oid": _oid(held[one["path"]]) if one["path"] in held else None,
            } for one in asked]})  # fmt: skip
        if what == "commit":
            return self._commit(repo, name, revision, sent)
        if what == "xet-write-token" or what == "xet-read-token":
            store = self.folder / "cas"
            store.mkdir(exist_ok=True)
            until = str(int(time.time()) + 3600)
            told = {"X-Xet-Cas-Url": f"local://{store}", "X-Xet-Access-Token": "x", "X-Xet-Token-Expiration": until}
            return 200, json.dumps({"casUrl": f"local://{store}", "accessToken": "x", "exp": int(until)}).encode(), told
        return _error(404, "EntryNotFound")

    def _commit(self, repo: Repo, name: str, branch: str, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
        files, message = dict(repo.commits[repo.branches[branch]]), ""
        for line in sent.splitlines():
            one = json.loads(line)
            value = one["value"]
            if one["key"] == "header":
                message = value["summary"]
            elif one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                if value["oid"] not in self.objects and value["oid"] not in self.xet:
                    return _error(400, "", "the object isn't there")
                files[value["path"]] = value["oid"]
            elif one["key"] == "deletedFile":
                del files[value["path"]]
        oid = repo.commit(branch, files, message)
        return _json(
            {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{name}/commit/{oid}", "hookOutput": ""}
        )

    def _batch(self, one: dict[str, Any]) -> dict[str, Any]:
        oid, size = one["oid"], one["size"]
        if oid in self.objects:
            return {"oid": oid, "size": size}
        upload: dict[str, Any] = {"href": f"{self.url}/lfs/{oid}"}
        if self.part_bytes:
            number = -(-size // self.part_bytes)
            urls = {str(at + 1): f"{self.url}/lfs/{oid}?part={at + 1}" for at in range(number)}
            upload = {"href": f"{self.url}/lfs/{oid}/done", "header": {"chunk_size": str(self.part_bytes), **urls}}
        verify = {"href": f"{self.url}/lfs/{oid}/verify"}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def _large(self, path: str, query: dict, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
        oid, _, what = path.removeprefix("/lfs/").partition("/")
        if what == "verify":
            return _json({}) if oid in self.objects else _error(404, "")
        if what == "done":
            held = self.parts.pop(oid)
            self.objects[oid] = b"".join(held[at] for at in sorted(held))
            assert hashlib.sha256(self.objects[oid]).hexdigest() == oid
            return _json({})
        self.bytes += len(sent)
        if "part" in query:
            self.parts.setdefault(oid, {})[int(query["part"])] = sent
        else:
            assert hashlib.sha256(sent).hexdigest() == oid
            self.objects[oid] = sent
        return 200, b"", {"ETag": hashlib.md5(sent).hexdigest()}

    def _resolve(self, handler: Any, name: str, revision: str, file: str) -> tuple[int, bytes, dict[str, str]]:
        repo = self.repos.get(("model", name))
        if repo is None or (repo.private and handler.headers.get("Authorization") != f"Bearer {TOKEN}"):
            return _error(401 if repo else 404, "RepoNotFound")
        oid = repo.at(revision)
        if oid is None or file not in repo.commits[oid]:
            return _error(404, "EntryNotFound" if oid else "RevisionNotFound") if oid is None else (
                404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid}
            )  # fmt: skip
        held = repo.commits[oid][file]
        headers = {"ETag": f'"{_oid(held)}"', "X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        if isinstance(held, str) and held in self.xet:
            size = str(len(self.xet_bytes))
            route = f"{self.url}/api/models/{name}/xet-read-token/{oid}"
            return (
                200,
                b"",
                headers | {"X-Xet-Hash": self.xet[held], "X-Xet-Refresh-Route": route, "X-Linked-Size": size},
            )
        return 200, self.objects[held] if isinstance(held, str) else held, headers

    xet_bytes = b""  # what the file behind `xet` holds: its size is told


def _oid(content: bytes | str) -> str:
    """What the Hub calls a file by: git's hash, of a large one its sha256."""
    return content if isinstance(content, str) else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _json(value: Any) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}


def _error(status: int, code: str, message: str = "") -> tuple[int, bytes, dict[str, str]]:
    headers = {"X-Error-Code": code} if code else {}
    return status, json.dumps({"error": message or code}).encode(), {**headers, "Content-Type": "application/json"}
