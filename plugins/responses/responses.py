"""Responses: runs of a caller that requests begin and continue, and that clients read, cancel and delete.

A stored response is a run of a conversation. While it waits for an approval, the response has ended; the
response to the decision is the rest of the same run, under an id of its own.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.api.openai_body import form_not_taken
from agent.conversations.owned_thread import OwnedThread, ThreadOwner
from agent.conversations.run_record import RunRecord
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RequestError
from agent.runs.chats import Chats, FormNotTakenError
from agent.runs.conversation_runs import Conversations
from agent.runs.run import ModelMessages, Paused, RunReader
from agent.runs.stored_run import StoredEvents
from graph.approvals.record import ApprovalRequest, ApprovalStatus, PendingApproval
from graph.error_codes import GraphCode
from graph.events import AgentEvent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ThreadBusyError, ThreadNotFoundError
from plugins.responses.encoder import Members, ResponseEncoder
from plugins.responses.request import Continued, ResponseRequest, response_not_found
from plugins.responses.response_id import ItemIds, ResponseId

_NO_ECHO: Final[Mapping[str, Any]] = {
    "instructions": None,
    "metadata": {},
    "previous_response_id": None,
    "text": {"format": {"type": "text"}},
}
"""Of a response that is read later: what its request said is not kept."""
_WAITS: Final = ("input_required", "auth_required")
"""The states of a run that waits for a person."""


@dataclass(frozen=True, slots=True)
class BegunResponse:
    """A response whose run one client reads."""

    encoder: ResponseEncoder
    reader: RunReader


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses of all callers. Those of other callers are absent. `model` is named in each.

    A client that leaves ends its run. Methods raise `RequestError`, and the errors of the runs.
    """

    chats: Chats
    model: str
    clock: Callable[[], float]
    page: str | None = None
    """Where users decide about what no item asks."""

    async def begin(self, request: ResponseRequest, caller: VerifiedAccessToken) -> BegunResponse:
        """The run that the request begins, or continues by its decisions."""
        try:
            return await self._begun(request, caller)
        except FormNotTakenError:
            raise form_not_taken("text.format") from None

    async def _begun(self, request: ResponseRequest, caller: VerifiedAccessToken) -> BegunResponse:
        if request.thread_id is None:
            reader = await self.chats.begin(
                caller, request.messages, None, streaming=True, steps=True, requested=_requested(request)
            )
            members = self._members(f"resp_{uuid.uuid4().hex}", None, request.echo)
            return BegunResponse(ResponseEncoder(members, ItemIds(None), clock=self.clock), reader)
        if request.continued is not None:
            await self._require_latest(request.continued, caller)
        if request.decisions:
            return await self._decided(request, request.thread_id, caller)
        reader = await self._continued(request, request.thread_id, caller)
        named = ResponseId(reader.run.id, request.thread_id)
        return BegunResponse(self._encoder(named, request.echo), reader)

    async def _continued(
        self, request: ResponseRequest, thread_id: str, caller: VerifiedAccessToken
    ) -> RunReader:
        """The next run of the conversation: after the continued response, if one is named."""
        try:
            return await self.chats.begin(
                caller,
                request.messages,
                thread_id,
                streaming=True,
                keep=False,
                instructions=request.instructions,
                requested=_requested(request),
                after_run=None if request.continued is None else request.continued.run_id,
            )
        except ThreadBusyError:
            if (continued := request.continued) is not None:  # by another request, just before
                await self._require_latest(continued, caller)
            raise

    async def get(self, response_id: str, caller: VerifiedAccessToken) -> Members:
        """The response as it is now: all that its run has done since it began."""
        named = self._named(response_id)
        record = await self._record(named, caller)
        waiting = await self._waiting(record, caller)
        if record.state in _WAITS and not waiting:
            again = await self._record(named, caller)
            if again != record:  # its approval has been decided, withdrawn, or expired meanwhile
                return await self.get(response_id, caller)
        [messages] = await self._conversations.threads.runs.messages(ThreadOwner.of(caller), [record])
        created_at = messages[0].created_at if messages else record.changed_at
        encoder = self._encoder(named, _NO_ECHO, created_at=created_at, completed_at=record.changed_at)
        stored = StoredEvents()
        events = [event for message in messages for event in stored.of(message.message)]
        for event in await self._since(named, events, caller):
            encoder.event(event)
        of_model = ModelMessages()
        of_model.add(message.message for message in messages)
        self._end(encoder, record, of_model, waiting)
        return encoder.response()

    async def cancel(self, response_id: str, caller: VerifiedAccessToken) -> Members:
        """Ends the run of the response, also one that waits. Of one that has ended, changes nothing."""
        named = self._named(response_id)
        await self._record(named, caller)
        await self._conversations.cancel(caller, named.thread_id, named.run_id)
        return await self.get(response_id, caller)

    async def delete(self, response_id: str, caller: VerifiedAccessToken) -> None:
        """Deletes the conversation of the response, which must be its only one: a response of several is part
        of what the others have read.
        """
        named = self._named(response_id)
        await self._record(named, caller)
        if not await self._conversations.delete_only_run(caller, named.thread_id, named.run_id):
            problem = f"The conversation has other responses: delete it whole, at /threads/{named.thread_id}"
            raise RequestError(None, problem, code="conversation_has_others", status=409)

    @property
    def _conversations(self) -> Conversations:
        """Those that the agent keeps. Raises `RequestError` if it keeps none."""
        if self.chats.conversations is None:
            raise response_not_found()
        return self.chats.conversations

    async def _decided(
        self, request: ResponseRequest, thread_id: str, caller: VerifiedAccessToken
    ) -> BegunResponse:
        """The rest of a run that waited."""
        waiting = await self._conversations.pending(caller, thread_id)
        run = await self._conversations.resume(caller, thread_id, request.decisions, streaming=True)
        named = ResponseId(run.id, thread_id, _decided_approval(request, waiting))
        ids = ItemIds(named)
        approved = {pending.request.call_id: ids.of_approval(pending.request.id) for pending in waiting}
        encoder = self._encoder(named, request.echo, approved=approved)
        return BegunResponse(encoder, run.events(keep=False))

    async def _require_latest(self, continued: Continued, caller: VerifiedAccessToken) -> None:
        """Raises `RequestError` unless the response is the caller's, and the latest of its conversation."""
        if continued.run_id is None:
            return
        named = ResponseId(continued.run_id, continued.thread_id)
        try:
            await self._record(named, caller)
            latest = await self._conversations.threads.get(OwnedThread.of(caller, continued.thread_id))
        except (RequestError, ThreadNotFoundError):
            raise continued.unknown from None
        if latest.run_id != continued.run_id:
            problem = "only the latest response of a conversation can be continued"
            raise RequestError(continued.unknown.param, problem, code="response_not_latest")

    def _named(self, response_id: str) -> ResponseId:
        named = ResponseId.read(response_id)
        if named is None:
            raise response_not_found()
        return named

    async def _record(self, named: ResponseId, caller: VerifiedAccessToken) -> RunRecord:
        """The run of the response, which is the caller's. Raises `RequestError` for any other one, and for
        one to a decision that nobody has made.
        """
        thread = OwnedThread.of(caller, named.thread_id)
        record = await self._conversations.threads.runs.get(thread, named.run_id)
        if record is None:
            raise response_not_found()
        if named.approval_id is not None:
            await self._decision(named, named.approval_id, caller)
        return record

    async def _decision(
        self, named: ResponseId, approval_id: str, caller: VerifiedAccessToken
    ) -> ApprovalRequest:
        """What was decided about in the conversation of the response. Raises `RequestError`."""
        state = await self._conversations.parts.approvals.get(approval_id, caller.principal)
        if state is None or state.request.thread_id != named.thread_id:
            raise response_not_found()
        if state.status_at(self.clock()) is ApprovalStatus.OPEN:
            raise response_not_found()
        return state.request

    async def _since(
        self, named: ResponseId, events: Sequence[AgentEvent], caller: VerifiedAccessToken
    ) -> Sequence[AgentEvent]:
        """The events of the response: of one to a decision, those from the decided call on."""
        if named.approval_id is None:
            return events
        decided = await self._decision(named, named.approval_id, caller)
        for position, event in enumerate(events):
            if event["type"] == "tool_started" and event["call_id"] == decided.call_id:
                return events[position:]
        return []

    async def _waiting(self, record: RunRecord, caller: VerifiedAccessToken) -> Sequence[PendingApproval]:
        """What the run waits for. Of one that waits, nothing if it has changed since it was read."""
        if record.state not in _WAITS:
            return ()
        return await self._conversations.pending(caller, record.thread_id)

    def _end(
        self,
        encoder: ResponseEncoder,
        record: RunRecord,
        of_model: ModelMessages,
        waiting: Sequence[PendingApproval],
    ) -> None:
        """How the run of `record` has ended, or what it is `waiting` for."""
        match record.state:
            case "working":
                return
            case "completed":
                encoder.event(of_model.finished())
                return
            case "input_required" | "auth_required":
                if waiting:
                    encoder.event(Paused(tuple(waiting), of_model.usage))
                    return
                expired = GraphCode.APPROVAL_EXPIRED
                encoder.ended_early("cancelled", expired.value, expired.row.for_person())
            case "canceled":
                code = record.code if record.reason else AgentCode.RUN_CANCELLED
                encoder.ended_early("cancelled", code.value, code.row.for_person())
            case _:
                encoder.ended_early("failed", record.code.value, record.code.row.for_person())
        encoder.counted(of_model.usage)

    def _encoder(
        self,
        named: ResponseId,
        echo: Mapping[str, Any],
        *,
        created_at: float | None = None,
        completed_at: float | None = None,
        approved: Mapping[str, str] | None = None,
    ) -> ResponseEncoder:
        """`completed_at` is when the response was completed, if it was; `None`: it has only begun."""
        members = self._members(str(named), named.thread_id, echo, created_at)
        clock = self.clock if completed_at is None else lambda: completed_at
        return ResponseEncoder(members, ItemIds(named), clock=clock, approved=approved, page=self.page)

    def _members(
        self,
        response_id: str,
        thread_id: str | None,
        echo: Mapping[str, Any],
        created_at: float | None = None,
    ) -> Members:
        """The members that do not change. What has no effect on the agent has the value of no request."""
        return {
            "id": response_id,
            "created_at": int(self.clock() if created_at is None else created_at),
            "model": self.model,
            "background": False,
            "completed_at": None,
            "conversation": None if thread_id is None else {"id": thread_id},
            "store": thread_id is not None,
            "frequency_penalty": 0.0,
            "max_output_tokens": None,
            "max_tool_calls": None,
            "parallel_tool_calls": True,
            "presence_penalty": 0.0,
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None,
            "service_tier": "default",
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": 1.0,
            "truncation": "disabled",
            "user": None,
            **echo,
        }


def _requested(request: ResponseRequest) -> list[object]:
    return [] if request.form is None else [request.form]


def _decided_approval(request: ResponseRequest, waiting: Sequence[PendingApproval]) -> str:
    """The approval that the run waited for. After the decisions of other persons any answer goes on with the
    run, also one that names none of what waited.
    """
    approval_ids = [pending.request.id for pending in waiting]
    answered = [approval_id for approval_id in request.decisions if approval_id in approval_ids]
    return next(iter([*answered, *approval_ids, *request.decisions]))
