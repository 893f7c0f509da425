"""`/approvals`: what waits for the caller, asked by others and by themselves, and decisions about others'."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.response_models import Approval, Wire, documented
from agent.api.threads.models import Body, documented_body, read_body
from agent.http.authentication import caller_of
from agent.runs.conversation_runs import Conversations
from graph.approvals.inbox import Inbox
from graph.approvals.record import ApprovalState, PendingApproval
from graph.approvals.request import approval_of


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
    where they decide, or wait for others.
    """

    asked: list[AskedApproval]
    own: list[Approval]


class ApproverDecision(Body):
    """The decision about the call as it was asked: an approver changes nothing of it."""

    decision: Literal["approve", "reject"]


def _asked(state: ApprovalState) -> dict[str, Any]:
    request = state.request
    shown = approval_of(PendingApproval(request, request.arguments or {}))
    asker = {"iss": request.principal.issuer, "sub": request.principal.subject}
    return {**shown, "thread_id": "", "call_id": "", "asker": asker, "rules": list(request.rules)}


def inbox_routes(inbox: Inbox, conversations: Conversations) -> APIRouter:
    """The routes. What the caller may not decide is refused as what does not exist is."""
    router = APIRouter(prefix="/approvals")

    @router.get("", responses=documented(WaitingApprovals))
    async def list_waiting(request: Request) -> JSONResponse:
        """What waits for the caller."""
        caller = caller_of(request.scope)
        asked = [_asked(each) for each in await inbox.waiting(caller)]
        opened = await conversations.open_approvals(caller.principal)
        threads = dict.fromkeys(each.request.thread_id for each in opened)
        own = [
            approval_of(each) for thread in threads for each in await conversations.pending(caller, thread)
        ]
        return JSONResponse({"asked": asked, "own": own})

    @router.post(
        "/{approval_id}",
        status_code=204,
        response_class=Response,
        response_description="The decision counts.",
        openapi_extra=documented_body(ApproverDecision),
    )
    async def decide(request: Request, approval_id: str) -> Response:
        """Decides about the call of another person. Their run goes on when they continue it."""
        given = read_body(ApproverDecision, await request.body())
        await inbox.decide(approval_id, caller_of(request.scope), approved=given.decision == "approve")
        return Response(status_code=204)

    return router
