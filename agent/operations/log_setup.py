"""Configures logging for a whole process: one format on standard error.

Messages that Python would print become log records: warnings, uncaught exceptions of threads, finalizers and
the program, and failures of logging.
The level applies to the agent's own loggers. Libraries' loggers are limited to `info`, and HTTP and MCP
libraries to warnings, because below that they print headers and content.
"""

import json
import logging
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import Final, TextIO

from agent.operations.log_lines import JsonLines, TextLines
from agent.settings.variables.observation import LogFormat, LogLevel

_OWN_LOGGERS: Final = ("idaas_agent", "agent", "graph", "identity", "tools")
_VERBOSE_LOGGERS: Final = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "h11",
    "h2",
    "hpack",
    "openai",
    "mcp",
    "asyncio",
    "urllib3",
)
_WARNINGS: Final = logging.getLogger("py.warnings")
_FAILURES: Final = logging.getLogger("idaas_agent.process")


def set_up_logging(level: LogLevel = "info", form: LogFormat | None = None) -> None:
    """Lines go to standard error. Without `form` they are text if that is a terminal, else JSON."""
    handler = _StandardError()
    number = logging.getLevelNamesMapping()[level.upper()]
    if form is None:
        form = "text" if handler.stream.isatty() else "json"
    encoding = (getattr(handler.stream, "encoding", None) or "ascii").lower()
    ascii_only = encoding not in ("utf-8", "utf8")
    lines = TextLines if form == "text" else JsonLines
    handler.setFormatter(lines(ascii_only=ascii_only))
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(number)
    # Its exporters log the texts of collectors; the agent reports their failures itself.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.getLogger("uvicorn.access").disabled = True
    # From now on, warnings and uncaught exceptions are log records.
    warnings.showwarning = _show_warning
    threading.excepthook = _thread_failed
    sys.unraisablehook = _finalizer_failed
    sys.excepthook = _process_failed


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error. A record that cannot be formatted is reported by a line like it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name in logging
        """Reports only the type of the failure, because its text may contain a secret."""
        failure = sys.exc_info()[0]
        if failure is None or self.stream.closed:
            return
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": "error",
            "logger": record.name,
            "message": "a log record could not be written",
            "failure": failure.__name__,
        }
        try:
            self.stream.write(json.dumps(entry) + self.terminator)
            self.flush()
        except (OSError, ValueError):
            return


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python's signature
    line: str | None = None,  # noqa: ARG001 - Python's signature
) -> None:
    """Drops deprecation warnings, whichever filter a library sets: they concern maintainers only."""
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning):
        where = {"file": filename, "line": lineno}
        _WARNINGS.warning("%s: %s", category.__name__, message, extra={"fields": where})


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
        name = failure.thread.name if failure.thread is not None else "unknown"
        _FAILURES.error("thread %s failed", name, exc_info=failure.exc_value)


def _finalizer_failed(failure: "sys.UnraisableHookArgs") -> None:
    _FAILURES.error("%s", failure.err_msg or "an exception was ignored", exc_info=failure.exc_value)


def _process_failed(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        _FAILURES.critical("the process failed", exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)
