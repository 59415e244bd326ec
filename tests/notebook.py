"""What somebody does in a notebook, cell after cell in one process, for test_notebook.py: trainings that fail, one that doesn't, one of
two processes by accelerate's notebook_launcher. Prints what it found as JSON.

python tests/notebook.py FOLDER
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import weakref
from pathlib import Path
from typing import Any

import torch

import byeori
from byeori import settings

HELD: list[weakref.ref] = []


class Failing(byeori.Hook):
    """Remembers what a training made, without holding it, and ends it in one of three ways."""

    def __init__(self, how: str):
        self.how = how

    def step_end(self, run: Any, pack: Any, outputs: Any) -> None:
        if run.step != 3:
            return
        optimizer = run.optimizer.optimizer
        moments = [value for state in optimizer.state.values() for value in state.values()]
        made = [run, run.model, optimizer, *run.model.parameters(), *moments, outputs.logits, pack.input_ids]
        HELD.extend(weakref.ref(one) for one in made)
        if self.how == "hook":
            raise RuntimeError("a hook's own")
        if self.how == "interrupt":
            raise KeyboardInterrupt
        with torch.no_grad():
            next(run.model.parameters()).fill_(torch.nan)


def tensors() -> int:
    """Bytes of all tensors there are."""
    gc.collect()
    found = {}
    for one in gc.get_objects():
        if type(one) in KINDS and one.is_mkldnn:  # laid out for oneDNN, without a storage that torch knows
            found[id(one)] = one.numel() * one.element_size()
        elif type(one) in KINDS:
            found[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
    return sum(found.values())


KINDS = (torch.Tensor, torch.nn.Parameter)


def train(folder: str, output: str, **more: Any) -> None:
    """Returns nothing: what a launched function returns is pickled, and a run isn't."""
    values = settings.load_yaml(Path(folder) / "settings.yaml")
    byeori.train(**{**values, "output": str(Path(folder) / output), **more})


def failed(folder: str, how: str, **more: Any) -> dict[str, Any]:
    """A training that fails, and what is left of it while its error is kept as IPython keeps it."""
    HELD.clear()
    before = tensors()
    try:
        train(folder, f"failed-{how}", hooks=[Failing(how)], **more)
    except BaseException as error:
        sys.last_exc = sys.last_value = error
        sys.last_type, sys.last_traceback = type(error), error.__traceback__
    alive = [one() for one in HELD if one() is not None]
    return {
        "error": type(sys.last_exc).__name__, "held": len(HELD), "alive": len(alive), "bytes": tensors() - before,
        "frames": sum(1 for _ in walk(sys.last_traceback)),
    }  # fmt: skip


def walk(traceback: Any) -> Any:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def own(folder: str) -> dict[str, Any]:
    """The same with a model of the user's own, which stays."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    name = settings.load_yaml(Path(folder) / "settings.yaml")["model"]
    model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=3)
    found = failed(folder, "interrupt", model=model, tokenizer=AutoTokenizer.from_pretrained(name))
    return {
        **found,
        "own": 1 + len(list(model.parameters())),
        "gradients": sum(p.grad is not None for p in model.parameters()),
    }


def main() -> None:
    folder = sys.argv[1]
    torch.set_num_threads(2)
    torch.randn(600, 600).matmul(
        torch.randn(600, 600)
    ).relu().sum()  # torch's threads are there before a process is forked
    found: dict[str, Any] = {how: failed(folder, how) for how in ("hook", "nan")}
    found["own"] = own(folder)
    train(folder, "alone")

    from accelerate import notebook_launcher

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    notebook_launcher(train, (folder, "launched"), num_processes=2, use_port=port)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
