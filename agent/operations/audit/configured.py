"""The audit log and the trail that the settings name."""

import ssl
import time
from collections.abc import Callable

from agent.operations.audit.chain import AuditKey
from agent.operations.audit.file_destination import AuditFile, StandardOutput
from agent.operations.audit.log import AuditLog
from agent.operations.audit.syslog import Syslog
from agent.settings.settings import Settings
from agent.settings.variables.observation import STANDARD_OUTPUT
from identity.audit.trail import AuditSink, AuditTrail


def audit_log(settings: Settings, clock: Callable[[], float] = time.time) -> AuditLog:
    """The audit log that the settings name; it opens nothing yet."""
    path, key, others = settings.audit_log_file, _audit_key(settings), []
    ocsf = settings.audit_format == "ocsf"
    if (address := settings.audit_syslog_url) is not None:
        syslog = Syslog(address, lambda: ssl.create_default_context(cafile=settings.ssl_cert_file))
        others.append(AuditLog(syslog, key=key, logged=False, ocsf=ocsf, clock=clock))
    printed = path == STANDARD_OUTPUT  # where the logger's lines usually end too
    return AuditLog(
        None if path is None else StandardOutput() if printed else AuditFile(path),
        key=key,
        required=settings.audit_required,
        logged=not printed,
        ocsf=ocsf,
        clock=clock,
        others=others,
    )


def audit_trail(settings: Settings, log: AuditSink, clock: Callable[[], float] = time.time) -> AuditTrail:
    """The trail to `log`, of the agent as a client of IDaaS."""
    key = _audit_key(settings)
    tokens = None if key is None else key.tokens
    return AuditTrail(log, client=settings.idaas.client_id, key=tokens, clock=clock)


def _audit_key(settings: Settings) -> AuditKey | None:
    return AuditKey(settings.audit_key_file[0]) if settings.audit_key_file else None
