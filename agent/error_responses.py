"""The error tree and the error table as HTTP answers: the one place that knows their statuses.

Every error of every route has one body, OpenAI's, with the error table's row added:
`{"error": {"message", "type", "code", "param", "symptom", "cause", "remedy"}}`.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from starlette.responses import JSONResponse

from identity.error_table import ErrorCode
from identity.errors import (
    AccessTokenError,
    AgentError,
    AuditError,
    ConfigurationError,
    InsufficientScopeError,
    LimitError,
    ServiceError,
    UnreachableError,
)

RETRY_AFTER_SECONDS: Final = 5
"""What a caller is told to wait when something downstream is away or limits us, and did not say how long."""

_LONGEST_RETRY_AFTER: Final = 3600

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
}


class RequestError(Exception):
    """A request that cannot be served as it is. `param` names the member at fault, `code` is stable."""

    def __init__(
        self, param: str | None, problem: str, *, code: str = "invalid_request", status: int = 400
    ) -> None:
        self.message = f"{param}: {problem}" if param else problem
        super().__init__(self.message)
        self.param = param
        self.problem = problem
        self.code = code
        self.status = status


def status_of(error: AgentError) -> int:
    """The HTTP status that tells a caller what to do about `error`."""
    match error:
        case InsufficientScopeError():
            return 403
        case AccessTokenError():
            return 401
        case UnreachableError() | AuditError() | ConfigurationError():
            return 503
        case AgentError(code=ErrorCode.SHUTTING_DOWN | ErrorCode.OVERLOADED):
            return 503
        case AgentError(code=ErrorCode.RUN_TIMED_OUT):
            return 504
        case LimitError() | ServiceError(status=429):
            return 429
        case ServiceError(status=None | 503):
            return 503
        case _:
            return 502


def error_body(error: AgentError | RequestError) -> dict[str, Any]:
    """The body for `error`. It has no upstream text and no secret, because errors have none."""
    if isinstance(error, RequestError):
        return _body(error.status, error.message, error.code, error.param)
    row = error.row
    body = _body(status_of(error), f"{row.symptom}: {error.detail}", error.code.value, None)
    body["error"] |= {"symptom": row.symptom, "cause": row.cause, "remedy": row.remedy}
    return body


def error_response(
    error: AgentError | RequestError, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The whole answer for `error`. Challenges of RFC 6750 are added by whoever knows the request."""
    status = error.status if isinstance(error, RequestError) else status_of(error)
    added = {"Retry-After": retry_after(error)} if status in (429, 503) else {}
    return JSONResponse(error_body(error), status, {**added, **(headers or {})})


def retry_after(error: AgentError | RequestError) -> str:
    """Seconds, for the header of that name: what the limit or the one downstream asks for, within bounds."""
    waiting = LimitError | ServiceError | UnreachableError
    asked_for = error.retry_after if isinstance(error, waiting) else None
    return str(ceil(min(asked_for, _LONGEST_RETRY_AFTER)) if asked_for else RETRY_AFTER_SECONDS)


def internal_error_body() -> dict[str, Any]:
    """The body for a fault of our own: it says nothing of what happened; the log does."""
    return _body(500, "the agent failed unexpectedly", "internal_error", None)


def _body(status: int, message: str, code: str, param: str | None) -> dict[str, Any]:
    kind = _TYPES.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}
