"""The Protocol by which audit events are written."""

from typing import Protocol

from identity.audit.event import AuditEvent


class AuditSink(Protocol):
    """Writes audit events; `agent.operations.audit.log.AuditLog` is an implementation."""

    async def record(self, event: AuditEvent) -> None:
        """Writes the event. It is accepted before the first await, so that a cancellation loses no event.

        Raises `AuditError` if records are required and this one cannot be written: then the step that it
        records must not continue.
        """
        ...


class NullAuditSink:
    """A sink that discards events, for parts that are used without an audit log."""

    async def record(self, event: AuditEvent) -> None:
        """Discards the event."""
