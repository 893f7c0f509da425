"""A span: one piece of work of a trace, with its time, its attributes and its outcome.

Code that works sees the Protocol `Span` only. Without a trace, and in one that is not sampled, nothing is
recorded and nothing allocated.
"""

import random
from enum import IntEnum
from typing import Final, Protocol

from identity.observation.attribute import Attribute
from identity.observation.trace import Receiver, Value
from identity.observation.traceparent import TraceContext


class SpanKind(IntEnum):
    """The role of a span; the values are those of OpenTelemetry's API."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2


class Span(Protocol):
    """Where work reports what may be traced of it."""

    @property
    def recording(self) -> bool:
        """Whether attributes have an effect; if not, they need not be computed."""
        ...

    @property
    def content(self) -> bool:
        """Whether attributes of `CONTENT` have an effect."""
        ...

    @property
    def trace_id(self) -> str | None:
        """For log lines: 32 hexadecimal digits, if the trace is recorded."""
        ...

    def set(self, attribute: Attribute, value: Value | None) -> None:
        """Sets an attribute, unless `value` is `None`. Longer texts are cut."""
        ...

    def set_for_trace(self, attribute: Attribute, value: Value | None) -> None:
        """Sets an attribute of all spans of the trace that end from now on."""
        ...

    def fail(self, code: str) -> None:
        """The work failed with `code`: the first one counts. An empty code is no failure."""
        ...

    def rename(self, name: str) -> None:
        """Gives it a better name, such as that of the route, which is known later."""
        ...

    def traceparent(self, receiver: Receiver) -> str | None:
        """The header or member `traceparent` for `receiver`, if it may know of the trace."""
        ...

    def child(self, name: str, kind: SpanKind) -> "Span":
        """A new span within this one; end it."""
        ...

    def end(self) -> None:
        """The work has ended."""
        ...


class NoSpan:
    """There is no trace."""

    __slots__ = ()

    recording: Final = False
    content: Final = False
    trace_id: Final = None

    def set(self, attribute: Attribute, value: Value | None) -> None:
        """Nothing."""

    def set_for_trace(self, attribute: Attribute, value: Value | None) -> None:
        """Nothing."""

    def fail(self, code: str) -> None:
        """Nothing."""

    def rename(self, name: str) -> None:
        """Nothing."""

    def traceparent(self, receiver: Receiver) -> str | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None

    def child(self, name: str, kind: SpanKind) -> Span:  # noqa: ARG002 - the protocol's
        """Itself."""
        return self

    def end(self) -> None:
        """Nothing."""


NO_SPAN: Final = NoSpan()


class UnsampledSpan(NoSpan):
    """The whole of a trace that is not recorded. Receivers of its context learn that."""

    __slots__ = ("_receivers", "_traceparent")

    def __init__(self, trace_id: int, receivers: frozenset[Receiver]) -> None:
        self._receivers = receivers
        self._traceparent = TraceContext(trace_id, new_span_id(), sampled=False).traceparent

    def traceparent(self, receiver: Receiver) -> str | None:
        """Of the trace, for those who may know of it."""
        return self._traceparent if receiver in self._receivers else None


def new_span_id() -> int:
    """A random identifier, never 0. It needs to be unique, not secret."""
    return random.getrandbits(64) or 1
