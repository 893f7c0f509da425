"""`POST /ag-ui/agent`: one run in AG-UI's events.

The response begins with the run's first words, so that a refused credential or an unreachable model has its
own status.
"""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from agent.api.ag_ui.encoder import RunEncoder, encoded
from agent.api.ag_ui.messages import conversation
from agent.api.ag_ui.resume import answers_in
from agent.api.ag_ui.run_input import RunAgentInput, read_run_input, run_input_schema
from agent.api.ag_ui.thread_runs import ThreadRuns
from agent.api.direct_route import DirectRoute
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream
from agent.api.openapi_document import EVENTS
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from agent.runs.runs import Runs

_BODY: Final = {"schema": run_input_schema()}


def ag_ui_routes(
    runs: Runs, threads: ThreadRuns | None = None, *, model: str, max_messages: int
) -> APIRouter:
    """The route. `model` names the model in the usage.

    Without `threads`, the client's messages are the conversation, and no call is approved.
    """
    router = APIRouter(prefix="/ag-ui", route_class=DirectRoute)

    @router.post(
        "/agent",
        response_class=Response,
        responses={200: {"description": "AG-UI's events.", "content": {"text/event-stream": EVENTS}}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _BODY}}},
    )
    async def agent(request: Request) -> Response:
        """Continues a conversation, as a stream of AG-UI's events.

        Errors before the first byte have a status.
        """
        given, caller = read_run_input(await request.body()), caller_of(request.scope)
        if threads is not None:
            return await threads.response(given, caller, request.receive)
        _refuse_answers(given)
        messages = conversation(given.messages, most=max_messages)
        run = runs.start(messages, caller, streaming=True, steps=True)
        await while_connected(run.first(), request.receive, run.leave)
        encoder = RunEncoder(given.thread_id, given.run_id, model=model)
        return EventStream(encoded(encoder, run), run.leave)

    return router


def _refuse_answers(given: RunAgentInput) -> None:
    """Raises `RequestError` for an answer to an approval: without conversations, none waits for one."""
    if answers_in(given) is not None:
        name = "resume" if given.resume else "forwardedProps.command.resume"
        raise RequestError(name, "no approval waits for an answer", code="unsupported_value")
