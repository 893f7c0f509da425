"""An audit event as a line of JSON. `docs/audit-log.md` describes it; a test compares the two."""

import json
from datetime import UTC, datetime
from typing import Any

from identity.audit.event import AuditEvent

RESUMED = "audit_resumed"
"""The event that the log adds after a period in which it could not write."""


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
        "error": event.error and event.error.value,
        "duration_ms": None if event.duration is None else round(event.duration * 1000, 3),
        "lost": None,
    }


def resumed_record(time: float, lost: int) -> dict[str, Any]:
    """The line after a gap: `lost` records before it were not written."""
    return {
        "time": _rfc3339(time),
        "event": RESUMED,
        "outcome": "succeeded",
        **dict.fromkeys(
            ("request_id", "principal", "token_hash", "client", "access_identity", "audience", "scope")
        ),
        **dict.fromkeys(("credential", "service", "tool", "call_id", "error", "duration_ms")),
        "lost": lost,
    }


def line_of(record: dict[str, Any]) -> str:
    """One line, ASCII only: foreign text can neither end it early nor imitate another line."""
    return json.dumps(record, separators=(",", ":")) + "\n"


def _rfc3339(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
