"""The error of the request that is being served, for its log line, its metrics and its span."""

from contextvars import ContextVar
from typing import Final

from identity.observation.span import CURRENT_SPAN


class RequestOutcome:
    """The code of the first error that was reported to the client; `None` without one."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code: str | None = None


REQUEST_OUTCOME: Final[ContextVar[RequestOutcome | None]] = ContextVar(
    "idaas_agent.request_outcome", default=None
)


def note_error(code: str) -> None:
    """The client is about to read an error with `code`."""
    CURRENT_SPAN.get().fail(code)
    outcome = REQUEST_OUTCOME.get()
    if outcome is not None and outcome.code is None:
        outcome.code = code
