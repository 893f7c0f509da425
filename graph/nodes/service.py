"""The node of a service: runs the calls that the model made of its tools, concurrently and within limits."""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Final, Self

from cachetools import LRUCache
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import ToolException
from langgraph.runtime import Runtime

from graph.approvals.elicitations import AskedCall, Elicitations
from graph.approvals.gate import ApprovalGate, Permitted, Refused
from graph.approvals.pending_call import PendingCall, pending_call
from graph.approvals.policy import Allow
from graph.call_arguments import are_valid_arguments
from graph.call_steps.fence import NOT_HELD, RunFence
from graph.call_steps.once import MAY_HAVE_EFFECT, BegunCalls
from graph.callers import Visit
from graph.context import context_of, note_read
from graph.credentials.service_credentials import ServiceCredential
from graph.labels.data_labels import joined, labels_of
from graph.nodes.model import ModelNode
from graph.nodes.own import OwnVisit
from graph.tool_calls.default_arguments import call_with_defaults
from graph.tool_calls.requested_calls import accepted_calls, asked_calls, failure_text
from graph.tool_calls.tool_step import ToolStep
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import Credential, CredentialRequirement
from identity.errors import AgentError, AuditError, ConsentRequiredError, ServiceError, ThreadBusyError
from identity.observation.failure import log_failure, place_of
from tools.approval_policy import Effect
from tools.elicitation import ANSWERED, Answered
from tools.lent_agent import LENT
from tools.progress import Report, TimeLimit, progress, reported_to
from tools.service import Service, ToolResult, ToolSchema
from tools.service_name import service_of

logger = logging.getLogger(__name__)

_RUNS: Final = 10_000


class CallBudget:
    """The tool calls that a run may still make, for all service nodes of a graph. Forgets the oldest of more
    than 10,000 concurrent runs.

    Counted outside of the run's state, which others can write: a client of LangGraph Server whose writes are
    accepted, or a process with access to the checkpointer. A state can send a run to one node two hundred
    times in one step.
    """

    def __init__(self, calls: int) -> None:
        """`calls` is the limit of one run."""
        self.calls: Final = calls
        self._made: LRUCache[Any, int] = LRUCache(_RUNS)

    def take(self, runtime: Runtime[Any], wanted: int) -> int:
        """The number of the `wanted` calls that the run may make. They are counted as made."""
        run = runtime.control  # one object for each run, independent of state and context
        made = self._made.get(run, 0)
        taken = max(0, min(wanted, self.calls - made))
        self._made[run] = made + taken
        return taken


@dataclass(frozen=True, slots=True)
class _BegunCall:
    """A call that may be made now: what permits it is used."""

    allowed: Allow
    approval: str | None = None
    answers: Answered | None = None
    """What its user has answered its server; `None`: its server can ask no one."""


