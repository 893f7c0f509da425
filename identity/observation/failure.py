"""How a failure is logged for operators: what happened, the cause and the remedy, under the request's id."""

import logging
import sysconfig
from pathlib import Path
from traceback import walk_tb
from typing import Any, Final

from identity.errors import AgentError, ServiceError
from identity.observation.request_context import REQUEST_ID

_LOG: Final = logging.getLogger("idaas_agent.failure")
_ABOUT_NAMES: Final = (AttributeError, ImportError, KeyError, NameError, SyntaxError)
_ROOT: Final = Path(__file__).resolve().parents[2]
_OURS: Final = frozenset({"agent", "graph", "idaas_agent", "identity", "tools"})
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


def raised(error: BaseException) -> str:
    """The exception of own code while it was loaded: `it raised KeyError at payroll.py:12: 'currency'`.

    The text is there if it is about names: of Python about a name, a key, a module or the syntax, and of this
    agent about a tool or a service. That of another exception may contain anything, and is left out.
    """
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    is_ours = bool(places) and _is_ours(places[-1][0])
    of_others = [place for place in places if not _is_ours(place[0])]
    own = [place for place in of_others if not place[0].startswith(("<", *_INSTALLED))]
    where = "".join(f" at {Path(file).name}:{line}" for file, line in (own or of_others)[-1:])
    text = f": {error}" if is_ours or isinstance(error, _ABOUT_NAMES) else ""
    return f"it raised {type(error).__name__}{where}{text}"


def _is_ours(file: str) -> bool:
    """Whether `file` is one of the agent's."""
    path = Path(file)
    return path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _OURS


def place_of(error: BaseException) -> str:
    """File and line of the innermost frame: `/srv/agent/run.py:12`, or `?` if it was not raised.

    Frames of installed packages and of Python count only if there is no other: the author of a tool or a node
    looks for their own line. Unlike the text of an exception, its place contains no value.
    """
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    not_installed = [place for place in places if not place[0].startswith(("<", *_INSTALLED))]
    file, line = [("?", 0), *places, *not_installed][-1]
    return f"{file}:{line}" if line else file
