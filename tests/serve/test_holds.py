"""The server under trouble: too many, too late, gone, killed, told to stop, asked without a token."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from byeori.errors import ModelError, SettingError
from byeori.serve.models import named
from byeori.serve.options import Serving
from byeori.serve.server import Server, running, tokens_of
from pipelines import A

NAME = "text-classification"
PATH = f"/models/{NAME}"
TOKEN = "a token that nobody guesses"


class Slow:
    """A run's engine whose batches take as long as is said, until `go` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run: Any, seconds: float = 30.0):
        self.go, self.entered, self.rows = threading.Event(), threading.Event(), 0
        inner = run.engine.run

        def slowly(store: Any, *given: Any, **options: Any) -> Any:
            self.entered.set()
            self.go.wait(seconds)
            self.rows += len(store)
            return inner(store, *given, **options)

        monkeypatch.setattr(run.engine, "run", slowly)


def post(server: Server, body: Any = None, **options: Any) -> httpx.Response:
    return httpx.post(server.url + PATH, json=body or {"inputs": A}, timeout=30, **options)


def held(loaded: dict[str, Any], **values: Any) -> Any:
    return running({NAME: loaded[NAME]}, log_requests=False, **values)


def test_too_many_are_told_to_come_again(loaded, monkeypatch):
    slow = Slow(monkeypatch, loaded[NAME])
    with held(loaded, max_waiting=4) as server, ThreadPoolExecutor(12) as clients:
        first = [clients.submit(post, server) for _ in range(4)]
        slow.entered.wait(10)
        while server.owner.waiting < 4:
            time.sleep(0.01)
        refused = post(server)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert "4 requests wait already" in refused.json()["error"]
        slow.go.set()
        assert [one.result().status_code for one in first] == [200] * 4
        assert post(server).status_code == 200


def test_one_that_takes_too_long_is_given_up(loaded, monkeypatch):
    slow = Slow(monkeypatch, loaded[NAME])
    with held(loaded, timeout=0.3) as server:
        began = time.monotonic()
        found = post(server)
        assert found.status_code == 504 and "--timeout" in found.json()["error"] and time.monotonic() - began < 3
        assert server.owner.waiting == 0
        slow.go.set()
        assert post(server).status_code == 200


def test_what_nobody_waits_for_is_not_begun(loaded, monkeypatch):
    slow = Slow(monkeypatch, loaded[NAME])
    with held(loaded) as server:
        with ThreadPoolExecutor(1) as clients:
            first = clients.submit(post, server)
            slow.entered.wait(10)
            for _ in range(5):
                with pytest.raises(httpx.ReadTimeout):
                    httpx.post(server.url + PATH, json={"inputs": [A] * 3}, timeout=0.15)
            while server.owner.waiting > 1:
                time.sleep(0.01)
            slow.go.set()
            assert first.result().status_code == 200
        assert post(server).status_code == 200
        assert slow.rows == 2  # the first and the last
        assert "byeori_disconnects_total 5" in httpx.get(f"{server.url}/metrics").text


def test_a_text_that_nobody_reads_any_more_is_not_written_on(loaded):
    run = loaded["text-generation"]
    with running({"it": run}, log_requests=False) as server:
        body = {"inputs": A, "parameters": {"max_new_tokens": 110, "min_new_tokens": 110}, "stream": True}
        lane = server.hosted[0].lane
        step, heard = lane.together.step, []

        def slowly() -> Any:
            time.sleep(0.02)
            heard.extend(found := step())
            return found

        lane.together.step = slowly
        with httpx.stream("POST", f"{server.url}/models/it", json=body, timeout=30) as answer:
            next(answer.iter_lines())
        until = time.monotonic() + 5
        while lane.busy and time.monotonic() < until:
            time.sleep(0.02)
        assert not lane.busy and len(heard) < 100 and server.owner.waiting == 0
        lane.together.step = step
        short = {"inputs": A, "parameters": {"max_new_tokens": 3}}
        assert httpx.post(f"{server.url}/models/it", json=short, timeout=30).status_code == 200