@dataclass(frozen=True, slots=True)
class ServiceNode:
    """Runs the accepted calls of one service that their policy or an approval permits, within the budget.

    Every call gets a result for the model. Raises `AuditError` if a call cannot be recorded, and
    `UnavailableError` if its approval cannot be read. The `limits` of `model` bound the time of each call, or
    between two reports of its progress (`TimeLimit`).

    `model`, and the tools of `nodes`, are lent to tools that are agents. With `begun_calls`, calls that
    change something begin once; with a `fence`, they are made only while the run has its conversation.
    """

    service: Service
    budget: CallBudget
    gate: ApprovalGate
    model: ModelNode
    nodes: "Mapping[str, ServiceNode]"
    _: KW_ONLY
    begun_calls: BegunCalls | None = None
    fence: RunFence | None = None

    async def __call__(self, visit: Visit, *, lent: bool = False) -> dict[str, Any]:
        """The results of the calls, and a credential that was renewed. A call whose server asks its user has
        none yet; a server asks about no call of a tool that is `lent`.
        """
        state, caller, runtime = visit
        waiting = [call for call, service in accepted_calls(state) if service == self.service.name]
        taken = self.budget.take(runtime, len(waiting))
        credential = self.model.service_credentials.of(caller, self.service.name, state)
        asked, questions = asked_calls(state), dict[str, AskedCall | None]()

        read, proposed = dict[str, str](), list[ToolCall]()

        async def run(call: ToolCall) -> ToolMessage:
            pending = pending_call(visit, call, self.service.name)
            goes_on = asked.get(str(call["id"]))
            begun = await self._begin(pending, caller, goes_on, lent=lent)
            if isinstance(begun, Refused):
                return await refuse(call, begun)
            ruled, approval, answers = begun.allowed, begun.approval, begun.answers
            context_of(runtime).begun_calls.add(str(call["id"]))
            note_read(runtime, self.labels(call["name"]))
            sent, lending = False, _Lending(self, call, visit, read, proposed)
            LENT.set(lending)  # in the task of this call
            step = ToolStep(
                self.model.steps,
                call,
                self.service.name,
                visit,
                approval,
                ruled,
                obtained=credential.obtained,
            )

            async def work() -> tuple[ToolResult, AgentError | None]:
                nonlocal sent
                ANSWERED.set(answers)
                sent = True  # an exception does not say whether it was
                held = partial(self._held, pending)
                result, error = await self._call(call, credential, step.progressed, held)
                sent = result.called
                if not lent and self._may_repeat(pending, result, error):
                    proposed.append(ToolCall({**call, "id": uuid.uuid4().hex}))
                if result.asks is not None:
                    questions[str(call["id"])] = Elicitations(self.gate).ask(pending, result.asks)
                return result, error

            try:
                return await step.made(work, goes_on=goes_on is not None)
            finally:
                lending.ended = True
                if not sent and goes_on is None:
                    await ruled.taken_back()

        async def refuse(call: ToolCall, refused: Refused) -> ToolMessage:
            step = ToolStep(self.model.steps, call, self.service.name, visit, refused.approval, refused.ruled)
            return await step.refused(refused.reason, refused.error)

        async def again(call: ToolCall) -> ToolMessage:
            if not self.only_reads(call["name"]):
                return await refuse(call, Refused(MAY_HAVE_EFFECT))
            return await (run(call) if self.budget.take(runtime, 1) else refuse(call, limit))

        limit = Refused(f"not run: at most {self.budget.calls} tools may be called in one run")
        made: Callable[[ToolCall], Any] = run
        of_middleware: Mapping[str, str] = {}
        if self.model.middleware.around_calls:
            own = OwnVisit(self.service.name, self.model, visit, credential.obtained)
            of_middleware = own.labels
            made = partial(self.model.middleware.call, own, made=run, again=again, refused=refuse)
        results = await asyncio.gather(*map(made, waiting[:taken]), return_exceptions=True)
        read |= joined(read, of_middleware)
        ended: list[ToolMessage] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            if result.artifact["called"]:  # also an error: its text is the server's
                read |= self.labels(str(result.name))
            if result.tool_call_id not in questions:
                ended.append(result)
        update = {
            "messages": [*ended, *[await refuse(call, limit) for call in waiting[taken:]]],
            "questions": {**dict.fromkeys(asked), **questions},
            "read": read,
            "proposed": proposed,
            "credentials": credential.update,
        }
        return {name: value for name, value in update.items() if value}

    def only_reads(self, tool: str) -> bool:
        return self.service.policy(tool).effect is Effect.READ

    def labels(self, tool: str) -> dict[str, str]:
        return labels_of(self.service, tool)

    def _may_repeat(self, pending: PendingCall, result: ToolResult, error: AgentError | None) -> bool:
        """Whether the call is made again once its user has consented again, which the run waits for: the
        service no longer knew a credential in use. One that changes something may have begun to.
        """
        is_kept, reads = pending.conversation is not None, self.only_reads(pending.call["name"])
        return isinstance(error, ConsentRequiredError) and result.called and is_kept and reads

    async def _begin(
        self, pending: PendingCall, caller: VerifiedAccessToken, goes_on: AskedCall | None, *, lent: bool
    ) -> _BegunCall | Refused:
        """The last decision about a call. Uses what permits it, unless the run has lost its conversation."""
        allowed = Allow()
        try:
            verdict = await self.gate.permit(pending, caller, goes_on=goes_on is not None)
            if isinstance(verdict, Refused):
                return verdict
            allowed, approval = verdict.allowed, verdict.approval
            if goes_on is not None:
                answers = await Elicitations(self.gate).use(pending, goes_on)
                if isinstance(answers, Refused):
                    return answers
                await self._held(pending)
                return _BegunCall(allowed, goes_on["asked"][-1], answers)
            if approval is None:  # else its use has asked
                await self._held(pending)
        except ThreadBusyError as error:
            await allowed.taken_back()
            return Refused(NOT_HELD, error=error.code, ruled=allowed)
        if not await self._begins_once(pending):
            return Refused(MAY_HAVE_EFFECT, approval, ruled=allowed)
        return _BegunCall(allowed, approval, None if lent or not self.gate.can_ask(pending) else Answered())

    async def _held(self, pending: PendingCall) -> None:
        """Raises `ThreadBusyError` if the call changes something, and its run has lost its conversation."""
        run = pending.conversation
        if self.fence is not None and run is not None and not self.only_reads(pending.call["name"]):
            await self.fence.check(pending.principal, run)

    async def _begins_once(self, pending: PendingCall) -> bool:
        """False for a call that was begun before and may have changed something. A run that is not saved is
        not executed again.
        """
        call, run, user = pending.call, pending.conversation, pending.principal
        if self.begun_calls is None or run is None or self.only_reads(call["name"]):
            return True
        known_by = [run.run_id, user.issuer, user.subject, pending.response.id, call["name"], call["id"]]
        return await self.begun_calls.begin(json.dumps(known_by))

    async def _call(
        self,
        call: ToolCall,
        credential: ServiceCredential,
        progressed: Report,
        held: Callable[[], Awaitable[None]],
    ) -> tuple[ToolResult, AgentError | None]:
        """The tool's result; or the person's text of a failure, and the failure. Raises `AuditError`.

        A graph that the tool runs finds nothing of this run: neither its context, with the access token, nor
        its checkpointer.
        """
        service, of_run = self.service, copy_context()
        of_call, limit = _CallCredential(credential, call, held), TimeLimit(self.model.limits.tool_seconds)
        error: AgentError
        outer = var_child_runnable_config.set(None)
        try:
            async with limit.timeout:
                shown = reported_to(lambda *given: of_run.copy().run(progressed, *given))
                with reported_to(limit.progressed), shown:
                    return await service.call(call["name"], call["args"], of_call), None
        except AuditError:
            raise
        except AgentError as failure:
            error = failure
        except Exception as fault:  # noqa: BLE001 - a fault of a tool must not end the run
            detail = f"no response within {limit.seconds:g} s"
            if not (isinstance(fault, TimeoutError) and limit.timeout.expired()):
                # Its text is not logged, because it may contain anything.
                logger.error('tool "%s" raised %s at %s', call["name"], type(fault).__name__, place_of(fault))  # noqa: TRY400 - see above
                detail = f"the tool raised {type(fault).__name__}"
            error = ServiceError(service.error_code, detail)
        finally:
            var_child_runnable_config.reset(outer)
        log_failure(error.of(service_of(service.name), service.settings), tool=call["name"])
        called = of_call.obtained or service.credential is None
        return ToolResult(failure_text(error, service.name), ok=False, called=called), error


