"""One call of a tool: recorded, reported as events, and ended in a result for the model."""

import asyncio
import logging
from collections.abc import Sequence

from langchain_core.messages import ToolCall, ToolMessage
from langgraph.types import StreamWriter

from graph.call_arguments import arguments_digest
from graph.credentials.service_credentials import ServiceCredential, ServiceRequirement
from graph.events import ToolCallEvents, consent_required, declared_credential
from graph.observed_calls import TOOL_ERROR, ObservedCalls
from graph.tool_calls.requested_calls import failure_text
from graph.tool_calls.tool_callbacks import tool_callbacks
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.step import AuditedStep
from identity.audit.trail import AuditTrail
from identity.credentials.credential import Credential
from identity.errors import AgentError, AuditError, ConsentRequiredError, ServiceError
from identity.secrets.secret import Secret
from identity.telemetry.failure_log import log_failure
from identity.telemetry.fault_place import place_of
from identity.tracing.error_type import SUCCESS
from tools.service import Service, ToolResult

logger = logging.getLogger(__name__)


class ToolCallRunner:
    """Runs calls of the tools of one service.

    A call is recorded before it is made, and when it has ended. Its result is what the tool returned, or the
    person's text of a failure.
    """

    def __init__(
        self,
        service: Service,
        requirement: ServiceRequirement | None,
        seconds: float,
        audit: AuditTrail,
        calls: ObservedCalls,
    ) -> None:
        """`seconds` bounds the time of each call."""
        self._service = service
        self._acts_as = requirement.access_identity if requirement else None
        self._seconds = seconds
        self._audit = audit
        self._calls = calls
        self._declared = declared_credential(service.credential)

    async def run(
        self,
        call: ToolCall,
        caller: VerifiedAccessToken,
        credential: ServiceCredential,
        writer: StreamWriter,
        secrets: Sequence[Secret],
        approval: str | None = None,
        of_consents: StreamWriter | None = None,
    ) -> ToolMessage:
        """The result of `call`. Events contain none of `secrets`. Raises `AuditError`.

        `approval` is the id of the approval that permits the call. If the user has to allow the access, the
        URL for that is written to `of_consents`, and to nothing else.
        """
        service, tool, call_id = self._service, call["name"], call["id"] or ""
        step = self._audit.tool_call(
            service.name,
            tool,
            call_id,
            service.credential,
            self._acts_as,
            caller,
            approval=approval,
            arguments_digest=arguments_digest(call["args"]),
        )
        await step.started()
        access_identity = self._acts_as and self._acts_as.value
        events = ToolCallEvents(
            writer,
            secrets,
            tool=tool,
            service=service.name,
            access_identity=access_identity,
            call_id=call_id,
            declared=self._declared,
        )
        shown = events.started(call["args"])
        async with tool_callbacks(tool, call_id, shown) as finished:
            with self._calls.tool_call(tool, service.name, service.credential, self._acts_as) as observed:
                observed.requests(shown, approval)
                result, error = await self._recorded(step, call, credential)
                code = None if error is None else error.code
                failure = code.value if code else SUCCESS if result.ok else TOOL_ERROR
                observed.ended(failure, result.text, secrets)
            if of_consents is not None and isinstance(error, ConsentRequiredError):
                of_consents(consent_required(service.name, call_id, error.authorization_url))
            duration = events.finished(result, code)
            message = ToolMessage(
                result.text,
                tool_call_id=call_id,
                name=tool,
                status="success" if result.ok else "error",
                artifact={
                    "service": service.name,
                    "access_identity": access_identity,
                    **self._declared,
                    "called": result.called,
                    "duration_ms": duration,
                    "error": code and code.value,
                },
            )
            await finished(message)
        return message

    async def _recorded(
        self, step: AuditedStep, call: ToolCall, credential: ServiceCredential
    ) -> tuple[ToolResult, AgentError | None]:
        try:
            result, error = await self._result(call, credential)
        except BaseException as end:
            await step.ended_by(end)
            raise
        if error is None:
            await step.ended(AuditOutcome.SUCCEEDED if result.ok else AuditOutcome.FAILED)
        else:
            await step.ended_by(error)
        return result, error

    async def _result(
        self, call: ToolCall, credential: ServiceCredential
    ) -> tuple[ToolResult, AgentError | None]:
        service = self._service
        of_call = _CallCredential(credential)
        error: AgentError
        try:
            async with asyncio.timeout(self._seconds):
                return await service.call(call["name"], call["args"], of_call), None
        except AuditError:
            raise
        except AgentError as failure:
            error = failure
        except TimeoutError:
            error = ServiceError(service.error_code, f"no response within {self._seconds:g} s")
        except Exception as fault:  # noqa: BLE001 - a fault of a tool must not end the run
            # Its text is not logged, because it may contain anything.
            logger.error('tool "%s" raised %s at %s', call["name"], type(fault).__name__, place_of(fault))  # noqa: TRY400 - see above
            error = ServiceError(service.error_code, f"the tool raised {type(fault).__name__}")
        log_failure(error.of(service.name, service.settings), tool=call["name"])
        called = of_call.obtained or service.credential is None
        return ToolResult(failure_text(error, service.name), ok=False, called=called), error


class _CallCredential:
    """The service's credential for one call (`tools.service.Access`); notes whether the call obtained it."""

    def __init__(self, credential: ServiceCredential) -> None:
        self._credential = credential
        self.obtained = False
        """Without its credential, a call makes no request."""

    async def credential(self) -> Credential:
        credential = await self._credential.credential()
        self.obtained = True
        return credential

    def cached(self) -> Credential | None:
        return self._credential.cached()

    async def renew(self, refused: Credential) -> Credential:
        return await self._credential.renew(refused)
