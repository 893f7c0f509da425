"""Answers in `POST /threads/{id}/runs…` that name an interrupt: LangGraph ignores one that it does not know.
Of a member that is there twice, the server reads the last.

The auth handler checks everything else of a run, but does not see the interrupts of the thread.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_response
from agent.langgraph_server.admission.run_admission import approvals_of
from agent.langgraph_server.admission.run_input import named_interrupt
from agent.langgraph_server.server_agent import agent_of_this_loop
from agent.langgraph_server.server_threads import ServerThreads
from agent.langgraph_server.token_references import VERIFIED
from graph.error_codes import GraphCode
from identity.errors import AgentError, ApprovalError
from identity.strict_json import read_value

_ROUTE: Final = re.compile(r"/threads/([^/]+)/runs(/stream|/wait)?")


class ThreadRuns:
    """A pure ASGI middleware, inside of the route guard, which reads bodies whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._threads = ServerThreads(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses an answer to an interrupt that the thread does not have, and JSON that is not strict."""
        route = _ROUTE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        try:
            if (interrupt := named_interrupt(_resume(message))) is not None:
                await self._require(scope, route[1], interrupt)
        except (AgentError, RequestError) as error:
            await error_response(error)(scope, receive, send)
            return
        replay: list[Message] = [message]

        async def replayed() -> Message:
            return replay.pop() if replay else await receive()

        await self._app(scope, replayed, send)

    async def _require(self, scope: Scope, thread_id: str, interrupt: str) -> None:
        """Raises `ApprovalError`, and `UnavailableError` if approvals cannot be read."""
        thread = await self._threads.find(scope, thread_id)
        if thread is None:
            return  # the server refuses it
        of_tasks: Mapping[str, Any] = thread.get("interrupts") or {}
        known = {each.get("id") for entries in of_tasks.values() for each in entries}
        agent, caller = await agent_of_this_loop(), scope[VERIFIED].principal
        opened = await approvals_of(agent, caller, str(thread["thread_id"]))
        if opened and interrupt not in known | {each.request.id for each in opened}:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, "the answer names another interrupt")


def _resume(message: Message) -> object:
    """What the body resumes with; the server refuses a body that has not its form. Raises `RequestError`."""
    try:
        given = read_value(message.get("body", b""))
    except ValueError:
        raise RequestError(None, "the body must be JSON that names each member once", status=422) from None
    command = given.get("command") if isinstance(given, dict) else None
    return command.get("resume") if isinstance(command, dict) else None