class _CallCredential:
    """The service's credential for one call (`tools.service.Access`); notes whether the call obtained it.

    A credential for which the call had to wait comes too late if the run was ended meanwhile: `held` raises.
    """

    def __init__(
        self,
        credential: ServiceCredential,
        call: ToolCall,
        held: Callable[[], Awaitable[None]],
        declared: "Self | None" = None,
    ) -> None:
        self._credential = credential
        self._call = call
        self._held = held
        self._declared = declared  # no cycle: what `held` has is freed with the call
        self.caller = credential.caller
        self.obtained = False
        """Without its credential, a call makes no request."""

    async def credential(self) -> Credential:
        waits = self.cached() is None
        credential = await self._credential.credential()
        if waits:
            await self._held()
        (self._declared or self).obtained = True
        return credential

    async def lent(self) -> Credential:
        await self.credential()
        return await self._credential.lent(tool=self._call["name"], call_id=self._call["id"])

    def cached(self) -> Credential | None:
        return self._credential.cached()

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:
        fresh = await self._credential.renew(refused, forbidden=forbidden)
        if fresh is not refused:
            await self._held()
        return fresh

    def stepped_up(self, requirement: CredentialRequirement) -> "_CallCredential":
        wider = self._credential.stepped_up(requirement)
        return _CallCredential(wider, self._call, self._held, self._declared or self)


