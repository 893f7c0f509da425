"""Which calls of tools were begun, over all processes that may execute one run."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from langgraph.runtime import Runtime

from graph.approvals.policy import denied
from graph.call_steps.call import Call, Outcome, Proceed
from graph.context import AgentContext, context_of
from identity.principal import Principal

BEGINNINGS: Final = Principal("", "begun calls")
"""The principal of beginnings of calls in a store of approvals: no token has this issuer."""
MAY_HAVE_EFFECT: Final = (
    "not run again: the run was interrupted during this call, which may already have taken effect; check "
    "that before you call again"
)


@dataclass(frozen=True, slots=True)
class BegunInRun:
    """Beside the context of a run: it adds the id of each call of a tool before it is made. If the run ends
    early, the others were not made. Events may be lost then.
    """

    call_ids: set[str]


def note_begun(runtime: Runtime[AgentContext], call_ids: Iterable[str]) -> None:
    """Calls of the run are about to be made, or were begun in an earlier visit."""
    begun = context_of(runtime).extensions.get(BegunInRun)
    if begun is not None:
        begun.call_ids.update(call_ids)


class BegunCalls(Protocol):
    """A record that outlives the process. A server that executes a run again after a failure supplies one."""

    async def begin(self, call: str) -> bool:
        """Whether `call` was not begun before. Atomic. Raises `UnavailableError`: the call is not made."""


@dataclass(frozen=True, slots=True)
class OnceStep:
    """A call that changes something begins once. With a record (`begun_calls`), also if another process
    executes the run again; a run that is not saved is not executed again.
    """

    begun_calls: BegunCalls | None

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        if not (call.goes_on or await self._begins(call)):
            call.sent = True
            return denied(call.allowed, MAY_HAVE_EFFECT)
        note_begun(call.visit.runtime, [call.id])
        return await proceed(call)

    async def _begins(self, call: Call) -> bool:
        pending = call.pending
        run = pending.conversation
        if self.begun_calls is None or run is None or call.only_reads:
            return True
        user = pending.principal
        known_by = [run.run_id, user.issuer, user.subject, pending.response_id, call.tool, call.id]
        return await self.begun_calls.begin(json.dumps(known_by))
