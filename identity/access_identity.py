"""The identity under which the agent calls a service."""

from enum import StrEnum


class AccessIdentity(StrEnum):
    """Whose rights a downstream call uses. The values are the vendor tutorial's (`ACCESS_IDENTITY`)."""

    MACHINE = "Machine"
    """The agent's own M2M identity (RFC 6749, section 4.4)."""

    HUMAN = "Human"
    """The signed-in user's, by exchanging their access token (RFC 8693). It never becomes `MACHINE`."""
