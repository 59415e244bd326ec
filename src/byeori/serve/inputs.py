"""What a request of the Inference API asks → rows and the settings of a call, by the code that reads a call of the pipeline.

Invariants: an argument is taken, or refused in the pipeline's own sentence; what hosted APIs have under another name, or nested, is
the pipeline's setting of that meaning; nothing here touches a model.

    wanted = read(run, {"inputs": "…", "parameters": {"top_k": 2}}, limits); wanted.rows, wanted.call
"""

from __future__ import annotations

import inspect
from collections import ChainMap
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from byeori.errors import ByeoriError, DataError, SettingError
from byeori.predict import arguments
from byeori.serve.ask import Refused
from byeori.serve.lane import characters

if TYPE_CHECKING:
    from byeori.predict.run import Run

AROUND = ("inputs", "parameters", "options", "stream", "model")  # what a body holds beside parameters
OPTIONS = ("use_cache", "wait_for_model", "use_gpu")  # of the hosted API; they change nothing here
NESTED = ("generate_parameters", "generate_kwargs")
RENAMED = {"seed": "generation_seed", "truncate_prompt": "truncate"}
# Of text-generation-inference: the values of what isn't done here that ask for nothing.
IDLE: dict[str, tuple[Any, ...]] = {
    "best_of": (1,), "watermark": (False,), "decoder_input_details": (False,), "frequency_penalty": (0, 0.0),
    "presence_penalty": (0, 0.0), "top_n_tokens": (0,), "adapter_id": (), "grammar": (), "truncate": (),
}  # fmt: skip
# Of text-embeddings-inference.
VECTORS: dict[str, tuple[Any, ...]] = {
    "truncate": (True,), "truncation_direction": (), "prompt_name": (), "dimensions": (), "encoding_format": ("float",),
}  # fmt: skip
CHARACTERS = 16  # a token of a request that is too large to be looked at


@dataclass(frozen=True)
class Most:
    """Rows and tokens of a request."""

    rows: int
    tokens: int


@dataclass
class Wanted:
    """`rows` by role; `call`: the task's settings; `respond` takes predictions to what the pipeline returns for them."""

    rows: list[dict[str, Any]]
    call: Any
    length: int | None
    given: Any
    single: bool
    asked: ChainMap[str, Any]
    details: bool = False
    stream: bool = False
    cost: float = 1.0
    look: bool = False  # the tokens that are read are to be told
    extra: dict[str, Any] = field(default_factory=dict)


def read(run: Run, body: dict[str, Any], most: Most) -> Wanted:
    """Raises Refused, whose field is the place in the body."""
    try:
        return _read(run, body, most)
    except Refused as refused:
        name = (refused.field or "").removeprefix("parameters.")
        if name in body:
            refused.field = name
        raise


def _read(run: Run, body: dict[str, Any], most: Most) -> Wanted:
    parameters, stream = _parameters(body)
    task: Any = run.task
    details = bool(_taken(parameters, "details", bool, False))
    if (stream or details) and not task.generates:
        raise Refused(
            400, f"{'stream' if stream else 'details'}: {task.name} writes no text.", "stream" if stream else "details"
        )
    _translate(task, parameters)
    places = (body["inputs"],) if "inputs" in body else ()
    try:
        given, written, named = arguments.inputs(task, places, parameters)
        here = arguments.read(run, named)
        call = task.call_settings(here.values)
    except ByeoriError as error:
        raise Refused(400, str(error), field_of(error, parameters, body)) from error
    if not isinstance(given, str | dict | list):
        raise Refused(
            400, f"inputs is {type(given).__name__}: a text, an object or a list of them is needed.", "inputs"
        )
    if isinstance(given, list) and not given:
        raise Refused(400, "inputs is an empty list: give one text at least.", "inputs")
    if isinstance(given, list) and len(given) > most.rows:
        raise too_many(len(given), most)
    if _of(call, "return_tensors") and not task.generates:
        raise Refused(400, "return_tensors: answers are JSON here. Leave it out.", "parameters.return_tensors")
    try:
        reads: Any = task.inputs
        kind: Any = type(task)
        rows, single = reads(given, call=call) if _knows_call(kind) else reads(given)
    except ByeoriError as error:
        raise Refused(400, str(error), "inputs") from error
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise Refused(
            400, f"inputs: {task.name} can't read this ({type(error).__name__}). {_example(task)}", "inputs"
        ) from error
    if not rows:
        raise Refused(400, "inputs is an empty list: give one text at least.", "inputs")
    if stream and not (single and _of(call, "num_return_sequences", 1) == 1):
        raise Refused(400, "stream: one input with one text can be streamed. Ask for others without it.", "stream")
    cost = check_size(task, rows, call, most)
    return Wanted(rows, call, here.length, written, single, ChainMap(here.named), details, stream, cost)


@cache
def _knows_call(kind: Any) -> bool:
    """Whether words and texts look alike where a call doesn't say."""
    return "call" in inspect.signature(kind.inputs).parameters


