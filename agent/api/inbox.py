"""`/approvals`: what waits for the caller, asked by others, by themselves and by what is no run, and their
decisions about all but their own runs.
"""

from contextlib import suppress
from functools import cache
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import create_model
from starlette.responses import JSONResponse, Response

from agent.api.question_source import installed_sources
from agent.api.response_models import Approval, Wire, documented, documented_body
from agent.api.surface import Surface
from agent.api.threads.models import StartedRun
from agent.api.validation_fault import Body, read_body
from agent.composition.agent import Agent
from agent.http.authentication import caller_of
from graph.approvals.inbox import kept_arguments
from graph.approvals.record import ApprovalState, PendingApproval
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
    where they decide, or wait for others; every other member lists questions that no run asks, which they
    may decide here.
    """

    asked: list[AskedApproval]
    own: list[Approval]


@cache
def waiting_approvals() -> type[WaitingApprovals]:
    """`WaitingApprovals` with the members of the installed sources."""
    lists: dict[str, Any] = {source.name: (list[source.member], ...) for source in installed_sources()}  # type: ignore[name-defined]  # a value
    doc = WaitingApprovals.__doc__
    return create_model("WaitingApprovals", __base__=WaitingApprovals, __doc__=doc, **lists)


class ApproverDecision(Body):
    """The decision about the call as it was asked: an approver changes nothing of it."""

    decision: Literal["approve", "reject"]


def asked_call(state: ApprovalState) -> dict[str, Any]:
    """The members of `AskedApproval`."""
    request = state.request
    members = approval_of(PendingApproval(request, kept_arguments(request)))
    asker = {"iss": request.principal.issuer, "sub": request.principal.subject}
    return {**members, "thread_id": "", "call_id": "", "asker": asker, "rules": list(request.ruled.rules)}


def inbox_routes(agent: Agent) -> APIRouter | None:
    """The routes. What the caller may not decide is refused as what does not exist is."""
    if agent.kept is None:
        return None
    kept = agent.kept
    inbox = kept.inbox
    conversations = kept.conversations
    questions = {source.name: source.questions(agent, kept) for source in installed_sources()}
    router = APIRouter(prefix="/approvals")

    @router.get("", responses=documented(waiting_approvals()))
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
        others = {name: await listed.waiting(caller) for name, listed in questions.items()}
        return JSONResponse({"asked": asked, "own": own, **others})

    @router.post(
        "/{approval_id}",
        status_code=204,
        response_class=Response,
        response_description="The decision counts.",
        responses=documented(StartedRun, 202),
        openapi_extra=documented_body(ApproverDecision),
    )
    async def decide(request: Request, approval_id: str) -> Response:
        """Decides about the call of another person, whose run goes on when they continue it; or about a
        question that no run asks: what it asks to begin begins now (202).
        """
        body = read_body(ApproverDecision, await request.body())
        caller = caller_of(request.scope)
        approved = body.decision == "approve"
        for source in questions.values():
            decided = await source.decide(approval_id, caller, approved=approved)
            if decided is not None and decided.run_id is not None:
                return JSONResponse({"run": decided.run_id}, 202)
            if decided is not None:
                return Response(status_code=204)
        await inbox.decide(approval_id, caller, approved=approved)
        return Response(status_code=204)

    return router


INBOX: Final = Surface(name="inbox", routes=inbox_routes, polled_paths=frozenset({"/approvals"}))
