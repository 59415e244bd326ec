"""What /openapi.json says of each path: bodies with examples, answers, refusals.

Invariants: every status that a path can answer with stands here.

    app.add_api_route(path, handler, **route(path, MODEL))
"""

from __future__ import annotations

from typing import Any

DESCRIPTION = (
    "Models of Byeori over HTTP. `POST /models/{name}` takes and answers what the Hugging Face Inference API does, so that "
    "`huggingface_hub.InferenceClient(model=URL)` works; `/v1/…` is OpenAI's."
)
JSON = "application/json"
SENTENCES = {
    400: "the body, a field or a value can't be used; the sentence says which and why", 401: "the token is missing or wrong",
    404: "there is no such model or path", 408: "the body didn't come in time", 413: "the request is too large",
    429: "too many requests wait; ask again after Retry-After seconds",
    503: "the models are being loaded, or the server is being stopped", 504: "the answer took too long",
}  # fmt: skip
ERROR = {
    "type": "object", "required": ["error"],
    "properties": {"error": {}, "error_type": {"type": "string"}, "field": {"type": "string"}},
}  # fmt: skip
ANY: dict[str, Any] = {}
INFERENCE = {
    "type": "object",
    "properties": {
        "inputs": {"description": "a text, an object by role (question and context, text and text_pair…) or a list of them"},
        "parameters": {"type": "object", "description": "the settings of a call, as `byeori predict --help` lists them"},
        "options": {"type": "object"},
        "stream": {"type": "boolean", "description": "of a model that writes: its tokens as server-sent events"},
    },
}  # fmt: skip
EXAMPLES = {
    "text-classification": {"inputs": "배송이 정말 빨라요", "parameters": {"top_k": 2}},
    "token-classification": {"inputs": "세종은 서울에 살았다.", "parameters": {"aggregation_strategy": "simple"}},
    "question-answering": {"inputs": {"question": "Where does he live?", "context": "He lives in Seoul."}},
    "summarization": {"inputs": "A long text…", "parameters": {"max_new_tokens": 40}},
    "text-generation": {
        "inputs": "Once upon a time",
        "parameters": {"max_new_tokens": 20, "details": True},
        "stream": True,
    },
    "zero-shot-classification": {
        "inputs": "It never came.",
        "parameters": {"candidate_labels": ["delivery", "refund"]},
    },
    "feature-extraction": {"inputs": ["one text", "another"], "pooling": "mean", "normalize": True},
}
MESSAGES = {"type": "array", "items": {"type": "object", "properties": {"role": {"type": "string"}, "content": {}}}}
COMMON = {
    "model": {"type": "string"}, "max_tokens": {"type": "integer", "minimum": 1}, "temperature": {"type": "number", "minimum": 0},
    "top_p": {"type": "number"}, "seed": {"type": "integer"}, "stop": {}, "n": {"type": "integer"}, "stream": {"type": "boolean"},
}  # fmt: skip


def _post(
    summary: str, schema: dict[str, Any], examples: dict[str, Any], stream: bool = True, answer: Any = None
) -> dict[str, Any]:
    content = {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}
    return {
        "summary": summary, "body": {"required": True, "content": {JSON: content}}, "stream": stream,
        "statuses": (400, 401, 404, 408, 413, 429, 503, 504), "answer": answer or ANY,
    }  # fmt: skip


def _get(summary: str, *statuses: int, answer: Any = None, kind: str = JSON) -> dict[str, Any]:
    return {
        "summary": summary,
        "body": None,
        "stream": False,
        "statuses": statuses,
        "answer": answer or {"type": "object"},
        "kind": kind,
    }


HEALTH = _get("Whether the server is alive", 401, 404, 503)
READY = _get("200 once the models can be asked", 503)
INFO = _get("The models, their tasks and labels, the server's limits", 401, 404, 503)
METRICS = _get("Counts and times, as Prometheus reads them", 401, 503, answer={"type": "string"}, kind="text/plain")
MODELS = _get("The models, as OpenAI lists them", 401, 404, 503)
MODEL = _post("Ask a model by its name", INFERENCE, EXAMPLES)
TASK = _post("Ask the only model of a task", INFERENCE, EXAMPLES)
CHAT = _post(
    "A conversation's next turn",
    {"type": "object", "required": ["messages"], "properties": {"messages": MESSAGES, **COMMON}},
    {"turn": {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 20}}, answer={"type": "object"},
)  # fmt: skip
COMPLETIONS = _post(
    "How a text goes on", {"type": "object", "required": ["prompt"], "properties": {"prompt": {}, **COMMON}},
    {"prompt": {"prompt": "Once upon a time", "max_tokens": 20}}, answer={"type": "object"},
)  # fmt: skip
EMBEDDINGS = _post(
    "Vectors of texts",
    {
        "type": "object", "required": ["input"],
        "properties": {"input": {}, "model": {"type": "string"}, "encoding_format": {"enum": ["float", "base64"]}},
    },
    {"texts": {"input": ["one text", "another"]}}, stream=False, answer={"type": "object"},
)  # fmt: skip


def route(path: str, said: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI is told of a path."""
    answer: dict[str, Any] = {said.get("kind", JSON): {"schema": said["answer"]}}
    if said["stream"]:
        answer["text/event-stream"] = {"schema": ANY}
    responses: dict[int | str, dict[str, Any]] = {200: {"description": "the answer", "content": answer}}
    for status in said["statuses"]:
        responses[status] = {"description": SENTENCES[status], "content": {JSON: {"schema": ERROR}}}
    if path == "/ready" or path.endswith("/health"):
        responses[503] = {"description": SENTENCES[503], "content": {JSON: {"schema": {"type": "object"}}}}
    extra = {} if said["body"] is None else {"requestBody": said["body"]}
    return {"summary": said["summary"], "responses": responses, "openapi_extra": extra, "operation_id": None}


def with_names(said: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The same with what a model's name, or a task's, may be in a path."""
    from byeori.tasks import TASKS

    known = {"name": names, "task": [one.name for one in TASKS]}
    for methods in said["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in known:
                    parameter["schema"]["enum"] = known[parameter["name"]]
            operation["responses"].pop("422", None)
    return said
