"""An audit event as the members of a line. `docs/audit-log.md` describes them; a test compares the two.

The members of the chain follow them (`agent.operations.audit.chain`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from agent.operations.audit.chain import Head
from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome


class LogEvent(StrEnum):
    """The events that the log adds about itself. Their outcome is `succeeded`."""

    STARTED = "audit_started"
    """The first line of each chain."""

    RESUMED = "audit_resumed"
    """After a period in which it could not write."""

    ENDED = "audit_ended"
    """The last line of the chain of a process that ended in order."""


def _rfc3339(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def audit_record(event: AuditEvent) -> dict[str, Any]:
    """The members of a line, in order. Every line has all of them; an unknown value is `null`."""
    principal = event.principal
    return {
        "time": _rfc3339(event.time),
        "event": event.action.value,
        "outcome": event.outcome.value,
        "request_id": event.request_id,
        "principal": principal and {"iss": principal.issuer, "sub": principal.subject},
        "token_hash": event.token_hash,
        "client": event.client,
        "access_identity": event.access_identity and event.access_identity.value,
        "audience": event.audience,
        "scope": event.scope,
        "credential": event.credential,
        "service": event.service,
        "tool": event.tool,
        "call_id": event.call_id,
        "approval": event.approval,
        "arguments_digest": event.arguments_digest,
        "model": event.model,
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "error": event.error and event.error.value,
        "duration_ms": None if event.duration is None else round(event.duration * 1000, 3),
        "lost": None,
        "anchors": None,
    }


_NO_EVENT: Final = AuditEvent(time=0, action=AuditedAction.TOOL_CALL, outcome=AuditOutcome.STARTED)
_EMPTY: Final = dict.fromkeys(audit_record(_NO_EVENT))


def started_record(time: float, anchors: Sequence[Head]) -> dict[str, Any]:
    """The first line. `anchors` are the latest lines of other chains: they cannot be removed unnoticed."""
    return _log_record(time, LogEvent.STARTED) | {"anchors": [asdict(head) for head in anchors]}


def resumed_record(time: float, lost: int) -> dict[str, Any]:
    """The line after a gap: `lost` records before it were not written."""
    return _log_record(time, LogEvent.RESUMED) | {"lost": lost}


def ended_record(time: float) -> dict[str, Any]:
    """The last line."""
    return _log_record(time, LogEvent.ENDED)


def _log_record(time: float, event: LogEvent) -> dict[str, Any]:
    return _EMPTY | {"time": _rfc3339(time), "event": event.value, "outcome": AuditOutcome.SUCCEEDED.value}
