"""The functions behind the trigger: the enterprise service, and the leave service, for people only."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.cloud import Cloud
from sandbox.directory import AGENT, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE
from sandbox.function_compute.authorization import RefusedError, Requirement
from sandbox.function_compute.caller import Caller, read_caller
from sandbox.function_compute.employees import EMPLOYEES, Employee
from sandbox.function_compute.http_trigger import REQUEST_ID_HEADER

AGENTS = frozenset({AGENT})
ENTERPRISE = Requirement(ENTERPRISE_AUDIENCE, "service.invoke")
LEAVE = Requirement(LEAVE_AUDIENCE, "leave.read", person=True)
_MAX_BODY = 1_000_000

WebFunction = Callable[[Request], Awaitable[Response]]


def enterprise(cloud: Cloud) -> WebFunction:
    """`GET` or `POST {"message": …}`: a greeting, the message, and who called."""

    async def answer(request: Request) -> Response:
        cloud.counters.count("function_compute", "enterprise")
        caller = read_caller(request.headers, AGENTS)
        try:
            ENTERPRISE.check(caller)
            message = await _message(request)
        except RefusedError as error:
            return _refusal(error, request)
        user = cloud.directory.user_by_subject(caller.subject)
        name = user.display_name if user else caller.subject
        return JSONResponse(
            {
                "greeting": f"Hello, {name}! This is the enterprise service.",
                "message": message,
                "caller": _described(caller) | {"employee": user.name if user else None},
                "request_id": request.headers.get(REQUEST_ID_HEADER),
                "time": _now(cloud).isoformat(timespec="seconds"),
            }
        )

    return answer


def leave(cloud: Cloud) -> WebFunction:
    """`GET`: the days of leave that the calling person has left, and the next approved leave."""

    async def answer(request: Request) -> Response:
        cloud.counters.count("function_compute", "leave")
        caller = read_caller(request.headers, AGENTS)
        try:
            LEAVE.check(caller)
            employee = _employee(caller, cloud)
        except RefusedError as error:
            return _refusal(error, request)
        first = _now(cloud).date() + timedelta(days=employee.leave_in_days)
        return JSONResponse(
            {
                "employee": employee.name,
                "days_left": employee.days_left,
                "next_leave": {
                    "from": first.isoformat(),
                    "to": (first + timedelta(days=employee.leave_length - 1)).isoformat(),
                    "status": "approved",
                },
                "request_id": request.headers.get(REQUEST_ID_HEADER),
            }
        )

    return answer


async def health(_: Request) -> Response:
    """`GET`, on the trigger's whitelist: no token needed."""
    return JSONResponse({"status": "ok"})


async def _message(request: Request) -> str | None:
    if request.method != "POST":
        return request.query_params.get("message")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise RefusedError(413, "too_large", "the body must not exceed 1 MB")
    try:
        content: Any = json.loads(body or b"{}")
    except ValueError:
        raise RefusedError(400, "invalid_request", "the body must be JSON") from None
    message = content.get("message") if isinstance(content, dict) else content
    if not isinstance(content, dict) or not isinstance(message, str | None):
        raise RefusedError(400, "invalid_request", 'the body must be an object whose "message" is a string')
    return message


def _employee(caller: Caller, cloud: Cloud) -> Employee:
    """The calling employee; a user of `sandbox.toml` has been hired today."""
    if caller.subject in EMPLOYEES:
        return EMPLOYEES[caller.subject]
    if user := cloud.directory.user_by_subject(caller.subject):
        return Employee(user.name, user.display_name, days_left=25, leave_in_days=60, leave_length=5)
    text = f'claim "sub" must name an employee, found "{caller.subject}"'
    raise RefusedError(404, "unknown_employee", text)


def _described(caller: Caller) -> dict[str, str | None]:
    return {
        "access_identity": caller.access_identity,
        "subject": caller.subject,
        "client": caller.client,
        "actor": caller.actor,
    }


def _refusal(error: RefusedError, request: Request) -> Response:
    body = {
        "error": error.code,
        "message": str(error),
        "request_id": request.headers.get(REQUEST_ID_HEADER),
    }
    return JSONResponse(body, error.status)


def _now(cloud: Cloud) -> datetime:
    return datetime.fromtimestamp(cloud.clock(), UTC)
