"""The error tree and the error table as HTTP responses: the only place that knows their statuses.

Every error of every route has one body, OpenAI's with the request's id: `{"error": {"message", "type",
"code", "param", "request_id"}}`, with `"service"` if it is about a service, with `"limit"` if too much is
stored, and with `"retry_after"` (seconds) where the status has a `Retry-After` header. `message` is for the
user. What operators need goes to the log, under the same id (`identity.observation.failure`). Surfaces of
JSON-RPC have errors of their own beside these.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from math import ceil
from typing import Any, Final

from starlette.responses import JSONResponse

from agent.errors.error_codes import AgentCode
from agent.errors.error_table import for_operators
from graph.error_codes import AnswerFormError
from identity.errors import (
    AccessTokenError,
    AgentError,
    ApprovalError,
    AuditError,
    ConfigurationError,
    InsufficientScopeError,
    InternalError,
    LimitError,
    RunTimeoutError,
    ServiceError,
    StorageLimitError,
    ThreadBusyError,
    ThreadNotFoundError,
    UnavailableError,
    UnreachableError,
)
from identity.observation.failure import log_failure
from identity.observation.request_context import REQUEST_ID
from identity.observation.span import CURRENT_SPAN

REPORTED_CODES: Final[ContextVar[list[str] | None]] = ContextVar("idaas_agent.reported_codes", default=None)
"""The codes of the errors that were reported to the client of the request."""


def note_error(code: str) -> None:
    """The client is about to read an error with `code`."""
    CURRENT_SPAN.get().fail(code)
    if (codes := REPORTED_CODES.get()) is not None:
        codes.append(code)


RETRY_AFTER_SECONDS: Final = 5
"""`Retry-After`, in seconds, when a service is unreachable or limits the agent and names no time."""

_MAX_RETRY_AFTER: Final = 3600

_WITH_RETRY_AFTER: Final = (429, 503)
WITH_STATUS: Final = (AccessTokenError, LimitError, UnavailableError)
"""Errors that have an HTTP status on the routes of JSON-RPC too."""

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
"""OpenAI's, by status. Other statuses below 500 are about the request."""


class RequestError(Exception):
    """An invalid request. `param` names the invalid member; `code` is stable."""

    def __init__(
        self, param: str | None, problem: str, *, code: str = "invalid_request", status: int = 400
    ) -> None:
        self.message = f"{param}: {problem}" if param else problem
        super().__init__(self.message)
        self.param = param
        self.problem = problem
        self.code = code
        self.status = status


def status_of(error: AgentError | RequestError) -> int:
    """The HTTP status of the response for `error`."""
    match error:
        case RequestError():
            return error.status
        case InsufficientScopeError():
            return 403
        case AccessTokenError():
            return 401
        case UnreachableError() | UnavailableError() | AuditError() | ConfigurationError():
            return 503
        case ThreadNotFoundError():
            return 404
        case ApprovalError() | ThreadBusyError() | StorageLimitError():
            return 409
        case InternalError():
            return 500
        case RunTimeoutError():
            return 504
        case LimitError() | ServiceError(status=429):
            return 429
        case ServiceError(status=None | 503):
            return 503
        case _:
            return 502


def error_body(error: AgentError | RequestError) -> dict[str, Any]:
    """The body for `error`. Of an `AgentError` it contains the text for the user, nothing for operators."""
    status = status_of(error)
    if isinstance(error, RequestError):
        return _body(status, error.message, error.code, error.param)
    body = _body(status, error.for_person(REQUEST_ID.get()), error.code.value, _param_of(error))
    if isinstance(error, ApprovalError):
        body["error"] |= error.decided
    if error.service is not None:
        body["error"]["service"] = error.service
    if isinstance(error, StorageLimitError):
        body["error"]["limit"] = {"unit": error.unit, "most": error.most}
    if status in _WITH_RETRY_AFTER:
        body["error"]["retry_after"] = int(retry_after(error))
    return body


def _param_of(error: AgentError) -> str | None:
    """The edited argument that an answer to an approval has wrong, or the place of an answer that does not
    have the form of its request.
    """
    if isinstance(error, AnswerFormError):
        return error.place
    argument = error.argument if isinstance(error, ApprovalError) else None
    if argument is None:
        return None
    return f"arguments.{argument}" if argument else "arguments"


def reported_body(error: AgentError | RequestError) -> dict[str, Any]:
    """The body for `error`, which is also logged for operators. Call it once for each response."""
    if isinstance(error, AgentError):
        log_failure(for_operators(error))
    note_error(str(error.code))
    return error_body(error)


def error_response(
    error: AgentError | RequestError, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response for `error`, which is also logged for operators.

    `headers` has the challenge (RFC 6750).
    """
    status = status_of(error)
    added = {"Retry-After": retry_after(error)} if status in _WITH_RETRY_AFTER else {}
    return JSONResponse(reported_body(error), status, {**added, **(headers or {})})


def retry_after(error: AgentError | RequestError) -> str:
    """Seconds, for the header of that name: those of the limit or of the service downstream, within
    bounds."""
    seconds = error.retry_after if isinstance(error, AgentError) else None
    if not seconds:
        return str(RETRY_AFTER_SECONDS)
    return str(ceil(min(seconds, _MAX_RETRY_AFTER)))


def internal_error_body() -> dict[str, Any]:
    """The body for an internal error. It contains no detail; the log has the type."""
    code = AgentCode.INTERNAL_ERROR
    note_error(code.value)
    return _body(500, code.row.for_person(reference=REQUEST_ID.get()), code.value, None)


def _body(status: int, message: str, code: str, param: str | None) -> dict[str, Any]:
    of_others = "invalid_request_error" if status < 500 else "server_error"
    kind = _TYPES.get(status, of_others)
    members = {"message": message, "type": kind, "code": code, "param": param}
    return {"error": members | {"request_id": REQUEST_ID.get()}}
