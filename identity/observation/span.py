"""Spans: pieces of work of one trace, each with its time, its attributes and its outcome.

Code that works reports to the current span. Without a trace, and in one that is not sampled, nothing is
recorded and nothing allocated.
"""

import random
import time
from contextvars import ContextVar, Token
from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum
from types import TracebackType
from typing import Final, Protocol, Self

from identity.observation.attribute import CONTENT, Attribute
from identity.observation.metrics import SUCCESS, Histogram, error_type
from identity.observation.traceparent import Receiver, TraceContext

MAX_CHARACTERS: Final = 256
"""The most characters of an attribute. Names of tools, models and credentials are shorter."""
MAX_CONTENT: Final = 32_768
"""The most characters of an attribute of `CONTENT`."""

Value = str | int | float | bool | tuple[str, ...]
"""The value of an attribute."""


class SpanKind(IntEnum):
    """The role of a span, with the values of OpenTelemetry's API."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2


class Span:
    """Work reports here what may be traced of it. This class records nothing: there is no trace."""

    __slots__ = ()

    recording: bool = False
    """Whether attributes have an effect; if not, they need not be computed."""
    content: bool = False
    """Whether attributes of `CONTENT` have an effect."""

    @property
    def trace_id(self) -> str | None:
        """For log lines: 32 hexadecimal digits, if the trace is recorded."""
        return None

    def set(self, attribute: Attribute, value: Value | None) -> None:
        """Sets an attribute, unless `value` is `None`. Longer texts are cut."""

    def set_for_trace(self, attribute: Attribute, value: Value | None) -> None:
        """Sets an attribute of all spans of the trace that end from now on."""

    def fail(self, code: str) -> None:
        """The work failed with `code`: the first one counts. An empty code is no failure."""

    def rename(self, name: str) -> None:
        """Gives the span a better name, such as that of the route, which is known later."""

    def traceparent(self, receiver: Receiver) -> str | None:  # noqa: ARG002 - for the spans that have one
        """The header or member `traceparent` for `receiver`, if it may know of the trace."""
        return None

    def child(self, name: str, kind: SpanKind) -> "Span":  # noqa: ARG002 - the same
        """A new span within this one; end it."""
        return self

    def end(self) -> None:
        """The work has ended. Further calls do nothing."""


NO_SPAN: Final = Span()


def _new_span_id() -> int:
    """A random identifier, never 0. It needs to be unique, not secret."""
    return random.getrandbits(64) or 1


class UnsampledSpan(Span):
    """All spans of a trace that is not recorded. Receivers of its context learn that."""

    __slots__ = ("_receivers", "_traceparent")

    def __init__(self, trace_id: int, receivers: frozenset[Receiver]) -> None:
        self._receivers = receivers
        self._traceparent = TraceContext(trace_id, _new_span_id(), sampled=False).traceparent

    def traceparent(self, receiver: Receiver) -> str | None:
        return self._traceparent if receiver in self._receivers else None


class SpanSink(Protocol):
    """Exports ended spans; `agent.operations.traces` has the implementation."""

    def ended(self, span: "RecordedSpan") -> None:
        """Takes `span`, which does not change any more. Must not block."""


@dataclass(eq=False, repr=False, slots=True)
class Trace:
    """One trace in this process: its spans share who receives them, and who receives its context.

    `content`: spans may have the attributes of `CONTENT`.
    """

    trace_id: int
    sink: SpanSink
    _: KW_ONLY
    receivers: frozenset[Receiver]
    content: bool = False
    attributes: dict[Attribute, Value] = field(init=False, default_factory=dict)
    """The attributes of all spans of the trace."""


@dataclass(eq=False, repr=False, slots=True)
class RecordedSpan(Span):
    """A span of a sampled trace. Not thread-safe."""

    trace: Trace
    name: str
    kind: SpanKind
    parent_id: int | None = None
    link: TraceContext | None = None
    """A context of another trace, which this one belongs to in some way."""
    content: bool = field(init=False, default=False)
    span_id: int = field(init=False, default_factory=_new_span_id)
    attributes: dict[Attribute, Value] = field(init=False, default_factory=dict)
    error: str = field(init=False, default="")
    started_at: int = field(init=False, default_factory=time.time_ns)
    """Unix time in nanoseconds, as `ended_at`; 0 until the end."""
    ended_at: int = field(init=False, default=0)
    _began: int = field(init=False, default_factory=time.perf_counter_ns)
    recording = True

    def __post_init__(self) -> None:
        self.content = self.trace.content

    @property
    def trace_id(self) -> str:
        return f"{self.trace.trace_id:032x}"

    def set(self, attribute: Attribute, value: Value | None) -> None:
        if value is not None and (attribute not in CONTENT or self.content):
            self.attributes[attribute] = _cut(attribute, value)

    def set_for_trace(self, attribute: Attribute, value: Value | None) -> None:
        if value is not None and attribute not in CONTENT:
            self.trace.attributes[attribute] = _cut(attribute, value)

    def fail(self, code: str) -> None:
        self.error = self.error or code

    def rename(self, name: str) -> None:
        self.name = name

    def traceparent(self, receiver: Receiver) -> str | None:
        if receiver not in self.trace.receivers:
            return None
        return TraceContext(self.trace.trace_id, self.span_id, sampled=True).traceparent

    def child(self, name: str, kind: SpanKind) -> Span:
        return RecordedSpan(self.trace, name, kind, self.span_id)

    def end(self) -> None:
        if not self.ended_at:
            self.ended_at = self.started_at + time.perf_counter_ns() - self._began
            self.trace.sink.ended(self)


def _cut(attribute: Attribute, value: Value) -> Value:
    longest = MAX_CONTENT if attribute in CONTENT else MAX_CHARACTERS
    return value[:longest] if isinstance(value, str) else value


CURRENT_SPAN: Final[ContextVar[Span]] = ContextVar("idaas_agent.span", default=NO_SPAN)
"""The span of the work that goes on in this context. A task that starts in an empty context must be given it
again (`identity.observation.request_context`).
"""


@dataclass(eq=False, repr=False, slots=True)
class timed_span:  # noqa: N801 - used as a function
    """A context manager: a span within the current one, current in the block, and the seconds of the block.

    The span's name is `operation`, and `subject` after it. It fails by the code of an exception that leaves
    the block, never by its text, or by that of `fail`; `seconds` counts the block under `labels` and that
    code. Without a sampled trace the span costs a look-up.
    """

    seconds: Histogram
    labels: tuple[str, ...]
    operation: str
    subject: str = ""
    kind: SpanKind = SpanKind.INTERNAL
    span: Span = field(init=False, default=NO_SPAN)
    _failure: str = field(init=False, default=SUCCESS)
    _token: Token[Span] | None = field(init=False, default=None)
    _began: float = field(init=False, default=0.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the block began."""
        return time.perf_counter() - self._began

    def fail(self, code: str) -> None:
        """The block fails with `code`, without an exception. An empty code is no failure."""
        self._failure = code

    def __enter__(self) -> Self:
        self.span = parent = CURRENT_SPAN.get()
        if parent.recording:
            name = f"{self.operation} {self.subject}" if self.subject else self.operation
            self.span = parent.child(name, self.kind)
            self._token = CURRENT_SPAN.set(self.span)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure if error is None else error_type(error)
        self.seconds.observe(time.perf_counter() - self._began, *self.labels, failure)
        if self._token is not None:
            CURRENT_SPAN.reset(self._token)
            self.span.fail(failure)
            self.span.end()
