"""What can't be used is refused in a sentence, nothing hangs, no error is the server's own."""

from __future__ import annotations

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from byeori.serve import server as server_module
from byeori.serve.protocol import Protocol
from byeori.serve.server import running
from pipelines import A, B

CLS = "/models/text-classification"
LM = "/models/text-generation"
TALK = "/v1/chat/completions"

# path, body, what the sentence says, the field
REFUSED: list[tuple[str, Any, str, str | None]] = [
    (CLS, {}, "there is no input", "inputs"),
    (CLS, {"inputs": None}, "inputs is NoneType", "inputs"),
    (CLS, {"inputs": 5}, "inputs is int", "inputs"),
    (CLS, {"inputs": []}, "inputs is an empty list", "inputs"),
    (CLS, {"inputs": ["a", 5]}, "input 2 is int '5'", "inputs"),
    (CLS, {"inputs": {"texte": "a"}}, "input 1 is dict", "inputs"),
    (CLS, {"inputs": {"text": 5}}, "input 1: text is int '5', not a text", "inputs"),
    (CLS, {"inputs": A, "parameters": []}, "parameters is list", "parameters"),
    (CLS, {"inputs": A, "parameters": {"top_k": 0}}, "top_k=0: it must be at least 1", "parameters.top_k"),
    (CLS, {"inputs": A, "top_k": "many"}, "top_k='many': one of default, none or a whole number is needed", "top_k"),
    (CLS, {"inputs": A, "top_k": 2, "parameters": {"top_k": 3}}, "top_k is given twice", "top_k"),
    (CLS, {"inputs": A, "parameters": {"topk": 2}}, "there is no setting topk. Did you mean top_k?", "parameters.topk"),
    (CLS, {"inputs": A, "parameters": {"max_length": 10**9}}, "max_length", "parameters.max_length"),
    (CLS, {"inputs": A, "options": {"wait": 1}}, "options.wait: there is no such option", "options.wait"),
    (CLS, {"inputs": A, "stream": True}, "text-classification writes no text", "stream"),
    (CLS, {"inputs": A, "stream": "yes"}, "stream='yes': true or false is needed", "stream"),
    ("/models/question-answering", {"inputs": {"question": "a"}}, "context", "inputs"),
    ("/models/zero-shot-classification", {"inputs": A}, "candidate_labels", None),
    ("/models/fill-mask", {"inputs": "no mask"}, "mask", "inputs"),
    ("/models/summarization", {"inputs": "  "}, "input 1 is empty", "inputs"),
    ("/models/feature-extraction", {"inputs": A, "truncation_direction": "left"}, "is not taken", "truncation_direction"),
    ("/models/feature-extraction", {"inputs": A, "return_tensors": "pt"}, "answers are JSON", "return_tensors"),
    ("/models/feature-extraction", {"inputs": {"source_sentence": A}}, "a list of sentences", "inputs"),
    (LM, {"inputs": A, "parameters": {"max_new_tokens": 10**6}}, "max_new_tokens=1000000: the model has room", "parameters.max_new_tokens"),
    (LM, {"inputs": A, "parameters": {"temperature": "hot"}}, "temperature='hot': a number is needed", "parameters.temperature"),
    (LM, {"inputs": A, "parameters": {"watermark": True}}, "watermark=True is not taken", "parameters.watermark"),
    (LM, {"inputs": [A, B], "stream": True}, "one input with one text can be streamed", "stream"),
    (LM, {"inputs": A, "parameters": {"num_return_sequences": 2}}, "num_return_sequences=2: there is 1 beam",
    "parameters.num_return_sequences"),
    (LM, {"inputs": "가나다 " * 400}, "the prompt that begins with", "inputs"),
    (TALK, {"model": "chat"}, "messages: a list", "messages"),
    (TALK, {"model": "chat", "messages": [{"role": "user"}]}, "messages[0].content is None", "messages[0].content"),
    (TALK, {"model": "chat", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    "reads texts alone", "messages[0].content"),
    (TALK, {"model": "text-generation", "messages": [{"role": "user", "content": A}]}, "no chat template", "messages"),
    (TALK, {"model": "text-classification", "messages": [{"role": "user", "content": A}]}, "is needed", "model"),
    (TALK, {"messages": [{"role": "user", "content": A}]}, "model: a name is needed", "model"),
    (TALK, {"model": "chat", "messages": [{"role": "user", "content": A}], "tools": [{}]}, "tools=[{}] is not taken", "tools"),
    (TALK, {"model": "chat", "messages": [{"role": "user", "content": A}], "max_tokens": 0}, "it must be at least 1", "max_new_tokens"),
    ("/v1/completions", {"model": "text-generation", "prompt": [5, 6]}, "no token ids", "prompt"),
    ("/v1/embeddings", {"model": "feature-extraction", "input": []}, "a text or a list of texts is needed", "input"),
    ("/v1/embeddings", {"model": "text-generation", "input": A}, "it is no encoder", "model"),
    ("/pipeline/question", {"inputs": A}, "there is no task 'question'", "task"),
]  # fmt: skip
STATUS = {"/pipeline/question": 404}


@pytest.mark.parametrize(
    "path, body, says, field", REFUSED, ids=[f"{path}-{says[:30]}" for path, _, says, _ in REFUSED]
)
def test_says_what_and_where(served, path, body, says, field):
    found = served.refused(path, body, STATUS.get(path, 400))
    if path.startswith("/v1"):
        sentence, place = found["error"]["message"], found["error"]["param"]
    else:
        sentence, place = found["error"], found.get("field")
    assert says in sentence, sentence
    assert field is None or place == field, (place, sentence)


BODIES: list[tuple[bytes, str]] = [
    (b"", "the body is empty"),
    (b"{", "the body is not JSON"),
    (b'{"inputs": "a",}', "the body is not JSON"),
    (b"[1]", "the body is a list"),
    (b'"inputs"', "the body is a text"),
    (b'{"inputs": NaN}', "NaN is no JSON number"),
    (b'{"inputs": "a", "top_k": Infinity}', "Infinity is no JSON number"),
    (b'{"inputs": "a", "top_k": 1e999}', "too large a number"),
    (b'{"inputs": "a", "top_k": ' + b"9" * 5_000 + b"}", "the body is not JSON"),
    (b'{"inputs": "\xff\xfe"}', "the body is not UTF-8: byte 12"),
    ('{"inputs": "한국어"}'.encode("cp949"), "the body is not UTF-8"),
    (b'{"inputs": "\\ud83d"}', "inputs: the text holds half a character"),
    (b'{"inputs": ["a", {"text": "\\udc00"}]}', "inputs[1].text: the text holds half a character"),
    (b'{"\\ud83d": "a", "inputs": "a"}', "half a character"),
    (b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
    (b'{"inputs": ' + b'{"a":' * 50 + b"1" + b"}" * 50 + b"}", "nested deeper than 32"),
    (b"\x00\x01\x02", "the body is not JSON"),
    (b'{"inputs": "a"}{"inputs": "b"}', "the body is not JSON"),
]  # fmt: skip


@pytest.mark.parametrize("body, says", BODIES, ids=[str(place) for place in range(len(BODIES))])
def test_bodies_that_are_no_json_of_texts(served, body, says):
    assert says in served.refused(CLS, body)["error"]


def test_emoji_and_nothing_are_texts(served):
    assert served.post("text-classification", "\U0001f600 좋아요 \u0000 \u200b") and served.post(
        "text-classification", ""
    )
    assert served.client.post(CLS, content=b'{"inputs": "\\ud83d\\ude00"}').status_code == 200


@pytest.mark.parametrize(
    "path", ["/models/../health", "/models/..%2f..%2fetc%2fpasswd", "/models/%00", "/models/a/b", "/models/", "//",
    "/models/text-classification/",
             "/models/%ED%95%9C", "/models/" + "a" * 5_000, "/models/text-classification%0aX", "/v1/../models/x", "/static/x"]
)  # fmt: skip
def test_paths_that_are_none(served, path):
    found = served.client.post(path, json={"inputs": A})
    assert found.status_code in (404, 405, 307) and len(found.text) < 1_000


def test_too_much_at_once(served, loaded):
    small = {"max_body_mb": 0.02, "max_request_rows": 8, "max_request_tokens": 400}
    with running(
        {name: loaded[name] for name in ("text-classification", "text-generation")}, log_requests=False, **small
    ) as server:
        post = httpx.Client(base_url=server.url, timeout=30).post
        for path, body, says in [
            (CLS, {"inputs": "a" * 30_000}, "the body is larger than 0.02 MB"),
            (CLS, {"inputs": ["a"] * 9}, "9 answers"),
            (CLS, {"inputs": [A * 20] * 8}, "this server takes 400"),
            (
                LM,
                {"inputs": A, "parameters": {"num_return_sequences": 10**9, "do_sample": True}},
                "1,000,000,000 answers",
            ),
            (LM, {"inputs": [A] * 8, "parameters": {"max_new_tokens": 100}}, "this server takes 400"),
        ]:
            found = post(path, json=body)
            assert found.status_code == 413 and says in found.json()["error"], found.text
        assert post(CLS, json={"inputs": A}).status_code == 200


def test_a_hundred_megabytes_are_refused_and_not_kept(served):
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    chunk = b" " * (1 << 20)

    def sent(chunked: bool) -> int:
        """By a plain socket: the answer may come while it is being sent."""
        with socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1])), timeout=30) as line:
            head = b"transfer-encoding: chunked" if chunked else b"content-length: 104857600"
            line.sendall(b"POST /models/text-classification HTTP/1.1\r\nhost: a\r\n" + head + b"\r\n\r\n")
            for _ in range(100):
                line.sendall(b"100000\r\n" + chunk + b"\r\n" if chunked else chunk)
            if chunked:
                line.sendall(b"0\r\n\r\n")
            return int(line.recv(100).split()[1])

    assert sent(False) == sent(True) == 413
    assert process.memory_info().rss - before < 60 << 20


