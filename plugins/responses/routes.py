"""`/openai/v1/responses`: OpenAI's Responses API."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.direct_route import DirectRoute
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream
from agent.api.openapi_document import EVENTS
from agent.api.response_models import documented_body
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from agent.http.page_address import page_address
from plugins.responses.encoder import texts, whole
from plugins.responses.parameters import ResponseBody
from plugins.responses.request import read_response_request
from plugins.responses.responses import Responses

PATH: Final = "/openai/v1/responses"
_STATUSES: Final = ["in_progress", "completed", "incomplete", "failed", "cancelled"]
_RESPONSE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "response"},
        "created_at": {"type": "integer"},
        "status": {"enum": _STATUSES},
        "model": {"type": "string"},
        "output": {"type": "array", "items": {"type": "object", "required": ["id", "type"]}},
        "conversation": {"type": ["object", "null"]},
        "store": {"type": "boolean"},
        "usage": {"type": ["object", "null"]},
        "error": {"type": ["object", "null"]},
    },
    "required": ["id", "object", "created_at", "status", "model", "output", "store", "usage", "error"],
}
_DELETED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "object": {"const": "response"}, "deleted": {"const": True}},
    "required": ["id", "object", "deleted"],
    "additionalProperties": False,
}


def _documented(schema: dict[str, Any], **other: object) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "OK", "content": {"application/json": {"schema": schema}, **other}}}


def response_routes(agent: Agent) -> APIRouter:
    """The routes. An agent that stores no conversations has responses that end with their request."""
    settings = agent.settings
    responses = Responses(agent.chats, settings.llm_model, agent.clock, page_address(settings))
    stores = agent.chats.conversations is not None
    router = APIRouter(prefix=PATH, route_class=DirectRoute)

    @router.post(
        "",
        responses=_documented(_RESPONSE, **{"text/event-stream": EVENTS}),
        openapi_extra=documented_body(ResponseBody),
    )
    async def create(request: Request) -> Response:
        """Responds to new messages, or goes on after a decision, as one object or as a stream.

        Errors before the first byte have a status.
        """
        asked = read_response_request(
            await request.body(),
            stores=stores,
            max_messages=settings.max_messages,
            most_images=settings.llm_images,
        )
        begun = await responses.begin(asked, caller_of(request.scope))
        run = begun.reader
        if not asked.stream:
            waiting = whole(begun.encoder, run)
            return JSONResponse(await while_connected(waiting, request.receive, run.leave))
        await while_connected(run.first(), request.receive, run.leave)
        return EventStream(texts(begun.encoder, run), run.leave)

    @router.get("/{response_id}", responses=_documented(_RESPONSE))
    async def read(request: Request, response_id: str) -> JSONResponse:
        """A stored response: all that its run has done since it began."""
        if request.query_params.get("stream", "false").lower() not in ("false", "0"):
            raise RequestError("stream", "a response is not streamed later", code="unsupported_value")
        return JSONResponse(await responses.get(response_id, caller_of(request.scope)))

    @router.post("/{response_id}/cancel", responses=_documented(_RESPONSE))
    async def cancel(request: Request, response_id: str) -> JSONResponse:
        """Ends the run of a response, also one that waits. When this responds, it has ended."""
        return JSONResponse(await responses.cancel(response_id, caller_of(request.scope)))

    @router.delete("/{response_id}", responses=_documented(_DELETED))
    async def delete(request: Request, response_id: str) -> JSONResponse:
        """Deletes a response with its conversation, which can be restored for ten minutes at least."""
        await responses.delete(response_id, caller_of(request.scope))
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    return router


RESPONSES: Final = Surface(name="responses", routes=response_routes, starts_run=lambda path: path == PATH)
