"""`/threads/{thread_id}/…`: the run of a conversation: followed, answered, continued and cancelled.

A reader who did not start the run receives it as AG-UI's events. An event with an `id` is the last of one
step: a client that reconnects sends this id as `Last-Event-ID`, and receives what follows, also from a
replica where that id has not arrived yet. With the id of a source that is not here, such as a process that
has ended, it receives the run from its beginning. Messages and calls have the ids under which they are
stored: the beginning of one that a client has already replaces it.
"""

import uuid
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, Final

from fastapi import APIRouter, Request
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from agent.api.ag_ui.encoder import RunEncoder
from agent.api.ag_ui.messages import to_ag_ui
from agent.api.ag_ui.wire import Event
from agent.api.event_stream import EventStream, server_sent
from agent.api.openapi_document import EVENTS
from agent.api.response_models import documented, documented_body
from agent.api.threads.models import Cancelled, Decision, NewVersion, StartedRun, read_body
from agent.http.authentication import caller_of
from agent.runs.conversation_runs import Conversations
from agent.runs.run import Run
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError

_STARTED: Final = documented(StartedRun, 202)
_DECISION: Final = documented_body(Decision)
_VERSION: Final = documented_body(NewVersion)
_FOLLOWED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "AG-UI's events.", "content": {"text/event-stream": EVENTS}},
    204: {"description": "No run is going on, and none has ended a moment ago."},
}
_SNAPSHOT: Final = 50
"""Messages of a snapshot: the newest, fewer if they are large. The page keeps those before them; AG-UI's
clients do not."""


async def followed(
    conversations: Conversations,
    caller: VerifiedAccessToken,
    thread_id: str,
    last_event_id: str | None,
    *,
    model: str,
    snapshot: int = _SNAPSHOT,
) -> Response | None:
    """The run that is going on, or has just ended; `None` if there is none, or nothing of it is left.

    `model` names the model in the usage. `snapshot` is how many messages a snapshot has at most. Raises
    `ThreadNotFoundError`, and `LimitError` if the caller follows too many runs.
    """
    reader = await conversations.follow(caller, thread_id, last_event_id)
    if reader is None:
        return None
    run, position, numbers = reader.run, reader.run.position_of(last_event_id), count(1)

    async def texts() -> AsyncIterator[str]:
        """The events after `position`, which the client has."""
        encoder = RunEncoder(
            thread_id,
            run.id,
            model=model,
            announced=run.announced,
            latest=run.id,
            new_id=lambda: f"{run.id}-{next(numbers)}",  # the same for every reader
        )
        if not position:
            yield server_sent(encoder.started())
        if position + 1 < run.replay.oldest:
            stored = await conversations.threads.messages(run.owner, run.thread_id, limit=snapshot)
            messages = to_ag_ui(each.message for each in stored)
            yield server_sent([{"type": "MESSAGES_SNAPSHOT", "messages": messages}])
        try:
            async for event in reader:
                events = encoder.event(event)
                if events and reader.position > position:
                    yield _identified(events, run, reader.position)
        except AgentError as error:
            is_end = isinstance(run.outcome, AgentError) and run.outcome.code is error.code
            yield _identified(encoder.failed(error), run, run.end_position if is_end else None)

    return EventStream(texts(), reader.leave)


def _identified(events: list[Event], run: Run, position: int | None) -> str:
    """The events of one step, the last with an id."""
    if position is None:
        return server_sent(events)
    return server_sent(events[:-1]) + f"id: {run.event_id(position)}\n" + server_sent(events[-1:])


def only_manages_threads(path: str) -> bool:
    """Whether a POST to `path` concerns conversations and starts no run of one."""
    starts = path.endswith(("/continue", "/versions")) or "/approvals/" in path
    return path.startswith(("/approvals/", "/prepared")) or (path.startswith("/threads") and not starts)


def run_routes(conversations: Conversations, *, model: str) -> APIRouter:
    """The routes. A run that is started here goes on without a reader. `model` names it in the usage."""
    router = APIRouter(prefix="/threads/{thread_id}")

    @router.get("/events", response_class=Response, responses=_FOLLOWED)
    async def events(request: Request, thread_id: str) -> Response:
        """The run that is going on, or ended a moment ago, from its beginning, or after `Last-Event-ID`.

        A client that leaves does not end the run.
        """
        last = request.headers.get("Last-Event-ID")
        response = await followed(conversations, caller_of(request.scope), thread_id, last, model=model)
        return Response(status_code=204) if response is None else response

    @router.post("/cancel", responses=documented(Cancelled))
    async def cancel(request: Request, thread_id: str) -> JSONResponse:
        """Ends the run, also one that waits for an approval. When this responds, it has ended."""
        ended = await conversations.cancel(caller_of(request.scope).principal, thread_id)
        return JSONResponse({"cancelled": ended})

    @router.post("/continue", status_code=202, responses=_STARTED)
    async def continue_(request: Request, thread_id: str) -> JSONResponse:
        """Responds to the latest message, after a run that failed or was interrupted."""
        run = await conversations.continue_(caller_of(request.scope), thread_id, streaming=True)
        return JSONResponse({"run": run.id}, 202)

    @router.post("/versions", status_code=202, responses=_STARTED, openapi_extra=_VERSION)
    async def replace(request: Request, thread_id: str) -> JSONResponse:
        """Asks a question anew, in other words or the same: another version, in place of the question and of
        all that follows it.
        """
        given = read_body(NewVersion, await request.body())
        asked = [] if given.content is None else [HumanMessage(given.content, id=uuid.uuid4().hex)]
        run = await conversations.replace(caller_of(request.scope), thread_id, given.message_id, asked)
        return JSONResponse({"run": run.id}, 202)

    @router.post("/approvals/{approval_id}", status_code=202, responses=_STARTED, openapi_extra=_DECISION)
    async def answer(request: Request, thread_id: str, approval_id: str) -> JSONResponse:
        """Answers the approval that the conversation waits for; its run goes on."""
        decision = read_body(Decision, await request.body())
        answers = {approval_id: decision.answer()}
        run = await conversations.resume(caller_of(request.scope), thread_id, answers, streaming=True)
        return JSONResponse({"run": run.id}, 202)

    return router
