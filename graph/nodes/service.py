"""The node of a service: runs the calls that the model made of its tools, side by side."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.context import AgentContext
from graph.events import ToolCallEvents, declared_credential
from graph.nodes.call_budget import CallBudget
from graph.nodes.caller import Callers, principal_record
from graph.service_credentials import CallAccess, ServiceCredential, ServiceCredentials
from graph.state import AgentState
from graph.tool_calls import accepted_calls, failure_text, refusal
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditedStep, AuditTrail
from identity.credentials.credential import Credential
from identity.error_code import ErrorCode
from identity.errors import AgentError, AuditError, ServiceError
from identity.failure_log import log_failure
from identity.fault_place import place_of
from identity.secret import Secret
from tools.service import Service, ToolResult

logger = logging.getLogger(__name__)


class ServiceNode:
    """Every call ends in a result for the model: what the tool returned, or the person's text of a failure.

    A call is put on record before it is made, and when it has ended. Raises `AuditError` if it cannot be.
    """

    def __init__(
        self,
        service: Service,
        callers: Callers,
        accesses: ServiceCredentials,
        budget: CallBudget,
        seconds: float,
        audit: AuditTrail,
    ) -> None:
        requirement = accesses.requirements.get(service.name)
        self._requirement = requirement
        self._audit = audit
        self._service = service
        self._callers = callers
        self._accesses = accesses
        self._budget = budget
        self._seconds = seconds
        self._access_identity = requirement.access_identity.value if requirement else None
        self._declared = declared_credential(service.credential)

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        caller = await self._callers.of(runtime)
        name = self._service.name
        waiting = [call for call, service in accepted_calls(state) if service == name]
        taken = self._budget.take(runtime, len(waiting))
        calls = waiting[:taken]
        limit = f"not run: at most {self._budget.calls} tools may be called in one run"
        refusals = [refusal(call, limit) for call in waiting[taken:]]
        access = self._accesses.of(caller, name, state)
        credentials = (state.get("credentials") or {}).values()
        secrets = [each.secret for each in credentials if isinstance(each, Credential)]
        writer = runtime.stream_writer
        runs = (self._run(call, caller, access, writer, [*secrets, caller.token]) for call in calls)
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return {
            "messages": [*results, *refusals],
            "principal": principal_record(caller),
            "credentials": {name: access.renewed} if access.renewed else {},
        }

    async def _run(
        self,
        call: ToolCall,
        caller: VerifiedAccessToken,
        access: ServiceCredential,
        writer: StreamWriter,
        secrets: Sequence[Secret],
    ) -> ToolMessage:
        tool, service, identity = call["name"], self._service.name, self._access_identity
        call_id = call["id"] or ""
        acts_as = self._requirement.access_identity if self._requirement else None
        step = self._audit.tool_call(service, tool, call_id, self._service.credential, acts_as, caller)
        await step.started()
        events = ToolCallEvents(
            writer,
            secrets,
            tool=tool,
            service=service,
            access_identity=identity,
            call_id=call_id,
            declared=self._declared,
        )
        events.started(call["args"])
        result, code = await self._recorded(step, call, access)
        events.finished(result, code)
        return ToolMessage(
            result.text,
            tool_call_id=call_id,
            name=tool,
            status="success" if result.ok else "error",
            artifact={"service": service, "access_identity": identity, "error": code and code.value},
        )

    async def _recorded(
        self, step: AuditedStep, call: ToolCall, access: ServiceCredential
    ) -> tuple[ToolResult, ErrorCode | None]:
        try:
            result, error = await self._outcome(call, access)
        except BaseException as end:
            await step.ended_by(end)
            raise
        if error is None:
            await step.ended(AuditOutcome.SUCCEEDED if result.ok else AuditOutcome.FAILED)
            return result, None
        await step.ended_by(error)
        return result, error.code

    async def _outcome(
        self, call: ToolCall, access: ServiceCredential
    ) -> tuple[ToolResult, AgentError | None]:
        service = self._service
        of_call = CallAccess(access)
        error: AgentError
        try:
            async with asyncio.timeout(self._seconds):
                return await service.call(call["name"], call["args"], of_call), None
        except AuditError:
            raise
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = ServiceError(service.error_code, f"no answer within {self._seconds:g} s")
        except Exception as fault:  # noqa: BLE001 - a tool's own fault must not end the run
            kind = type(fault).__name__
            logger.error('tool "%s" raised %s at %s', call["name"], kind, place_of(fault))  # noqa: TRY400 - see place_of
            error = ServiceError(service.error_code, f"the tool raised {kind}")
        log_failure(error.of(service.name, service.settings), tool=call["name"])
        called = of_call.given or self._requirement is None
        return ToolResult(failure_text(error, service.name), ok=False, called=called), error
