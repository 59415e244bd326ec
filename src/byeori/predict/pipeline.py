"""transformers' `pipeline`, for our tasks: the same arguments in, the same shapes out, batched by length inside.

Every argument of the old pipelines is honoured or refused by name, none swallowed. Lists are answered as lists; generators
and data sets stream, a window at a time, in order.

    classify = byeori.pipeline("text-classification", "run"); classify("…")      # [{"label": …, "score": …}]
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from byeori import settings
from byeori.errors import DataError, SettingError
from byeori.models.checks import DEFAULT_LENGTH, usable_length
from byeori.predict import arguments
from byeori.predict.arguments import CUTS, Asked
from byeori.predict.options import TOLD, Using
from byeori.predict.rows import WINDOW, chunks, columns, cutting, numbered_from
from byeori.predict.run import Run, load_run
from byeori.tasks import Task, named
from byeori.tasks.checkpoints import LANGUAGES, default

STREAMED = 64  # rows of a stream taken together where each costs time or memory: texts to write, vectors of tokens
_said: set[str] = set()


class Pipeline:
    """Call it with one input or many. `run` is the model behind it; `asked` what `pipeline(…)` was given for its calls."""

    def __init__(self, run: Run, asked: Asked | None = None):
        self.run, self.asked = run, asked or Asked()
        self.task, self.tokenizer = run.task.name, run.tokenizer
        self.model: Any = run.model
        self.device, self.framework = run.engine.device, "pt"

    def __call__(self, *inputs: Any, **call: Any) -> Any:
        """Predictions: for one text, pair or dict as transformers gives them, for a list a list, else an iterator.

        Inputs come by place or by name (question=…, context=…). Raises DataError for inputs that are no texts,
        SettingError for an argument that isn't one.
        """
        given, written, call = arguments.inputs(self.run.task, inputs, call)
        here = arguments.read(self.run, call)
        chosen = self.run.task.call_settings(arguments.merged(self.asked.values, here.values))
        asked: ChainMap[str, Any] = ChainMap(here.named, self.asked.named)
        given = _checked(given)
        if _is_stream(given):
            return self._stream(given, chosen, here.length, asked)
        one = not _is_input(given)  # an object of the caller's, such as a SquadExample
        rows, single = self._rows([given] if one else given, chosen)
        return self.run.task.respond(self._predict(rows, chosen, here.length), written, single or one, asked)

    predict = transform = __call__

    def stream(self, given: Any, **call: Any) -> Iterator[str]:
        """The new text of one input, piece by piece as it is written; by beam search, all at once. Arguments as in a call.

        Raises SettingError for a task that writes no texts, DataError for an input that is none.
        """
        here = arguments.read(self.run, call)
        chosen = self.run.task.call_settings(arguments.merged(self.asked.values, here.values))
        if not self.run.engine.has_losses:  # an export
            return self._at_once(_checked(given), chosen, here.length)
        from byeori.predict.streaming import streamed

        return streamed(self.run if here.length is None else self.run.cut_to(here.length), _checked(given), chosen)

    def _at_once(self, given: Any, chosen: Any, length: int | None) -> Iterator[str]:
        """The new text of one input as a single piece."""
        task: Any = self.run.task
        if not hasattr(task, "way") or chosen.num_return_sequences > 1:
            raise SettingError(f"{task.name}: one text that is written can be streamed. Call the pipeline instead.")
        rows, single = self._rows(given, chosen)
        if not single:
            raise SettingError("a list of inputs can't be streamed: give one text, or call the pipeline.")
        if hasattr(chosen, "return_full_text"):
            chosen = dataclasses.replace(chosen, return_full_text=False)
        (found,) = self._predict(rows, chosen, length)
        first = found[0] if isinstance(found, list) else found
        yield next(value for value in first.values() if isinstance(value, str))

    @property
    def dtype(self) -> Any:
        return self.model.dtype

    torch_dtype = dtype

    def _rows(self, given: Any, chosen: Any) -> tuple[list[dict[str, Any]], bool]:
        read: Any = self.run.task.inputs
        knows = "call" in inspect.signature(read).parameters  # words and texts look alike where a call doesn't say
        return read(given, call=chosen) if knows else read(given)

    def _predict(self, rows: list[dict[str, Any]], chosen: Any, length: int | None) -> list[Any]:
        found: list[Any] = []
        engine, encoder = self.run.engine, self.run.engine.encoder
        if length is not None:
            engine.encoder = cutting(encoder, length)
        try:
            for part in chunks(rows, WINDOW):
                with numbered_from(len(found)):
                    store = engine.encode(columns(part), chosen)
                found += engine.decode(engine.run(store, call=chosen), store, chosen)
        finally:
            engine.encoder = encoder
        return found

    def _stream(self, given: Any, chosen: Any, length: int | None, asked: ChainMap[str, Any]) -> Iterator[Any]:
        task = self.run.task
        window = getattr(task, "window", lambda *_: None)(chosen, self.run.engine.encoder.max_length)
        size = min(WINDOW, STREAMED) if task.generates or window is not None else WINDOW
        done = 0
        for batch in chunks(iter(given) if hasattr(given, "__iter__") else _items(given), size):
            with numbered_from(done):
                rows, _ = self._rows([dict(one) if isinstance(one, Mapping) else one for one in batch], chosen)
                found = self._predict(rows, chosen, length)
            for prediction in found:
                (answer,) = task.respond([prediction], given, False, asked)
                yield answer
            done += len(batch)

    def save_pretrained(self, folder: str | Path, safe_serialization: bool = True) -> None:
        """Model and tokenizer, as transformers' pipeline saves them; of a model that was trained here also its task.

        Raises SettingError where anything but safetensors is asked for.
        """
        if not safe_serialization:
            raise SettingError("safe_serialization=False is not taken: weights are always written as safetensors.")
        from byeori.predict.model_folder import write_files

        run, encoder, path = self.run, self.run.engine.encoder, Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        learnt = run.task if run.task.trains and not run.foreign else None
        decoding = {"max_length": encoder.max_length, "truncation": encoder.truncation}
        write_files(path, self.model, self.tokenizer, learnt, decoding)


def pipeline(
    task: Task | type[Task] | str | None = None,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    *,
    device: Any = None,
    precision: str = "auto",
    revision: str | None = None,
    max_length: int | None = None,
    trust_remote_code: bool | None = None,
    lang: str | None = None,
    **options: Any,
) -> Pipeline:
    """A pipeline of a run, a folder, a Hub id or a loaded model; without one, of the task's default checkpoint in `lang`
    ("en" or "ko"). `model` may be a Run, as `byeori.train` returns it. Raises SettingError, ModelError.

    `device`: as transformers (−1, 0, "cuda:0", torch.device) or ours; `dtype`/`torch_dtype` stand for `precision`.
    `max_length`: tokens texts are cut to, or, of tasks that write, as in their calls. `truncation` head, tail or middle,
    `threads`, `pad_to`, `problem_type` and `clean_function` as in `load_run`; further options are defaults of each call (top_k…).
    """
    if config is not None:
        options["config"] = config
    if max_length is not None:
        options["max_length"] = max_length
    kind, carried = named(task) if isinstance(task, str) else (task, {})
    if model is None:
        model, revision = _default(kind, carried, lang, tokenizer, revision)
    elif lang is not None:
        raise SettingError(f"lang={lang!r}: it chooses a default model, and one is named. Leave it out.")
    options = _of_model(options)
    for old in ("dtype", "torch_dtype"):
        if (dtype := options.pop(old, None)) is not None:
            asked = str(dtype).removeprefix("torch.")
            (using,) = settings.read({"precision": asked}, Using, where=f"{old}={dtype}")
            if precision not in ("auto", using.precision):
                raise SettingError(f"{old}={asked} and {precision} are two precisions. Give one of them.")
            precision = using.precision
    if options.pop("device_map", None) not in (None, "auto"):
        raise SettingError("device_map: one model runs on one device here; give device=.")
    own = {name: options.pop(name) for name in ("threads", "clean_function", "pad_to", *TOLD) if name in options}
    if options.get("truncation") in CUTS:
        own["truncation"] = options.pop("truncation")
    run = load_run(
        model, task=task, tokenizer=_tokenizer(tokenizer), device=_device(device), precision=precision, revision=revision,
        trust_remote_code=trust_remote_code or False, **own,
    )  # fmt: skip
    if run.foreign and run is not model:
        _settle(run)
    found = arguments.read(run, options, tuple(settings.names(Using)))
    return Pipeline(run if found.length is None else run.cut_to(found.length), found)


def _default(
    kind: Any, carried: dict[str, str], lang: str | None, tokenizer: Any, revision: str | None
) -> tuple[str, str]:
    """The task's default checkpoint and its revision, and a line that says so, once."""
    if kind is None:
        raise SettingError(
            "pipeline(): neither a task nor a model is named. Give a run, a folder or a Hub id as model=."
        )
    if tokenizer is not None:
        raise SettingError(
            "pipeline(): a tokenizer is named and no model; the default model has its own. Name the model too."
        )
    if lang is not None and lang not in LANGUAGES and not carried:
        default(kind.name, lang)  # raises
    pair = "-".join(carried.values())
    chosen = default(kind.name, pair or lang or "en")
    if revision is not None:
        chosen = dataclasses.replace(chosen, revision=revision)
    _say(f"{kind.name}: no model is named, so it is {chosen}. Name one with model=, or lang= for another language.")
    return chosen.model, chosen.revision


