"""Who is calling."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Principal:
    """The pair that OpenID Connect guarantees to be unique (OpenID Connect Core, section 2). No secret."""

    issuer: str
    subject: str


class AccessIdentity(StrEnum):
    """Whose rights a downstream call uses. The values are the vendor tutorial's (`ACCESS_IDENTITY`)."""

    MACHINE = "Machine"
    """The agent's own M2M identity (RFC 6749, section 4.4)."""

    HUMAN = "Human"
    """The signed-in user's, by exchanging their access token (RFC 8693). It never becomes `MACHINE`."""
