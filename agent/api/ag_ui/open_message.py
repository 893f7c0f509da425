"""The message of the model that a run is writing: its text and its reasoning, opened and closed in order."""

from collections.abc import Callable
from typing import Final, Literal

from agent.api.ag_ui.wire import Event, reasoning_id


class OpenMessage:
    """The latest message. At most one of text and reasoning is open."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        """`new_id` makes the id of a message that has none."""
        self._new_id: Final = new_id
        self._open: Literal["text", "reasoning"] | None = None
        self.id: str | None = None
        """`None` until the model has begun to respond."""

    def begin(self, message_id: str) -> list[Event]:
        """Another message follows."""
        closed = self.close()
        self.id = message_id
        return closed

    def text(self, delta: str) -> list[Event]:
        """A piece of the text."""
        message_id = self._id()
        content: Event = {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": delta}
        if self._open == "text":
            return [content]
        closed = self.close()
        self._open = "text"
        start: Event = {"type": "TEXT_MESSAGE_START", "messageId": message_id, "role": "assistant"}
        return [*closed, start, content]

    def reasoning(self, delta: str) -> list[Event]:
        """A piece of the reasoning, which is a message of its own."""
        thought = {"messageId": reasoning_id(self._id())}
        content: Event = {"type": "REASONING_MESSAGE_CONTENT", **thought, "delta": delta}
        if self._open == "reasoning":
            return [content]
        closed = self.close()
        self._open = "reasoning"
        start: Event = {"type": "REASONING_MESSAGE_START", **thought, "role": "reasoning"}
        return [*closed, {"type": "REASONING_START", **thought}, start, content]

    def close(self) -> list[Event]:
        """Closes what is open. A later piece opens it again."""
        kind, self._open = self._open, None
        if kind == "text":
            return [{"type": "TEXT_MESSAGE_END", "messageId": self._id()}]
        if kind == "reasoning":
            thought = {"messageId": reasoning_id(self._id())}
            return [{"type": "REASONING_MESSAGE_END", **thought}, {"type": "REASONING_END", **thought}]
        return []

    def _id(self) -> str:
        if self.id is None:
            self.id = self._new_id()
        return self.id
