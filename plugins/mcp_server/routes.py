"""`POST /mcp`: the agent as an MCP server, of 2026-07-28 and of 2025-11-25 and older."""

from collections.abc import AsyncIterator
from operator import attrgetter
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.direct_route import DirectRoute
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream, server_sent
from agent.api.json_rpc import (
    Members,
    RequestId,
    RpcCode,
    documented_refusal,
    documented_rpc,
    read_json,
    request_id_of,
)
from agent.api.openapi_document import EVENTS
from agent.api.public_routes import resource_metadata
from agent.api.response_models import ProtectedResource, documented
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.errors.error_response import WITH_STATUS, RequestError
from agent.http.authentication import caller_of, metadata_path
from agent.http.page_address import page_address
from agent.http.public_address import public_address
from agent.runs.run import RunReader
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ThreadNotFoundError
from plugins.mcp_server.calls import ASK, ASK_TOOL, AskedCall, Calls
from plugins.mcp_server.encoder import CallEncoder, failed, meta
from plugins.mcp_server.message import (
    HEADERS,
    LEGACY,
    MODERN,
    SERVER,
    McpError,
    McpMessage,
    is_modern,
    read_message,
)
from tools.approval_policy import Effect

MCP_PATH: Final = "/mcp"
_LIST_MS: Final = 60_000
"""How long a client may use a list of tools, which is of its user alone."""
_INSTRUCTIONS: Final = (
    "An agent that acts under the rights of the signed-in user. Calls that change something ask the user."
)
_METHODS: Final = ("server/discover", "initialize", "ping", "tools/list", "tools/call")
_ID: Final = {"type": ["string", "integer"]}
_REFUSAL: Final = documented_refusal(_ID)


def mcp_routes(agent: Agent) -> APIRouter:
    """The route. It has no session: a response belongs to its request, and nothing is sent without one."""
    server = McpServer(agent)
    router = APIRouter(route_class=DirectRoute)

    @router.head(metadata_path(MCP_PATH), include_in_schema=False)
    @router.get(metadata_path(MCP_PATH), responses=documented(ProtectedResource))
    async def metadata(request: Request) -> JSONResponse:
        """For clients of MCP the protected resource is the address that they call (RFC 9728, section 3.3)."""
        return resource_metadata(agent.settings, public_address(agent.settings, request.scope) + MCP_PATH)

    @router.post(
        MCP_PATH,
        response_class=Response,
        responses={
            200: {
                "description": "A response of JSON-RPC, alone or after notifications.",
                "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": EVENTS},
            },
            202: {"description": "A notification was received."},
            400: {"description": "The message, or the request around it, is invalid.", "content": _REFUSAL},
            404: {"description": "There is no such method.", "content": _REFUSAL},
        },
        openapi_extra=documented_rpc(_METHODS, _ID, "method"),
    )
    async def mcp(request: Request) -> Response:
        """One message of MCP. Errors are JSON-RPC's, unless they concern the access token or a limit."""
        origin = request.headers.get("Origin")
        own = public_address(agent.settings, request.scope)
        if origin not in (None, own, *agent.settings.cors_allowed_origins):
            raise RequestError(None, "pages of this origin may not call the agent", status=403)
        request_id: RequestId = None
        modern = False
        try:
            body = read_json(await request.body(), McpError)
            request_id = request_id_of(body)
            modern = is_modern(body, request.headers)
            message = read_message(body, request.headers, modern=modern)
            return await server.response(message, request)
        except McpError as error:
            return JSONResponse(error.response(request_id), error.status(modern=modern))

    return router


