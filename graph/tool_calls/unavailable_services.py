"""Says once in a run which services it goes on without, because they did not list their tools.

The model reads the same in its prompt (`OfferedTools.notes`), and need not repeat it.
"""

from collections.abc import Mapping
from typing import Any, Final

from cachetools import LRUCache
from langgraph.runtime import Runtime

from graph.context import writer_of
from graph.events import ServicesUnavailable
from identity.errors import AgentError, ServiceError, UnreachableError

_RUNS: Final = 10_000


def is_unavailable(failure: AgentError) -> bool:
    """Whether a service, or what its credential comes from, did not respond as it should, rather than refuse
    the caller.
    """
    if isinstance(failure, ServiceError):
        return failure.status not in (401, 403)
    return isinstance(failure, UnreachableError)


class UnavailableServices:
    """Writes the event `services_unavailable`. Forgets the oldest of more than 10,000 concurrent runs."""

    def __init__(self) -> None:
        self._said: LRUCache[Any, frozenset[str]] = LRUCache(_RUNS)

    def say(self, services: Mapping[str, str], runtime: Runtime[Any]) -> None:
        """`services` are unavailable now, each with the code of its failure."""
        if not services:
            return
        run = runtime.control  # one object for each run, independent of state and context
        said = self._said.get(run, frozenset())
        self._said[run] = said | services.keys()
        if new := {name: code for name, code in services.items() if name not in said}:
            writer_of(runtime)(ServicesUnavailable(type="services_unavailable", services=new))
