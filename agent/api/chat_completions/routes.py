"""The OpenAI-compatible API: `POST /openai/v1/chat/completions`, `GET /openai/v1/models`.

A run's first event is awaited before the answer begins, so that a refused credential or a model that does not
answer has a status of its own.
"""

import time
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.chat_completions.request import chat_request_schema, read_chat_request
from agent.api.chat_completions.response import CompletionStream, completion
from agent.api.disconnect import while_connected
from agent.api.errors import RequestError
from agent.api.openapi_document import CHAT_EVENTS
from agent.api.response_models import Completion, ModelEntry, ModelList, answers
from agent.middleware.authentication import caller_of
from agent.run import Runs

_BODY: Final = {"schema": chat_request_schema()}


def openai_routes(
    runs: Runs, *, model: str, max_messages: int, clock: Callable[[], float] = time.time
) -> APIRouter:
    """The routes. `model` is the name that answers carry, whatever name a request asked for."""
    router = APIRouter(prefix="/openai/v1")
    entry = {"id": model, "object": "model", "created": int(clock()), "owned_by": "idaas-agent"}

    @router.post(
        "/chat/completions",
        responses={200: {"model": Completion, "content": {"text/event-stream": CHAT_EVENTS}}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _BODY}}},
    )
    async def chat_completions(request: Request) -> Response:
        """Answers a conversation, whole or as a stream. Errors come before the first byte, with a status."""
        chat = read_chat_request(await request.body(), max_messages=max_messages)
        run = runs.start(chat.messages, caller_of(request.scope), streaming=chat.stream)
        created = int(clock())
        if not chat.stream:
            end = await while_connected(run, run.finished(), request.receive)
            return JSONResponse(completion(end, model=model, created=created))
        await while_connected(run, run.first(), request.receive)
        return CompletionStream(run, model=model, created=created, include_usage=chat.include_usage)

    @router.get("/models", responses=answers(ModelList))
    async def models() -> JSONResponse:
        """The one model."""
        return JSONResponse({"object": "list", "data": [entry]})

    @router.get("/models/{name:path}", responses=answers(ModelEntry))
    async def model_by_name(name: str) -> JSONResponse:
        """The one model; 404 for another name."""
        if name != model:
            raise RequestError("model", f"there is one, {model!r}", code="model_not_found", status=404)
        return JSONResponse(entry)

    return router
