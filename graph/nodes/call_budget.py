"""How many tool calls a run may still make, counted outside of its state.

A state can be written by others: by a client of LangGraph Server whose writes are let through, or by whoever
may write to a checkpointer. It can send a run to one node two hundred times in one step.
"""

from typing import Any, Final

from cachetools import LRUCache
from langgraph.runtime import Runtime

_RUNS: Final = 10_000


class CallBudget:
    """One for all service nodes of a graph. Of more than 10,000 runs at once it forgets the oldest."""

    def __init__(self, calls: int) -> None:
        """`calls` is how many one run may make altogether."""
        self.calls: Final = calls
        self._made: LRUCache[Any, int] = LRUCache(_RUNS)

    def take(self, runtime: Runtime[Any], wanted: int) -> int:
        """How many of the `wanted` calls the run may make. They count as made."""
        run = runtime.control  # one object for each run, whatever its state or its context is
        made = 0 if run is None else self._made.get(run, 0)
        taken = max(0, min(wanted, self.calls - made))
        if run is not None and taken:
            self._made[run] = made + taken
        return taken
