"""The leave service: a person's balance and applications, by the caller of the token. No agent may call."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox.function_compute.absence import Absence
from sandbox.function_compute.authorization import RefusedError, Requirement
from sandbox.function_compute.caller import Caller
from sandbox.function_compute.employees import EMPLOYEES, Employee
from sandbox.function_compute.leave_ledger import LeaveLedger
from sandbox.function_compute.web_function import Operation, json_object, now, web_function
from sandbox.state.cloud import Cloud
from sandbox.state.directory import LEAVE_AUDIENCE

READ = Requirement(LEAVE_AUDIENCE, ("leave.read", "leave.write"), person=True)
WRITE = Requirement(LEAVE_AUDIENCE, ("leave.write",), person=True)
_LONGEST_REASON = 500


class LeaveService:
    """`GET /leave`; `GET`, `POST /leave/applications`; `DELETE /leave/applications/<first day>`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ledger = LeaveLedger()
        cloud.on_reset(self._ledger.reset)

    def routes(self) -> list[Route]:
        """Its routes. Counted are `function_compute:leave`, `…:leave_applied` and `…:leave_cancelled`."""

        def route(
            path: str,
            method: str,
            name: str,
            requirement: Requirement,
            operation: Operation,
            status: int = 200,
        ) -> Route:
            return Route(
                path, web_function(self._cloud, name, requirement, operation, status), methods=[method]
            )

        return [
            route("/leave", "GET", "leave", READ, self._balance),
            route("/leave/applications", "GET", "leave", READ, self._applications),
            route("/leave/applications", "POST", "leave_applied", WRITE, self._apply, 201),
            route("/leave/applications/{first}", "DELETE", "leave_cancelled", WRITE, self._cancel),
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
