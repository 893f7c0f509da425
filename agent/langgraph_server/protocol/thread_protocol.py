"""LangGraph's event-streaming protocol (`/threads/{id}/commands`, `/threads/{id}/stream/events`), guarded.

The server itself responds 200 for a thread of another user: with an empty stream, or with an error in the
body. Here the owner is checked before a stream or a command begins, and the response is a 404.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_body, error_response
from agent.langgraph_server.admission.run_admission import approvals_of
from agent.langgraph_server.protocol.protocol_approvals import approval_refusal
from agent.langgraph_server.protocol.protocol_command import CommandRefusal, command_refusal
from agent.langgraph_server.replaced_body import with_body
from agent.langgraph_server.server_agent import agent_of_this_loop
from agent.langgraph_server.server_threads import ServerThreads
from agent.langgraph_server.token_references import VERIFIED
from identity.errors import AgentError
from identity.strict_json import read_value

_ROUTE: Final = re.compile(r"/threads/([^/]+)/(commands|stream/events)")


class ThreadProtocol:
    """A pure ASGI middleware, inside of the route guard, which reads bodies whole."""

    def __init__(self, app: ASGIApp, *, threads: ServerThreads | None = None) -> None:
        """`threads` are those of another server than `langgraph dev`."""
        self._app = app
        self._threads = threads or ServerThreads(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is not of the protocol, and what its caller may do."""
        route = _ROUTE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif route[2] == "commands":
            await self._command(scope, receive, send, route[1])
        elif await self._threads.find(scope, route[1]):
            await self._app(scope, receive, send)
        else:
            await _refuse(_NO_SUCH_THREAD, scope, receive, send)

    async def _command(self, scope: Scope, receive: Receive, send: Send, thread_id: str) -> None:
        found = await self._threads.find(scope, thread_id)
        command = _command(await receive())
        starts = command is not None and command["method"] == "run.start"
        if found is None and not starts:
            await _refuse(_NO_SUCH_THREAD, scope, receive, send)
            return
        if command is None:
            await _refuse(_NO_COMMAND, scope, receive, send)
            return
        try:
            refusal = await self._refusal(scope, found, command)
        except AgentError as error:
            await error_response(error)(scope, receive, send)
            return
        if refusal is not None:
            await JSONResponse(refusal.envelope(command["id"]))(scope, receive, send)
        # A run creates its thread, as on the server, unless another user has one of that id.
        elif found is None and not await self._threads.create(scope, thread_id):
            await _refuse(_NO_SUCH_THREAD, scope, receive, send)
        else:
            await self._app(*with_body(scope, receive, command), send)

    async def _refusal(
        self, scope: Scope, thread: Mapping[str, Any] | None, command: dict[str, Any]
    ) -> CommandRefusal | None:
        """Raises `UnavailableError` if approvals cannot be read."""
        method, params = command["method"], _params(command)
        if (refusal := command_refusal(method, params)) or thread is None:
            return refusal
        agent, caller = await agent_of_this_loop(), scope[VERIFIED].principal
        approvals = await approvals_of(agent, caller, thread["thread_id"], method == "input.respond")
        return approval_refusal(method, params, approvals)


_NO_SUCH_THREAD: Final = RequestError(None, "no such thread", code="not_found", status=404)
_NO_COMMAND: Final = RequestError(None, 'the body must be {"id": integer, "method": string, "params": …}')


async def _refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse(error_body(error), error.status)(scope, receive, send)


def _command(message: Message) -> dict[str, Any] | None:
    """The command of a body; `None` if it has not the protocol's form."""
    try:
        command = read_value(message.get("body", b""))
    except ValueError:
        return None
    if not isinstance(command, dict):
        return None
    has_form = isinstance(command.get("id"), int) and isinstance(command.get("method"), str)
    return command if has_form else None


def _params(command: dict[str, Any]) -> dict[str, Any]:
    params = command.get("params")
    return params if isinstance(params, dict) else {}
