"""The OpenAI-compatible API: `POST /openai/v1/chat/completions`, `GET /openai/v1/models`.

The response begins after the first event of the run, so that a refused credential or an unreachable model has
its own status.
"""

import time
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.chat_completions.request import chat_request_schema, read_chat_request
from agent.api.chat_completions.response import CompletionStream, completion
from agent.api.disconnect import while_connected
from agent.api.openapi_document import CHAT_EVENTS
from agent.api.response_models import Completion, ModelEntry, ModelList, documented
from agent.error_response import RequestError
from agent.middleware.authentication import caller_of
from agent.run import Runs

_BODY: Final = {"schema": chat_request_schema()}


def openai_routes(
    runs: Runs, *, model: str, max_messages: int, clock: Callable[[], float] = time.time
) -> APIRouter:
    """The routes. Responses name `model`, whichever model a request names."""
    router = APIRouter(prefix="/openai/v1")
    entry = {"id": model, "object": "model", "created": int(clock()), "owned_by": "idaas-agent"}

    @router.post(
        "/chat/completions",
        responses={200: {"model": Completion, "content": {"text/event-stream": CHAT_EVENTS}}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _BODY}}},
    )
    async def chat_completions(request: Request) -> Response:
        """Continues a conversation, as one object or as a stream.

        Errors before the first byte have a status.
        """
        chat = read_chat_request(await request.body(), max_messages=max_messages)
        run = runs.start(chat.messages, caller_of(request.scope), streaming=chat.stream)
        created = int(clock())
        if not chat.stream:
            end = await while_connected(run, run.finished(), request.receive)
            return JSONResponse(completion(end, model=model, created=created))
        await while_connected(run, run.first(), request.receive)
        return CompletionStream(run, model=model, created=created, include_usage=chat.include_usage)

    @router.get("/models", responses=documented(ModelList))
    async def models() -> JSONResponse:
        """The configured model."""
        return JSONResponse({"object": "list", "data": [entry]})

    @router.get("/models/{name:path}", responses=documented(ModelEntry))
    async def model_by_name(name: str) -> JSONResponse:
        """The configured model; 404 for another name."""
        if name != model:
            raise RequestError("model", f"the only model is {model!r}", code="model_not_found", status=404)
        return JSONResponse(entry)

    return router
