"""The audit log and the trail that the settings name."""

import time
from collections.abc import Callable
from pathlib import Path

from identity.audit.chain import AuditKey
from identity.audit.file_destination import AuditFile, StandardOutput
from identity.audit.log import AuditLog, AuditMeasures, Destination
from identity.audit.trail import AuditSink, AuditTrail
from identity.settings.settings import IdentitySettings
from identity.settings.variables import STANDARD_OUTPUT


def audit_log(
    settings: IdentitySettings, measures: AuditMeasures | None = None, clock: Callable[[], float] = time.time
) -> AuditLog:
    """The audit log that the settings name; it opens nothing yet."""
    destination = _destination(settings.audit_log_file)
    return AuditLog(
        destination,
        key=_audit_key(settings),
        required=settings.audit_required,
        logged=destination is None,  # else each line would be on standard error, too
        clock=clock,
        measures=measures,
    )


def _destination(path: Path | None) -> Destination | None:
    if path is None:
        return None
    if path == STANDARD_OUTPUT:
        return StandardOutput()
    return AuditFile(path)


def audit_trail(
    settings: IdentitySettings, log: AuditSink, clock: Callable[[], float] = time.time
) -> AuditTrail:
    """The trail to `log`, of the agent as a client of IDaaS."""
    key = _audit_key(settings)
    tokens = None if key is None else key.tokens
    return AuditTrail(log, client=settings.idaas.client_id, key=tokens, clock=clock)


def _audit_key(settings: IdentitySettings) -> AuditKey | None:
    return AuditKey(settings.audit_key_file[0]) if settings.audit_key_file else None
