"""A clock that moves only by `advance`: time for tests."""

import time
from dataclasses import dataclass, field


@dataclass
class SettableClock:
    """Answers `now`, in unix seconds. Starts at the real time, at a whole second."""

    now: float = field(default_factory=lambda: float(int(time.time())))

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves on."""
        self.now += seconds

    def reset(self) -> None:
        """Back to the real time."""
        self.now = float(int(time.time()))
