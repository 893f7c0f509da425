"""The questions of an application's graph as the server's: one at a time, in its store, on every surface.

A governed call asks by itself, and keeps its question there. Another human-in-the-loop request of LangChain's
form, such as that of `HumanInTheLoopMiddleware`, is kept here, and noted in the checkpoint beside its words.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command, Interrupt

from graph.approvals.answer import AnswerReader
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval
from graph.approvals.request import interrupt_value, pending_of
from graph.call_arguments import arguments_digest
from graph.context import AgentContext, Conversation
from graph.error_codes import GraphCode, invalid_approval
from idaas_agent.library.governed_tool import GovernedTool
from idaas_agent.library.shown_calls import shown_id
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ApprovalError, InternalError
from identity.secrets.redaction import redact
from tools.approval_policy import Effect
from tools.arguments.fault import ArgumentFault

INTERRUPT: Final = "__interrupt__"
_ASKED_BY: Final = "asked_by"
_APP: Final = "app"
"""The service of calls about which the application's own code asks, as people see it."""
_UNKNOWN: Final = (
    "the graph asks by an interrupt that is no human-in-the-loop request, which no surface shows"
)
_NOT_KEPT: Final = "the graph asks its user, and this conversation is not kept"
_TOO_LATE: Final = "the user's decision did not count: it came too late, or was one before"
_NO_EDIT: Final = "the user has changed the call, which cannot be changed: it was not made"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswers(AnswerReader):
    """Reads answers about calls of the application's governed `tools`, by their names."""

    tools: Mapping[str, GovernedTool]

    async def faults(
        self,
        service: str,  # noqa: ARG002 - the tools of a graph have names of their own
        tool: str,
        arguments: Mapping[str, Any],
        caller: VerifiedAccessToken,
    ) -> Sequence[ArgumentFault]:
        """See `AnswerReader`. What the application itself asks about has no schema here."""
        governed = self.tools.get(tool)
        return () if governed is None else await governed.faults(arguments, caller)

    def parameters(self, asked: ApprovalRequest, caller: VerifiedAccessToken) -> Mapping[str, Any] | None:  # noqa: ARG002 - the same for every caller
        """See `AnswerReader`."""
        governed = self.tools.get(asked.tool)
        return None if governed is None else governed.parameters


