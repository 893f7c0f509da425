"""The runs of `tools/call`: a question in a conversation, or one call of a service's tool, by the same graph.

A run that waits for its user is found again by what the client sends again, never by what it claims: the
conversation is the caller's own, and its latest message has the digest of the call.
"""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from agent.api.json_rpc import Members, RpcCode
from agent.composition.agent import Agent
from agent.composition.kept import Kept
from agent.conversations.owned_thread import OwnedThread
from agent.conversations.thread import is_thread_id
from agent.runs.chats import NotStoredError
from agent.runs.conversation_runs import Conversations
from agent.runs.run import End, Finished, Paused, RunReader
from graph.approvals.record import ApprovalKind, ApprovalState, ApprovalStatus
from graph.authorship import by_program
from graph.call_arguments import are_valid_arguments, arguments_digest
from graph.error_codes import GraphCode
from graph.proposed_calls import RequestedCall
from graph.tool_calls.tool_catalog import OfferedTools, ToolCatalog
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ApprovalError
from plugins.mcp_server.message import McpError, McpMessage
from tools.result_schema import ResultSchema

ASK: Final = "ask"
ANSWER: Final = "answer"
"""The key of the one question that a result asks, and of its answer."""
_NOT_OF_CALL: Final = "requestState is not of this call"
_MARK: Final = "mcp-"
_NEWEST: Final = 200
"""The messages among which the question of a run is looked for. A run within the limits has fewer."""

ASK_TOOL: Final[Members] = {
    "name": ASK,
    "title": "Ask the agent",
    "description": "Asks the agent. It uses the services that the signed-in user may use, and asks the user "
    "before it changes something. The answer names its conversation, for the next question.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "question": {"type": "string", "minLength": 1, "description": "In any language."},
            "conversation": {"type": "string", "description": "Of an earlier answer. Default: a new one."},
        },
        "required": ["question"],
        "additionalProperties": False,
    },
    "outputSchema": {
        "type": "object",
        "properties": {
            "answer": {"type": "string"},
            "conversation": {"type": ["string", "null"]},
            "finish_reason": {"type": "string"},
        },
        "required": ["answer", "conversation", "finish_reason"],
    },
}


@dataclass(slots=True)
class CallState:
    """Where a call is: how its run ended, `None` until then or if it was cut off, and whether the latest call
    of a tool in it succeeded. `thread_id` is its conversation, if it has one.
    """

    end: End | None = None
    ok: bool = False
    thread_id: str | None = None


