"""How a failure is logged for operators: what happened, the cause and the remedy, under the request's id."""

import logging
import sysconfig
from traceback import walk_tb
from typing import Any, Final

from identity.errors import AgentError, ServiceError
from identity.observation.request_context import REQUEST_ID

_LOG: Final = logging.getLogger("idaas_agent.failure")
_INSTALLED: Final = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


def log_failure(error: AgentError, *, tool: str | None = None) -> None:
    """Writes one line for `error`: its code and detail, and the cause and remedy of the error table.

    Call it once for each failure that a caller, the page or the model reads. `tool` is the tool whose call
    failed. The line has the request id of the context, and no secret, because errors have none. Its level is
    ERROR for what no caller can cause, else WARNING. Where lines of DEBUG are written, that of a service's
    400 has the beginning of the response, which says what was wrong with the request of the tool.
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
    if isinstance(error, ServiceError) and error.status == 400 and _LOG.isEnabledFor(logging.DEBUG):
        fields["body"] = error.body[:1000]
    present = {name: value for name, value in fields.items() if value is not None}
    level = logging.WARNING if error.code.row.caused_by_callers else logging.ERROR
    _LOG.log(level, "%s: %s", error.code.value, error.detail, extra={"fields": present})


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame: `/srv/agent/run.py:12`, or `?` if it was not raised.

    Frames of installed packages and of Python count only if there is no other: the author of a tool or a node
    looks for their own line. Unlike the text of an exception, its place contains no value.
    """
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    not_installed = [place for place in places if not place[0].startswith(("<", *_INSTALLED))]
    file, line = [("?", 0), *places, *not_installed][-1]
    return f"{file}:{line}" if line else file