def test_killed_under_load(loaded, monkeypatch):
    """The model's thread dies: who waits hears 503, nobody waits for ever, and the next are answered as before."""
    slow = Slow(monkeypatch, loaded[NAME], 0.2)
    with held(loaded) as server, ThreadPoolExecutor(8) as clients:
        before = post(server).json()
        asks = [clients.submit(post, server) for _ in range(24)]
        slow.entered.wait(10)
        time.sleep(0.05)
        number = ctypes.c_ulong(server.owner._thread.ident)
        assert ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit)) == 1
        codes = [one.result().status_code for one in asks]
        assert set(codes) <= {200, 503} and 503 in codes
        until = time.monotonic() + 20
        while httpx.get(f"{server.url}/ready").status_code != 200 and time.monotonic() < until:
            time.sleep(0.02)
        found = post(server)
        assert (
            found.status_code == 200
            and found.json()[0][0]["label"] == before[0][0]["label"]
            and server.owner.restarts == 1
        )
        assert "byeori_restarts_total 1" in httpx.get(f"{server.url}/metrics").text


def test_an_error_of_one_request_is_not_that_of_the_others(loaded, monkeypatch):
    run = loaded[NAME]
    inner = run.engine.run

    def broken(store: Any, *given: Any, **options: Any) -> Any:
        if any("독" in text for text in store.source["text"]):
            raise ZeroDivisionError("poison")
        return inner(store, *given, **options)

    monkeypatch.setattr(run.engine, "run", broken)
    with held(loaded, window=50) as server, ThreadPoolExecutor(8) as clients:
        bodies = [{"inputs": "독 poison" if place == 3 else f"{A} {place}"} for place in range(8)]
        found = list(clients.map(lambda body: post(server, body), bodies))
        assert [one.status_code for one in found] == [200] * 3 + [500] + [200] * 4
        assert "poison" not in found[3].text and server.owner.restarts == 0


def test_only_who_has_a_token(loaded, tmp_path, monkeypatch):
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\nanother one, also long\n", encoding="utf-8")
    with held(loaded, token_file=str(file)) as server:
        for headers in ({}, {"authorization": TOKEN}, {"authorization": "Bearer"}, {"authorization": f"Bearer {TOKEN}x"},
                        {"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer \xe9"}, {"x-token": TOKEN}):  # fmt: skip
            for path in (PATH, "/pipeline/x", "/v1/chat/completions", "/nothing"):
                found = httpx.post(
                    server.url + path, content=b"{", headers={k: v.encode("latin-1") for k, v in headers.items()}
                )
                assert found.status_code == 401 and found.headers["www-authenticate"] == "Bearer"
        for path in ("/info", "/metrics", "/openapi.json", "/v1/models"):
            assert httpx.get(server.url + path).status_code == 401
        assert httpx.get(f"{server.url}/ready").status_code == httpx.get(f"{server.url}/health").status_code == 200
        two = httpx.Headers([("authorization", "Bearer x"), ("authorization", f"Bearer {TOKEN}")])
        assert httpx.post(server.url + PATH, json={"inputs": A}, headers=two).status_code == 401
        for token in (TOKEN, "another one, also long"):
            assert post(server, headers={"authorization": f"bearer {token}"}).status_code == 200


def test_tokens_that_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("BYEORI_TOKEN", TOKEN)
    assert tokens_of(Serving()) == [TOKEN.encode()]
    monkeypatch.setenv("BYEORI_TOKEN", "short")
    with pytest.raises(SettingError, match="a token of 5 characters can be guessed"):
        tokens_of(Serving())
    monkeypatch.delenv("BYEORI_TOKEN")
    empty = tmp_path / "empty"
    empty.write_text("\n \n")
    for file, says in ((empty, "there is no token in it"), (tmp_path / "none", "can't be read")):
        with pytest.raises(SettingError, match=says):
            tokens_of(Serving(token_file=str(file)))


def test_names(tmp_path, tiny):
    (tmp_path / "runs" / "nsmc").mkdir(parents=True)
    assert [one.name for one in named([tmp_path / "runs" / "nsmc", "klue/roberta-base", "it=x/y"]) if one.of is None] == [
        "nsmc", "roberta-base", "it"
    ]  # fmt: skip
    for models, says in [
        ([], "no model is named"), (["a=x", "a=y"], "two models are named a: x and y"), (["a/x", "b/x"], "two models are named x"),
        (["a b=x"], "can't stand in an address"), (["=x"], "can't stand"), (["a="], "NAME=PATH is needed"),
    ]:  # fmt: skip
        with pytest.raises(SettingError, match=says):
            named(models)


