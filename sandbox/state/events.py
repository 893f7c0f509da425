"""The audit log: one event for each decision, never with the text of a token, key or password."""

import json
import logging
from collections import deque
from dataclasses import asdict, dataclass
from typing import Literal

logger = logging.getLogger("sandbox.events")


@dataclass(frozen=True, slots=True)
class Event:
    """One decision. `jti` names the token that was issued, `subject_jti` the one that was exchanged.

    `authentication` is the method by which the client authenticated; `reason` says what was wrong where the
    caller learns only that it was refused.
    """

    time: float
    event: str
    result: Literal["success", "failed"]
    client: str | None = None
    authentication: str | None = None
    subject: str | None = None
    audience: str | None = None
    permissions: tuple[str, ...] = ()
    jti: str | None = None
    subject_jti: str | None = None
    error: str | None = None
    reason: str | None = None
    request_id: str | None = None


class Events:
    """The last events, for tests and the control endpoint; each is also logged as a line of JSON."""

    def __init__(self, limit: int = 1000) -> None:
        self._events: deque[Event] = deque(maxlen=limit)

    def add(self, event: Event) -> None:
        """Keeps and logs it."""
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
