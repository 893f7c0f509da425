"""Leave of an employee: some days in a row, and why."""

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Absence:
    """`days` calendar days in a row, beginning with `first`."""

    first: date
    days: int
    reason: str | None = None

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    def overlaps(self, other: "Absence") -> bool:
        """Whether both cover the same day."""
        return self.first <= other.last and other.first <= self.last
