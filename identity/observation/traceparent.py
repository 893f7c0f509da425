"""The context of a trace as it goes over the wire: `traceparent` (W3C Trace Context, level 1).

`tracestate` and `baggage` are neither read nor sent: they may contain anything.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEADER: Final = "traceparent"
"""The name of the header, and of the member of `_meta` in MCP."""
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1


class Receiver(StrEnum):
    """To whom the context of a trace may be sent."""

    SERVICES = "services"
    MCP = "mcp"
    MODEL = "model"
    IDAAS = "idaas"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of some process: the ids of its trace and of itself, and whether it is recorded."""

    trace_id: int
    span_id: int
    sampled: bool

    @property
    def traceparent(self) -> str:
        """Version 00 of the format."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def parse_traceparent(text: str) -> TraceContext | None:
    """The context of a header; `None` if it is invalid. It is a claim of its sender."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    context = TraceContext(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED))
    unusable = version == "ff" or (version == "00" and more) or not context.trace_id or not context.span_id
    return None if unusable else context