def _say(sentence: str) -> None:
    """On standard error, once a process."""
    if sentence not in _said:
        _said.add(sentence)
        print(sentence, file=sys.stderr)


def _of_model(options: dict[str, Any]) -> dict[str, Any]:
    """With dtype and device_map of model_kwargs beside the others. Raises SettingError for what is left of it."""
    inside = options.get("model_kwargs")
    if not isinstance(inside, Mapping):
        return options
    known = ("torch_dtype", "dtype", "device_map")
    for name in inside:
        if name not in known:
            raise SettingError(
                f"model_kwargs: {name} is not taken. Load the model yourself with it and pass it as model=."
            )
        if options.get(name) is not None:
            raise SettingError(f"{name} is given twice, the second time in model_kwargs. Give it once.")
    return {**{name: value for name, value in options.items() if name != "model_kwargs"}, **inside}


def _settle(run: Run) -> None:
    """A model of others: texts are cut where it ends, as transformers has it, and not at the length of our trainings.

    T5 told "translation" alone writes the first language its configuration names.
    """
    run.engine.encoder = cutting(run.engine.encoder, usable_length(run.model, run.tokenizer) or DEFAULT_LENGTH)
    params = getattr(run.model.config, "task_specific_params", None) or {}
    if any(key in params for key in getattr(run.task, "task_keys", ())):
        return
    for key in params:
        if values := run.task.values_of(key):
            run.task.settings = dataclasses.replace(run.task.settings, **values)
            run.task.adopt(run.model.config)
            _say(
                f"{run.task.name}: its languages are not named, so it is {key}, the first that the model's configuration names."
            )
            return


