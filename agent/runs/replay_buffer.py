"""The newest events of a run, for readers that come later or come back."""

from typing import Final

from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent

MAX_EVENTS: Final = 20_000
MAX_CHARACTERS: Final = 1_000_000
"""Of the events that are kept: far more than a model writes in the time of one run."""


class ReplayBuffer:
    """Events with their positions, which count from 1.

    Beyond the limits, the oldest half is dropped: `oldest` is the first position that is kept.
    """

    def __init__(self, *, events: int = MAX_EVENTS, characters: int = MAX_CHARACTERS) -> None:
        self._most_events = events
        self._most_characters = characters
        self._events: list[RunEvent] = []
        self.characters = 0
        """Of the kept events."""
        self.oldest = 1

    @property
    def newest(self) -> int:
        """The position of the last event; 0 if there was none."""
        return self.oldest + len(self._events) - 1

    def add(self, event: RunEvent) -> None:
        """Appends `event`."""
        self._events.append(event)
        self.characters += size_of(event)
        if len(self._events) > self._most_events or self.characters > self._most_characters:
            self._drop()

    def skip(self, position: int) -> None:
        """Drops all events: the next one that is added has `position`, which is later than theirs."""
        self._events.clear()
        self.characters = 0
        self.oldest = position

    def at(self, position: int) -> RunEvent:
        """The event at `position`, which is kept."""
        return self._events[position - self.oldest]

    def _drop(self) -> None:
        dropped = (len(self._events) + 1) // 2
        self.characters -= sum(map(size_of, self._events[:dropped]))
        self.oldest += dropped
        del self._events[:dropped]


def size_of(event: RunEvent) -> int:
    """Characters of the long members of an event."""
    if isinstance(event, Finished | Paused):
        return 0
    match event["type"]:
        case "content" | "reasoning":
            return len(event["text"])
        case "tool_finished":
            return len(event["result"])
        case _:
            return 1000
