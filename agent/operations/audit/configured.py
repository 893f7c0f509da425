"""The audit log and the trail that the settings name."""

import time
from collections.abc import Callable
from pathlib import Path

from agent.operations.audit.chain import AuditKey
from agent.operations.audit.file_destination import AuditFile, StandardOutput
from agent.operations.audit.log import AuditLog, AuditMeasures, Destination
from agent.settings.settings import Settings
from agent.settings.variables.observation import STANDARD_OUTPUT
from identity.audit.trail import AuditSink, AuditTrail


def audit_log(
    settings: Settings, measures: AuditMeasures | None = None, clock: Callable[[], float] = time.time
) -> AuditLog:
    """The audit log that the settings name; it opens nothing yet."""
    destination = _destination(settings.audit_log_file)
    return AuditLog(
        destination,
        key=_audit_key(settings),
        required=settings.audit_required,
        logged=not isinstance(destination, StandardOutput),  # where the logger's lines usually end too
        clock=clock,
        measures=measures,
    )


def _destination(path: Path | None) -> Destination | None:
    if path is None:
        return None
    if path == STANDARD_OUTPUT:
        return StandardOutput()
    return AuditFile(path)


def audit_trail(settings: Settings, log: AuditSink, clock: Callable[[], float] = time.time) -> AuditTrail:
    """The trail to `log`, of the agent as a client of IDaaS."""
    key = _audit_key(settings)
    tokens = None if key is None else key.tokens
    return AuditTrail(log, client=settings.idaas.client_id, key=tokens, clock=clock)


def _audit_key(settings: Settings) -> AuditKey | None:
    return AuditKey(settings.audit_key_file[0]) if settings.audit_key_file else None
