"""An audit sink in memory."""

from collections.abc import Collection

from identity.audit.event import AuditedAction, AuditEvent
from identity.error_codes import IdentityCode
from identity.errors import AuditError


class AuditRecords:
    """Keeps the events of `actions`; those of the others are ignored.

    An event of one of the actions in `broken`, or the event number `breaks_at`, raises `AuditError`.
    """

    def __init__(
        self, actions: Collection[AuditedAction] = tuple(AuditedAction), *, breaks_at: int | None = None
    ) -> None:
        self.events: list[AuditEvent] = []
        self.broken: Collection[AuditedAction] = ()
        self._actions = actions
        self._breaks_at = breaks_at

    async def record(self, event: AuditEvent) -> None:
        if event.action not in self._actions:
            return
        if event.action in self.broken or len(self.events) == self._breaks_at:
            raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, "broken")
        self.events.append(event)

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """The action and the outcome of each event."""
        return [(event.action.value, event.outcome.value) for event in self.events]


WITHOUT_MODEL_CALLS = frozenset(AuditedAction) - {AuditedAction.MODEL_CALL}
