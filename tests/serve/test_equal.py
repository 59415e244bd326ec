"""Served = called: what a server answers under mixed load is what the pipeline gives, row for row."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

import byeori
from byeori.serve.server import running
from labelled import close
from pipelines import MODELS
from vocabularies import texts

WRITE = {"max_new_tokens": 6}
LONG = " ".join(texts()[:30])  # longer than the models take
CLIENTS = 8


def asked(task: str) -> list[tuple[Any, dict[str, Any]]]:
    """Requests of a task: short and long ones, single and many, with settings of their own."""
    some = [texts()[place] for place in range(0, 36, 3)]
    singles: list[tuple[Any, dict[str, Any]]] = [(one, {}) for one in (*some, LONG)]
    if task == "text-classification":
        return [*singles, (some[:5], {}), ({"text": some[0], "text_pair": some[1]}, {}), (some[2], {"top_k": 2}),
        (some[:9], {"top_k": None}),
                (some[3], {"function_to_apply": "none", "max_length": 5})]  # fmt: skip
    if task == "token-classification":
        return [
            *singles,
            (some[:4], {"aggregation_strategy": "simple"}),
            (LONG, {"stride": 16, "aggregation_strategy": "first"}),
            (some[1], {"ignore_labels": []}),
        ]
    if task == "question-answering":
        rows = [{"question": "누가 사나?", "context": one} for one in (*some, LONG)]
        return [
            *((one, {}) for one in rows),
            (rows[:6], {}),
            (rows[-1], {"top_k": 3, "doc_stride": 8, "max_seq_len": 40}),
        ]
    if task == "fill-mask":
        masked = [f"{one[:12]} [MASK] {one[12:40]}" for one in some]
        return [
            *((one, {}) for one in masked),
            (masked[:4], {"top_k": 2}),
            (f"{masked[0]} [MASK]", {}),
            (masked[1], {"targets": ["a", "b"]}),
        ]
    if task == "zero-shot-classification":
        labels = {"candidate_labels": ["정치", "경제", "a much longer label"]}
        return [*((one, labels) for one, _ in singles), (some[:3], {**labels, "multi_label": True})]
    if task == "multiple-choice":
        rows = [{"text": one, "choices": some[: 2 + place % 3]} for place, one in enumerate(some)]
        return [*((one, {}) for one in rows), (rows[:5], {}), (rows[0], {"top_k": 2})]
    if task == "feature-extraction":
        return [*singles, (some[:5], {"pooling": "mean"}), (some[0], {"pooling": "cls", "normalize": True})]
    found = [(one, WRITE) for one in some]
    found += [(some[:3], WRITE), (some[4], {"max_new_tokens": 3, "num_beams": 3}), (some[5], {**WRITE,
    "do_sample": True, "generation_seed": 7}),
              (some[6], {**WRITE, "no_repeat_ngram_size": 1}), (some[7], {**WRITE, "num_return_sequences": 2,
              "do_sample": True, "seed": 3})]  # fmt: skip
    return found


def shaped(task: str, called: Any, single: bool) -> Any:
    """What the pipeline gives, as the Inference API has it."""
    if task == "text-classification":
        each = [called] if single else called
        each = [one if isinstance(one, list) else [one] for one in each]
        return each
    if task == "zero-shot-classification":
        each = [
            [{"label": one, "score": score} for one, score in zip(row["labels"], row["scores"], strict=True)]
            for row in ([called] if single else called)
        ]
        return each[0] if single else each
    return called


@pytest.fixture(scope="module")
def expected(loaded):
    """What each request's pipeline gives, called alone, before the server is asked."""
    found = {}
    for task in [*MODELS, "multiple-choice"]:
        pipe = byeori.pipeline(task, loaded[task])
        for given, parameters in asked(task):
            settings = {("generation_seed" if name == "seed" else name): value for name, value in parameters.items()}
            found[repr((task, given, parameters))] = shaped(task, pipe(given, **settings), not isinstance(given, list))
    return found


