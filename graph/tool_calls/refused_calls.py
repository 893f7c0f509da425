"""Reports calls of the model that the agent does not run: as events, and to the audit log."""

from collections.abc import Iterable, Mapping, Sequence

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.types import StreamWriter

from graph.call_arguments import arguments_digest
from graph.credentials.service_credentials import ServiceRequirement
from graph.events import ToolCallEvents, declared_credential
from graph.tool_calls.requested_calls import refusal
from graph.tool_calls.tool_callbacks import tool_callbacks
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail
from identity.error_code import ErrorCode
from identity.secrets.redaction import Redactor
from identity.secrets.secret import Secret
from tools.service import Service, ToolResult

_MAX_NAME = 64
"""Characters of a tool's name that are reported. The model chooses it freely; real names are shorter."""


class RefusedCalls:
    """The refused calls of all services, and of tools that do not exist."""

    def __init__(
        self,
        services: Iterable[Service],
        requirements: Mapping[str, ServiceRequirement],
        audit: AuditTrail,
    ) -> None:
        self._services = {service.name: service for service in services}
        self._requirements = requirements
        self._audit = audit

    async def report(
        self,
        call: ToolCall,
        reason: str,
        service: str | None,
        caller: VerifiedAccessToken,
        writer: StreamWriter,
        secrets: Sequence[Secret],
        approval: str | None = None,
        error: ErrorCode | None = None,
    ) -> ToolMessage:
        """Records `call` as refused, then writes both of its events, which contain `reason` as the result.

        Returns the result for the model. `service` is `None` if no service has the tool. `approval` is the id
        of the approval that refuses the call, `error` the failure that prevents it. Neither record nor events
        contain one of `secrets`. Raises `AuditError` if the call cannot be recorded.
        """
        tool = Redactor(secrets).redact(call["name"])[:_MAX_NAME]
        call_id = call["id"] or ""
        requirement = self._requirements.get(service) if service else None
        credential = self._services[service].credential if service else None
        acts_as = requirement.access_identity if requirement else None
        step = self._audit.tool_call(
            service,
            tool,
            call_id,
            credential,
            acts_as,
            caller,
            approval=approval,
            arguments_digest=arguments_digest(call["args"]),
        )
        await step.ended(AuditOutcome.REFUSED, error)
        events = ToolCallEvents(
            writer,
            secrets,
            tool=tool,
            service=service,
            access_identity=acts_as and acts_as.value,
            call_id=call_id,
            declared=declared_credential(credential),
        )
        shown = events.started(call["args"])
        events.finished(ToolResult(reason, ok=False, called=False), error)
        about = {"service": service, "access_identity": acts_as and acts_as.value, "called": False}
        result = refusal(call, reason).model_copy(
            update={
                "artifact": about
                | declared_credential(credential)
                | {"duration_ms": 0, "error": error and error.value}
            }
        )
        async with tool_callbacks(tool, call_id, shown) as finished:
            await finished(refusal(call, Redactor(secrets).redact(reason)))
        return result
