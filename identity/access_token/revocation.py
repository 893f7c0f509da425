"""One revocation: which access tokens, or which calls of tools, are refused, who decided it, and when."""

import json
import math
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from identity.strict_json import read_object

_MAX_NAME = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Target(StrEnum):
    """The subject of a revocation."""

    USER = "user"
    """All access tokens of one user, by their `sub`."""
    TOKEN = "token"  # noqa: S105 - a name, no secret
    """One access token, by the SHA-256 of its text, in hexadecimal."""
    ALL = "all"
    """Every access token."""
    CALLS_OF_SERVICE = "calls_of_service"
    """The calls of all tools of one service."""
    CALLS_OF_TOOL = "calls_of_tool"
    """The calls of one tool: `tool` in any service, or `service.tool`."""
    CALLS_OF_USER = "calls_of_user"
    """All calls that are made for one user, by their `sub`."""
    ALL_CALLS = "all_calls"
    """Every call of a tool."""


CALLS: Final = frozenset(
    {Target.CALLS_OF_SERVICE, Target.CALLS_OF_TOOL, Target.CALLS_OF_USER, Target.ALL_CALLS}
)
"""The targets of a stop: access tokens stay valid."""
STOPPED: Final = 253_402_300_799.0
"""`until` of a stop: it is in force until an operator takes it back."""


class Origin(StrEnum):
    """Who decides. IDaaS does not restore what an operator revoked, nor the reverse."""

    IDAAS = "idaas"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Access tokens of `name` that were issued at `until` or before are refused, or calls of tools until
    then; `None` restores them.

    `name` is the user's `sub`, the token's SHA-256, the service or tool, or empty for `Target.ALL` and
    `Target.ALL_CALLS`. Times are unix seconds. Of two revocations with the same `key`, the one with the
    greater `order` counts, in any order of arrival.
    Raises `ValueError`, which names the member, if a member is invalid.
    """

    target: Target
    name: str
    origin: Origin
    until: float | None
    changed_at: float

    def __post_init__(self) -> None:
        if self.target is Target.TOKEN and not _SHA256.fullmatch(self.name):
            raise ValueError("name must be a SHA-256 in lower-case hexadecimal")
        is_of_all = self.target in (Target.ALL, Target.ALL_CALLS)
        if is_of_all and self.name:
            raise ValueError("name must be empty")
        if not is_of_all and not (0 < len(self.name) <= _MAX_NAME):
            raise _invalid("name", f"must have 1 to {_MAX_NAME} characters")
        for member, seconds in (("until", self.until), ("changed_at", self.changed_at)):
            if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= STOPPED):
                raise _invalid(member, "must be a time in unix seconds")

    @property
    def key(self) -> tuple[Target, str, Origin]:
        """The target, its name, and who decided."""
        return self.target, self.name, self.origin

    @property
    def order(self) -> tuple[float, float]:
        """The time of the change; of two changes at the same time, the one that refuses more is later."""
        until = -1.0 if self.until is None else self.until
        return self.changed_at, until


def to_json(revocation: Revocation) -> str:
    """One line of JSON, ASCII only."""
    return json.dumps(asdict(revocation), separators=(",", ":"))


def from_json(text: bytes) -> Revocation:
    """The revocation that `to_json` wrote. Raises only `ValueError`."""
    read_object(text)  # no member twice, which another reader may read differently
    return _REVOCATIONS.validate_json(text, strict=True)


_REVOCATIONS: Final = TypeAdapter(Revocation)


def _invalid(member: str, fault: str) -> ValueError:
    return ValueError(f"{member} {fault}")
