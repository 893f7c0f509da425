"""Where audit events go."""

from typing import Protocol

from identity.audit.event import AuditEvent


class AuditSink(Protocol):
    """Where events go; `agent.audit.log.AuditLog` is the real one."""

    async def record(self, event: AuditEvent) -> None:
        """Takes the event; an event is taken before the first await, so that a cancellation loses none.

        Raises `AuditError` if the sink guarantees records and cannot write this one: then whatever the event
        is about must not go on.
        """
        ...


class NullAuditSink:
    """The sink that keeps nothing, for parts that are used on their own."""

    async def record(self, event: AuditEvent) -> None:
        """Nothing."""
