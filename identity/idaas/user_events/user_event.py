"""One event of IDaaS about a user ("account synchronization"), and what it means for access tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from identity.revocation.revocation import Origin, Revocation, Target

PREFIX: Final = "urn:alibaba:idaas:app:event:"
TEST: Final = f"{PREFIX}common:test"
_USER: Final = f"{PREFIX}ud:user:"
_ENDS: Final = frozenset({"disable", "lock", "delete", "update_password"})
_RESTORES: Final = frozenset({"enable", "unlock"})
_STATES: Final = frozenset({"create", "update_info", "push"})


class SubjectMember(StrEnum):
    """The member of a user's record that is the `sub` of the user's access tokens."""

    USER_ID = "userId"
    USERNAME = "username"
    USER_EXTERNAL_ID = "userExternalId"


@dataclass(frozen=True, slots=True)
class UserEvent:
    """An event whose JWS was verified. `time` is unix seconds by IDaaS's clock; `record` is the user's.

    `record` may contain personal data, and the user's password if IDaaS is configured to send it. It is
    neither stored nor logged.
    """

    event_id: str
    time: float
    kind: str
    user_id: str
    record: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"UserEvent({self.event_id!r}, {self.kind!r})"

    @property
    def is_test(self) -> bool:
        """Whether it is the console's "Test connection"."""
        return self.kind == TEST

    def subject(self, member: SubjectMember) -> str | None:
        """The `sub` of the user's tokens; `None` if the event does not have it."""
        if member is SubjectMember.USER_ID:
            return self.user_id or None
        names = (member.value, "externalId") if member is SubjectMember.USER_EXTERNAL_ID else (member.value,)
        return next((str(self.record[name]) for name in names if self.record.get(name)), None)

    def revocation(self, subject: str, not_after: float) -> Revocation | None:
        """The revocation of `subject`'s access tokens; `None` if the event does not affect them.

        Disabled, locked, deleted, a changed password: tokens issued until the event are refused. Enabled,
        unlocked: they are accepted again. Of created, updated and pushed records the member `status` counts,
        and an `accountExpireTime` that has passed; only `push`, which is the whole state, restores.
        An event time later than `not_after` (unix seconds) counts as `not_after`.
        """
        action = self.kind.removeprefix(_USER) if self.kind.startswith(_USER) else ""
        at = min(self.time, not_after)
        if action in _ENDS or (action in _RESTORES | _STATES and self._is_blocked(at)):
            return Revocation(Target.USER, subject, Origin.IDAAS, at, at)
        if action in _RESTORES or (action == "push" and self.record.get("status") == "enabled"):
            return Revocation(Target.USER, subject, Origin.IDAAS, None, at)
        return None

    def _is_blocked(self, at: float) -> bool:
        if self.record.get("status") == "disabled":
            return True
        return any(
            (end := _seconds(self.record.get(name))) is not None and blocked(end, at)
            for name, blocked in (("lockExpireTime", _later), ("accountExpireTime", _passed))
        )


def _later(end: float, at: float) -> bool:
    return end > at


def _passed(end: float, at: float) -> bool:
    return 0 < end <= at


def _seconds(value: object) -> float | None:
    """Milliseconds, as a number or a text, in seconds; `None` if it is neither, or -1 ("none")."""
    try:
        milliseconds = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else -1
    except ValueError:
        return None
    return milliseconds / 1000 if milliseconds >= 0 else None
