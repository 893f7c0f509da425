"""`/threads/{thread_id}/…`: the run of a conversation: followed, answered, continued and cancelled."""

import uuid
from typing import Any, Final

from fastapi import APIRouter, Request
from langchain_core.messages import HumanMessage
from starlette.responses import JSONResponse, Response

from agent.api.ag_ui.encoder import followed
from agent.api.openapi_document import EVENTS
from agent.api.response_models import documented, documented_body
from agent.api.surface import Surface
from agent.api.threads.models import Cancelled, Decision, NewVersion, StartedRun
from agent.api.validation_fault import read_body
from agent.composition.agent import Agent
from agent.http.authentication import caller_of
from agent.runs.conversation_runs import Conversations

_STARTED: Final = documented(StartedRun, 202)
_DECISION: Final = documented_body(Decision)
_VERSION: Final = documented_body(NewVersion)
_FOLLOWED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "AG-UI's events.", "content": {"text/event-stream": EVENTS}},
    204: {"description": "The client has had the end, or no run is going on or has ended a moment ago."},
}


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
        ended = await conversations.cancel(caller_of(request.scope), thread_id)
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
        version = read_body(NewVersion, await request.body())
        asked = [] if version.content is None else [HumanMessage(version.content, id=uuid.uuid4().hex)]
        run = await conversations.replace(caller_of(request.scope), thread_id, version.message_id, asked)
        return JSONResponse({"run": run.id}, 202)

    @router.post("/approvals/{approval_id}", status_code=202, responses=_STARTED, openapi_extra=_DECISION)
    async def answer(request: Request, thread_id: str, approval_id: str) -> JSONResponse:
        """Answers the approval that the conversation waits for; its run goes on."""
        decision = read_body(Decision, await request.body())
        answers = {approval_id: decision.answer()}
        run = await conversations.resume(caller_of(request.scope), thread_id, answers, streaming=True)
        return JSONResponse({"run": run.id}, 202)

    return router


def _starts_run(path: str) -> bool:
    is_start = path.endswith(("/continue", "/versions")) or "/approvals/" in path
    return is_start and path.startswith("/threads/")


def _routes(agent: Agent) -> APIRouter | None:
    if agent.kept is None:
        return None
    return run_routes(agent.kept.conversations, model=agent.settings.llm_model)


RUNS: Final = Surface(name="runs", routes=_routes, starts_run=_starts_run)