def _parameters(body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Those under `parameters` and those beside `inputs`, and whether a stream is wanted."""
    found = body.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise Refused(
            400, f"parameters is {type(found).__name__}: an object of names and values is needed.", "parameters"
        )
    parameters = dict(found or {})
    for name, value in body.items():
        if name in AROUND:
            continue
        if name in parameters and parameters[name] != value:
            raise Refused(400, f"{name} is given twice, beside inputs and in parameters. Give it once.", name)
        parameters[name] = value
    options = body.get("options")
    if options is not None and not isinstance(options, dict):
        raise Refused(400, f"options is {type(options).__name__}: an object is needed.", "options")
    for name in options or {}:
        if name not in OPTIONS:
            raise Refused(
                400, f"options.{name}: there is no such option. There are {', '.join(OPTIONS)}.", f"options.{name}"
            )
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise Refused(400, f"stream={_short(stream)}: true or false is needed.", "stream")
    return parameters, bool(stream)


def _taken(parameters: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = parameters.pop(name, None)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise Refused(400, f"{name}={_short(value)}: true or false is needed.", f"parameters.{name}")
    return value


def _translate(task: Any, parameters: dict[str, Any]) -> None:
    """Names and values of hosted APIs, in the pipeline's words. Raises Refused for what isn't done here."""
    for nested in NESTED:
        inside = parameters.pop(nested, None)
        if inside is None:
            continue
        if not isinstance(inside, dict) or not task.generates:
            raise Refused(
                400, f"{nested}: an object of settings is needed, of a task that writes.", f"parameters.{nested}"
            )
        for name, value in inside.items():
            if parameters.get(name) is not None and parameters[name] != value:
                raise Refused(
                    400, f"{name} is given twice, the second time in {nested}. Give it once.", f"parameters.{name}"
                )
            parameters[name] = value
    if not task.generates and "seed" not in parameters and task.name != "feature-extraction":
        return
    for old, new in RENAMED.items():
        if task.generates and old in parameters:
            parameters[new] = parameters.pop(old)
    for name, fine in (IDLE if task.generates else VECTORS).items():
        value = parameters.get(name)
        if name in parameters:
            if value is not None and not any(type(value) is type(one) and value == one for one in fine):
                raise Refused(
                    400, f"{task.name}: {name}={_short(value)} is not taken: this server doesn't do that. Leave it out.",
                    f"parameters.{name}",
                )  # fmt: skip
            del parameters[name]


def check_size(task: Any, rows: list[dict[str, Any]], call: Any, most: Most) -> float:
    """What a request costs, about. Raises Refused for one that is too large to be looked at."""
    texts = max(int(_of(call, "num_return_sequences", 1) or 1), int(_of(call, "num_beams", 1) or 1))
    if len(rows) * texts > most.rows:
        raise too_many(len(rows) * texts, most)
    size = sum(map(characters, rows)) + 64 * len(rows)
    times = 1
    labels = _of(call, "candidate_labels")
    if labels is not None:
        times = len(labels.split(",")) if isinstance(labels, str) else len(labels) if isinstance(labels, list) else 1
    stride = _of(call, "doc_stride") or _of(call, "stride") or 0
    window = _of(call, "max_seq_len") or 0
    if stride and window:
        times = max(1, window // max(1, window - stride - (_of(call, "max_question_len") or 64)))
    targets = _of(call, "targets")
    if isinstance(targets, list):
        size += characters(targets)
    if size * times > CHARACTERS * most.tokens or len(rows) * times > CHARACTERS * most.rows:
        raise Refused(
            413, f"this request is too large: {size * times:,} characters are to be read, windows and labels counted, and this server "
            f"takes about {CHARACTERS * most.tokens:,} (--max-request-tokens). Ask in parts.", "inputs",
        )  # fmt: skip
    if not task.generates:
        return float(size * times)
    return size / 4 + 16.0 * len(rows) * texts * (_of(call, "max_new_tokens") or 64)


def too_many(count: int, most: Most) -> Refused:
    return Refused(
        413, f"this request asks for {count:,} answers (inputs, texts and beams), and this server gives {most.rows:,} at once "
        f"(--max-request-rows). Ask in parts.", "inputs",
    )  # fmt: skip


def field_of(error: ByeoriError, parameters: dict[str, Any], body: dict[str, Any]) -> str | None:
    """The place in the body that a sentence is about."""
    said = str(error)
    if isinstance(error, DataError) or "there is no input" in said or "the input is given twice" in said:
        return "inputs"
    for name in parameters:
        if f"{name}=" in said or f"setting {name}" in said or f" {name} " in said or f"{name}:" in said:
            return name if name in body else f"parameters.{name}"
    return "parameters" if isinstance(error, SettingError) else None


def _example(task: Any) -> str:
    wanted = ", ".join(f'"{role}": …' for role in task.needed)
    return f"Give {{{wanted}}}." if len(task.needed) > 1 else "Give a text."


def _of(call: Any, name: str, default: Any = None) -> Any:
    return getattr(call, name, default)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
