"""What a server must stand: bodies of all kinds, deaths under load, five times what it can do for a minute. Long; no test runs it.

Each drill starts `byeori serve` with a MiniLM classifier in a process of its own and says what it saw; the exit code is 1 where
something was answered by a 500, hung, missed its deadline or left memory behind.

    python -m benchmarks.drill_serving --seconds 60 --bodies 1000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

from benchmarks.predict import make_model
from benchmarks.serving import Client, server, texts_of

PATH = b"/models/it"
MISS = 1.5  # seconds beyond the deadline that an answer may take on a busy machine


def bodies(count: int) -> list[bytes]:
    """Broken, cut, mistyped, deep, no UTF-8, no number, and some that are right."""
    draw = random.Random(0)
    words: list[Any] = [
        "영화가 좋았다",
        "",
        None,
        True,
        -1,
        1e300,
        [],
        {},
        ["a", 1],
        {"text": "a"},
        {"text": [], "text_pair": 3},
    ]
    names = [
        "inputs",
        "parameters",
        "top_k",
        "text",
        "text_pair",
        "stream",
        "options",
        "max_length",
        "function_to_apply",
        "input",
        "x",
    ]
    found: list[bytes] = []
    for place in range(count):
        some = {draw.choice(names): draw.choice(words) for _ in range(draw.randint(0, 5))}
        body = json.dumps(some | {"inputs": draw.choice(words)}).encode()
        kind = place % 8
        if kind == 1:
            body = body[: draw.randint(0, len(body))]
        elif kind == 2:
            cut = bytearray(body)
            for _ in range(5):
                cut[draw.randrange(len(cut))] = draw.randrange(256)
            body = bytes(cut)
        elif kind == 3:
            body = (
                b'{"inputs": ' + draw.choice([b"NaN", b"-Infinity", b"1e999", b"\xff\xfe", b'"\\ud800"', b"nul"]) + b"}"
            )
        elif kind == 4:
            depth = draw.choice([40, 1_000, 100_000])
            body = b'{"inputs": ' + b"[" * depth + b"]" * draw.choice([depth, depth - 1]) + b"}"
        elif kind == 5:
            body = json.dumps(
                {"inputs": [draw.choice(["가 ", "word "]) * draw.choice([1, 2_000])] * draw.choice([1, 50, 2_000])}
            ).encode()
        found.append(body)
    return found


async def one_body(port: int, body: bytes) -> int:
    client = Client(port)
    try:
        status, _ = await asyncio.wait_for(client.ask(body), 60)
    finally:
        if client.reader is not None:
            client.writer.close()
    return status


async def all_bodies(port: int, given: list[bytes]) -> Counter[int]:
    slots, seen = asyncio.Semaphore(8), Counter[int]()

    async def ask(body: bytes) -> None:
        async with slots:
            seen[await one_body(port, body)] += 1

    await asyncio.gather(*map(ask, given))
    return seen


def large(port: int) -> int:
    """A hundred megabytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(b"POST " + PATH + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 104857600\r\n\r\n")
        for _ in range(100):
            line.sendall(b" " * (1 << 20))
        return int(line.recv(64).split()[1])


def loris(port: int, count: int) -> float:
    """Lines that begin a request and never end it; the seconds until the last was closed."""
    began = time.monotonic()
    lines = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(count)]
    for place, line in enumerate(lines):
        line.sendall(
            b"POST " + PATH + b" HTTP/1.1\r\nhost: a\r\n" + (b"content-length: 9\r\n\r\n{" if place % 2 else b"")
        )
        if place % 4 == 3:
            line.shutdown(socket.SHUT_WR)
    for line in lines:
        with contextlib.suppress(ConnectionError):
            while line.recv(4_096):
                continue
        line.close()
    return time.monotonic() - began


def malformed(model: str, count: int) -> dict[str, Any]:
    with server("ours", model, "auto") as (port, _, number):
        process = psutil.Process(number)
        asyncio.run(all_bodies(port, bodies(count)))  # what the allocator keeps is there after the first time
        before = process.memory_info().rss
        seen = asyncio.run(all_bodies(port, bodies(count)))
        hundred, closed = large(port), loris(port, 100)
        grown = (process.memory_info().rss - before) / 1e6
        alive = asyncio.run(one_body(port, b'{"inputs": "a"}'))
    return {
        "statuses": dict(seen), "a hundred megabytes": hundred, "slow lines closed after s": round(closed, 1), "grown MB": round(grown, 1),
        "well": alive == 200 and hundred == 413 and closed < 60 and grown < 100 and not seen.keys() - {200, 400, 413, 429},
    }  # fmt: skip