def test_a_model_that_cant_be_loaded_ends_it(tmp_path):
    with pytest.raises(ModelError), running([str(tmp_path)]):
        pytest.fail("it must not be ready")


def test_logs_hold_no_texts(loaded):
    events: list[dict[str, Any]] = []
    for texts in (False, True):
        events.clear()
        with running({NAME: loaded[NAME]}, note=events.append, log_texts=texts) as server:
            post(server, {"inputs": "비밀 secret"})
            post(server, {"inputs": "secret", "parameters": {"secret": 1}})
            httpx.get(f"{server.url}/secret%0a")
        assert ("secret" in json.dumps(events)) == texts
        assert [one["status"] for one in events if one["event"] == "request"] == [200, 400, 404]


@pytest.fixture
def command(tiny):
    """`byeori serve` in a process of its own: its address once it listens, and the process."""
    started: list[subprocess.Popen] = []

    def start(*more: str, wait: bool = True) -> tuple[subprocess.Popen, str]:
        folder = tiny("bert", labels=("bad", "good", "so so", "none"))
        source = Path(__file__).parents[2] / "src"
        arguments = [f"it={folder}", "--task", "text-classification", "--port", "0", "--json", "--threads", "1", *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "byeori", "serve", *arguments], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        )  # fmt: skip
        started.append(process)
        assert process.stderr is not None
        event = json.loads(process.stderr.readline())
        assert event["event"] == "listening", event
        if wait:
            while event["event"] != "ready":
                event = json.loads(process.stderr.readline())
        return process, event.get("url") or event_url(process)

    def event_url(process: subprocess.Popen) -> str:
        import psutil

        (line,) = [one for one in psutil.Process(process.pid).net_connections("tcp") if one.status == "LISTEN"]
        return f"http://127.0.0.1:{line.laddr.port}"

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_listens_before_it_is_ready_and_drains_when_told_to_stop(command):
    process, url = command(wait=False)
    early = httpx.get(f"{url}/ready", timeout=60)
    assert early.status_code == 503 and early.json() == {"ready": False, "models": ["it"]}
    refused = httpx.post(f"{url}/models/it", json={"inputs": A}, timeout=60)
    assert (
        refused.status_code == 503
        and "still being loaded" in refused.json()["error"]
        and refused.headers["retry-after"]
    )
    while httpx.get(f"{url}/ready", timeout=60).status_code != 200:
        time.sleep(0.05)
    asked = {"inputs": [A * 30] * 400, "parameters": {"top_k": None}}
    with ThreadPoolExecutor(2) as clients, httpx.Client(base_url=url, timeout=60) as kept:
        assert kept.post("/models/it", json={"inputs": A}).status_code == 200
        under_way = clients.submit(httpx.post, f"{url}/models/it", json=asked, timeout=60)
        while "byeori_waiting_requests 1" not in kept.get("/metrics").text:
            assert not under_way.done()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        codes = set()
        while not under_way.done():
            try:
                codes.add(httpx.post(f"{url}/models/it", json={"inputs": A}, timeout=60).status_code)
            except httpx.TransportError:
                break
        assert under_way.result().status_code == 200 and len(under_way.result().json()) == 400
        assert codes == {503}
    assert process.wait(20) == 0


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(SettingError, match=r"pip install 'byeori\[serve\]'"), running(["x"]):
        pytest.fail("it must not start")


def test_a_port_that_is_taken(loaded):
    with held(loaded) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(SettingError, match=f"127.0.0.1:{port}: this address can't be listened at"):
            Server({NAME: loaded[NAME]}, port=port).listen()


def test_a_page_may_come_once_it_is_ready(loaded):
    """What answers paths that are no API, behind the same door."""

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    with held(loaded) as server:
        assert httpx.get(f"{server.url}/").status_code == 404
        server.api.page = page
        assert httpx.get(f"{server.url}/").text == "/" and httpx.get(f"{server.url}/a/b").text == "/a/b"
        assert post(server).status_code == 200 and httpx.get(f"{server.url}/health").json() == {"status": "ok"}