Begun: TypeAlias = RunReader | CallState
"""A run, or what it waits for, or how it ended."""


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A valid `tools/call`. `digest` identifies it: the same call in the same version has the same one."""

    request: McpMessage
    caller: VerifiedAccessToken
    name: str
    arguments: Mapping[str, Any]
    digest: str

    @classmethod
    def of(cls, request: McpMessage, caller: VerifiedAccessToken) -> "AskedCall":
        """Raises `McpError`."""
        name = request.params.get("name")
        arguments = request.params.get("arguments", {})
        if not isinstance(name, str) or not are_valid_arguments(arguments) or not isinstance(arguments, dict):
            raise McpError(RpcCode.INVALID_PARAMS, "params must have the name of a tool, and its arguments")
        if name == ASK and not _are_of_ask(arguments):
            raise McpError(
                RpcCode.INVALID_PARAMS, "ask takes a question, and the conversation of an earlier answer"
            )
        digest = arguments_digest({f"{name} {request.modern}": arguments})[:32]
        return cls(request, caller, name, arguments, digest)

    def message(self) -> HumanMessage:
        """Its message in the conversation."""
        text = self.arguments["question"] if self.name == ASK else f'Call the tool "{self.name}".'
        message = HumanMessage(text, id=f"{_MARK}{uuid.uuid4().hex}-{self.digest}")
        return by_program(message, "an MCP client")


class Calls:
    """The tools of one agent, and the runs of their calls. Methods raise `McpError`, and the errors of runs.

    Without stored conversations no call waits: what needs an approval is refused.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._catalog = ToolCatalog(agent.services, agent.settings.tool_timeout_seconds)

    async def offered(self, caller: VerifiedAccessToken) -> OfferedTools:
        """The tools of the services that `caller` can use now."""
        services = self._agent.services
        return await self._catalog.offered(
            {service.name: self._agent.access(service.name, caller) for service in services}
        )

    async def offered_for(self, asked: AskedCall) -> OfferedTools:
        """The tools among which that of the call is; none for `ask`, which is the agent's own."""
        return OfferedTools([], {}, []) if asked.name == ASK else await self.offered(asked.caller)

    def returns(self, tool: str, service: str | None, caller: VerifiedAccessToken) -> ResultSchema | None:
        """The schema of what `tool` of `service` returns, which was offered to `caller`."""
        declared = getattr(self._agent.gate.services.get(service or ""), "result_schema", None)
        if service is None or declared is None:
            return None
        schema: ResultSchema | None = declared(tool, self._agent.access(service, caller))
        return schema

    async def begin(self, asked: AskedCall, offered: OfferedTools) -> Begun:
        """Runs the call of a tool that is `offered` to its caller; one that a client sends again goes on, or
        is what became of it.
        """
        if asked.request.modern and "requestState" in asked.request.params:
            return await self._resumed(asked)
        if asked.name == ASK:
            return await self._ask(asked)
        return await self._call(asked, offered)

    async def _ask(self, asked: AskedCall) -> Begun:
        """Asks the question, in the conversation that the client names, which is not opened."""
        thread_id = asked.arguments.get("conversation")
        if thread_id is not None:
            thread = OwnedThread.of(asked.caller, thread_id)
            try:
                await self._agent.chats.stored.threads.get(thread)
            except NotStoredError:
                raise McpError(RpcCode.INVALID_PARAMS, "This agent stores no conversations") from None
        return await self._begun(asked, thread_id)

    async def _call(self, asked: AskedCall, offered: OfferedTools) -> Begun:
        """Calls the tool. A run that certainly asks nobody is not kept."""
        name = asked.name
        arguments = dict(asked.arguments)
        call = ToolCall(name=name, args=arguments, id=f"call_{uuid.uuid4().hex}", type="tool_call")
        service = offered.services.get(name)
        if service is None:
            unknown = f"There is no tool {name!r:.80}"
            raise McpError(RpcCode.INVALID_PARAMS, offered.withheld.get(name, unknown))
        if self._may_wait(asked, call, service):
            return await self._begun(asked, None, call)
        return await self._agent.chats.begin(
            asked.caller, [asked.message()], None, streaming=False, requested=[RequestedCall(call)]
        )

    def _may_wait(self, asked: AskedCall, call: ToolCall, service: str) -> bool:
        """Whether the call may wait for a person: its policy or its server asks, and the client shows it."""
        gate = self._agent.gate
        shows_questions = asked.request.asks("form") or asked.request.asks("url")
        if shows_questions and getattr(gate.services[service], "may_ask", False):
            return True
        return gate.decides(call, service, {})

    async def _begun(self, asked: AskedCall, thread_id: str | None, call: ToolCall | None = None) -> Begun:
        """The run of the call, in a conversation if the agent stores any: `thread_id`, or a new one."""
        kept = self._agent.kept
        modern = asked.request.modern
        if kept is not None:
            waited_in = None if modern else await self._waited(kept, asked, thread_id)
            if waited_in is not None:
                return await _outcome(kept.conversations, asked.caller, waited_in)
            thread_id = thread_id or uuid.uuid4().hex
        return await self._agent.chats.begin(
            asked.caller,
            [asked.message()],
            thread_id,
            streaming=call is None,
            keep=not modern,
            requested=() if call is None else [RequestedCall(call)],
        )

    async def _resumed(self, asked: AskedCall) -> Begun:
        """Goes on with a call that waits. `requestState` is hostile: it names a conversation and an approval,
        and counts only if they are the caller's, and those of this call: it must have been issued for it.
        """
        params = asked.request.params
        caller = asked.caller
        thread_id, approval_id = _read_state(params["requestState"])
        conversations = self._agent.chats.conversations
        if conversations is None or await _asked_at(conversations, asked, thread_id) is None:
            raise McpError(RpcCode.INVALID_PARAMS, _NOT_OF_CALL)
        asked_for = await conversations.parts.approvals.get(approval_id, caller.principal)
        if asked_for is None or asked_for.request.thread_id != thread_id:
            raise McpError(RpcCode.INVALID_PARAMS, _NOT_OF_CALL)
        pending = await conversations.pending(caller, thread_id)
        by_id = {approval.request.id: approval.request for approval in pending}
        waiting = by_id.get(approval_id)
        if waiting is None:
            return await _outcome(conversations, caller, thread_id)
        answer = _read_answer(params.get("inputResponses"))
        action = answer.get("action")
        decided_by_others = waiting.approvers is not None
        withdraws = action == "cancel" and waiting.kind is not ApprovalKind.ELICITATION
        if withdraws or (action == "decline" and decided_by_others):
            await conversations.cancel(caller, thread_id)
        if withdraws or decided_by_others:
            return await _outcome(conversations, caller, thread_id)
        if waiting.kind is ApprovalKind.TOOL_CALL and action == "accept":
            content = answer.get("content")
            approved = content.get("approve") if isinstance(content, dict) else None
            answer = {"approved": approved}
        elif waiting.kind is ApprovalKind.SIGN_IN_REQUIRED:
            answer = {"approved": True}
        try:
            run = await conversations.resume(
                caller, thread_id, {approval_id: answer}, streaming=asked.name == ASK
            )
        except ApprovalError as error:
            if error.code is not GraphCode.APPROVAL_INVALID:
                raise
            return CallState(Paused(tuple(pending)))  # what is no answer asks again
        return run.events(keep=False)

    async def _waited(self, kept: Kept, asked: AskedCall, thread_id: str | None) -> str | None:
        """The conversation, `thread_id` or any, in which this call of a legacy client waited for its user
        lately, and they have decided in time or still can.
        """
        now = self._agent.clock()
        since = now - 2 * self._agent.settings.approval_seconds
        latest: dict[str, ApprovalState] = {}
        for state in await kept.approvals.recent(asked.caller.principal, since):
            latest.setdefault(state.request.thread_id, state)
        for waited_in, state in latest.items():
            if thread_id in (None, waited_in) and state.status_at(now) is not ApprovalStatus.EXPIRED:
                asked_at = await _asked_at(kept.conversations, asked, waited_in)
                if asked_at is not None and state.request.created_at >= asked_at:
                    return waited_in
        return None


