"""The applications for leave of all employees, and the rules for a new one. No I/O, no clock."""

from collections import defaultdict
from datetime import date, timedelta

from sandbox.function_compute.absence import Absence
from sandbox.function_compute.authorization import RefusedError
from sandbox.function_compute.employees import Employee

_LONGEST_NOTICE = timedelta(days=366)


class LeaveLedger:
    """Applications by employee. Two never cover one day, so the first day identifies an application."""

    def __init__(self) -> None:
        self._applications: dict[str, dict[date, Absence]] = defaultdict(dict)

    def reset(self) -> None:
        """Forgets all applications."""
        self._applications.clear()

    def applications(self, employee: Employee) -> list[Absence]:
        """The employee's applications, by date."""
        return sorted(self._applications[employee.name].values(), key=lambda absence: absence.first)

    def days_left(self, employee: Employee) -> int:
        """The days that the employee may still apply for."""
        return employee.days_left - sum(absence.days for absence in self.applications(employee))

    def apply(self, employee: Employee, wanted: Absence, today: date) -> None:
        """Raises `RefusedError`: `invalid_dates`, `overlapping_leave` or `insufficient_balance`.

        A repeated application is an overlapping one: it is not recorded twice.
        """
        if not today <= wanted.first <= today + _LONGEST_NOTICE:
            text = f'"from" must be within a year from {today}, found {wanted.first}'
            raise RefusedError(400, "invalid_dates", text)
        for taken in [employee.next_leave(today), *self.applications(employee)]:
            if wanted.overlaps(taken):
                text = f"there is leave from {taken.first} to {taken.last} already"
                raise RefusedError(409, "overlapping_leave", text)
        if wanted.days > (left := self.days_left(employee)):
            text = f"days must not exceed the {left} that are left, found {wanted.days}"
            raise RefusedError(409, "insufficient_balance", text)
        self._applications[employee.name][wanted.first] = wanted

    def cancel(self, employee: Employee, first: date, today: date) -> Absence:
        """The application that began with `first`, which is no more. Raises `RefusedError`."""
        if (absence := self._applications[employee.name].get(first)) is None:
            raise RefusedError(404, "unknown_application", f"there is no application for leave from {first}")
        if absence.first < today:
            raise RefusedError(409, "already_begun", f"the leave from {first} has begun")
        return self._applications[employee.name].pop(first)
