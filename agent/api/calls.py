"""`/calls`: what the agent has called for the caller, over all conversations, and what they approved.

It reads the caller's own conversations, and nothing else: no audit log, and nothing of another principal. A
conversation that was deleted has left with its calls.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from agent.api.call_grant import CallGrant, call_grant
from agent.api.disconnect import while_connected
from agent.api.response_models import DisplayedArgument, Wire, documented
from agent.api.surface import Surface, if_kept
from agent.composition.kept import Kept
from agent.conversations.owned_thread import OwnedThread, ThreadOwner
from agent.conversations.past_calls import CallHistory, CallOutcome, PastCall
from agent.conversations.thread import Thread
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from graph.approvals.record import ApprovalKind, ApprovalState, ApprovalStatus
from graph.approvals.request import display_of
from graph.call_arguments import arguments_digest
from graph.events import shown_arguments
from identity.credentials.requirement import CREDENTIAL_MEMBERS
from identity.principal import Principal
from identity.printable import rfc3339

_ENOUGH: Final = 100
"""Calls after which a response has no further conversation."""
_MOST_THREADS: Final = 50
"""Conversations that one request reads."""
_MUCH: Final = 8 * 2**20
"""Bytes of messages after which a request reads no further conversation."""
_DECISIONS: Final[Mapping[ApprovalStatus, str]] = {
    ApprovalStatus.APPROVED: "approved",
    ApprovalStatus.USED: "approved",
    ApprovalStatus.REJECTED: "declined",
    ApprovalStatus.EXPIRED: "expired",
    ApprovalStatus.WITHDRAWN: "withdrawn",
    ApprovalStatus.OPEN: "open",
}


class CallDecision(Wire):
    """A decision about a call, and when it was made (RFC 3339). `approvers` is the group of which another
    person decided; null: the user. `changed`: with other arguments than the agent had asked for. `grant`:
    nobody was asked about the call, which this grant covered, at the time of the call.
    """

    decision: Literal["approved", "declined", "expired", "withdrawn", "open"]
    at: str | None
    approvers: str | None
    changed: bool
    grant: CallGrant | None


class CallMade(Wire):
    """A call for the user, in the conversation `thread_id`. `access_identity` and `credential_kind` say whose
    rights it used. `unknown`: it has no result; it may be under way, or may have taken effect. `replaced`:
    its question was asked anew since. Nothing was asked about a call without `decisions`. Show `display`, not
    `arguments`, as of an approval.
    """

    call_id: str
    thread_id: str
    thread_title: str | None
    at: str
    service: str | None
    tool: str
    arguments: dict[str, Any]
    display: list[DisplayedArgument]
    access_identity: Literal["Machine", "Human"] | None
    audience: str | None
    scope: str | None
    credential: str | None
    credential_kind: str | None
    outcome: CallOutcome
    error: str | None
    duration_ms: int | None
    replaced: bool
    decisions: list[CallDecision]


class CallsMade(Wire):
    """Calls, by conversations, the last changed first. `next` is the `before` of the conversations that were
    changed earlier; null: there are none.
    """

    calls: list[CallMade]
    next: str | None


def calls_routes(kept: Kept) -> APIRouter:
    """The route, for the calls of the caller's own conversations."""
    threads = kept.conversations.threads
    router = APIRouter()

    async def of_thread(
        owned: OwnedThread, thread: Thread, principal: Principal
    ) -> tuple[list[dict[str, Any]], int]:
        """The calls of a conversation, and how many bytes were read for them."""
        history = CallHistory()
        size = 0
        after = 0
        while page := await threads.exported(owned, after=after):
            for stored in page:
                history.add(stored)
                size += len(stored.json)
            after = page[-1].seq
        calls = history.calls
        asked = await kept.approvals.of_thread(principal, thread.id) if calls else ()
        decided = decisions_about(calls, asked)
        return [_members(call, thread, states) for call, states in zip(calls, decided, strict=True)], size

    async def of_page(
        owner: ThreadOwner, principal: Principal, before: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        calls: list[dict[str, Any]] = []
        size = 0
        cursor = before
        for _ in range(_MOST_THREADS):
            try:
                listed, cursor = await threads.page(owner, limit=1, before=cursor)
            except ValueError:
                raise RequestError("before", "expected a cursor of an earlier response") from None
            for thread in listed:
                of_this, read = await of_thread(owner.thread(thread.id), thread, principal)
                calls += of_this
                size += read
            if cursor is None or len(calls) >= _ENOUGH or size >= _MUCH:
                break
        return calls, cursor

    @router.get("/calls", responses=documented(CallsMade))
    async def calls(
        request: Request, before: Annotated[str | None, Query(max_length=200)] = None
    ) -> JSONResponse:
        """A page of the caller's calls. A client that leaves ends the reading."""
        caller = caller_of(request.scope)
        reading = of_page(ThreadOwner.of(caller), caller.principal, before)
        made, cursor = await while_connected(reading, request.receive)
        return JSONResponse({"calls": made, "next": cursor})

    return router


def decisions_about(
    calls: Sequence[PastCall], asked: Sequence[ApprovalState]
) -> Sequence[Sequence[ApprovalState]]:
    """The decisions about each of the calls of a conversation, in the order of `asked`. Each is about one
    call: of several with its tool and its id, which a model may give twice, about one with its arguments, if
    there is one, and by the times.
    """
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, call in enumerate(calls):
        numbers[call.tool, call.call_id].append(number)
    of_id = {key: _CallsOfId(calls, of_key) for key, of_key in numbers.items()}
    by_call: list[list[ApprovalState]] = [[] for _ in calls]
    for state in asked:
        request = state.request
        candidates = of_id.get((request.tool, request.call_id))
        if request.kind is ApprovalKind.TOOL_CALL and candidates is not None:
            by_call[candidates.asked_about(state)].append(state)
    return by_call


class _CallsOfId:
    """The calls with one tool and one id, by their numbers in a conversation. A model server may give all of
    its calls the same id, so that each digest is computed once.
    """

    def __init__(self, calls: Sequence[PastCall], numbers: Sequence[int]) -> None:
        self._all = _InOrder(calls, numbers)
        of_digest: dict[str, list[int]] = defaultdict(list)
        if len(numbers) > 1:
            for number in numbers:
                of_digest[arguments_digest(calls[number].arguments)].append(number)
        self._of_digest = {digest: _InOrder(calls, same) for digest, same in of_digest.items()}

    def asked_about(self, state: ApprovalState) -> int:
        """The one about which was asked: its result was kept after the question."""
        digest = state.approved_digest or state.request.digest
        return self._of_digest.get(digest, self._all).first_since(state.request.created_at)


class _InOrder:
    """Calls by their numbers, and the time until which all up to each were kept."""

    def __init__(self, calls: Sequence[PastCall], numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._until = list(accumulate((calls[number].at for number in numbers), max))

    def first_since(self, moment: float) -> int:
        """The first that was kept at `moment` or later, else the last."""
        position = bisect_left(self._until, moment)
        return self._numbers[min(position, len(self._numbers) - 1)]


def _members(call: PastCall, thread: Thread, states: Sequence[ApprovalState]) -> dict[str, Any]:
    about = call.about or _about_question(states)
    arguments = shown_arguments(call.arguments)
    return {
        "call_id": call.call_id,
        "thread_id": thread.id,
        "thread_title": thread.title,
        "at": rfc3339(call.at),
        "tool": call.tool,
        "arguments": arguments,
        "display": display_of(arguments),
        **{name: about.get(name) for name in ("service", "access_identity", *CREDENTIAL_MEMBERS)},
        "outcome": call.outcome,
        "error": about.get("error"),
        "duration_ms": about.get("duration_ms"),
        "replaced": call.replaced,
        "decisions": [_decision(state) for state in states],
    }


def _about_question(states: Sequence[ApprovalState]) -> Mapping[str, Any]:
    """The words of the last question about a call without a result."""
    if not states:
        return {}
    request = states[-1].request
    return {"service": request.service, "access_identity": request.access_identity, **request.declared}


def _decision(state: ApprovalState) -> dict[str, Any]:
    decided = state.decided_at
    return {
        "decision": _DECISIONS[state.status],
        "at": None if decided is None else rfc3339(decided),
        "approvers": state.request.approvers,
        "changed": state.is_edited,
        "grant": call_grant(state.request),
    }


CALLS: Final = Surface(name="calls", routes=if_kept(calls_routes))
