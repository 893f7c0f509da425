"""`/prepared`: for clients, the runs that they prepare for people, who decide by `/approvals`."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from agent.api.response_models import Approval, Wire, documented, documented_body
from agent.api.validation_fault import Body, read_body
from agent.http.authentication import caller_of
from graph.approvals.inbox import kept_arguments
from graph.approvals.record import ApprovalState, ApprovalStatus, PendingApproval
from graph.approvals.request import approval_of
from plugins.prepared_runs.prepared_run import client_of
from plugins.prepared_runs.prepared_runs import PreparedRuns


class PreparedRun(Approval):
    """A run to begin in the name of `user`, by the argument `question`, which a client has written."""

    kind: Literal["prepared_run"]  # type: ignore[assignment]  # of its own kind alone
    prepared_by: str
    user: str
    status: Literal["open", "approved", "rejected", "withdrawn", "expired"]


class PreparedRunList(Wire):
    """The runs that a client has prepared, the newest first."""

    prepared: list[PreparedRun]


class NewPreparedRun(Body):
    """The question that `user`, by their `sub`, is asked to begin with, and for how many seconds."""

    user: Annotated[str, Field(min_length=1, max_length=255)]
    question: Annotated[str, Field(min_length=1, max_length=8000)]
    seconds: Annotated[int, Field(gt=0)] | None = None


def prepared_members(state: ApprovalState, status: ApprovalStatus) -> dict[str, Any]:
    """The members of `PreparedRun`."""
    request = state.request
    members = approval_of(PendingApproval(request, kept_arguments(request)))
    about = {"prepared_by": client_of(request), "user": request.principal.subject}
    return {**members, **about, "status": status.value}


def prepared_routes(prepared: PreparedRuns) -> APIRouter:
    """The routes of clients, to which no one else is admitted."""
    router = APIRouter(prefix="/prepared")

    body = documented_body(NewPreparedRun)

    @router.post("", status_code=201, responses=documented(PreparedRun, 201), openapi_extra=body)
    async def prepare(request: Request) -> JSONResponse:
        """Prepares a run for a user, once with an `Idempotency-Key`. Nothing runs before they accept it."""
        wanted = read_body(NewPreparedRun, await request.body())
        client = caller_of(request.scope)
        key = request.headers.get("idempotency-key", "")
        state = await prepared.prepare(client, wanted.user, wanted.question, wanted.seconds, key)
        return JSONResponse(prepared_members(state, prepared.status(state)), 201)

    @router.get("", responses=documented(PreparedRunList))
    async def list_prepared(request: Request) -> JSONResponse:
        """The runs that the client has prepared, and what became of them; never what was responded."""
        states = await prepared.store.of_client(caller_of(request.scope).principal)
        listed = [prepared_members(state, prepared.status(state)) for state in states]
        return JSONResponse({"prepared": listed})

    @router.delete("/{prepared_id}", status_code=204, response_class=Response)
    async def withdraw(request: Request, prepared_id: str) -> Response:
        """Withdraws one that waits."""
        caller = caller_of(request.scope)
        await prepared.withdraw(prepared_id, caller.principal, caller)
        return Response(status_code=204)

    return router
