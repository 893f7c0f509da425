"""The part of a requested response that has arrived, whatever becomes of it.

What reads a response adds to it, so that one that fails, is cancelled or is cut off can be counted: its
message, which is whole or nothing, does not exist then.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from langchain_core.messages.ai import UsageMetadata

_CAUSES: Final = 4
"""The most exceptions that a failure names: that of the chat model, and those that caused it."""
_NOT_CONNECTED: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ClientConnectorError"})
"""The errors of HTTP clients before a request is sent, by name: chat models use clients of many packages."""


@dataclass(slots=True)
class Arrived:
    """The characters of texts, thinking, and calls with their arguments, those that are dropped included; and
    the tokens that the service has reported, unchecked.

    `unsent`: the request has certainly not reached the service.
    """

    characters: int = 0
    usage: UsageMetadata | None = None
    unsent: bool = False

    def failed_by(self, error: BaseException) -> None:
        """Notes whether the failure came before the request was sent."""
        if any(type(cause).__name__ in _NOT_CONNECTED for cause in with_causes(error)):
            self.unsent = True


ARRIVED: Final[ContextVar[Arrived | None]] = ContextVar("ARRIVED", default=None)
"""Of the response that this task requests, or that a task has requested which began this one."""


def arrived() -> Arrived:
    """That of the response being requested; outside of one, a new one that nobody reads."""
    return ARRIVED.get() or Arrived()


def with_causes(error: BaseException) -> Iterator[BaseException]:
    """`error`, and what caused it."""
    cause: BaseException | None = error
    for _ in range(_CAUSES):
        if cause is None:
            return
        yield cause
        cause = cause.__context__ if cause.__cause__ is None else cause.__cause__
