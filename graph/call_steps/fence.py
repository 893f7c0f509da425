"""The fence before a call that changes something: a run that has lost its conversation makes no such call.

Other processes may end a run that this one executes, because it was silent, or because its user cancelled the
run or deleted the conversation elsewhere. Only the store of conversations knows, so it is asked twice: when
the call begins, in one transaction with the use of its approval or grant (`ApprovalStore.use`), and again
when a credential has come for which the call waited. A run that is not kept has no conversation that another
process could end, and is not asked about; nor is a call that only reads.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from graph.call_steps.call import Call, Outcome, Proceed
from graph.context import Conversation
from identity.principal import Principal

NOT_HELD: Final = "not run: the run has ended, or another process has taken it over"


class RunFence(Protocol):
    """The store of conversations whose runs this process executes. A server that executes the graph itself
    has none: it knows its runs (`BegunCalls`).
    """

    async def check(self, principal: Principal, run: Conversation) -> None:
        """Returns if `run` is the one in progress of the principal's conversation, and this process executes
        it. For nine seconds from then on, no other process takes it for silent.

        Raises `ThreadBusyError` if it is not, and `UnavailableError` if that cannot be known: the call is
        not made.
        """


@dataclass(frozen=True, slots=True)
class FenceStep:
    """Asks the fence when a call begins, unless the use of its approval has asked."""

    fence: RunFence

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        """Raises `ThreadBusyError`."""
        if call.allowed.approval is None or call.goes_on:
            await self.check(call)
        return await proceed(call)

    async def check(self, call: Call) -> None:
        """Raises `ThreadBusyError` if the call changes something, and its run has lost its conversation."""
        run = call.pending.conversation
        if run is not None and not call.only_reads:
            await self.fence.check(call.pending.principal, run)