def _line(served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(served.url.rsplit(":", 1)[1])), timeout=10)


def test_lines_that_are_no_http(served):
    post = b"POST /models/text-classification HTTP/1.1\r\nhost: a\r\ncontent-length: "
    both = post + b"5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    none = (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A" * 100_000)
    for said in (*none, post + b"-5\r\n\r\n", both):
        with _line(served) as line:
            line.sendall(said)
            line.shutdown(socket.SHUT_WR)
            answer = line.recv(4_096)
            assert not answer or b" 4" in answer[:16], answer


def test_slow_and_half_closed_lines_end(loaded, monkeypatch):
    monkeypatch.setattr(Protocol, "seconds", 0.4)
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.5)
    with running({"text-classification": loaded["text-classification"]}, log_requests=False) as server:
        port = int(server.url.rsplit(":", 1)[1])
        head = b"POST /models/text-classification HTTP/1.1\r\nhost: a\r\n"
        lines = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(4)]
        lines[1].sendall(head)  # no end of the head
        lines[2].sendall(head + b'content-length: 100\r\n\r\n{"inputs"')  # no end of the body
        lines[3].sendall(head + b'content-length: 100\r\n\r\n{"inputs"')
        lines[3].shutdown(socket.SHUT_WR)
        began = time.monotonic()
        answers = [line.recv(4_096) for line in lines]
        assert time.monotonic() - began < 4
        assert answers[0] == answers[1] == b"" and b" 408 " in answers[2][:16] and answers[3][:1] in (b"", b"H")
        assert httpx.post(f"{server.url}{CLS}", json={"inputs": A}, timeout=10).status_code == 200
        assert server.owner.waiting == 0


