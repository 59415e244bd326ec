"""A MiniLM classifier behind `byeori serve` beside the server people write: FastAPI around `transformers.pipeline`.

Load comes from a second process (this one): 64 clients that each ask again as soon as they are answered, texts of mixed lengths;
rounds alternate the servers. Beside it: what the same model predicts offline, what one client waits for beyond the model itself,
and how long a server takes from its start until it can predict.

    python -m benchmarks.serving --rounds 3 --seconds 15
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import ROOT, arguments, measure, nsmc, sentences
from benchmarks.predict import make_model

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true",
}  # fmt: skip
PLAIN_LOADED = """
import sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
"""


def plain_server(folder: str, port: int) -> None:
    """As the tutorials have it: one request, one call, in FastAPI's threads."""
    import transformers
    import uvicorn
    from fastapi import FastAPI

    transformers.logging.set_verbosity_error()
    classify = transformers.pipeline("text-classification", model=folder, device=-1, truncation=True)
    app = FastAPI()

    @app.post("/models/it")
    def answer(asked: dict[str, str]) -> Any:
        return classify(asked["inputs"])

    @app.get("/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


@contextlib.contextmanager
def server(kind: str, folder: str, precision: str) -> Iterator[tuple[int, float, int]]:
    """Its port, the seconds from its start until it is ready, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.serving", "--plain", folder, str(port)]
    if kind != "plain":
        command = [
            sys.executable, "-m", "byeori", "serve", f"it={folder}", "--task", "text-classification", "--port", str(port),
            "--precision", precision, "--no-log-requests",
        ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{kind}: the server ended with {process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                line.sendall(b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                if b" 200 " in line.recv(4_096)[:16]:
                    break
            time.sleep(0.01)
        yield port, time.perf_counter() - started, process.pid
    finally:
        process.terminate()
        process.wait(60)


class Client:
    """One connection that stays; as little of HTTP as is needed, so that the load costs little."""

    def __init__(self, port: int):
        self.port = port
        self.reader: Any = None

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        if self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"POST /models/it HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        said = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in said.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return int(said.split(b" ", 2)[1]), await self.reader.readexactly(length)


async def load(port: int, texts: list[str], clients: int, seconds: float) -> dict[str, float]:
    """Requests a second that were answered, and how long they took (s): the first fifth of the time is not counted."""
    took: list[float] = []
    every = 0
    begin, place = time.perf_counter() + seconds / 5, iter(range(1 << 30))
    end = begin + seconds

    async def one() -> None:
        nonlocal every
        client = Client(port)
        while time.perf_counter() < end:
            body = json.dumps({"inputs": texts[next(place) % len(texts)]}).encode()
            started = time.perf_counter()
            status, _ = await client.ask(body)
            assert status == 200, status
            every += 1
            if begin < time.perf_counter() < end:
                took.append(time.perf_counter() - started)
        client.writer.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    cuts = statistics.quantiles(took, n=100)
    return {"rps": len(took) / seconds, "p50": cuts[49], "p99": cuts[98], "all": every}


async def single(port: int, text: str, times: int) -> float:
    """Seconds one client waits, the median."""
    client, body, took = Client(port), json.dumps({"inputs": text}).encode(), []
    for _ in range(times):
        started = time.perf_counter()
        await client.ask(body)
        took.append(time.perf_counter() - started)
    client.writer.close()
    return statistics.median(took[times // 5 :])


def texts_of(rows: int) -> list[str]:
    """Korean reviews and English sentences, and every tenth some ten of these: 5 to 400 tokens."""
    some = [text for pair in zip(nsmc(rows)[0], sentences(rows)[0], strict=True) for text in pair]
    return [" ".join(some[place : place + 10]) if place % 10 == 9 else text for place, text in enumerate(some[:rows])]


def work(job: dict[str, Any]) -> dict[str, float]:
    """What the model does without a server, in a process of its own: texts a second, and a call of one."""
    import torch

    import byeori

    texts = texts_of(job["rows"])
    classify = byeori.pipeline("text-classification", job["model"], precision=job["precision"])
    classify(texts[:64])
    started, spent = time.perf_counter(), time.process_time()
    classify(texts)
    rate = len(texts) / (time.perf_counter() - started)
    found: dict[str, float] = {"rate": rate, "core_ms": 1e3 * (time.process_time() - spent) / len(texts)}
    model, tokenizer = classify.model, classify.tokenizer

    def bare() -> None:
        from byeori.models.device import autocast

        with torch.inference_mode(), autocast(classify.run.engine.precision, classify.device):
            model(**tokenizer(job["text"], return_tensors="pt", truncation=True)).logits.float().softmax(-1).tolist()

    for name, call in (("call", lambda: classify(job["text"])), ("bare", bare)):
        took = []
        for _ in range(200):
            started = time.perf_counter()
            call()
            took.append(time.perf_counter() - started)
        found[name] = statistics.median(took[40:])
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rows=1_000)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--plain", nargs=2, help="be the plain server (used by the benchmark itself)")
    options = parser.parse_args()
    if options.plain:
        plain_server(options.plain[0], int(options.plain[1]))
        return
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    text, texts = "정말 재미있는 영화였다.", texts_of(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(str(Path(folder) / "model"))
        rounds: list[dict[str, Any]] = []
        for turn in range(options.rounds):
            found: dict[str, Any] = {}
            for kind in ("plain", "ours"):
                with server(kind, model, options.precision) as (port, ready, number):
                    process = psutil.Process(number)
                    spent = sum(process.cpu_times()[:2])
                    found[kind] = asyncio.run(load(port, texts, options.clients, options.seconds)) | {"ready": ready}
                    found[kind]["core_ms"] = 1e3 * (sum(process.cpu_times()[:2]) - spent) / found[kind].pop("all")
                    found[kind]["single"] = asyncio.run(single(port, text, 300))
            found["offline"] = measure(
                "benchmarks.serving",
                {"rows": options.rows, "model": model, "text": text, "precision": options.precision},
            )
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", PLAIN_LOADED, model], env=ENVIRONMENT, check=True, capture_output=True
            )
            found["loaded"] = time.perf_counter() - started
            rounds.append(found)
            print(f"round {turn + 1}: {json.dumps(found)}", file=sys.stderr, flush=True)
    report(rounds)


def report(rounds: list[dict[str, Any]]) -> None:
    def middle(value: Any) -> float:
        return statistics.median(map(value, rounds))

    for kind in ("plain", "ours"):
        rps, p50, p99 = (middle(lambda one, kind=kind, name=name: one[kind][name]) for name in ("rps", "p50", "p99"))
        print(f"{kind:6} {rps:7.1f} requests/s   p50 {1e3 * p50:7.1f} ms   p99 {1e3 * p99:7.1f} ms")
    print(
        f"requests/s, ours over plain: {middle(lambda one: one['ours']['rps'] / one['plain']['rps']):.2f}×   (asked: 3)"
    )
    print(
        f"p99, ours over plain: {middle(lambda one: one['ours']['p99'] / one['plain']['p99']):.2f}   (asked: 0.5 at most)"
    )
    cores = [middle(lambda one, name=name: one[name]["core_ms"]) for name in ("plain", "ours", "offline")]
    print("a core's ms a text: plain {:.1f}, ours {:.1f}, offline {:.1f}".format(*cores))
    share = middle(lambda one: one["ours"]["rps"] / one["offline"]["rate"])
    print(f"of the offline rate ({middle(lambda one: one['offline']['rate']):.0f} texts/s): {share:.0%}   (asked: 85%)")
    for name in ("bare", "call"):
        added = middle(lambda one, name=name: one["ours"]["single"] - one["offline"][name])
        print(f"one client, beyond a {name} of the model: {1e3 * added:.2f} ms   (asked: 3)")
    late = middle(lambda one: one["ours"]["ready"] - one["loaded"])
    print(
        f"start to ready, beyond importing and loading in transformers ({middle(lambda one: one['loaded']):.2f} s): "
        f"{late:.2f} s   (asked: 1)"
    )


if __name__ == "__main__":
    main()
