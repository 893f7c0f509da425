"""Counters of operations, and the audit log of decisions."""

import json
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any, Literal


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


logger = logging.getLogger("sandbox.events")


@dataclass(slots=True)
class Event:
    """One decision, or a request and what is known about it so far.

    `jti` names the token that was issued, `subject_jti` the one that was exchanged. `authentication` is the
    method by which the client authenticated; `reason` says what was wrong where the caller learns only that
    it was refused.
    """

    event: str
    request_id: str
    time: float = 0.0
    result: Literal["success", "failed"] = "success"
    client: str | None = None
    authentication: str | None = None
    subject: str | None = None
    audience: str | None = None
    permissions: tuple[str, ...] = ()
    jti: str | None = None
    subject_jti: str | None = None
    error: str | None = None
    reason: str | None = None


class Events:
    """The last events, for tests and the control endpoint; each is also logged as a line of JSON."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=1000)

    def record(self, known: Event, **members: Any) -> None:  # noqa: ANN401 - members of an event
        """Keeps and logs `known` with the time of now and these members."""
        event = replace(known, time=self._clock(), **members)
        self._events.append(event)
        level = logging.INFO if event.result == "success" else logging.WARNING
        if logger.isEnabledFor(level):
            members = {name: value for name, value in asdict(event).items() if value not in (None, ())}
            logger.log(level, "%s", json.dumps(members))

    def snapshot(self) -> tuple[Event, ...]:
        """The events so far, oldest first."""
        return tuple(self._events)

    def reset(self) -> None:
        """Forgets them."""
        self._events.clear()
