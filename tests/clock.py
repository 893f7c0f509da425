"""Clocks for the code under test and for the sandbox."""

import os
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Seconds that only a test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class SettableClock(Clock):
    """Starts at the real time, at a whole second."""

    def __init__(self) -> None:
        super().__init__(float(int(time.time())))

    def reset(self) -> None:
        """Back to the real time."""
        self.now = float(int(time.time()))


def date_in(days: int) -> str:
    """The date so many days ahead, as the sandbox counts days: in UTC, from where its clock starts."""
    today = datetime.fromtimestamp(SettableClock().now, UTC).date()
    return (today + timedelta(days=days)).isoformat()


def same_clock() -> dict[str, str]:
    """Variables with which a program has this process's time, which `make future` moves."""
    moved = ("LD_PRELOAD", "FAKETIME", "NO_FAKE_STAT")
    return {name: value for name, value in os.environ.items() if name.startswith(moved)}
