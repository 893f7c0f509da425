"""Calls of tools in somebody's graph, through the steps that calls in the agent's own graph pass.

In place of the nodes of the agent's graph: the caller is the one of the run, verified at each call, and the
question is asked during the call, by LangGraph's `interrupt`.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from cachetools import FIFOCache
from langchain_core.messages import ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from graph.approvals.answer import AnswerReader
from graph.approvals.gate import STATELESS, ApprovalGate
from graph.approvals.pending_call import PendingCall
from graph.approvals.policies import policies_of
from graph.approvals.policy import Allow, AnyUser, Ask, CallPolicy, Deny
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalStore, PendingApproval
from graph.approvals.rights import ServiceRights, service_rights
from graph.call_arguments import are_valid_arguments, arguments_digest
from graph.call_measures import CallMeasures
from graph.call_steps.call import Call, CallStep, in_steps
from graph.call_steps.labels import add_labels
from graph.call_steps.once import OnceStep
from graph.call_steps.permission import PermissionStep
from graph.call_steps.recorded_call import RecordedCall
from graph.call_steps.refusals import RefusalStep
from graph.call_steps.stops import Stops
from graph.callers import Visit
from graph.context import AgentContext
from graph.credentials.service_credentials import (
    ServiceCredential,
    ServiceCredentials,
    ServiceRequirement,
    requirements,
)
from graph.extensions import Extensions
from graph.labels.labelled_messages import with_labels
from graph.labels.run_labels import RunLabels
from graph.state import AgentState
from graph.tool_calls.call_record import CallRecords
from graph.tool_calls.default_arguments import with_defaults
from graph.tool_calls.requested_calls import BAD_ARGUMENTS
from idaas_agent.library.asking import AnswersStep, Approvals, place_of
from idaas_agent.library.hosting import Host
from idaas_agent.library.kept_results import keep_result, kept_result
from idaas_agent.library.made_calls import KnownBy, MadeCalls
from idaas_agent.library.memory_approvals import MemoryApprovals
from idaas_agent.library.place import Place
from idaas_agent.library.questions import AskedCall, Questions
from idaas_agent.library.read_labels import ReadLabels
from idaas_agent.library.shown_calls import shown_id
from idaas_agent.library.stored_approvals import KeptCalls, StoredApprovals
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.parts import IdentityParts
from identity.principal import AccessIdentity, Principal
from tools.arguments.fault import ArgumentFault
from tools.service import Service, ToolSchema

DEFAULT_SECONDS: Final = 30.0
_NOT_SAVED: Final = f"{STATELESS}: the graph needs a checkpointer, and its run a thread_id"
_PAUSED: Final = 10_000


@dataclass(slots=True)
class KnownCalls:
    """The calls that one process knows, whatever its event loop: it outlives what is opened for a loop."""

    approvals: ApprovalStore = field(default_factory=MemoryApprovals)
    stored: StoredApprovals | None = None
    """In place of `approvals`, and of the beginnings in `made`."""
    questions: Questions = field(default_factory=Questions)
    made: MadeCalls = field(default_factory=MadeCalls)
    read: ReadLabels = field(default_factory=ReadLabels)
    tools: dict[str, Any] = field(default_factory=dict)
    """The governed tools of the application, by their names: the one that was made last."""
    host: Host | None = None
    """The server that runs the graph. What it keeps counts, in place of the above."""
    stops: Stops | None = None
    """The calls that an operator has stopped, unless a server runs the graph, which knows them."""

    requests: set[str] = field(default_factory=set)
    """The services of the application's own requests, outside of tools."""

    def tool_names(self) -> Mapping[str, Collection[str]]:
        """The tools of each service that the process knows, by which an operator stops them."""
        names: dict[str, set[str]] = {name: set() for name in self.requests}
        for tool in self.tools.values():
            names.setdefault(tool.service, set()).add(tool.name)
        return names

    @property
    def outlives_process(self) -> bool:
        """Whether questions are kept where another process finds them."""
        return self.stored is not None or (self.host is not None and self.host.kept is not None)

    def kept(self, opened: IdentityParts) -> KeptCalls:
        """Where approvals and beginnings of calls are kept."""
        if self.host is not None and self.host.kept is not None:
            return self.host.kept
        return KeptCalls(self.approvals, self.made) if self.stored is None else self.stored.of(opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallParts:
    """The parts of an open `Identity` that calls need."""

    broker: CredentialBroker
    audit: AuditTrail
    clock: Callable[[], float]
    access_identity: AccessIdentity
    approval_seconds: float
    known: KnownCalls
    kept: KeptCalls
    policies: Sequence[CallPolicy] = ()
    host: Host | None = None


class GovernedCalls:
    """The calls of some services, whose names are unique."""

    def __init__(
        self, services: Sequence[Service], parts: CallParts, seconds: float = DEFAULT_SECONDS
    ) -> None:
        """`seconds` bounds the time of a call, or that between two reports of its progress."""
        self._parts = parts
        known = parts.known
        clock = parts.clock
        host = parts.host
        required = self._required = requirements(services, parts.access_identity)
        self._credentials = ServiceCredentials(required, parts.broker, clock)
        self._services = {service.name: service for service in services}
        stops = host.stops if host else known.stops
        stopped = [] if stops is None else [stops]
        policies = policies_of(self._services, required, [*stopped, *parts.policies], self.access)
        if host is not None and host.person is not None:
            policies = host.person(policies)
        stateless = _NOT_SAVED if host is None else STATELESS
        gate = ApprovalGate(
            *(services, required, parts.kept.approvals, parts.approval_seconds, clock, policies),
            stateless=stateless,
        )
        announce = host.announce if host else None
        measures = host.measures if host else CallMeasures()
        self._approvals = Approvals(
            gate,
            ApprovalPrompts(gate, parts.audit, clock, announce),
            AnswerReader(gate.services, self.access),
            known.questions,
            parts.kept.edits,
        )
        records = CallRecords(gate.services, required, parts.audit, measures)
        self._refusals = RefusalStep(records)
        budget = [host.budget] if host and host.budget else []
        fence = host.fence if host else None
        fences = [] if fence is None else [fence]
        steps: list[CallStep] = [
            *budget,
            AnswersStep(self._approvals),
            PermissionStep(gate, self._approvals.ask),
            *fences,
            OnceStep(parts.kept.begun),
            add_labels,
        ]
        make = in_steps(steps, RecordedCall(records, seconds, fence, stops))
        self._make = partial(self._refusals, proceed=make)
        self._paused: FIFOCache[Any, bool] = FIFOCache(_PAUSED)
        """The calls whose own code has asked, and which go on when their task is resumed."""

    @property
    def services(self) -> Sequence[Service]:
        """The services."""
        return list(self._services.values())

    def access(self, service: str, caller: VerifiedAccessToken | None) -> ServiceCredential:
        """The access of `caller` to a service."""
        return self._credentials.of(caller, service)

    def requirement(self, service: str) -> ServiceRequirement | None:
        """The requirement of calls of a service; `None`: they have no credential."""
        return self._required.get(service)

    def declare_labels(self, service: str, tool: str) -> None:
        """The results of a tool count as read, wherever they are in a conversation."""
        self._parts.known.read.declare(self._services[service], tool)

    async def faults(
        self, service: str, tool: ToolSchema, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[ArgumentFault]:
        """Why the service would refuse the arguments. Raises as `Service.argument_faults` does."""
        complete = with_defaults(arguments, tool.parameters)
        access = self.access(service, caller)
        return await self._services[service].argument_faults(tool.name, complete, access)

    async def rights(self, service: str, tool: ToolSchema, user: AnyUser) -> ServiceRights:
        """The rights of `user` to one tool of a service."""
        return await service_rights(self._services[service], [tool], self._approvals.gate, user)

    def id_at(self, place: Place) -> str:
        """The id of a call that the code of a node makes without one."""
        number = self._parts.known.questions.id_at(place)
        return uuid.uuid4().hex if number is None else shown_id(place.task, number)

    async def result(
        self, service: str, tool: ToolSchema, wanted: ToolCall, place: Place, caller: VerifiedAccessToken
    ) -> ToolMessage:
        """The result of a call for `caller`, who was verified for it: it is made if it may be, once.

        Raises `AuditError`, and `GraphInterrupt` where its user is asked.
        """
        if not are_valid_arguments(wanted["args"]):
            call = self._call(service, tool, ToolCall({**wanted, "args": {}}), place, caller)
            return await self._refusals.recorded(call, Deny(reason=BAD_ARGUMENTS))
        call = self._call(service, tool, wanted, place, caller)
        pending = call.pending
        if pending.conversation is None:
            return _labelled(await self._make(call), call)
        known_by = KnownBy(
            thread_id=pending.conversation.thread_id,
            run_id=pending.conversation.run_id,
            issuer=caller.principal.issuer,
            subject=caller.principal.subject,
            origin=str(pending.response_id),
            call_id=call.id,
            service=service,
            tool=call.tool,
            arguments_digest=arguments_digest(pending.call["args"]),
        )
        return await self._parts.known.made.result_of(known_by, partial(self._made, call, known_by))

    async def question(
        self, service: str, tool: ToolSchema, wanted: ToolCall, place: Place, caller: VerifiedAccessToken
    ) -> AskedCall | None:
        """The question that `caller` is to be asked about a call; `None`: there is none."""
        if not are_valid_arguments(wanted["args"]):
            return None
        call = self._call(service, tool, wanted, place, caller)
        pending = await self._approvals.with_edits(call.pending)
        decision = await self._approvals.decision(pending, caller)
        if isinstance(decision, Allow):
            await decision.released()
        if not isinstance(decision, Ask):
            return None
        verdict = await self._approvals.verdict_by_answers(pending, decision, call.credential, caller)
        return AskedCall(pending, verdict, self._approvals) if isinstance(verdict, PendingApproval) else None

    async def asked_before(
        self,
        service: str,
        tool: ToolSchema,
        wanted: ToolCall,
        approval_id: str,
        place: Place,
        caller: VerifiedAccessToken,
        owner: Principal,
    ) -> AskedCall | None:
        """The question of another process about a call, if `owner` is `caller` and the call is the same."""
        if not are_valid_arguments(wanted["args"]):
            return None
        pending = self._call(service, tool, wanted, place, caller).pending
        if owner != caller.principal:
            self._parts.known.questions.belongs_to(pending, owner)
            return None
        asked = await self._approvals.asked_before(pending, approval_id)
        return None if asked is None else AskedCall(pending, asked, self._approvals)

    async def _made(self, call: Call, known_by: KnownBy) -> ToolMessage:
        place = place_of(call)
        is_kept = self._parts.known.outlives_process and not call.only_reads
        if is_kept and (kept := await kept_result(place, known_by)) is not None:
            return kept
        call.goes_on = self._paused.pop(known_by, False)
        try:
            made = _labelled(await self._make(call), call)
        except GraphBubbleUp:
            if call.sent:
                self._paused[known_by] = True
            raise
        if is_kept and _was_called(made):
            with suppress(Exception):  # the call was made, and this process knows its result
                await keep_result(place, known_by, made)
        return made

    def _call(
        self, service: str, tool: ToolSchema, wanted: ToolCall, place: Place, caller: VerifiedAccessToken
    ) -> Call:
        """The call as it is decided about: with the defaults of its tool."""
        arguments = with_defaults(wanted["args"], tool.parameters)
        origin, call_id = place.known_as(str(wanted["id"]))
        call = ToolCall(name=tool.name, args=arguments, id=call_id, type="tool_call")
        read = self._parts.known.read.of(place)
        pending = PendingCall(
            call, service, origin, caller.principal, place.conversation, place.messages, dict(read.labels)
        )
        state: AgentState = {"messages": list(place.messages), "read": dict(read.labels)}
        visit = Visit(state, caller, _runtime(place, read))
        return Call(
            pending=pending,
            visit=visit,
            service=self._services[service],
            credential=self.access(service, caller),
            update={},
        )


def _labelled(result: ToolMessage, call: Call) -> ToolMessage:
    """`result` with the labels of what was read: the application's graph keeps it, wherever that is."""
    read = call.update.get("read")
    return with_labels(result, read) if read else result


def _was_called(result: ToolMessage) -> bool:
    return isinstance(result.artifact, dict) and bool(result.artifact.get("called"))


def _runtime(place: Place, read: RunLabels) -> Runtime[AgentContext]:
    """The runtime of the agent's own steps: a server's context of the run, or one of the call alone. `read`
    is the record of what the conversation has read.
    """
    run = place.run
    if run is None:
        return Runtime(context=AgentContext(extensions=Extensions(place, read)))
    context = replace(run, extensions=run.extensions.having(place).having(read))
    of_task = place.runtime
    if of_task is None:
        return Runtime(context=context)
    return Runtime(context=context, control=of_task.control, execution_info=of_task.execution_info)
