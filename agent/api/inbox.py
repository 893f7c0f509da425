"""`/approvals`: what waits for the caller, asked by others and by themselves, and decisions about others'.
`/prepared`: for clients, the runs that they prepare for people, who decide by `/approvals`.
"""

from contextlib import suppress
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from agent.api.response_models import (
    Approval,
    PreparedRun,
    PreparedRunList,
    Wire,
    documented,
    documented_body,
)
from agent.api.surface import ClientPaths, Surface, if_kept
from agent.api.threads.models import StartedRun
from agent.api.validation_fault import Body, read_body
from agent.composition.kept import Kept
from agent.http.authentication import caller_of
from agent.runs.prepared_runs import PreparedRuns
from graph.approvals.inbox import kept_arguments
from graph.approvals.prepared_run import client_of
from graph.approvals.record import ApprovalState, ApprovalStatus, PendingApproval
from graph.approvals.request import approval_of
from identity.errors import ThreadNotFoundError


class Asker(Wire):
    """Who asks."""

    iss: str
    sub: str


class AskedApproval(Approval):
    """A call of `asker`, of which nothing else of the conversation is shown: `thread_id` and `call_id` are
    empty. `rules` name what requires another person.
    """

    asker: Asker
    rules: list[str]


class WaitingApprovals(Wire):
    """`asked` are those of others, which the caller may decide here; `own` are of the caller's conversations,
    where they decide, or wait for others; `prepared` are runs to begin in the caller's name.
    """

    asked: list[AskedApproval]
    own: list[Approval]
    prepared: list[PreparedRun]


class ApproverDecision(Body):
    """The decision about the call as it was asked: an approver changes nothing of it."""

    decision: Literal["approve", "reject"]


class NewPreparedRun(Body):
    """The question that `user`, by their `sub`, is asked to begin with, and for how many seconds."""

    user: Annotated[str, Field(min_length=1, max_length=255)]
    question: Annotated[str, Field(min_length=1, max_length=8000)]
    seconds: Annotated[int, Field(gt=0)] | None = None


def asked_call(state: ApprovalState) -> dict[str, Any]:
    """The members of `AskedApproval`."""
    request = state.request
    members = approval_of(PendingApproval(request, kept_arguments(request)))
    asker = {"iss": request.principal.issuer, "sub": request.principal.subject}
    return {**members, "thread_id": "", "call_id": "", "asker": asker, "rules": list(request.ruled.rules)}


def _prepared(state: ApprovalState, status: ApprovalStatus) -> dict[str, Any]:
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
        return JSONResponse(_prepared(state, prepared.status(state)), 201)

    @router.get("", responses=documented(PreparedRunList))
    async def list_prepared(request: Request) -> JSONResponse:
        """The runs that the client has prepared, and what became of them; never what was responded."""
        states = await prepared.store.of_client(caller_of(request.scope).principal)
        return JSONResponse({"prepared": [_prepared(state, prepared.status(state)) for state in states]})

    @router.delete("/{prepared_id}", status_code=204, response_class=Response)
    async def withdraw(request: Request, prepared_id: str) -> Response:
        """Withdraws one that waits."""
        caller = caller_of(request.scope)
        await prepared.withdraw(prepared_id, caller.principal, caller)
        return Response(status_code=204)

    return router


def inbox_routes(kept: Kept) -> APIRouter:
    """The routes. What the caller may not decide is refused as what does not exist is."""
    inbox = kept.inbox
    conversations = kept.conversations
    prepared = kept.prepared
    router = APIRouter(prefix="/approvals")

    @router.get("", responses=documented(WaitingApprovals))
    async def list_waiting(request: Request) -> JSONResponse:
        """Everything that waits for the caller."""
        caller = caller_of(request.scope)
        asked = [asked_call(state) for state in await inbox.waiting(caller)]
        opened = await conversations.open_approvals(caller.principal)
        threads = dict.fromkeys(state.request.thread_id for state in opened)
        own = []
        for thread in threads:
            with suppress(ThreadNotFoundError):  # LangGraph Server or Aegra has it
                own += [approval_of(pending) for pending in await conversations.pending(caller, thread)]
        runs = [] if prepared is None else await prepared.waiting(caller)
        listed = [_prepared(run, run.status) for run in runs]
        return JSONResponse({"asked": asked, "own": own, "prepared": listed})

    @router.post(
        "/{approval_id}",
        status_code=204,
        response_class=Response,
        response_description="The decision counts.",
        responses=documented(StartedRun, 202),
        openapi_extra=documented_body(ApproverDecision),
    )
    async def decide(request: Request, approval_id: str) -> Response:
        """Decides about the call of another person, whose run goes on when they continue it; or about a run
        that was prepared for the caller, which begins now (202).
        """
        body = read_body(ApproverDecision, await request.body())
        caller = caller_of(request.scope)
        approved = body.decision == "approve"
        begins = None if prepared is None else await prepared.decide(approval_id, caller, approved=approved)
        if begins is None:
            await inbox.decide(approval_id, caller, approved=approved)
        elif approved:
            run = await conversations.start(caller, approval_id, [begins], streaming=True)
            return JSONResponse({"run": run.id}, 202)
        return Response(status_code=204)

    return router


def _prepared_routes(kept: Kept) -> APIRouter | None:
    return None if kept.prepared is None else prepared_routes(kept.prepared)


INBOX: Final = Surface(name="inbox", routes=if_kept(inbox_routes), polled_paths=frozenset({"/approvals"}))
PREPARED: Final = Surface(
    name="prepared",
    routes=if_kept(_prepared_routes),
    for_clients=ClientPaths("/prepared", lambda settings: settings.prepare_scope),
)
