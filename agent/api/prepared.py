"""`/prepared`: for clients, the runs that they prepare for people, who decide by `/approvals`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from agent.api.question_source import Decided, QuestionSource, StoredParts, Withdrawable
from agent.api.response_models import PreparedRun, PreparedRunList, documented, documented_body
from agent.api.surface import ClientPaths, Surface
from agent.api.validation_fault import Body, read_body
from agent.composition.agent import Agent
from agent.composition.kept import Kept
from agent.http.authentication import caller_of
from agent.runs.conversation_runs import Conversations
from agent.runs.prepared_runs import PreparedRuns
from graph.approvals.inbox import kept_arguments
from graph.approvals.prepared_run import client_of
from graph.approvals.record import ApprovalState, ApprovalStatus, PendingApproval
from graph.approvals.request import approval_members, approval_of
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal


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


@dataclass(frozen=True, slots=True)
class PreparedQuestions:
    """The prepared runs as their users see them: accepted, one begins."""

    prepared: PreparedRuns
    conversations: Conversations

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:
        """See `Questions`."""
        states = await self.prepared.waiting(caller)
        return [prepared_members(state, state.status) for state in states]

    async def decide(self, question_id: str, caller: VerifiedAccessToken, *, approved: bool) -> Decided | None:
        """See `Questions`. Raises what beginning a run raises; then they may accept it again."""
        message = await self.prepared.decide(question_id, caller, approved=approved)
        if message is None:
            return None
        if not approved:
            return Decided()
        run = await self.conversations.start(caller, question_id, [message], streaming=True)
        return Decided(run.id)


class NoQuestions:
    """Without a permission to prepare runs, none is shown or begun."""

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:  # noqa: ARG002 - a method of `Questions`
        """See `Questions`."""
        return []

    async def decide(self, question_id: str, caller: VerifiedAccessToken, *, approved: bool) -> None:
        """See `Questions`."""


def _prepared_runs(agent: Agent, kept: Kept) -> PreparedRuns:
    """The prepared runs of an agent, which announces them."""
    identity = agent.identity
    announce = agent.listeners.announce
    store = kept.storage.prepared
    return PreparedRuns(agent.settings, store, identity.audit, identity.revocations, agent.clock, announce)


def _questions(agent: Agent, kept: Kept) -> PreparedQuestions | NoQuestions:
    if agent.settings.prepare_scope is None:
        return NoQuestions()
    return PreparedQuestions(_prepared_runs(agent, kept), kept.conversations)


def _routes(agent: Agent) -> APIRouter | None:
    return None if agent.kept is None else prepared_routes(_prepared_runs(agent, agent.kept))


async def _withdrawable(parts: StoredParts) -> Sequence[Withdrawable]:
    """Those that can still be accepted, the newest first."""
    store = parts.storage.prepared
    prepared = PreparedRuns(parts.settings, store, parts.audit, parts.revocations, parts.clock)
    states = await store.waiting_for_all(parts.clock())
    open_ones = [state for state in states if prepared.status(state) is ApprovalStatus.OPEN]
    return [_for_operators(prepared, state) for state in open_ones]


def _for_operators(prepared: PreparedRuns, state: ApprovalState) -> Withdrawable:
    request = state.request
    user = request.principal
    client = client_of(request) or ""

    async def withdraw() -> None:
        await prepared.withdraw(request.id, Principal(user.issuer, client), None)

    members = approval_members(request) | {"prepared_by": client}
    return Withdrawable(request.id, user.subject, members, withdraw)


PREPARED_RUNS: Final = QuestionSource(
    name="prepared",
    member=PreparedRun,
    surface=Surface(
        name="prepared",
        routes=_routes,
        for_clients=ClientPaths("/prepared", lambda settings: settings.prepare_scope),
    ),
    questions=_questions,
    withdrawable=_withdrawable,
)
