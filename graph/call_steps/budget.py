"""How many tools one run may call."""

from typing import Any, Final

from cachetools import LRUCache
from langgraph.runtime import Runtime

from graph.approvals.policy import Deny
from graph.call_steps.call import Call, Outcome, Proceed

_RUNS: Final = 10_000


class CallBudget:
    """Refuses calls above the limit of their run, for all service nodes of a graph. Forgets the oldest of
    more than 10,000 concurrent runs.

    Counted outside of the run's state, which others can write: a client of LangGraph Server whose writes are
    accepted, or a process with access to the checkpointer. A state can send a run to one node two hundred
    times in one step.
    """

    def __init__(self, calls: int) -> None:
        """`calls` is the limit of one run."""
        self._calls = calls
        self.exceeded: Final = Deny(reason=f"not run: at most {calls} tools may be called in one run")
        self._made: LRUCache[Any, int] = LRUCache(_RUNS)

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        """Counts the call, also if a later step refuses it."""
        return await proceed(call) if self.take(call.visit.runtime) else self.exceeded

    def take(self, runtime: Runtime[Any]) -> bool:
        """Whether the run may make one more call, which is counted as made."""
        run = runtime.control  # one object for each run, independent of state and context
        made = self._made.get(run, 0)
        if made >= self._calls:
            return False
        self._made[run] = made + 1
        return True
