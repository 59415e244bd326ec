"""OpenAI's completions, chat and embeddings: their bodies in the words of our tasks, our answers in their shapes.

Invariants: what is asked for and isn't done here is refused by its name, none is ignored; a text ends before its stop text, as there;
a model that nobody gave a temperature decodes in its own way, as in a call.

    body = completion({"prompt": "Once", "max_tokens": 5}); ...; completed(name, wanted, ask)
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from byeori.serve.answers import finish
from byeori.serve.ask import Ask, Refused

ENDS = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}
LEFT = (
    "model",
    "user",
    "stream",
    "stream_options",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
)
# What isn't done here, and the values of it that ask for nothing.
IDLE: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0, 0.0), "presence_penalty": (0, 0.0), "logit_bias": ({}, []), "best_of": (1,), "echo": (False,),
    "suffix": ("",), "top_logprobs": (0,), "response_format": ({"type": "text"},), "tools": ([],), "tool_choice": ("none", "auto"),
    "tool_prompt": ("",), "parallel_tool_calls": (True, False), "modalities": (["text"],), "dimensions": (),
    "reasoning_effort": ("none",), "functions": ([],), "function_call": ("none",), "audio": (), "prediction": (), "verbosity": (),
}  # fmt: skip
RENAMED = {
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "seed": "generation_seed",
    "n": "num_return_sequences",
}


def asked(body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The settings of a call that a body says beside its texts, and whether log-probabilities are wanted. Raises Refused."""
    found: dict[str, Any] = {}
    scored = False
    for name, value in body.items():
        if name in LEFT or name in ("prompt", "messages") or value is None:
            continue
        if name in IDLE:
            if not any(type(value) is type(one) and value == one for one in IDLE[name]):
                raise Refused(
                    400, f"{name}={_short(value)} is not taken: this server doesn't do that. Leave it out.", name
                )
        elif name == "logprobs":
            scored = _logprobs(value)
        else:
            known = RENAMED.get(name, name)
            if known in found and found[known] != value:
                raise Refused(400, f"{name}={_short(value)}: {known} is given twice. Give it once.", name)
            found[known] = value
    if isinstance(found.get("temperature"), int | float) and found["temperature"] == 0:
        del found["temperature"]
        found["do_sample"] = False
        for drawn in ("top_p", "top_k", "min_p"):
            found.pop(drawn, None)
    texts = found.get("num_return_sequences")
    if isinstance(texts, int) and texts > 1 and "temperature" not in found and "num_beams" not in found:
        found.setdefault("do_sample", True)
    return found, scored


def _logprobs(value: Any) -> bool:
    """Of completions a number of alternatives, of which there are none here, of chats true or false."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return True
    raise Refused(
        400, f"logprobs={_short(value)}: true, 0 or 1 is needed: only the token that was written has one.", "logprobs"
    )


def flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(400, f"{name}={_short(value)}: true or false is needed.", name)
    return bool(value)


def with_usage(body: dict[str, Any]) -> bool:
    """Whether a stream's last event counts tokens."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise Refused(400, f"stream_options={_short(options)}: an object is needed.", "stream_options")
    return bool(options.get("include_usage"))


def prompts(body: dict[str, Any]) -> str | list[str]:
    given = body.get("prompt")
    if isinstance(given, str):
        return given
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return given
    raise Refused(400, f"prompt is {_short(given)}: a text or a list of texts is needed, no token ids.", "prompt")


def messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Raises Refused for what is no conversation of texts."""
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise Refused(400, 'messages: a list of {"role": …, "content": …} is needed.', "messages")
    return [_message(one, f"messages[{place}]") for place, one in enumerate(given)]


def _message(one: Any, where: str) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(one.get("role"), str):
        raise Refused(400, f'{where} is {_short(one)}: {{"role": …, "content": …}} is needed.', where)
    content = one.get("content")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        content = None if None in parts else "".join(map(str, parts))
    if not isinstance(content, str):
        raise Refused(
            400,
            f"{where}.content is {_short(one.get('content'))}: a text is needed. This model reads texts alone.",
            f"{where}.content",
        )
    return {"role": one["role"], "content": content}


class Reply:
    """The answer to one request, whole or in events. `chat`: a conversation's turn, else a prompt's completion."""

    def __init__(self, name: str, chat: bool, stops: Any, task: Any, call: Any):
        self.name, self.chat, self.task, self.call = name, chat, task, call
        self.stops = [stops] if isinstance(stops, str) else list(stops or [])
        self.head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}", "created": int(time.time()), "model": name,
        }  # fmt: skip
        self.said, self.held, self.stopped = 0, "", False

    def whole(self, ask: Ask) -> dict[str, Any]:
        choices: list[dict[str, Any]] = []
        for row, written in zip(ask.answers, ask.written, strict=True):
            for place, one in enumerate(row):
                text = cut(one["generated_text"], self.stops)
                reason = "stop" if written is None else ENDS[finish(written, place)]
                content = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
                scores = None if written is None or place else self._scores(written)
                choices.append({"index": len(choices), **content, "logprobs": scores, "finish_reason": reason})
        kind = "chat.completion" if self.chat else "text_completion"
        return {**self.head, "object": kind, "choices": choices, "usage": usage(ask), "system_fingerprint": "byeori"}

    def _scores(self, written: Any) -> dict[str, Any] | None:
        if written.logprobs is None:
            return None
        ids = [*written.texts[0].ids, *([] if written.texts[0].end is None else [written.texts[0].end])]
        words = [self.task.tokenizer.decode([one]) for one in ids]
        if not self.chat:
            return {"tokens": words, "token_logprobs": written.logprobs, "top_logprobs": None, "text_offset": None}
        pairs = zip(words, written.logprobs, strict=False)
        return {"content": [
            {"token": word, "logprob": score, "bytes": list(word.encode()), "top_logprobs": []} for word, score in pairs
        ]}  # fmt: skip

    def events(self, event: dict[str, Any], first: bool) -> Iterator[dict[str, Any]]:
        """Those of one piece that was written."""
        if first and self.chat:
            yield self._event({"role": "assistant", "content": ""})
        last = event.get("last")
        piece = self._until_stop(event["text"], last is not None)
        if piece:
            yield self._event({"content": piece} if self.chat else piece)
        if last is not None:
            yield self._event({} if self.chat else "", ENDS[finish(last)])

    def _until_stop(self, text: str, last: bool) -> str:
        """What of the text so far is sure to come before a stop text."""
        if self.stopped:
            return ""
        self.held += text
        found = cut(self.held, self.stops)
        self.stopped = len(found) < len(self.held)
        keep = 0 if last or self.stopped else max((_begun(found, stop) for stop in self.stops), default=0)
        sure, self.held = found[: len(found) - keep], found[len(found) - keep :]
        return sure

    def _event(self, said: Any, reason: str | None = None) -> dict[str, Any]:
        content = {"delta": said} if self.chat else {"text": said}
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {
            **self.head,
            "object": kind,
            "choices": [{"index": 0, **content, "logprobs": None, "finish_reason": reason}],
        }

    def counted(self, ask: Ask) -> dict[str, Any]:
        """The event that counts tokens."""
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {**self.head, "object": kind, "choices": [], "usage": usage(ask)}


def cut(text: str, stops: list[str]) -> str:
    """Up to the first stop text."""
    places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    return text[: min(places)] if places else text


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text may begin a stop text."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def usage(ask: Ask) -> dict[str, int]:
    return {
        "prompt_tokens": ask.tokens,
        "completion_tokens": ask.new_tokens,
        "total_tokens": ask.tokens + ask.new_tokens,
    }


def embeddings_asked(body: dict[str, Any]) -> tuple[list[str], dict[str, Any], bool]:
    """Texts, the settings of feature-extraction, and whether vectors are wanted in base64. Raises Refused."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise Refused(400, f"input is {_short(given)}: a text or a list of texts is needed, no token ids.", "input")
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Refused(400, f"encoding_format={_short(form)}: float or base64 is needed.", "encoding_format")
    settings: dict[str, Any] = {"pooling": "mean", "normalize": True}
    for name, value in body.items():
        if name in LEFT or name in ("input", "encoding_format") or value is None:
            continue
        if name in IDLE:
            raise Refused(400, f"{name}={_short(value)} is not taken: this server doesn't do that. Leave it out.", name)
        settings[name] = value
    if settings["pooling"] == "none":
        raise Refused(400, "pooling='none': an embedding is one vector a text. Give mean or cls.", "pooling")
    return texts, settings, form == "base64"


def embedded(name: str, ask: Ask, coded: bool) -> dict[str, Any]:
    data = []
    for place, vector in enumerate(ask.answers):
        value = base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode() if coded else vector
        data.append({"object": "embedding", "index": place, "embedding": value})
    return {
        "object": "list", "data": data, "model": name, "usage": {"prompt_tokens": ask.tokens, "total_tokens": ask.tokens},
    }  # fmt: skip


def listed(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "byeori"}


def error(refused: Refused) -> dict[str, Any]:
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(refused.status, "invalid_request_error" if refused.status < 500 else "server_error")
    return {"error": {"message": refused.sentence, "type": kind, "param": refused.field, "code": refused.status}}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