class McpServer:
    """Responds to messages. Raises `McpError`, and errors that have a status."""

    def __init__(self, agent: Agent) -> None:
        self._calls = Calls(agent)
        self._services = agent.gate.services
        self._page = page_address(agent.settings)
        self._titles = agent.titles

    async def response(self, message: McpMessage, request: Request) -> Response:
        """The response in the form of the message's version."""
        if not message.is_request:
            return Response(status_code=202)
        caller = caller_of(request.scope)
        params = message.params
        current = {"ttlMs": _LIST_MS, "cacheScope": "private"} if message.modern else {}
        match message.method, message.modern:
            case "server/discover", True:
                versions = {"supportedVersions": [MODERN, *LEGACY], "capabilities": {"tools": {}}}
                return _result(message, versions | {"instructions": _INSTRUCTIONS} | current)
            case "initialize", False:
                asked = params.get("protocolVersion")
                version = asked if asked in LEGACY else LEGACY[0]
                about = {"capabilities": {"tools": {}}, "serverInfo": SERVER, "instructions": _INSTRUCTIONS}
                return _result(message, {"protocolVersion": version, **about})
            case "ping", False:
                return _result(message, {})
            case "tools/list", _:
                if params.get("cursor") is not None:
                    raise McpError(RpcCode.INVALID_PARAMS, "There is no such page: the list has one")
                return _result(message, await self._tools(caller) | current)
            case "tools/call", _:
                return await self._call(message, caller, request)
        raise McpError(RpcCode.METHOD_NOT_FOUND, f"There is no method {message.method!r:.80}")

    async def _tools(self, caller: VerifiedAccessToken) -> Members:
        offered = await self._calls.offered(caller)
        tools = [ASK_TOOL]
        for tool in sorted(offered.tools, key=attrgetter("name")):
            if tool.name != ASK:
                service = offered.services[tool.name]
                policy = self._services[service].policy(tool.name)
                schema = {"type": "object", **tool.parameters}
                members = {"name": tool.name, "description": tool.description, "inputSchema": schema}
                if (returns := self._calls.returns(tool.name, service, caller)) is not None:
                    members["outputSchema"] = returns.schema
                tools.append(members | {"annotations": {"readOnlyHint": policy.effect is Effect.READ}})
        return {"tools": tools, **meta(offered.unavailable)}

    async def _call(self, message: McpMessage, caller: VerifiedAccessToken, request: Request) -> Response:
        """The result of a call, or a stream that ends with it. A failure of the call is a result too."""
        asked = AskedCall.of(message, caller)
        try:
            offered = await self._calls.offered_for(asked)
            returns = self._calls.returns(asked.name, offered.services.get(asked.name), caller)
            begun = await self._calls.begin(asked, offered)
            encoder = CallEncoder(asked, self._page, begun, self._titles, returns)
            if isinstance(begun, RunReader):
                streams = "text/event-stream" in request.headers.get("Accept", "")
                if message.progress_token is not None and streams:
                    await while_connected(begun.first(), request.receive, begun.leave)
                    return EventStream(_texts(message, begun, encoder), begun.leave)
                await while_connected(_read(begun, encoder), request.receive, begun.leave)
            return _result(message, encoder.result())
        except ThreadNotFoundError:
            raise McpError(RpcCode.INVALID_PARAMS, "There is no such conversation") from None
        except AgentError as error:
            if isinstance(error, WITH_STATUS):
                raise
            return _result(message, failed(error))


async def _read(reader: RunReader, encoder: CallEncoder) -> None:
    async for event in reader:
        encoder.event(event)


async def _texts(message: McpMessage, reader: RunReader, encoder: CallEncoder) -> AsyncIterator[str]:
    """Progress, then the response."""
    try:
        async for event in reader:
            if (progress := encoder.event(event)) is not None:
                yield server_sent([progress])
        yield server_sent([message.result(encoder.result())])
    except McpError as error:
        yield server_sent([error.response(message.id)])
    except AgentError as error:
        yield server_sent([message.result(failed(error))])


def _result(message: McpMessage, members: Members) -> JSONResponse:
    return JSONResponse(message.result(members))


MCP: Final = Surface(
    name="mcp",
    routes=mcp_routes,
    public_paths=frozenset({metadata_path(MCP_PATH)}),
    resource_paths=frozenset({MCP_PATH}),
    request_headers=HEADERS,
)
"""The body alone shows whether a request starts a run."""