def test_every_task_under_mixed_load(expected, served):
    requests = [(task, given, parameters) for task in [*MODELS, "multiple-choice"] for given, parameters in asked(task)]
    random.Random(0).shuffle(requests)

    def ask(request: tuple[str, Any, dict[str, Any]]) -> Any:
        return served.post(request[0], request[1], **request[2])

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(ask, requests))
    wrong = [
        (request, answer, expected[repr(request)]) for request, answer in zip(requests, answers, strict=True)
        if not close(answer, expected[repr(request)])
    ]  # fmt: skip
    assert not wrong, f"{len(wrong)} of {len(requests)}: {wrong[0]}"


def test_small_batches_and_rows_longer_than_a_batch(expected, loaded):
    """With 24 tokens at once nearly every row is a batch, and one row's windows or labels are several."""
    tasks = ("text-classification", "question-answering", "zero-shot-classification", "multiple-choice")
    with running({task: loaded[task] for task in tasks}, batch_tokens=24, log_requests=False) as server:
        for task in tasks:
            for given, parameters in asked(task):
                found = httpx.post(
                    f"{server.url}/models/{task}", json={"inputs": given, "parameters": parameters}, timeout=60
                )
                assert close(found.json(), expected[repr((task, given, parameters))]), (task, given, parameters)


def test_bfloat16_under_load(tiny):
    family, values = MODELS["text-classification"]
    run = byeori.load_run(str(tiny(family, **values)), task="text-classification", precision="bfloat16", device="cpu")
    given = [one[:90] for one in texts()[:48]]
    alone = [byeori.pipeline("text-classification", run)(one, top_k=None) for one in given]
    with running({"it": run}, log_requests=False) as server, ThreadPoolExecutor(CLIENTS) as clients:

        def ask(text: str) -> Any:
            return httpx.post(
                f"{server.url}/models/it", json={"inputs": text, "parameters": {"top_k": None}}, timeout=60
            ).json()[0]

        for one, other in zip(clients.map(ask, given), alone, strict=True):
            scores = {row["label"]: row["score"] for row in other}
            assert all(abs(row["score"] - scores[row["label"]]) < 2e-2 for row in one)


def test_streams_are_what_a_call_writes(served, loaded):
    """Streamed pieces joined are the text; the last event has all of it."""
    for name in ("text-generation", "chat", "summarization"):
        prompts = [texts()[place] for place in range(0, 24, 4)]
        settings = {"max_new_tokens": 12, "do_sample": False}
        key = "summary_text" if name == "summarization" else "generated_text"
        new = {} if name == "summarization" else {"return_full_text": False}
        pipe = byeori.pipeline(loaded[name].task.name, loaded[name])
        called = [pipe(prompt, **settings, **new)[0][key] for prompt in prompts]

        def stream(prompt: str, name: str = name, new: dict = new, settings: dict = settings) -> tuple[str, str]:
            body = {"inputs": prompt, "parameters": {**settings, **new}, "stream": True}
            with httpx.stream("POST", f"{served.url}/models/{name}", json=body, timeout=60) as answer:
                assert answer.status_code == 200
                events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
            return "".join(one["token"]["text"] for one in events), events[-1]["generated_text"]

        with ThreadPoolExecutor(CLIENTS) as clients:
            assert list(clients.map(stream, prompts)) == [(one, one) for one in called]


def test_many_texts_of_many_settings(loaded):
    """More than there is room for, of more settings than are written at once: all answered, each as alone."""
    run = loaded["text-generation"]
    pipe = byeori.pipeline("text-generation", run)
    asked = [
        (texts()[place], {"max_new_tokens": 2 + place % 5, "repetition_penalty": 1 + place % 7 / 10})
        for place in range(42)
    ]
    alone = [pipe(text, **settings) for text, settings in asked]
    with running({"it": run}, log_requests=False) as server, ThreadPoolExecutor(21) as clients:

        def ask(one: tuple[str, dict[str, Any]]) -> Any:
            return httpx.post(
                f"{server.url}/models/it", json={"inputs": one[0], "parameters": one[1]}, timeout=60
            ).json()

        assert list(clients.map(ask, asked)) == alone
        several = httpx.post(
            f"{server.url}/models/it", json={"inputs": [text for text, _ in asked], "max_new_tokens": 4}, timeout=60
        )
        assert several.json() == pipe([text for text, _ in asked], max_new_tokens=4)
