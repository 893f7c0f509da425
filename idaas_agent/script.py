"""The script of a stand-in."""

from collections import deque
from typing import Generic, TypeVar

Step = TypeVar("Step")


class Script(Generic[Step]):
    """Items that come in order; the last is repeated until there is another."""

    def __init__(self, *steps: Step) -> None:
        self._waiting = deque(steps)
        self._last: list[Step] = []

    def add(self, *steps: Step) -> None:
        """Adds steps at the end."""
        self._waiting.extend(steps)

    def next(self, asked: str) -> Step:
        """The next step. Raises `AssertionError`, which names what was `asked`, if there was none ever."""
        if self._waiting:
            self._last = [self._waiting.popleft()]
        if not self._last:
            raise AssertionError(f"{asked}: the test says no response to it")
        return self._last[0]
