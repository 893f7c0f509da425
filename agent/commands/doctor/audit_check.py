"""Whether the audit log can be written. Nothing is written to find out, and no file is made."""

import os
import shutil
import ssl
from pathlib import Path

from agent.errors.error_codes import AgentCode
from agent.operations.audit.syslog import Syslog
from agent.settings.syslog_address import SyslogAddress
from agent.settings.variables.records import STANDARD_OUTPUT
from identity.errors import AuditError


def check_writable(path: Path) -> None:
    """Raises `AuditError` with the system's reason. A file that is not there is made by the agent."""
    if path != STANDARD_OUTPUT and (problem := _problem(path)):
        raise AuditError(AgentCode.AUDIT_UNAVAILABLE, f'file "{path}": {problem}')


def check_syslog(url: str, cafile: Path | None) -> None:
    """Connects, and raises `AuditError` if that fails. UDP needs no connection: only the name is resolved."""
    syslog = Syslog(SyslogAddress.parse(url), lambda: ssl.create_default_context(cafile=cafile))
    try:
        syslog.append([])
    except OSError as error:
        raise AuditError(AgentCode.AUDIT_UNAVAILABLE, error.strerror or str(error)) from None
    finally:
        syslog.close()


def _problem(path: Path) -> str:
    folder = Path(os.path.realpath(path)).parent
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK))  # no waiting for a pipe's reader
    except FileNotFoundError:
        if not os.access(folder, os.W_OK | os.X_OK):
            return "no file may be made in its folder"
    except OSError as error:
        return (error.strerror or "it cannot be opened").lower()
    return "" if shutil.disk_usage(folder).free else "no space left on device"
