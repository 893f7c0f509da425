"""How far a measurement is, in lines on stderr."""

import sys
from dataclasses import dataclass
from typing import Final

_STEPS: Final = 10
"""Lines of one measurement: one for each tenth."""


@dataclass(slots=True)
class Progress:
    """Counts the runs of the measurement `name`, of which there are `planned`."""

    name: str
    planned: int
    made: int = 0

    def add(self, runs: int) -> None:
        """Counts further runs. Writes a line when another tenth is made."""
        before = self.made * _STEPS // max(self.planned, 1)
        self.made += runs
        if self.made * _STEPS // max(self.planned, 1) > before:
            sys.stderr.write(f"{self.name}: {self.made} of {self.planned} runs\n")
