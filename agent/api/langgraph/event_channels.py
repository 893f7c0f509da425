"""The channels of LangGraph's event-streaming protocol that a run of this graph fills.

The server requests from the graph only the stream modes that some transformer names. Without this one,
clients of the protocol receive no tool calls, whichever channels they subscribe to.
"""

from typing import Any, ClassVar

from langgraph.stream import ProtocolEvent, StreamTransformer


class EventChannels(StreamTransformer):
    """Names the stream modes, and passes every event on unchanged."""

    required_stream_modes: ClassVar[tuple[str, ...]] = ("tools", "custom", "updates", "checkpoints")

    def init(self) -> dict[str, Any]:
        """It has no projection of its own."""
        return {}

    def process(self, event: ProtocolEvent) -> bool:  # noqa: ARG002 - the form of a transformer
        """True: the event stays in the stream."""
        return True
