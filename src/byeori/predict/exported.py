"""An exported folder, ready to predict and evaluate: the task, the plain tokenizer and a runtime, without torch or transformers.

Layout: export.json (what it is, and what the gate measured), byeori.json (the task, as beside a model), tokenizer.json and
byeori_tokenizer.json, README.md, and the runtime's own files (model.onnx, or model.bin with head.safetensors).
Invariants: what a task encodes and decodes is its own code, as for the trained model; rows are sorted by length, laid into rectangles of
like length and put back in order; a row's numbers don't depend on its company (float32).

    run = byeori.load_run("exported"); run.predict(["…"])
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byeori.batches import budget
from byeori.batches.answers import Answers, Gathered, joined
from byeori.batches.host import build
from byeori.data.cleaning import Cleaner
from byeori.errors import ModelError, SettingError
from byeori.generate.watching import Progress, watched
from byeori.models.checks import length_for
from byeori.models.outside import Outside, Plain
from byeori.models.shortage import placed
from byeori.models.world import World
from byeori.predict.reader import Reader, Spent
from byeori.predict.rows import WINDOW
from byeori.run import read_json
from byeori.tasks.base import DRAW_SEED
from byeori.text.encode import Encoder
from byeori.text.plain_tokenizer import PlainTokenizer
from byeori.text.store import TokenStore

if TYPE_CHECKING:
    from byeori.predict.options import Using
    from byeori.tasks.base import Task

FILE = "export.json"
EXTRAS = {"onnx": "onnxruntime", "ctranslate2": "ctranslate2"}  # runtime → the package that it is


def is_exported(path: Any) -> bool:
    """Whether a folder is one that `byeori export` wrote."""
    return (Path(path) / FILE).is_file()


class ExportedEngine(Reader):
    """What `Engine` is to a model of torch. `precision` is that of the export; nothing of torch is asked for."""

    has_losses = False

    def __init__(
        self,
        task: Task,
        model: Outside,
        tokenizer: Any,
        *,
        precision: str,
        max_length: int,
        truncation: str,
        token_types: bool,
    ):
        super().__init__(task, tokenizer, Encoder(tokenizer, max_length, truncation, token_types))
        self.model: Any = model
        self.device: Any = "cpu"
        self.precision, self.pad_to = precision, None
        self.pack_tokens: int = model.pack_tokens
        self.spent = Spent()
        self.watch: Progress | None = None
        self.turns: Any = None
        self.world = World()
        task.meet(model, tokenizer)

    def run(self, store: TokenStore, each: Any = None, call: Any | None = None) -> Answers:
        """As `Engine.run`; `each` is not called: there are no losses of an exported model."""
        return joined(self.windows(store, each, call))

    def windows(self, store: TokenStore, each: Any = None, call: Any | None = None) -> Generator[Answers, None, None]:
        """As `Engine.windows`. Where `each` is given the rows are labelled and drawn as in evaluation."""
        writes = self.task.generates and (each is None or not self.task.teacher_forced)
        draw = self.task.drawing(DRAW_SEED, 0) if each is not None else None
        for first in range(0, len(store), WINDOW):
            started = time.perf_counter()
            rows = np.arange(first, min(first + WINDOW, len(store)))
            begin, end = int(store.row_offsets[rows[0]]), int(store.row_offsets[rows[-1] + 1])
            gathered = Gathered(begin, end - begin)
            sequences = store.sequences_of(rows)
            pack: Any  # one of NumPy's, in the place of one of torch's
            owners = np.repeat(rows, store.row_offsets[rows + 1] - store.row_offsets[rows])
            lengths = store.offsets[sequences + 1] - store.offsets[sequences]
            if writes:
                pack = build(store, sequences, owners, self.model.group_cost)
                with watched(self.watch), placed(partial(_row, pack.rows)):
                    values, counts = self.task.generate(self.model, self.tokenizer, pack, call)
                self._take(gathered, pack, np.asarray(values), counts)
            else:
                cost = self.model.group_cost
                parts = budget.fill(lengths, self.pack_tokens, partial(_computed, lengths, cost))
                for part in parts:
                    pack = build(store, sequences[part], owners[part], cost)
                    pack = pack if draw is None else draw(pack)
                    values, counts = self.task.gather(self.task.outputs(self.model, pack), pack, call)
                    self._take(gathered, pack, values, counts)
            self.spent.rows += len(rows)
            self.spent.seconds += time.perf_counter() - started
            yield gathered.done()

    def _take(self, gathered: Gathered, pack: Any, values: Any, counts: np.ndarray | None) -> None:
        gathered.add(pack, values.astype(np.float32) if np.issubdtype(values.dtype, np.floating) else values, counts)
        self.spent.tokens += pack.tokens
        self.spent.computed += pack.computed


def _row(rows: np.ndarray, place: int) -> int:
    return int(rows[place])


def _computed(lengths: np.ndarray, cost: float, part: np.ndarray) -> int:
    return budget.computed(lengths[part], cost)


def load_exported(path: Path, task_of: Callable[..., Any], using: Using) -> tuple[Task, ExportedEngine, bool]:
    """The task, the engine, and whether the model was trained elsewhere. `task_of`: `byeori.predict.run._task`, told what is asked.

    Raises SettingError for settings that an export has not, or a runtime that isn't installed; ModelError for a folder that isn't whole.
    """
    name, said = str(path), read_json(path / FILE)
    _check(using, said, name)
    work, meta = task_of(path, name)
    if said["foreign"]:
        work = type(work)(
            **meta["state"].get("settings", {})
        )  # it knows no more than its settings, as where it comes from
    config = Plain(**said["config"])
    if said["task"] != work.name and work.name not in ("zero-shot-classification",):
        raise ModelError(
            f"{name}: it was exported for {said['task']}, and holds nothing that {work.name} needs. Export the model with --task "
            f"{work.name}."
        )
    work.adopt(config)
    if meta.get("cleaning") or using.clean_function is not None:
        work.cleaning = Cleaner.restored(meta.get("cleaning"), using.clean_function, name)
    tokenizer = PlainTokenizer.read(path)
    decoding = meta.get("decoding", {})
    length = length_for(
        using.max_length or decoding.get("max_length"), said["usable_length"], name, work.default_length
    )
    model = _runtime(said["runtime"]).load(path, said, config, threads_for(using.threads))
    engine = ExportedEngine(
        work, model, tokenizer, precision=said["precision"], max_length=length,
        truncation=using.truncation or decoding.get("truncation", "head"), token_types=said["token_types"],
    )  # fmt: skip
    return work, engine, bool(said["foreign"])


def _check(using: Using, said: dict[str, Any], name: str) -> None:
    if using.device not in ("auto", "cpu"):
        raise SettingError(
            f"device={using.device}: an export runs on the CPU. Leave it out, or predict with the model it was made of."
        )
    if using.precision not in ("auto", said["precision"]):
        raise SettingError(
            f"precision={using.precision}: {name} was exported in {said['precision']}. Leave it out, or export the model again with "
            f"--precision {using.precision}."
        )
    if using.tokenizer is not None or using.pad_to is not None:
        what = "tokenizer" if using.tokenizer is not None else "pad_to"
        raise SettingError(f"{what}: an export goes by its own. Leave it out, or export the model again.")


def _runtime(name: str) -> Any:
    """The module that runs it. Raises SettingError where its package isn't installed."""
    needs(EXTRAS[name], name)
    if name == "onnx":
        from byeori.predict import runtime_onnx

        return runtime_onnx
    from byeori.predict import runtime_ctranslate2

    return runtime_ctranslate2


def needs(package: str, extra: str) -> None:
    """Raises SettingError where a package of an extra isn't installed."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise SettingError(
            f"{package} is not installed, and {extra} exports need it. Install it: pip install 'byeori[{extra}]'."
        )


def threads_for(asked: int | None) -> int:
    """Threads of a runtime, as `byeori.models.device.set_threads` counts those of torch."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or (int(said) if said.isdecimal() else 0) or cores