def _are_of_ask(arguments: Mapping[str, Any]) -> bool:
    """Whether these are arguments of `ASK`."""
    question = arguments.get("question")
    conversation = arguments.get("conversation", "-")
    if not isinstance(question, str) or not question.strip():
        return False
    if not isinstance(conversation, str) or not is_thread_id(conversation):
        return False
    return arguments.keys() <= {"question", "conversation"}


def _read_state(state: object) -> tuple[str, str]:
    """The conversation and the approval that `requestState` names."""
    thread_id, _, approval_id = state.partition(".") if isinstance(state, str) else ("", "", "")
    return thread_id, approval_id


def _read_answer(responses: object) -> Members:
    """The answer in `inputResponses`; empty if there is none."""
    answer = responses.get(ANSWER) if isinstance(responses, dict) else None
    return answer if isinstance(answer, dict) else {}


async def _asked_at(conversations: Conversations, asked: AskedCall, thread_id: str) -> float | None:
    """When the latest run of the caller's conversation was asked this call; `None`: it was another."""
    thread = OwnedThread.of(asked.caller, thread_id)
    runs = conversations.threads.runs
    latest = await runs.get(thread)
    if latest is None:
        return None
    [questions] = await runs.messages(thread.owner, [latest], limit=1, asked=True)
    for question in questions:
        name = question.message.id or ""
        if name.startswith(_MARK) and name.endswith(asked.digest):
            return question.created_at
    return None


async def _outcome(conversations: Conversations, caller: VerifiedAccessToken, thread_id: str) -> Begun:
    """The state of a call that waited: what it waits for now, or what became of it. One that others have
    approved goes on, and one that waited for something done elsewhere, which is tried again.

    Raises `ApprovalError` if the user did not decide in time.
    """
    owned = OwnedThread.of(caller, thread_id)
    if pending := await conversations.pending(caller, thread_id):
        waiting = pending[0].request
        done_elsewhere = waiting.kind in (ApprovalKind.CONSENT_REQUIRED, ApprovalKind.SIGN_IN_REQUIRED)
        if done_elsewhere or waiting.approvers is not None:
            answers = {waiting.id: {"approved": True}} if done_elsewhere else {}
            with suppress(ApprovalError):  # they have not decided
                return (await conversations.resume(caller, thread_id, answers, streaming=True)).events()
        return CallState(Paused(tuple(pending)))
    thread = await conversations.threads.get(owned)
    if thread.status == "paused":
        await conversations.require_open(caller, thread_id)
    if thread.status == "running":
        reader = await conversations.follow(caller, thread_id)
        if reader is not None:
            return reader
    newest = [stored.message for stored in await conversations.threads.messages(owned, limit=_NEWEST)]
    return _stored_outcome(newest, thread_id)


def _stored_outcome(newest: Sequence[AnyMessage], thread_id: str) -> CallState:
    """How the latest run ended, by the messages that are stored."""
    questions = [position for position, message in enumerate(newest) if isinstance(message, HumanMessage)]
    since_question = newest[questions[-1] :] if questions else newest
    results = [message for message in since_question if isinstance(message, ToolMessage)]
    succeeded = bool(results) and results[-1].status == "success"
    last = newest[-1]
    end = Finished(str(last.text)) if isinstance(last, AIMessage) else None
    return CallState(end, succeeded, thread_id)
