"""The company's own small directory: whom a subject of IDaaS is here, and the leave that is left."""

from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.function_compute.absence import Absence


@dataclass(frozen=True, slots=True)
class Employee:
    """An employee. The next approved leave begins in `leave_in_days` and lasts `leave_length` days."""

    name: str
    display_name: str
    days_left: int
    leave_in_days: int
    leave_length: int

    def next_leave(self, today: date) -> Absence:
        """The next approved leave."""
        return Absence(today + timedelta(days=self.leave_in_days), self.leave_length)


EMPLOYEES = {
    "user_alice01": Employee("alice", "Alice", days_left=12, leave_in_days=18, leave_length=5),
    "user_bob01": Employee("bob", "Bob", days_left=7, leave_in_days=40, leave_length=2),
}
