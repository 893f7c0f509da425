"""Logs a failure for operators: what happened, the cause and the remedy, with the id of the request."""

import logging
from typing import Any, Final

from identity.errors import AgentError
from identity.observation.request_id import REQUEST_ID

_LOG: Final = logging.getLogger("idaas_agent.failure")


def log_failure(error: AgentError, *, tool: str | None = None) -> None:
    """Writes one line for `error`: its code and detail, and the cause and remedy of the error table.

    Call it once for each failure that a caller, the page or the model reads. `tool` is the tool whose call
    failed. The line has the request id of the context, and no secret, because errors have none. Its level is
    ERROR for what no caller can cause, else WARNING.
    """
    fields: dict[str, Any] = {
        "request_id": REQUEST_ID.get(),
        "service": error.service,
        "tool": tool,
        "code": error.code.value,
        "detail": error.detail,
        "cause": error.row.cause,
        "remedy": error.row.remedy,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    level = logging.WARNING if error.code.row.caused_by_callers else logging.ERROR
    _LOG.log(level, "%s: %s", error.code.value, error.detail, extra={"fields": present})
