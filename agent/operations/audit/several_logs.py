"""Several audit logs as one: a file and a syslog server, each with its own chain and its own gaps."""

from collections.abc import Sequence

from agent.operations.audit.log import AuditLog
from identity.audit.event import AuditEvent
from identity.errors import AuditError


class SeveralLogs:
    """An `AuditSink`. The first log may be required; the others never delay or refuse an action."""

    def __init__(self, first: AuditLog, others: Sequence[AuditLog]) -> None:
        self._first = first
        self._others = others

    async def record(self, event: AuditEvent) -> None:
        """See `AuditSink`. What the first log refuses is in no log, because it does not happen."""
        try:
            await self._first.record(event)
        except AuditError:
            raise
        except BaseException:  # cancelled: the first log has accepted it
            await self._to_others(event)
            raise
        await self._to_others(event)

    async def check(self) -> None:
        """For readiness. Raises `AuditError` while one of the logs cannot be written."""
        for log in (self._first, *self._others):
            await log.check()

    async def aclose(self) -> None:
        """Writes the remaining records, for at most 5 seconds for each log."""
        for log in (self._first, *self._others):
            await log.aclose()

    @property
    def records(self) -> int:
        """Since the start: records that the first log accepted."""
        return self._first.records

    @property
    def failures(self) -> int:
        """Since the start: failed attempts to write, of all logs."""
        return sum(log.failures for log in (self._first, *self._others))

    @property
    def lost(self) -> int:
        """Since the start: lost records, of all logs."""
        return sum(log.lost for log in (self._first, *self._others))

    async def _to_others(self, event: AuditEvent) -> None:
        for log in self._others:
            await log.record(event)
