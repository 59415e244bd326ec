"""One contestant's round of `byeori bench predict`, from a file of rows to a file of answers, in a process of its own.

predict({"task": "text-classification", "model": "DIR", "rows": "rows.jsonl", "answers": "answers.jsonl", "how": {…}, …})["rate"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from byeori.bench import given, questions
from byeori.bench.clock import Clock, peak_mb
from byeori.bench.contestants import words
from byeori.bench.padding import Padding
from byeori.run import dumps

WARM = 8  # rows predicted before the clock starts
TASKS = (
    "text-classification", "token-classification", "question-answering", "zero-shot-classification", "feature-extraction",
)  # fmt: skip
Rows = list[dict[str, Any]]
Predict = Callable[[Rows], list[Any]]  # rows → an answer each, as `same` compares them


def predict(job: dict[str, Any]) -> dict[str, Any]:
    """{"rate": rows a second, …, what it took}; the answers are in the file job["answers"], a line a row."""
    from byeori.models.device import device_for, precision_for, set_threads

    device = device_for(job["device"])
    job = {**job, "precision": precision_for(job["how"]["precision"], device)}
    if job["ours"]:
        clock, padding = _ours(job)
    else:
        set_threads(job["threads"])
        contestant, padding = _theirs(job, device)
        contestant(given.read_lines(job["rows"])[:WARM])
        padding.places = padding.tokens = 0
        with Clock() as clock:
            _write(job["answers"], contestant(given.read_lines(job["rows"])))
    took = clock.found()
    return {
        **took, "rate": job["count"] / max(took["seconds"], 1e-9), "memory_mb": peak_mb(device),
        "padding": padding.share,
        "precision": job["precision"],
    }  # fmt: skip


def _write(path: str, answers: list[Any]) -> None:
    Path(path).write_text("".join(dumps(one) + "\n" for one in answers), encoding="utf-8")


# Byeori ---------------------------------------------------------------------------------------------------------------
def call_of(task: str, call: dict[str, Any]) -> dict[str, Any]:
    """The settings of Byeori's call under which it is asked what the others are."""
    asked: dict[str, dict[str, Any]] = {
        "text-classification": {"top_k": 1},
        "token-classification": {"aggregation_strategy": "simple"},
        "question-answering": {"max_answer_len": questions.LONGEST, "align_to_words": False},
        "feature-extraction": {"pooling": "mean"},
    }
    return {**asked.get(task, {}), **call}


def _ours(job: dict[str, Any]) -> tuple[Clock, Padding]:
    """As `byeori predict` does it, file → file."""
    from byeori.predict.files import predict_file
    from byeori.predict.run import load_to_predict

    using = {name: job[name] for name in ("device", "precision", "threads", "max_length")}
    run, more = load_to_predict(job["model"], {"task": job["task"], **using})
    call = {**call_of(job["task"], job["call"]), **more}
    run.predict(given.read_lines(job["rows"])[:WARM], **call)
    written = f"{job['answers']}.npy" if job["task"] == "feature-extraction" else f"{job['answers']}.jsonl"
    padding, spent = Padding(), run.engine.spent
    spent.tokens = spent.computed = 0
    with Clock() as clock:
        predict_file(run, job["rows"], written, call=call, read={})
    if written.endswith(".npy"):
        import numpy as np

        answers = np.load(written).tolist()
    else:
        model: Any = run.model
        number = bool(model.config.num_labels == 1)
        answers = [answer(job["task"], line["prediction"], number) for line in given.read_lines(written)]
    _write(job["answers"], answers)
    padding.tokens, padding.places = spent.tokens, spent.computed
    return clock, padding


def answer(task: str, prediction: Any, number: bool = False) -> Any:
    """What is compared of a prediction as a pipeline gives it."""
    if task == "token-classification":
        return [[one["entity_group"], one["start"], one["end"]] for one in prediction]
    if task == "zero-shot-classification":
        return prediction["labels"][0]
    if task == "question-answering":
        return prediction["answer"]
    best = prediction[0] if isinstance(prediction, list) else prediction
    return float(best["score"]) if number else best["label"]  # `number`: a model of one label, as a regression's


# transformers ---------------------------------------------------------------------------------------------------------
def _theirs(job: dict[str, Any], device: Any) -> tuple[Predict, Padding]:
    import transformers

    transformers.logging.set_verbosity_error()
    if job["task"] == "question-answering":
        return _loop(job, device)
    return piped(
        job["task"], job["model"], device=device, precision=job["precision"], max_length=job["max_length"],
        batch_size=job["how"]["batch_size"], call=job["call"],
    )  # fmt: skip


