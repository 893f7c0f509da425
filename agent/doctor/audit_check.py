"""Whether the audit log's file can be written. Nothing is written to find out, and no file is made."""

import os
import shutil
from pathlib import Path

from agent.error_codes import AgentCode
from identity.errors import AuditError


def check_writable(path: Path) -> None:
    """Raises `AuditError` with the system's reason. A file that is not there is made by the agent."""
    problem = _problem(path)
    if problem:
        raise AuditError(AgentCode.AUDIT_UNAVAILABLE, f'file "{path}": {problem}')


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
