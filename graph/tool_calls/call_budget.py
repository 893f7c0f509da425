"""The tool calls that a run may still make, counted outside of its state.

Others can write a state: a client of LangGraph Server whose writes are accepted, or a process with access to
the checkpointer. A state can send a run to one node two hundred times in one step.
"""

from typing import Any, Final

from cachetools import LRUCache
from langgraph.runtime import Runtime

_RUNS: Final = 10_000


class CallBudget:
    """Shared by all service nodes of a graph. Forgets the oldest of more than 10,000 concurrent runs."""

    def __init__(self, calls: int) -> None:
        """`calls` is the limit of one run."""
        self.calls: Final = calls
        self._made: LRUCache[Any, int] = LRUCache(_RUNS)

    def take(self, runtime: Runtime[Any], wanted: int) -> int:
        """The number of the `wanted` calls that the run may make. They are counted as made."""
        run = runtime.control  # one object for each run, independent of state and context
        made = 0 if run is None else self._made.get(run, 0)
        taken = max(0, min(wanted, self.calls - made))
        if run is not None and taken:
            self._made[run] = made + taken
        return taken