def test_a_few_hundred_random_bodies(served):
    """Pieces of bodies, cut, doubled and mixed up: always an answer, never the server's own error."""
    draw = random.Random(1)
    whole = [json.dumps(body).encode() for path, body, *_ in REFUSED if path.startswith("/models")]
    paths = ["/models/text-classification", "/models/token-classification", "/models/question-answering", "/models/fill-mask",
             "/models/zero-shot-classification", "/models/feature-extraction", "/models/multiple-choice",
             "/v1/embeddings", TALK]  # fmt: skip
    words: list[Any] = [
        A,
        "",
        None,
        True,
        0,
        -1,
        1.5,
        [],
        {},
        [A],
        [[A, B]],
        {"text": A},
        {"question": A, "context": B},
        {"a": [1]},
        "[MASK]",
    ]
    names = ["inputs", "parameters", "top_k", "text", "text_pair", "question", "context", "candidate_labels",
    "choices", "stream", "messages",
             "model", "input", "prompt", "targets", "doc_stride", "stride", "pooling", "tokens",
             "aggregation_strategy", "max_length"]  # fmt: skip

    def one(place: int) -> tuple[str, bytes]:
        if place % 3:
            body = {draw.choice(names): draw.choice(words) for _ in range(draw.randint(1, 5))}
            body.setdefault("inputs", draw.choice(words))
            return draw.choice(paths), json.dumps(body).encode()
        body = bytearray(draw.choice(whole))
        for _ in range(draw.randint(1, 6)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        return draw.choice(paths), bytes(body[: draw.randint(1, len(body))])

    def status(given: tuple[str, bytes]) -> int:
        return served.client.post(given[0], content=given[1]).status_code

    made = [one(place) for place in range(300)]
    with ThreadPoolExecutor(4) as clients:
        found = list(clients.map(status, made))
    assert not [(given, code) for given, code in zip(made, found, strict=True) if code not in (200, 400, 404, 413)]
