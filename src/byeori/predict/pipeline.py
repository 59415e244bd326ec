"""transformers' `pipeline`, for our tasks: the same arguments in, the same shapes out, batched by length inside.

Every argument of the old pipelines is honoured or refused by name, none swallowed. Lists are answered as lists; generators
and data sets stream, a window at a time, in order.

    classify = byeori.pipeline("text-classification", "run"); classify("…")      # [{"label": …, "score": …}]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from byeori import settings
from byeori.errors import DataError, SettingError
from byeori.predict.engine import WINDOW, chunks, columns
from byeori.predict.options import TOLD, Using
from byeori.predict.run import Run, load_run
from byeori.settings import setting

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
CUTS = settings.names(Using)["truncation"].metadata["choices"]


@dataclass(kw_only=True)
class Sizes:
    """What transformers' pipelines take and packs make needless: the answer is the same for every value they know."""

    batch_size: int | None = setting(None, "batches are made by tokens", least=1)
    num_workers: int | None = setting(None, "nothing is loaded by workers", least=0)
    padding: bool | str | None = setting(None, "nothing is padded", choices=("longest", "max_length", "do_not_pad"))
    truncation: bool | str | None = setting(
        None,
        "what is too long is always cut, the longer text of a pair first",
        choices=("longest_first", "only_first", "only_second", "do_not_truncate", *CUTS),
    )


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
        given = {**self.defaults, **_known(call, self.run)}
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
        found = []
        for part in chunks(rows, WINDOW):
            store = self.run.engine.encode(columns(part), chosen)
            found += self.task.decode(self.run.engine.run(store, call=chosen), store, chosen)
        return found

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

    `device`: as transformers (−1, 0, "cuda:0", torch.device) or ours; `dtype`/`torch_dtype` stand for `precision`.
    `truncation` head, tail or middle, `threads` and `problem_type` as in `load_run`; further options are defaults of each
    call (top_k…).
    """
    if model is None:
        raise SettingError(f"pipeline({task!r}): no model is named. Give a run, a folder or a Hub id as model=.")
    for old in ("dtype", "torch_dtype"):
        if (dtype := options.pop(old, None)) is not None:
            asked = str(dtype).removeprefix("torch.")
            (using,) = settings.read({"precision": asked}, Using, where=f"{old}={dtype}")
            precision = using.precision
    if options.pop("device_map", None) not in (None, "auto"):
        raise SettingError("device_map: one model runs on one device here; give device=.")
    own = {name: options.pop(name) for name in ("threads", *TOLD) if name in options}
    if options.get("truncation") in CUTS:
        own["truncation"] = options.pop("truncation")
    run = load_run(
        model, task=task, tokenizer=tokenizer, device=_device(device), precision=precision, revision=revision,
        max_length=max_length, trust_remote_code=trust_remote_code, **own,
    )  # fmt: skip
    return Pipeline(run, _known(options, run, tuple(settings.names(Using))))


def _known(options: dict[str, Any], run: Run, others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Call settings only: sizes are checked and left out, old arguments answered, what nobody knows is refused.

    `others` are names that could have been meant beside those of a call.
    """
    where, call = run.task.name, settings.names(run.task.Call)
    for name in options:
        if name in REFUSED:
            raise SettingError(f"{where}: {name} is not taken. {REFUSED[name]}")
        if name not in {**call, **settings.names(Sizes)}:
            raise SettingError(settings.unknown(name, [*call, *others], where))
    (sizes,) = settings.read(
        {name: options[name] for name in settings.names(Sizes) if name in options}, Sizes, where=where
    )
    _check_truncation(sizes.truncation, run)
    return {name: value for name, value in options.items() if name in call}


def _check_truncation(asked: bool | str | None, run: Run) -> None:
    """Raises SettingError for one that would not be done."""
    start, cut = f"{run.task.name}: truncation={asked!r} is not taken: ", run.engine.encoder.truncation
    if asked in (False, "do_not_truncate"):
        raise SettingError(f"{start}a text longer than the model can't be run. Give max_length to load_run.")
    if asked == "only_second" or (asked == "only_first" and getattr(run.task, "pair", None) is not False):
        raise SettingError(f"{start}of a pair the longer text is cut first. Leave it out.")
    if asked in CUTS and asked != cut:
        raise SettingError(f"{start}this model's texts are cut by {cut}. Give it to pipeline(…) itself.")


def _device(given: Any) -> str:
    if given is None:
        return "auto"
    if isinstance(given, int) and not isinstance(given, bool):
        return "cpu" if given < 0 else f"cuda:{given}"
    return str(given)


def _items(data: Any) -> Iterator[Any]:
    """A torch Dataset has a length and items, and no iterator that ends."""
    return (data[i] for i in range(len(data)))
