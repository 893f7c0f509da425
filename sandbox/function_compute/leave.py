"""The leave service: a person's balance and applications, by the caller of the token. No agent may call."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox.function_compute.web_function import (
    Caller,
    RefusedError,
    Requirement,
    json_object,
    now,
    web_function,
)
from sandbox.state.cloud import Cloud
from sandbox.state.directory import LEAVE_AUDIENCE

READ = Requirement(LEAVE_AUDIENCE, ("leave.read", "leave.write"), person=True)
WRITE = Requirement(LEAVE_AUDIENCE, ("leave.write",), person=True)
_LONGEST_REASON, _LONGEST_NOTICE = 500, timedelta(days=366)


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


class LeaveService:
    """`GET /leave`; `GET`, `POST /leave/applications`; `DELETE /leave/applications/<first day>`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ledger = LeaveLedger()
        cloud.on_reset(self._ledger.reset)

    def routes(self) -> list[Route]:
        """Its routes. Counted are `function_compute:leave`, `…:leave_applied` and `…:leave_cancelled`."""

        function, path = partial(web_function, self._cloud), "/leave/applications"
        cancel = function("leave_cancelled", WRITE, self._cancel)
        return [
            Route("/leave", function("leave", READ, self._balance), methods=["GET"]),
            Route(path, function("leave", READ, self._applications), methods=["GET"]),
            Route(path, function("leave_applied", WRITE, self._apply, 201), methods=["POST"]),
            Route(f"{path}/{{first}}", cancel, methods=["DELETE"]),
        ]

    async def _balance(self, _: Request, caller: Caller) -> Mapping[str, Any]:
        employee = self._employee(caller)
        planned = employee.next_leave(self._today())
        return {
            "employee": employee.name,
            "days_left": self._ledger.days_left(employee),
            "next_leave": {**_period(planned), "status": "approved"},
        }

    async def _applications(self, _: Request, caller: Caller) -> Mapping[str, Any]:
        employee = self._employee(caller)
        return {
            "employee": employee.name,
            "applications": [_described(absence) for absence in self._ledger.applications(employee)],
            "days_left": self._ledger.days_left(employee),
        }

    async def _apply(self, request: Request, caller: Caller) -> Mapping[str, Any]:
        employee = self._employee(caller)
        wanted = _absence(await json_object(request))
        self._ledger.apply(employee, wanted, self._today())
        return self._changed("applied", employee, wanted)

    async def _cancel(self, request: Request, caller: Caller) -> Mapping[str, Any]:
        employee = self._employee(caller)
        first = _day(request.path_params["first"])
        return self._changed("cancelled", employee, self._ledger.cancel(employee, first, self._today()))

    def _changed(self, status: str, employee: Employee, absence: Absence) -> Mapping[str, Any]:
        left = self._ledger.days_left(employee)
        return {"status": status, "employee": employee.name, **_described(absence), "days_left": left}

    def _employee(self, caller: Caller) -> Employee:
        """The calling employee; a user of `sandbox.toml` has been hired today."""
        if caller.subject in EMPLOYEES:
            return EMPLOYEES[caller.subject]
        if user := self._cloud.directory.user_by_subject(caller.subject):
            return Employee(user.name, user.display_name, days_left=25, leave_in_days=60, leave_length=5)
        text = f'claim "sub" must name an employee, found "{caller.subject}"'
        raise RefusedError(404, "unknown_employee", text)

    def _today(self) -> date:
        return now(self._cloud).date()


def _absence(body: Mapping[str, Any]) -> Absence:
    days, reason = body.get("days"), body.get("reason")
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= 366:
        raise RefusedError(400, "invalid_request", '"days" must be a whole number from 1 to 366')
    if not isinstance(reason, str | None) or len(reason or "") > _LONGEST_REASON:
        raise RefusedError(400, "invalid_request", f'"reason" must be at most {_LONGEST_REASON} characters')
    return Absence(_day(body.get("from")), days, reason or None)


def _day(text: object) -> date:
    try:
        return date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise RefusedError(400, "invalid_request", '"from" must be a date, written YYYY-MM-DD') from None


def _described(absence: Absence) -> dict[str, Any]:
    return {"days": absence.days, **_period(absence), "reason": absence.reason}


def _period(absence: Absence) -> dict[str, str]:
    return {"from": absence.first.isoformat(), "to": absence.last.isoformat()}
