"""The last step: makes the call, on record, with the caller's credential, within its time."""

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass

from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp

from graph.call_steps.call import Call
from graph.call_steps.fence import FenceStep
from graph.call_steps.stops import Stops
from graph.credentials.service_credentials import ServiceCredential
from graph.tool_calls.call_record import CallRecord, CallRecords
from graph.tool_calls.requested_calls import failure_text
from identity.credentials.requirement import Credential, CredentialRequirement
from identity.errors import AgentError, AuditError, ServiceError
from identity.observation.failure import log_failure, place_of
from tools.progress import Report, TimeLimit, reported_to
from tools.service import ToolResult
from tools.service_name import service_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """Makes a call that is permitted. `seconds` bounds its time, or that between two reports of its progress
    (`TimeLimit`). A credential for which it waits passes the `fence` again, and what `stops` has stopped
    meanwhile.
    """

    records: CallRecords
    seconds: float
    fence: FenceStep | None = None
    stops: Stops | None = None

    async def __call__(self, call: Call) -> ToolMessage:
        """The result for the model. Raises `AuditError` if the call cannot be recorded."""
        record = CallRecord(
            self.records,
            call.pending.call,
            call.service.name,
            call.visit,
            call.allowed,
            obtained=call.credential.obtained,
        )

        async def work() -> tuple[ToolResult, AgentError | None]:
            call.sent = True  # an exception does not say whether it was
            call.result, call.error = await self._made(call, record.progressed)
            call.sent = call.result.called
            return call.result, call.error

        return await record.execute(work, goes_on=call.goes_on)

    async def _made(self, call: Call, progressed: Report) -> tuple[ToolResult, AgentError | None]:
        """The tool's result; or the person's text of a failure, and the failure. Raises `AuditError`.

        A graph that the tool runs finds nothing of this run: neither its context, with the access token, nor
        its checkpointer.
        """
        service = call.service
        of_run = copy_context()
        access = _CallAccess(call.credential, call, self.fence, self.stops)
        limit = TimeLimit(self.seconds)
        error: AgentError
        outer = var_child_runnable_config.set(None)
        try:
            async with limit.timeout, self._while_allowed(call, access):
                with reported_to(limit.progressed, lambda *given: of_run.copy().run(progressed, *given)):
                    return await service.call(call.tool, call.pending.call["args"], access), None
        except (AuditError, GraphBubbleUp):  # a question of the tool's own code is none of its results
            raise
        except AgentError as failure:
            error = failure
        except Exception as fault:  # noqa: BLE001 - a fault of a tool must not end the run
            detail = f"no response within {limit.seconds:g} s"
            if not (isinstance(fault, TimeoutError) and limit.timeout.expired()):
                # Its text is not logged, because it may contain anything.
                logger.error('tool "%s" raised %s at %s', call.tool, type(fault).__name__, place_of(fault))  # noqa: TRY400 - see above
                detail = f"the tool raised {type(fault).__name__}"
            error = ServiceError(service.error_code, detail)
        finally:
            var_child_runnable_config.reset(outer)
        log_failure(error.of(service_of(service.name), service.settings), tool=call.tool)
        return ToolResult(failure_text(error, service.name), ok=False, called=access.may_be_sent), error

    def _while_allowed(self, call: Call, access: "_CallAccess") -> AbstractAsyncContextManager[None]:
        if self.stops is None:
            return nullcontext()
        return self.stops.while_allowed(call, lambda: access.may_be_sent)


class _CallAccess:
    """The service's credential for one call (`tools.service.Access`); notes whether the call obtained it.

    A credential for which the call had to wait comes too late if the run was ended, or the call stopped,
    meanwhile: then the `fence` or `stops` raise.
    """

    def __init__(
        self,
        credential: ServiceCredential,
        call: Call,
        fence: FenceStep | None,
        stops: Stops | None,
        declared: "_CallAccess | None" = None,
    ) -> None:
        """`declared` is the access of which this one is stepped up."""
        self._credential = credential
        self._call = call
        self._fence = fence
        self._stops = stops
        self._declared = declared
        self.caller = credential.caller
        self.obtained = False
        """Without its credential, a call makes no request."""

    @property
    def may_be_sent(self) -> bool:
        """Whether the service may have received the call."""
        return self.obtained or self._call.service.credential is None

    async def credential(self) -> Credential:
        waits = self.cached() is None
        credential = await self._credential.credential()
        if waits:
            await self._pass_fence()
        (self._declared or self).obtained = True
        return credential

    async def lent(self) -> Credential:
        await self.credential()
        return await self._credential.lent(tool=self._call.tool, call_id=self._call.pending.call["id"])

    def cached(self) -> Credential | None:
        return self._credential.cached()

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:
        fresh = await self._credential.renew(refused, forbidden=forbidden)
        if fresh is not refused:
            await self._pass_fence()
        return fresh

    def stepped_up(self, requirement: CredentialRequirement) -> "_CallAccess":
        wider = self._credential.stepped_up(requirement)
        return _CallAccess(wider, self._call, self._fence, self._stops, self._declared or self)

    async def _pass_fence(self) -> None:
        if self._fence is not None:
            await self._fence.check(self._call)
        if self._stops is not None:
            self._stops.check(self._call)
