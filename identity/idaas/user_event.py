"""One event of IDaaS about a user ("account synchronization"), and what it means for access tokens."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from identity.access_token.revocation import Origin, Revocation, Target

PREFIX: Final = "urn:alibaba:idaas:app:event:"
TEST: Final = f"{PREFIX}common:test"
DOUBT_SECONDS: Final = 60.0
"""How much earlier than a block an event may have happened that seems to have happened later."""
_USER: Final = f"{PREFIX}ud:user:"
_ENDS: Final = frozenset({"disable", "lock", "delete", "update_password"})
_RESTORES: Final = frozenset({"enable", "unlock"})
_STATES: Final = frozenset({"create", "update_info", "push"})
_MAX_NAME: Final = 255
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
SubjectMember: TypeAlias = Literal["userId", "username", "userExternalId"]
"""The member of a user's record that is the `sub` of the user's access tokens."""


class UnreadableEventError(ValueError):
    """The event concerns access tokens, but what it means for them cannot be read. Names the member."""


@dataclass(frozen=True, slots=True)
class UserEvent:
    """An event whose JWS was verified; its members may still have any value.

    `members` are those of the event; `record` is the user's, `None` if it is not readable. They may contain
    personal data, and the user's password if IDaaS is configured to send it. They are neither stored nor
    logged.
    """

    members: Mapping[str, Any]
    record: Mapping[str, Any] | None

    def __repr__(self) -> str:
        return "UserEvent()"

    @property
    def event_id(self) -> str:
        """The id; empty if it is neither a text nor a whole number."""
        event_id = self.members.get("eventId")
        return str(event_id) if isinstance(event_id, str | int) else ""

    @property
    def kind(self) -> str:
        """The type; empty if it is not readable."""
        kind = self.members.get("eventType")
        return kind if isinstance(kind, str) else ""

    @property
    def time(self) -> float:
        """When it happened, in unix seconds by IDaaS's clock; infinity if that is not readable."""
        time = _seconds(self.members.get("eventTime"))
        return time if time > 0 else math.inf

    @property
    def is_test(self) -> bool:
        """Whether it is the console's "Test connection"."""
        return self.kind == TEST

    def revocation(self, member: SubjectMember, now: float, latest: float) -> Revocation | None:
        """The revocation of the user's access tokens; `None` if the event does not affect them.

        Disabled, locked, deleted, a changed password: tokens issued until the event are refused. Enabled,
        unlocked: they are accepted again. Of created, updated and pushed records the member `status` counts,
        and an `accountExpireTime` that has passed; only `push`, which is the whole state, restores.

        `now` is unix seconds, and so is `latest`, the latest time of issue of any token that is accepted now.
        A time after `now`, or one that is not readable, counts as `now`. In doubt the user stays blocked: an
        event that blocks needs no more than its type and the user; one that restores must be readable, and if
        its time is after `now`, it restores only what was blocked more than `DOUBT_SECONDS` ago.
        Raises `UnreadableEventError`.
        """
        if not self.kind:
            raise UnreadableEventError("eventType must be a text")
        action = self.kind.removeprefix(_USER) if self.kind.startswith(_USER) else ""
        if action not in _ENDS | _RESTORES | _STATES:
            return None
        at = min(self.time, now)
        if action in _ENDS or self._is_blocked(at):
            until = min(self.time, latest)
            return Revocation(Target.USER, self._subject(member), Origin.IDAAS, until, at)
        if action in _RESTORES or (action == "push" and self._read_record().get("status") == "enabled"):
            self._check_restoration()
            if self.time > now:
                at = now - DOUBT_SECONDS
            return Revocation(Target.USER, self._subject(member), Origin.IDAAS, None, at)
        self._read_record()
        return None

    def _read_record(self) -> Mapping[str, Any]:
        if self.record is None:
            raise UnreadableEventError("bizData must be an object")
        return self.record

    def _check_restoration(self) -> None:
        record = self._read_record()
        if record.get("status") != "enabled":
            raise UnreadableEventError("status must be enabled")
        for name in ("lockExpireTime", "accountExpireTime"):
            if record.get(name) is not None and math.isnan(_seconds(record[name])):
                raise UnreadableEventError(f"{name} must be a time in milliseconds")
        if self.time == math.inf:
            raise UnreadableEventError("eventTime must be a time in milliseconds")
        if "bizId" in self.members and record.get("userId", self.members["bizId"]) != self.members["bizId"]:
            raise UnreadableEventError("bizId must be the userId of the record")

    def _subject(self, member: SubjectMember) -> str:
        """The `sub` of the user's tokens."""
        record = self.record or {}
        values = [record.get(member)]
        if member == "userId":
            values.insert(0, self.members.get("bizId"))
        if member == "userExternalId":
            values.append(record.get("externalId"))
        for value in values:
            if isinstance(value, str) and 0 < len(value) <= _MAX_NAME:
                return value
        raise UnreadableEventError(f"the event has no usable {member}")

    def _is_blocked(self, at: float) -> bool:
        record = self.record or {}
        if record.get("status") == "disabled":
            return True
        lock = _seconds(record.get("lockExpireTime"))
        end = _seconds(record.get("accountExpireTime"))
        return lock > at or 0 < end <= at


def _seconds(value: object) -> float:
    """Milliseconds, as a number or a text, in seconds; NaN if it is neither. -1 means none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) / 1000
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return value / 1000
    return math.nan