@dataclass(frozen=True, slots=True)
class ServedQuestions:
    """The questions of one graph. Without conversations, `prompts` is `None`, and no run pauses. A person has
    `seconds` to answer.
    """

    prompts: ApprovalPrompts | None
    answers: AnswerReader
    seconds: float

    def shown(self, state: Any) -> Interrupt | None:  # noqa: ANN401 - LangGraph's state
        """The question with which a run waits, in the form of the agent's own; of several, the first one."""
        for interrupt in state.interrupts:
            if _is_kept(interrupt.value):
                return Interrupt(value=_as_the_agents_own(interrupt.value), id=interrupt.id)
        return None

    async def keep(
        self,
        state: Any,  # noqa: ANN401 - LangGraph's state
        saver: tuple[BaseCheckpointSaver[Any] | None, RunnableConfig],
        run: AgentContext,
        caller: VerifiedAccessToken,
    ) -> Interrupt:
        """The question that is shown of a run which has paused; one that is not kept yet is kept.

        Raises `InternalError` for an interrupt that is no question about calls.
        """
        shown = self.shown(state)
        if shown is not None:
            return shown
        for task in state.tasks:
            for number, interrupt in enumerate(task.interrupts):
                if _is_request(interrupt.value):
                    value = await self._kept(interrupt, state, run, caller)
                    interrupts = list(task.interrupts)
                    interrupts[number] = Interrupt(value=value, id=interrupt.id)
                    checkpointer, config = saver
                    assert checkpointer is not None  # noqa: S101 - the state was read from it
                    await checkpointer.aput_writes(config, [(INTERRUPT, interrupts)], task.id)
                    return Interrupt(value=_as_the_agents_own(value), id=interrupt.id)
        raise InternalError(GraphCode.GRAPH_NODE_FAILED, _UNKNOWN)

    async def resumed(
        self,
        state: Any,  # noqa: ANN401 - LangGraph's state
        run: AgentContext,
        caller: VerifiedAccessToken,
    ) -> Command[Any]:
        """The answer of this run to the question that was shown. Raises `ApprovalError` if there is none."""
        run_id = state.config["configurable"]["thread_id"]
        for interrupt in state.interrupts:
            value = interrupt.value
            if not _is_kept(value):
                continue
            answer = run.answers.get(value["approvals"][0]["id"])
            if value.get(_ASKED_BY) == _APP:
                decisions: Sequence[object] = await self._decisions(value, answer, run_id, caller)
            else:
                decisions = [] if answer is None else [answer]
            return Command(resume={interrupt.id: {"decisions": decisions}})
        raise invalid_approval("the run waits for nothing")

    async def _kept(
        self,
        interrupt: Interrupt,
        state: Any,  # noqa: ANN401 - LangGraph's state
        run: AgentContext,
        caller: VerifiedAccessToken,
    ) -> dict[str, Any]:
        """The request of the application with the question that was kept for it."""
        if self.prompts is None:
            raise InternalError(GraphCode.GRAPH_NODE_FAILED, _NOT_KEPT)
        actions = interrupt.value["action_requests"]
        name, arguments = _about(actions)
        now = self.prompts.clock()
        thread = run.thread_id or ""
        known_by = [thread, caller.principal.issuer, caller.principal.subject, interrupt.id, actions]
        digest = hashlib.sha256(json.dumps(known_by, sort_keys=True, default=str).encode()).hexdigest()
        request = ApprovalRequest(
            id=digest[:32],
            kind=ApprovalKind.TOOL_CALL,
            thread_id=thread,
            principal=caller.principal,
            service=_APP,
            tool=name,
            call_id=_call_id(state, actions[0]),
            digest=arguments_digest(arguments),
            effect=Effect.UNKNOWN,
            created_at=now,
            expires_at=now + self.seconds,
        )
        pending = PendingApproval(request, redact(arguments, [caller.token]), asked=False)
        await self.prompts.keep(pending, caller)
        about = interrupt_value(pending)["approval"]
        return {**interrupt.value, "approvals": [about], _ASKED_BY: _APP}

    async def _decisions(
        self, value: Mapping[str, Any], given: object, run_id: str, caller: VerifiedAccessToken
    ) -> Sequence[Mapping[str, Any]]:
        """The decisions about the application's request, which are kept and used."""
        actions = value["action_requests"]
        pending = pending_of(_as_the_agents_own(value))
        answer = await self.answers.read(given, pending, caller)
        if not answer.approved:
            await self._decide(pending.request, None, run_id, caller)
            return [_rejection(answer.message)] * len(actions)
        arguments = dict(answer.arguments or {})
        digest = arguments_digest(arguments)
        is_edited = digest != pending.request.digest
        if is_edited and not _may_edit(value):
            await self._decide(pending.request, None, run_id, caller)
            return [_rejection(_NO_EDIT)] * len(actions)
        if not await self._decide(pending.request, digest, run_id, caller):
            return [_rejection(_TOO_LATE)] * len(actions)
        if is_edited:
            edited = {"name": actions[0]["name"], "args": arguments}
            return [{"type": "edit", "edited_action": edited}]
        return [{"type": "approve"}] * len(actions)

    async def _decide(
        self, shown: ApprovalRequest, digest: str | None, run_id: str, caller: VerifiedAccessToken
    ) -> bool:
        """Keeps the decision of `caller`, and uses it. False if it does not count."""
        assert self.prompts is not None  # noqa: S101 - the question was kept
        gate = self.prompts.gate
        stored = await gate.known(shown.id, caller.principal)
        if stored is None or not self.prompts.may_decide(caller):
            return False
        if not await self.prompts.decide(stored.request, digest, caller):
            return False
        if digest is None:
            return True
        try:
            await gate.use(stored.request, digest, Conversation(shown.thread_id, run_id))
        except ApprovalError:
            return False
        return True


def _is_kept(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value.get("approvals"))


def _is_request(value: object) -> bool:
    """Whether it is a human-in-the-loop request of LangChain's form."""
    actions = value.get("action_requests") if isinstance(value, Mapping) else None
    return isinstance(actions, list) and bool(actions) and all(map(_is_action, actions))


def _is_action(action: object) -> bool:
    if not isinstance(action, Mapping):
        return False
    return isinstance(action.get("name"), str) and isinstance(action.get("args"), dict)


def _about(actions: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The members that one question about all `actions` names, and shows."""
    if len(actions) == 1:
        return actions[0]["name"], dict(actions[0]["args"])
    names = ", ".join(action["name"] for action in actions)
    numbered = {f"{number} {action['name']}": action["args"] for number, action in enumerate(actions, 1)}
    return names, numbered


def _as_the_agents_own(value: Mapping[str, Any]) -> dict[str, Any]:
    """One question in the form of the agent's own graph. Of a governed step, each has one."""
    name, arguments = _about(value["action_requests"])
    action = {**value["action_requests"][0], "name": name, "args": arguments, "arguments": arguments}
    return {
        "action_requests": [action],
        "review_configs": value["review_configs"][:1],
        "approval": value["approvals"][0],
    }


def _may_edit(value: Mapping[str, Any]) -> bool:
    reviews = value.get("review_configs") or [{}]
    allowed = reviews[0].get("allowed_decisions", ["edit"])
    return len(value["action_requests"]) == 1 and "edit" in allowed


def _call_id(state: Any, action: Mapping[str, Any]) -> str:  # noqa: ANN401 - LangGraph's state
    """The call of the latest response that `action` is about; empty if it is about none."""
    for message in reversed(state.values.get("messages", ())):
        if isinstance(message, AIMessage):
            same = [call for call in message.tool_calls if call["name"] == action["name"]]
            exact = [call for call in same if call["args"] == action["args"]]
            ids = [shown_id(message.id, str(call["id"])) for call in (*exact, *same)]
            return ids[0] if ids else ""
    return ""


def _rejection(message: str | None) -> dict[str, Any]:
    return {"type": "reject", "message": message} if message else {"type": "reject"}
