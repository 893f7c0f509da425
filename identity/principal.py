"""Who is calling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Principal:
    """The pair that OpenID Connect guarantees to be unique (OpenID Connect Core, section 2). No secret."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller as own code sees them: it has no token, and nothing can be called with it."""

    principal: Principal
    claims: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """The claims that `CALLER_CLAIMS` names and that the access token has."""

    @property
    def subject(self) -> str:
        """The user's id at the issuer."""
        return self.principal.subject

    @property
    def name(self) -> str | None:
        """The claim `name`."""
        name = self.claims.get("name")
        return name if isinstance(name, str) else None

    @property
    def groups(self) -> tuple[str, ...]:
        """The claim `groups`."""
        groups = self.claims.get("groups", ())
        return groups if isinstance(groups, tuple) else ()


class AccessIdentity(StrEnum):
    """The owner of the rights of a downstream call. Values are the vendor tutorial's (`ACCESS_IDENTITY`)."""

    MACHINE = "Machine"
    """The agent's own M2M identity (RFC 6749, section 4.4)."""

    HUMAN = "Human"
    """The signed-in user's, by exchanging their access token (RFC 8693). It never becomes `MACHINE`."""
