"""Records calls that are not made, and makes their results for the model."""

from dataclasses import dataclass

from langchain_core.messages import ToolMessage

from graph.approvals.policy import Deny, denied
from graph.call_steps.call import Call, Proceed
from graph.call_steps.fence import NOT_HELD
from graph.tool_calls.call_record import CallRecord, CallRecords
from identity.errors import ThreadBusyError


@dataclass(frozen=True, slots=True)
class RefusalStep:
    """A call is refused by a later step, or because the run has lost its conversation before the call."""

    records: CallRecords

    async def __call__(self, call: Call, proceed: Proceed) -> ToolMessage:
        try:
            outcome = await proceed(call)
        except ThreadBusyError as error:
            if call.sent:
                raise
            outcome = denied(call.allowed, NOT_HELD, error=error.code)
        if isinstance(outcome, ToolMessage):
            return outcome
        return await self.recorded(call, outcome)

    async def recorded(self, call: Call, deny: Deny) -> ToolMessage:
        """The result of a call that is not made. Raises `AuditError`."""
        record = CallRecord(self.records, call.pending.call, call.service.name, call.visit, deny)
        return await record.refuse(deny.reason, deny.error)
