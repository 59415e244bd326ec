"""The HTTP API: which paths there are, what each takes and answers.

Invariants: a handler reads a body, has the owner answer it, shapes the answer, and does nothing else; whoever leaves before the
answer takes the request along; all refusals have one shape an API.

    app = Api(owner, limits, most, meters).app()
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

import byeori
from byeori.errors import SettingError
from byeori.serve import answers, chat, inputs, schema
from byeori.serve.ask import Ask, Refused
from byeori.serve.asking import Asking
from byeori.serve.bodies import Limits
from byeori.serve.door import refuse
from byeori.serve.inputs import Most, Wanted
from byeori.serve.meters import Meters
from byeori.serve.owner import Hosted, Owner
from byeori.serve.wire import json_answer, large_json, refused_answer


class Api(Asking):
    """`page`: what answers paths that are none of these (the playground), once there is one."""

    def __init__(self, owner: Owner, limits: Limits, most: Most, meters: Meters, log_texts: bool = False):
        super().__init__(owner, limits, most, meters, log_texts)
        self.models = {one.name: one for one in owner.hosted if one.of is None}
        self.started = int(time.time())
        self.page: Any = None
        self.draining = False

    def app(self) -> FastAPI:
        app = FastAPI(
            title="Byeori", version=byeori.__version__, docs_url=None, redoc_url=None, description=schema.DESCRIPTION,
        )  # fmt: skip
        routes: list[tuple[str, str, Callable[..., Awaitable[Response]], dict[str, Any]]] = [
            ("GET", "/health", self.health, schema.HEALTH),
            ("GET", "/ready", self.is_ready, schema.READY),
            ("GET", "/info", self.info, schema.INFO),
            ("GET", "/metrics", self.metrics, schema.METRICS),
            ("GET", "/v1/models", self.list_models, schema.MODELS),
            ("POST", "/v1/chat/completions", self.chat_completions, schema.CHAT),
            ("POST", "/v1/completions", self.completions, schema.COMPLETIONS),
            ("POST", "/v1/embeddings", self.embeddings, schema.EMBEDDINGS),
            ("POST", "/pipeline/{task}", self.by_task, schema.TASK),
            ("GET", "/models/{name}", self.model_info, schema.INFO),
            ("GET", "/models/{name}/info", self.model_info, schema.INFO),
            ("GET", "/models/{name}/health", self.model_health, schema.HEALTH),
            ("POST", "/models/{name}", self.by_name, schema.MODEL),
            ("GET", "/models/{name}/v1/models", self.list_models, schema.MODELS),
            ("POST", "/models/{name}/v1/chat/completions", self.chat_completions, schema.CHAT),
            ("POST", "/models/{name}/v1/completions", self.completions, schema.COMPLETIONS),
            ("POST", "/models/{name}/v1/embeddings", self.embeddings, schema.EMBEDDINGS),
        ]
        for method, path, handler, said in routes:
            app.add_api_route(
                path, _handling(handler, path), methods=[method], response_model=None, response_class=Response,
                **schema.route(path, said),
            )  # fmt: skip
        app.add_exception_handler(HTTPException, self._no_route)
        made = app.openapi  # with the names of the models that there are

        def openapi() -> dict[str, Any]:
            if app.openapi_schema is None:
                app.openapi_schema = schema.with_names(made(), list(self.models))
            return app.openapi_schema

        app.openapi = openapi  # type: ignore[method-assign]
        app.mount("/", self._page)
        return app

    def asgi(self) -> Any:
        """The app; what is asked most goes straight to its handler, past FastAPI's 0.2 ms, which reads no body here anyway."""
        app, by_name = self.app(), _handling(self.by_name, "/models/{name}")

        async def run(scope: Any, receive: Any, send: Any) -> None:
            name = scope["path"].removeprefix("/models/")
            if scope["method"] == "POST" and len(name) < len(scope["path"]) and name and "/" not in name:
                answer = await by_name(Request(scope, receive), name=name)
                await answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        return run

    async def _page(self, scope: Any, receive: Any, send: Any) -> None:
        if self.page is not None:
            await self.page(scope, receive, send)
            return
        await refuse(scope, send, Refused(404, "there is no such path. GET /openapi.json lists what there is."))

    async def _no_route(self, request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        said = {405: "this path takes another method. GET /openapi.json lists what there is."}
        refused = Refused(status, said.get(status, "there is no such path. GET /openapi.json lists what there is."))
        found = refused_answer(request, refused)
        for name, value in (getattr(error, "headers", None) or {}).items():
            found.headers[name] = value
        return found

    # what is told -------------------------------------------------------------------------------------------------
    async def health(self, request: Request) -> Response:
        return json_answer({"status": "ok"})

    async def is_ready(self, request: Request) -> Response:
        ready = self.owner.loaded and not self.draining
        return json_answer({"ready": ready, "models": list(self.models)}, 200 if ready else 503)

    async def info(self, request: Request) -> Response:
        return json_answer({
            "byeori": byeori.__version__, "ready": self.owner.loaded, "models": [_about(one) for one in self.models.values()],
            "limits": {
                "body_bytes": self.limits.size, "request_rows": self.most.rows, "request_tokens": self.most.tokens,
                "seconds": self.owner.timeout, "waiting_requests": self.owner.most,
            },
        })  # fmt: skip

    async def metrics(self, request: Request) -> Response:
        return PlainTextResponse(self.meters.text(), media_type="text/plain; version=0.0.4")

    async def model_info(self, request: Request, name: str) -> Response:
        return json_answer(_about(self._named(name)))

    async def model_health(self, request: Request, name: str) -> Response:
        one = self._named(name)
        return json_answer({"status": "ok" if one.lane else "loading"}, 200 if one.lane else 503)

    async def list_models(self, request: Request, name: str | None = None) -> Response:
        names = [self._named(name).name] if name is not None else list(self.models)
        return json_answer({"object": "list", "data": [chat.listed(one, self.started) for one in names]})

    # the Inference API --------------------------------------------------------------------------------------------
    async def by_name(self, request: Request, name: str) -> Response:
        return await self._infer(request, self._named(name))

    async def by_task(self, request: Request, task: str) -> Response:
        return await self._infer(request, self._of_task(task))

    async def _infer(self, request: Request, one: Hosted) -> Response:
        run = self._loaded(request, one)
        body = await self._body(request)
        if "source_sentence" in _inside(body) and run.task.name == "feature-extraction":
            return await self._similar(request, one, body)
        wanted = inputs.read(run, body, self.most)
        if wanted.stream:
            return await self._streamed(
                request, one, wanted, lambda ask, events: self._tokens(run.task, wanted, ask, events)
            )
        ask = await self._answered(request, one, wanted)
        return await large_json(answers.answer(run.task, wanted, ask))

    async def _similar(self, request: Request, one: Hosted, body: dict[str, Any]) -> Response:
        """How alike sentences are: the cosine of their vectors, as sentence-similarity has it."""
        given = body["inputs"]
        texts = [
            given.get("source_sentence"),
            *(given.get("sentences") if isinstance(given.get("sentences"), list) else [None]),
        ]
        if len(texts) < 2 or not all(isinstance(text, str) for text in texts):
            raise Refused(400, "inputs: a source_sentence and a list of sentences are needed.", "inputs")
        others = {name: value for name, value in body.items() if name != "inputs"}
        asked = inputs.read(one.run, {"pooling": "mean", **others, "normalize": True, "inputs": texts}, self.most)  # type: ignore[arg-type]
        ask = await self._answered(request, one, asked)
        first, *rest = ask.answers
        return json_answer([sum(a * b for a, b in zip(first, other, strict=True)) for other in rest])

    async def _tokens(
        self, task: Any, wanted: Wanted, ask: Ask, events: AsyncIterator[dict[str, Any]]
    ) -> AsyncIterator[Any]:
        index = 0
        async for event in events:
            index += 1
            text = None
            if event.get("last") is not None:
                said = task.respond(ask.answers, wanted.given, wanted.single, wanted.asked)
                text = next((one for name, one in said[0].items() if name.endswith("_text")), None)
            yield answers.stream_event(task, index, event, text, wanted.call)

    # OpenAI's -----------------------------------------------------------------------------------------------------
    async def chat_completions(self, request: Request, name: str | None = None) -> Response:
        return await self._complete(request, name, True)

    async def completions(self, request: Request, name: str | None = None) -> Response:
        return await self._complete(request, name, False)

    async def _complete(self, request: Request, name: str | None, talk: bool) -> Response:
        one, body = await self._chosen(request, name, ("text-generation",))
        run = self._loaded(request, one)
        given: Any = chat.messages(body) if talk else chat.prompts(body)
        if talk and not getattr(run.tokenizer, "chat_template", None):
            raise Refused(
                400, f"{one.name}: its tokenizer has no chat template. Ask /v1/completions instead.", "messages"
            )
        parameters, scored = chat.asked(body)
        stream, usage = chat.flag(body, "stream"), chat.with_usage(body)
        if talk:
            parameters["continue_final_message"] = parameters.get("continue_final_message", False)
        asked = {"inputs": given, "parameters": {**parameters, "return_full_text": False}, "stream": stream}
        try:
            wanted = inputs.read(run, asked, self.most)
        except Refused as refused:
            field = (refused.field or "").removeprefix("parameters.") or None
            raise Refused(refused.status, refused.sentence, field, refused.after) from refused
        wanted.details = scored
        reply = chat.Reply(one.name, talk, wanted.call.stop, run.task, wanted.call)
        if stream:
            return await self._streamed(
                request, one, wanted, lambda ask, events: self._pieces(reply, usage, ask, events), True
            )
        return json_answer(reply.whole(await self._answered(request, one, wanted)))

    async def _pieces(
        self, reply: chat.Reply, usage: bool, ask: Ask, events: AsyncIterator[dict[str, Any]]
    ) -> AsyncIterator[Any]:
        first = True
        async for event in events:
            for said in reply.events(event, first):
                yield said
            first = False
        if usage:
            yield reply.counted(ask)

    async def embeddings(self, request: Request, name: str | None = None) -> Response:
        one, body = await self._chosen(request, name, None)
        run = self._loaded(request, one)
        texts, settings, coded = chat.embeddings_asked(body)
        if run.task.name != "feature-extraction":
            one = self._vector_model(one)
            run = one.run
        wanted = inputs.read(run, {"inputs": texts, "parameters": settings}, self.most)
        ask = await self._answered(request, one, wanted)
        return await large_json(chat.embedded(request.scope["byeori"]["model"], ask, coded))

    def _vector_model(self, one: Hosted) -> Hosted:
        """The same weights, asked for vectors."""
        found = next((other for other in self.owner.hosted if other.of is one and other.run is not None), None)
        if found is None:
            raise Refused(400, f"{one.name} gives no vectors: it is no encoder.", "model")
        return found

    # finding a model ----------------------------------------------------------------------------------------------
    def _named(self, name: str) -> Hosted:
        if name not in self.models:
            raise Refused(404, f"there is no model {name[:80]!r}. There {_listed(self.models)}.", "model")
        return self.models[name]

    def _of_task(self, task: str) -> Hosted:
        from byeori.tasks import named

        try:
            kind = named(task)[0].name if ".py:" not in task else task
        except SettingError as error:
            raise Refused(404, str(error), "task") from error
        if not self.owner.loaded:
            raise Refused(503, "the models are still being loaded. GET /ready says when they can be asked.", after=1.0)
        found = [one for one in self.models.values() if one.run is not None and one.run.task.name == kind]
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(
                400, f"{task}: {len(found)} models are served for it. Ask one by its name: POST /models/NAME, where NAME is "
                f"{' or '.join(one.name for one in found)}.", "task",
            )  # fmt: skip
        each = ", ".join(f"{one.name} ({one.run.task.name})" for one in self.models.values() if one.run is not None)
        raise Refused(
            400, f"{task}: no model is served for it. There {'is' if len(self.models) == 1 else 'are'} {each}.", "task"
        )

    async def _chosen(
        self, request: Request, name: str | None, tasks: tuple[str, ...] | None
    ) -> tuple[Hosted, dict[str, Any]]:
        """The model of the path, else the one that the body names, else the only one for these tasks; and the body."""
        if name is not None:
            one = self._named(name)
            self._loaded(request, one)
            body = await self._body(request)
        else:
            body = await self._body(request)
            said = body.get("model")
            if said is not None and not isinstance(said, str):
                raise Refused(400, f"model={str(said)[:60]!r}: a name is needed.", "model")
            one = self.models[said] if said in self.models else self._only(said, tasks)
        run = self._loaded(request, one)
        if tasks is not None and run.task.name not in tasks:
            raise Refused(
                400,
                f"{one.name} is a model for {run.task.name}, and a model for {' or '.join(tasks)} is needed.",
                "model",
            )
        return one, body

    def _only(self, said: str | None, tasks: tuple[str, ...] | None) -> Hosted:
        if said is not None:
            return self._named(said)
        fit = [
            one for one in self.models.values() if tasks is None or (one.run is not None and one.run.task.name in tasks)
        ]
        if len(fit) != 1:
            raise Refused(400, f"model: a name is needed. There {_listed(self.models)}.", "model")
        return fit[0]

    def _loaded(self, request: Request, one: Hosted) -> Any:
        request.scope["byeori"]["model"] = one.name
        if one.run is None or not self.owner.loaded:
            raise Refused(503, f"{one.name} is still being loaded. GET /ready says when it can be asked.", after=1.0)
        return one.run


def _handling(handler: Callable[..., Awaitable[Response]], path: str) -> Callable[..., Awaitable[Response]]:
    """The handler under its path, its refusals as answers."""

    async def run(request: Request, **values: str) -> Response:
        request.scope["byeori"]["route"] = path
        try:
            return await handler(request, **values)
        except Refused as refused:
            return refused_answer(request, refused)

    # FastAPI reads path parameters off the signature.
    if "{name}" in path:

        async def named(request: Request, name: str) -> Response:
            return await run(request, name=name)

        return named
    if "{task}" in path:

        async def tasked(request: Request, task: str) -> Response:
            return await run(request, task=task)

        return tasked

    async def plain(request: Request) -> Response:
        return await run(request)

    return plain


def _inside(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("inputs")
    return given if isinstance(given, dict) else {}


def _about(one: Hosted) -> dict[str, Any]:
    run = one.run
    if run is None:
        return {"name": one.name, "ready": False}
    engine = run.engine
    return {
        "name": one.name, "ready": one.lane is not None, "task": run.task.name, "labels": getattr(run.task, "labels", None),
        "model_type": getattr(getattr(run.model, "config", None), "model_type", None), "max_length": engine.encoder.max_length,
        "truncation": engine.encoder.truncation, "device": str(engine.device), "precision": engine.precision,
    }  # fmt: skip


def _listed(names: Any) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names)}"