@dataclass(slots=True)
class _Lending:
    """The `tools.lent_agent.Lent` of one call of a tool, which may be an agent itself."""

    node: ServiceNode
    call: ToolCall
    visit: Visit
    read: dict[str, str]
    """The labels of what was read so in this visit of the node."""
    proposed: list[ToolCall]
    """Calls about which the user is to be asked, and changes by a tool that only reads, which a server may
    execute again: not made before the tool has returned.
    """
    ended: bool = False
    of_run: Context = field(default_factory=copy_context)  # by which LangGraph finds the streams of the run

    async def respond(self, messages: list[Any], tools: Sequence[Any]) -> AIMessage:
        self._report()
        return await self.node.model.ask(messages, self.visit, shown=False, tools=tools)

    def tools(self) -> list[ToolSchema]:
        offered = self.node.model.offered(self.visit.state, self.visit.caller)
        return [each for each in offered.tools if each.name != self.call["name"]]

    async def made(self, tool: str, arguments: dict[str, Any]) -> str:
        self._report(tool)
        if not are_valid_arguments(arguments):
            raise ToolException("the arguments must be JSON")
        offered = self.node.model.offered(self.visit.state, self.visit.caller)
        service = offered.services[tool]
        call = ToolCall(name=tool, args=arguments, id=uuid.uuid4().hex, type="tool_call")
        call = call_with_defaults(call, offered.tools)
        return await asyncio.create_task(self._made(call, service), context=self.of_run.copy())

    async def _made(self, call: ToolCall, service: str) -> str:
        """The result of a call, by a visit of the service's node."""
        state, response = self.visit.state.copy(), AIMessage("", id=uuid.uuid4().hex, tool_calls=[call])
        state["messages"] = [*state["messages"], response]
        state["accepted"] = {str(call["id"]): service}
        own = self.node.labels(self.call["name"])
        state["read"] = joined(joined(state.get("read"), own), self.read)
        visit, node = self.visit._replace(state=state), self.node.nodes[service]
        pending = pending_call(visit, call, service)
        verdict = await self.node.gate.verdict(pending, visit.caller)
        changes = self.node.only_reads(self.call["name"]) and not node.only_reads(call["name"])
        if changes or not isinstance(verdict, Permitted | Refused):
            self.proposed.append(call)
            raise ToolException("not run yet: it is made after your answer, if the user agrees; say that")
        update = await node(visit, lent=True)
        self.read.update(joined(self.read, update.get("read", {})))
        self.proposed.extend(update.get("proposed", []))
        [result] = update["messages"]
        if result.status == "error":
            raise ToolException(str(result.text))
        return str(result.text)

    def _report(self, tool: str = "") -> None:
        """Holds off the time limits of the call. Raises `RuntimeError` after its end."""
        if self.ended:
            raise RuntimeError("the model is lent for the time of a call, and so are the tools")
        progress(None, tool)