def _tokenizer(given: Any) -> Any:
    """Also (name, {"use_fast": True}), as transformers takes it."""
    if not isinstance(given, tuple):
        return given
    name, options = given if len(given) == 2 else (None, None)
    if not isinstance(options, Mapping):
        raise SettingError(f"tokenizer={given!r}: a name, a folder or a tokenizer object is needed.")
    rest = {key: value for key, value in options.items() if (key, value) != ("use_fast", True)}
    if rest:
        raise SettingError(
            f"tokenizer: {', '.join(rest)} is not taken. Load the tokenizer yourself with it and pass it."
        )
    return name


def _device(given: Any) -> str:
    """A number is the GPU of that number where there is one; without any, as in transformers, the CPU, and it is said."""
    if given is None:
        return "auto"
    if isinstance(given, int) and not isinstance(given, bool):
        import torch

        if given < 0:
            return "cpu"
        if torch.cuda.is_available():
            return f"cuda:{given}"
        if torch.backends.mps.is_available():
            return "mps"
        _say(f"device={given}: PyTorch sees no GPU here, so it runs on the CPU.")
        return "cpu"
    return str(given)


def _checked(given: Any) -> Any:
    """Raises DataError for a table, whose iterator gives the names of its columns."""
    if hasattr(given, "columns") and hasattr(given, "to_dict"):
        raise DataError(
            f"{type(given).__name__}: a table says not which column is the text. Give one (table['text'].tolist()), or its rows "
            f"(table.to_dict('records'))."
        )
    return dict(given) if isinstance(given, Mapping) else given


def _is_input(given: Any) -> bool:
    return isinstance(given, str | Mapping | tuple | list)


def _is_stream(given: Any) -> bool:
    return not _is_input(given) and (isinstance(given, Iterable) or hasattr(given, "__getitem__"))


def _items(data: Any) -> Iterator[Any]:
    """A torch Dataset has a length and items, and no iterator that ends."""
    return (data[i] for i in range(len(data)))