def piped(
    task: str,
    model: str,
    *,
    device: Any = "cpu",
    precision: str = "float32",
    max_length: int = 512,
    batch_size: int = 1,
    call: dict[str, Any] | None = None,
) -> tuple[Predict, Padding]:
    """transformers' pipeline: as it comes, a row at a time; with a `batch_size` sorted by length, in batches of it."""
    import torch
    import transformers

    more: dict[str, Any] = {"aggregation_strategy": "simple"} if task == "token-classification" else {}
    pipe: Any = transformers.pipeline(task, model=model, device=device, dtype=getattr(torch, precision), **more)
    pipe.tokenizer.model_max_length = max_length
    padding = Padding()
    padding.watch(pipe.model)
    asked: dict[str, Any] = dict(call or {})
    if task in ("text-classification", "feature-extraction"):
        asked["truncation"] = True
    if isinstance(asked.get("candidate_labels"), str):
        asked["candidate_labels"] = words(asked["candidate_labels"])
    answers = _vectors(pipe, asked) if task == "feature-extraction" else _answers(pipe, task, asked)
    return answers if batch_size == 1 else _sorted(pipe.tokenizer, answers, batch_size), padding


def _answers(pipe: Any, task: str, call: dict[str, Any]) -> Callable[..., list[Any]]:
    def asked(rows: Rows, **batches: Any) -> list[Any]:
        texts = [row if "text_pair" in row else row["text"] for row in rows]
        number = pipe.model.config.num_labels == 1
        return [answer(task, one, number) for one in pipe(texts, **call, **batches)]

    return asked


def _vectors(pipe: Any, call: dict[str, Any]) -> Callable[..., list[Any]]:
    """The mean of a text's token vectors, of its own tokens alone: of a batch the pipeline returns the padding's too."""

    def asked(rows: Rows, **batches: Any) -> list[Any]:
        texts = [row["text"] for row in rows]
        cut = {"truncation": True, "max_length": pipe.tokenizer.model_max_length}
        lengths = map(len, pipe.tokenizer(texts, **cut)["input_ids"]) if batches else [None] * len(rows)
        found = pipe(texts, return_tensors=True, **call, **batches)
        means = [one[0][:length].float().mean(0).tolist() for one, length in zip(found, lengths, strict=True)]
        return means

    return asked


def _sorted(tokenizer: Any, asked: Callable[..., list[Any]], batch_size: int) -> Predict:
    """The longest first, in batches, and back into order."""

    def predict(rows: Rows) -> list[Any]:
        texts = [f"{row['text']} {row.get('text_pair', '')}" for row in rows]
        lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
        order = sorted(range(len(rows)), key=lambda place: -lengths[place])
        found: list[Any] = [None] * len(rows)
        answers = asked([rows[place] for place in order], batch_size=batch_size)
        for place, one in zip(order, answers, strict=True):
            found[place] = one
        return found

    return predict


def _loop(job: dict[str, Any], device: Any) -> tuple[Predict, Padding]:
    """The course's chapter on question answering: windows, batches, the best of the n best spans.

    As it comes each window is padded to the full length; tuned, windows of like length go together.
    """
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(job["model"])
    dtype = getattr(torch, job["precision"])
    model: Any = transformers.AutoModelForQuestionAnswering.from_pretrained(job["model"], dtype=dtype)
    model = model.to(device).eval()
    padding = Padding()
    padding.watch(model)
    size, tuned = job["how"]["batch_size"], job["how"].get("order") == "sorted"

    def batches(windows: Any) -> Iterator[tuple[list[int], Any]]:
        places = list(range(len(windows["input_ids"])))
        if tuned:
            places.sort(key=lambda place: -len(windows["input_ids"][place]))
        for at in range(0, len(places), size):
            some = places[at : at + size]
            rows = {
                name: [windows[name][place] for place in some]
                for name in tokenizer.model_input_names
                if name in windows
            }
            yield some, tokenizer.pad(rows, return_tensors="pt").to(device)

    def predict(rows: Rows) -> list[Any]:
        asked, contexts = [row["question"] for row in rows], [row["context"] for row in rows]
        padded = {} if tuned else {"padding": "max_length"}
        windows = questions.cut(tokenizer, asked, contexts, job["max_length"], job["stride"], **padded)
        start: list[Any] = [None] * len(windows["input_ids"])
        end: list[Any] = list(start)
        for some, batch in batches(windows):
            with torch.inference_mode():
                made = model(**batch)
            both = (made.start_logits.float().cpu().numpy(), made.end_logits.float().cpu().numpy())
            for place, first, last in zip(some, *both, strict=True):
                start[place], end[place] = first, last
        return questions.answered(contexts, windows, start, end, job["impossible"])

    return predict, padding
