"""The Protocol of what publishes metrics."""

from collections.abc import Callable
from typing import Protocol

from agent.operations.metrics.metric import Reading


class MetricsOutlet(Protocol):
    """Publishes the metrics of one process, from threads of its own: the event loop does not wait for it."""

    def start(self, read: Callable[[], Reading]) -> None:
        """Publishes what `read` returns, from now on. `read` may be called in any thread."""
        ...

    def stop(self) -> None:
        """Publishes the last values where that is its way, and ends within seconds."""
        ...
