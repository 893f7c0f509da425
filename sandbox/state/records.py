"""How often each operation of the sandbox was called."""

from collections import Counter
from threading import Lock


class Counters:
    """Counts by `service:operation`, such as `idaas:jwks`. Safe to use from several threads.

    `<service>:expired_credential` counts credentials that had expired when they were presented, and
    `<service>:fault` requests that an injected fault answered, wholly or in part.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def count(self, service: str, operation: str) -> None:
        """Adds one."""
        with self._lock:
            self._counts[f"{service}:{operation}"] += 1

    def expired_credential(self, service: str) -> None:
        """An expired token or key was presented to `service`."""
        self.count(service, "expired_credential")

    def snapshot(self) -> dict[str, int]:
        """A copy of the counts; operations that were never called are absent."""
        with self._lock:
            return dict(self._counts)

    def reset(self) -> None:
        """Forgets all counts."""
        with self._lock:
            self._counts.clear()
