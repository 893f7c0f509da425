"""One format for standard error: messages that Python would print become log records.

Python prints warnings, uncaught exceptions of threads, finalizers and the program, and failures of logging.
"""

import json
import logging
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import Final, TextIO

_WARNINGS: Final = logging.getLogger("py.warnings")
_FAILURES: Final = logging.getLogger("idaas_agent.process")


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error. A record that cannot be formatted is reported by a line like it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

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


def log_instead_of_printing() -> None:
    """From now on, warnings and uncaught exceptions are log records.

    Deprecation warnings are dropped, whichever filter a library sets: they concern maintainers only.
    """
    warnings.showwarning = _show_warning
    threading.excepthook = _thread_failed
    sys.unraisablehook = _finalizer_failed
    sys.excepthook = _process_failed


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python's signature
    line: str | None = None,  # noqa: ARG001 - Python's signature
) -> None:
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
