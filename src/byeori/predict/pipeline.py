"""transformers' `pipeline`, for our tasks: the same arguments in, the same shapes out, batched by length inside.

Every argument of the old pipelines is honoured or refused by name, none swallowed. Lists are answered as lists; generators
and data sets stream, a window at a time, in order.

    classify = byeori.pipeline("text-classification", "run"); classify("…")      # [{"label": …, "score": …}]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from byeori.errors import DataError, SettingError
from byeori.predict.engine import WINDOW, chunks
from byeori.predict.run import Run, load_run
from byeori.tasks import Task, find

# Arguments of transformers' pipelines that there is nothing to do for: what to say instead of ignoring them.
REFUSED = {
    "framework": "PyTorch is the only framework.",
    "return_all_scores": "Use top_k=None.",
    "grouped_entities": "Use aggregation_strategy.",
    "use_fast": "The fast tokenizer is always taken where there is one.",
    "model_kwargs": "Load the model yourself with these and pass it as model=.",
    "config": "Load the model yourself with it and pass it as model=.",
    "feature_extractor": "These are text tasks.",
    "image_processor": "These are text tasks.",
    "processor": "These are text tasks.",
    "pipeline_class": "Pass an own task as FILE.py:CLASS.",
    "use_auth_token": "Set HF_TOKEN in the environment.",
    "token": "Set HF_TOKEN in the environment.",
    "binary_output": "Write the result yourself.",
    "max_length": "Give it to pipeline(…) itself: one length holds for a model's calls.",
}
IGNORED_SIZES = ("batch_size", "num_workers", "padding")  # batches are made by tokens; the numbers are the same
PRECISIONS = {"float32": "float32", "float16": "float16", "bfloat16": "bfloat16", "auto": "auto"}


class Pipeline:
    """Call it with one input or many. `run` is the model behind it."""

    def __init__(self, run: Run, defaults: dict[str, Any]):
        self.run, self.defaults = run, defaults
        self.task, self.tokenizer = run.task, run.tokenizer
        self.model: Any = run.model
        self.device = run.engine.device

    def __call__(self, inputs: Any, **call: Any) -> Any:
        """Predictions: for one text, pair or dict as transformers gives them, for a list a list, else an iterator.

        Raises DataError for inputs that are no texts, SettingError for an argument that isn't one.
        """
        given = {**self.defaults, **_known(call, self.task)}
        chosen = self.task.call_settings(given)
        if isinstance(inputs, str | dict | tuple):
            rows, _ = self.task.inputs(inputs)
            (found,) = self._predict(rows, chosen)
            # As transformers has it: a text is answered in a list, a dict is not, nor a text whose call says top_k.
            nested = not isinstance(found, list) or ("top_k" in self.defaults and "top_k" not in call)
            return [found] if isinstance(inputs, str) and nested else found
        if isinstance(inputs, list):
            rows, _ = self.task.inputs(inputs)
            return self._predict(rows, chosen)
        if not hasattr(inputs, "__iter__") and not hasattr(inputs, "__getitem__"):
            raise DataError(f"{type(inputs).__name__} {str(inputs)[:60]!r} is neither text nor a collection of texts.")
        return self._stream(inputs, chosen)

    def _predict(self, rows: list[dict[str, Any]], chosen: Any) -> list[Any]:
        parts = (self.task.decode(logits, chosen) for logits in self.run.engine.logits_of(rows))
        return list(itertools.chain.from_iterable(parts))

    def _stream(self, inputs: Any, chosen: Any) -> Iterator[Any]:
        for batch in chunks(iter(inputs) if hasattr(inputs, "__iter__") else _items(inputs), WINDOW):
            rows, _ = self.task.inputs(batch)
            yield from self._predict(rows, chosen)

    def save_pretrained(self, folder: str) -> None:
        """Model and tokenizer, as transformers' pipeline saves them."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def pipeline(
    task: str | None = None,
    model: Any = None,
    tokenizer: Any = None,
    *,
    device: Any = None,
    precision: str = "auto",
    revision: str | None = None,
    max_length: int | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> Pipeline:
    """A pipeline of a run, a folder, a Hub id or a loaded model. Raises SettingError, ModelError.

    `device`: as transformers (−1, 0, "cuda:0", torch.device) or ours; `dtype`/`torch_dtype` stand for `precision`;
    further options are defaults of each call (top_k…).
    """
    for old in ("dtype", "torch_dtype"):
        if old in options:
            name = str(options.pop(old)).removeprefix("torch.")
            if name not in PRECISIONS:
                raise SettingError(f"{old}={name!r}: one of {', '.join(PRECISIONS)} is needed.")
            precision = PRECISIONS[name]
    if options.pop("device_map", None) not in (None, "auto"):
        raise SettingError("device_map: one model runs on one device here; give device=.")
    if model is None:
        raise SettingError(f"pipeline({task!r}): no model is named. Give a run, a folder or a Hub id as model=.")
    if max_length is not None and (not isinstance(max_length, int) or max_length < 3):
        raise SettingError(f"max_length={max_length!r}: a whole number of tokens, 3 or more, is needed.")
    where = _device(device)
    if hasattr(model, "config") and hasattr(model, "forward"):
        run = _of_objects(task, model, tokenizer, where, precision, max_length)
    else:
        run = load_run(
            model, task=task, tokenizer=tokenizer, device=where, precision=precision, revision=revision,
            max_length=max_length, trust_remote_code=trust_remote_code,
        )  # fmt: skip
    return Pipeline(run, _known(options, run.task))


def _of_objects(
    task: str | None, model: Any, tokenizer: Any, device: str, precision: str, max_length: int | None
) -> Run:
    from byeori.models.device import device_for, precision_for
    from byeori.models.load import load_model
    from byeori.predict.engine import Engine
    from byeori.predict.run import DEFAULT_LENGTH

    if task is None:
        raise SettingError("pipeline(model=…): a model object doesn't say its task; give it as the first argument.")
    work = find(task)()
    work.adopt(model.config)
    loaded = load_model(model, work, tokenizer=tokenizer)
    where = device_for(device)
    length = min(max_length or DEFAULT_LENGTH, loaded.max_length or DEFAULT_LENGTH)
    engine = Engine(
        work,
        model.to(where),
        loaded.tokenizer,
        max_length=length,
        device=where,
        precision=precision_for(precision, where),
    )
    return Run(None, work, engine, {})


def _known(options: dict[str, Any], task: Task) -> dict[str, Any]:
    """Call settings only: sizes are left out, old arguments answered, the rest is refused by the settings."""
    for name in options:
        if name in REFUSED:
            raise SettingError(f"{task.name}: {name} is not taken. {REFUSED[name]}")
    if options.get("truncation") is False:
        raise SettingError(
            f"{task.name}: truncation=False is not taken: a text longer than the model can't be run. Give max_length to load_run."
        )
    return {name: value for name, value in options.items() if name not in IGNORED_SIZES and name != "truncation"}


def _device(given: Any) -> str:
    if given is None:
        return "auto"
    if isinstance(given, int) and not isinstance(given, bool):
        return "cpu" if given < 0 else f"cuda:{given}"
    return str(given)


def _items(data: Any) -> Iterator[Any]:
    """A torch Dataset has a length and items, and no iterator that ends."""
    return (data[i] for i in range(len(data)))
