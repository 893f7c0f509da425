"""One trace in this process: what all its spans share."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from identity.observation.attribute import Attribute

if TYPE_CHECKING:
    from identity.observation.recorded_span import RecordedSpan

Value = str | int | float | bool | tuple[str, ...]
"""Of an attribute."""


class Receiver(StrEnum):
    """To whom the trace's context may be sent, as `traceparent`."""

    SERVICES = "services"
    MCP = "mcp"
    MODEL = "model"
    IDAAS = "idaas"


class SpanSink(Protocol):
    """Exports ended spans; `agent.operations.traces` has the implementation."""

    def ended(self, span: "RecordedSpan") -> None:
        """Takes `span`, which does not change any more. Must not block."""
        ...


class Trace:
    """The identity of a trace, and who receives its spans and its context.

    `content`: spans may have the attributes of `CONTENT`.
    """

    __slots__ = ("attributes", "content", "receivers", "sink", "trace_id")

    def __init__(
        self, trace_id: int, sink: SpanSink, *, receivers: frozenset[Receiver], content: bool = False
    ) -> None:
        self.trace_id = trace_id
        self.sink = sink
        self.receivers = receivers
        self.content = content
        self.attributes: dict[Attribute, Value] = {}
        """Those of all spans of the trace."""