async def overload(port: int, texts: list[str], capacity: float, seconds: float, deadline: float) -> dict[str, Any]:
    """Requests at five times the capacity, each when its time comes, whatever became of the others."""
    seen, took, late = Counter[int](), [], 0
    waiting: set[asyncio.Task[None]] = set()
    idle: list[Client] = []

    async def ask(body: bytes) -> None:
        nonlocal late
        client = idle.pop() if idle else Client(port)
        started = time.perf_counter()
        status, _ = await client.ask(body)
        idle.append(client)
        seen[status] += 1
        if status == 200:
            took.append(time.perf_counter() - started)
            late += took[-1] > deadline + MISS

    end, place = time.perf_counter() + seconds, 0
    due = time.perf_counter()
    while time.perf_counter() < end:
        due += 1 / (5 * capacity)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(ask(json.dumps({"inputs": texts[place % len(texts)]}).encode()))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        place += 1
    await asyncio.gather(*waiting)
    return {"statuses": dict(seen), "p99 s": round(statistics.quantiles(took, n=100)[98], 2), "late": late}


def overloaded(model: str, seconds: float) -> dict[str, Any]:
    from benchmarks.serving import load

    texts = texts_of(500)
    with server("ours", model, "auto") as (port, _, _):
        capacity = asyncio.run(load(port, texts, 64, 8.0))["rps"]
        found = asyncio.run(overload(port, texts, capacity, seconds, 60.0))
        alive = asyncio.run(one_body(port, b'{"inputs": "a"}'))
    found |= {"capacity": round(capacity, 1)}
    return found | {"well": alive == 200 and not found["late"] and not found["statuses"].keys() - {200, 429}}


def killed(model: str, times: int) -> dict[str, Any]:
    """The model's thread ended by force while 32 clients ask, again and again; then SIGTERM under load."""
    import ctypes

    import httpx

    from byeori.serve.server import running

    seen, stop, slow = Counter[int](), threading.Event(), []
    texts = texts_of(200)

    def ask(url: str, place: int) -> None:
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                started = time.monotonic()
                try:
                    seen[client.post(f"{url}/models/it", json={"inputs": texts[place % len(texts)]}).status_code] += 1
                except httpx.TransportError:
                    seen[0] += 1
                slow.append(time.monotonic() - started)
                place += 32

    with running({"it": model}, task="text-classification", log_requests=False) as one:
        clients = [threading.Thread(target=ask, args=(one.url, place)) for place in range(32)]
        for client in clients:
            client.start()
        for _ in range(times):
            time.sleep(6)
            number = ctypes.c_ulong(one.owner._thread.ident or 0)  # type: ignore[union-attr]
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))
        time.sleep(4)
        stop.set()
        for client in clients:
            client.join()
        restarts, left = one.owner.restarts, one.owner.waiting
        alive = httpx.post(f"{one.url}/models/it", json={"inputs": "a"}, timeout=60).status_code
    return {
        "statuses": dict(seen), "restarts": restarts, "slowest s": round(max(slow), 1), "left": left,
        "well": alive == 200 and restarts == times and not left and not seen.keys() - {200, 503} and max(slow) < 30,
    }  # fmt: skip


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    parser.add_argument("--bodies", type=int, default=1_000)
    parser.add_argument("--deaths", type=int, default=5)
    parser.add_argument("--only", default="", help="malformed, killed or overloaded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(str(Path(folder) / "model"))
        drills = {
            "malformed": lambda: malformed(model, options.bodies), "killed": lambda: killed(model, options.deaths),
            "overloaded": lambda: overloaded(model, options.seconds),
        }  # fmt: skip
        well = True
        for name, drill in drills.items():
            if options.only in name:
                found = drill()
                well = well and found["well"]
                print(f"{name}: {json.dumps(found)}", flush=True)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
