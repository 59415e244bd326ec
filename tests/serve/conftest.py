"""One server of a tiny model a task, asked by all tests that only ask; tests that break one start their own.

def test_it(served): served.post("text-classification", "…")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import byeori
from byeori.serve.server import Server, running
from pipelines import MODELS

CHAT = "qwen2"


@dataclass
class Served:
    server: Server
    runs: dict[str, Any]
    client: httpx.Client

    @property
    def url(self) -> str:
        return self.server.url

    def post(self, name: str, inputs: Any, **parameters: Any) -> Any:
        found = self.client.post(f"/models/{name}", json={"inputs": inputs, "parameters": parameters})
        assert found.status_code == 200, found.text
        return found.json()

    def refused(self, path: str, body: Any, status: int = 400) -> dict[str, Any]:
        """A refusal, and that the server is as well as before."""
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        found = self.client.post(path, **sent)
        assert found.status_code == status, found.text
        return found.json()


@pytest.fixture(scope="session")
def loaded(tiny: Callable[..., Path]) -> dict[str, Any]:
    """A run a task, by the task's name, and a decoder with a chat template."""
    made = {}
    for task, (family, values) in MODELS.items():
        made[task] = byeori.load_run(str(tiny(family, **values)), task=task, precision="float32", device="cpu")
    chat = tiny(CHAT, auto="AutoModelForCausalLM")
    made["chat"] = byeori.load_run(str(chat), task="text-generation", precision="float32", device="cpu")
    choices = tiny("bert", auto="AutoModelForMultipleChoice")
    made["multiple-choice"] = byeori.load_run(str(choices), task="multiple-choice", precision="float32", device="cpu")
    return made


@pytest.fixture(scope="session")
def served(loaded: dict[str, Any]) -> Iterator[Served]:
    with running(loaded, log_requests=False) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        yield Served(server, loaded, client)
