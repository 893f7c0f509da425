"""`GET /.well-known/agent-card.json` and `POST /a2a`: A2A over JSON-RPC."""

import hashlib
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.direct_route import DirectRoute
from agent.api.json_rpc import RequestId, documented_rpc, read_json, read_request, request_id_of
from agent.api.openapi_document import EVENTS
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.errors.error_response import WITH_STATUS
from agent.http.authentication import caller_of
from agent.http.public_address import public_address
from identity.errors import AgentError
from plugins.a2a.a2a_error import A2ACode, A2AError, a2a_error_of
from plugins.a2a.agent_card import agent_card
from plugins.a2a.members import JSON, RPC_PATH, VERSION_HEADER
from plugins.a2a.methods import METHODS, Methods
from plugins.a2a.tasks import Tasks
from plugins.a2a.version import is_v03

AGENT_CARD_PATH: Final = "/.well-known/agent-card.json"
_CACHED: Final = "private, max-age=300"
"""A client may use a card for five minutes (A2A 1.0, section 8.6.1). `private`: it says where clients send
their user's access token, so no cache between them and the agent keeps it."""
_ID: Final = {"type": ["string", "integer", "null"]}
_FAULT: Final = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "data": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["code", "message", "data"],
}
_RESPONSE: Final = {
    "type": "object",
    "properties": {"jsonrpc": {"const": "2.0"}, "id": _ID, "result": {"type": "object"}, "error": _FAULT},
    "required": ["jsonrpc", "id"],
    "additionalProperties": False,
}
_CARD: Final[dict[str, Any]] = {"type": "object", "required": ["name", "version", "skills"]}
_CARD_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"schema": _CARD}}},
    304: {"description": "The client has the card."},
}


def a2a_routes(agent: Agent) -> APIRouter:
    """The routes. The card has the agent's `public_address`."""
    settings = agent.settings
    inbox = None if agent.kept is None else agent.kept.inbox
    methods = Methods(Tasks(agent.chats, settings.llm_images), inbox, agent.titles)
    router = APIRouter(route_class=DirectRoute)

    @router.head(AGENT_CARD_PATH, include_in_schema=False)
    @router.get(AGENT_CARD_PATH, responses=_CARD_RESPONSES)
    async def card(request: Request) -> Response:
        """A2A's agent card. A client that has it already, by its `ETag`, receives no body."""
        response = JSONResponse(agent_card(settings, public_address(settings, request.scope)))
        etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
        headers = {"Cache-Control": _CACHED, "ETag": etag}
        if _names(request.headers.get("If-None-Match", ""), etag):
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return response

    @router.post(
        RPC_PATH,
        response_class=Response,
        responses={
            200: {
                "description": "A response of JSON-RPC, or a stream of them.",
                "content": {"application/json": {"schema": _RESPONSE}, "text/event-stream": EVENTS},
            }
        },
        openapi_extra=documented_rpc(METHODS, _ID, "id", "method", "params"),  # of version 1.0
    )
    async def a2a(request: Request) -> Response:
        """One request of A2A. Errors are JSON-RPC's, unless they concern the access token or a limit."""
        request_id: RequestId = None
        try:
            _check_media_type(request.headers.get("Content-Type"))
            body = read_json(await request.body(), A2AError)
            request_id = request_id_of(body)
            called = read_request(body, A2AError)
            older = is_v03(request.headers.get(VERSION_HEADER))
            return await methods.response(called, caller_of(request.scope), request.receive, older=older)
        except A2AError as error:
            refused = error
        except AgentError as error:
            if isinstance(error, WITH_STATUS):
                raise
            refused = a2a_error_of(error)
        return JSONResponse(refused.response(request_id))

    return router


def _names(condition: str, etag: str) -> bool:
    """Whether `If-None-Match` names the response with `etag` (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag in tags or tags == ["*"]


def _check_media_type(content_type: str | None) -> None:
    """Requests are JSON (A2A 1.0, section 9.1); one that does not say what it is counts as that. Raises
    `A2AError`.
    """
    media_type = (content_type or JSON).partition(";")[0].strip().lower()
    if media_type != JSON:
        raise A2AError(A2ACode.CONTENT_TYPE_NOT_SUPPORTED, f"The body must be {JSON}")


A2A: Final = Surface(
    name="a2a",
    routes=a2a_routes,
    public_paths=frozenset({AGENT_CARD_PATH}),
    cached_paths=frozenset({AGENT_CARD_PATH}),
    request_headers=(VERSION_HEADER,),
)
"""The body alone shows whether a request starts a run."""
