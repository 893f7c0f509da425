"""The rights that a call uses, as a person is told: one rule for every surface.

The page has the same rule in `frontend/view/identity.js`; a test compares the two.
"""

from enum import StrEnum
from typing import Final

_ABOUT_THE_USER: Final = ("access_token", "issued_jwt")
"""Kinds of credentials whose subject is the user, under Human identity."""


class Rights(StrEnum):
    """The owner of the rights that a call uses, and the identity that its service sees."""

    MACHINE = "machine"
    """The agent's own: the service sees the agent, or the key that it has."""
    HUMAN = "human"
    """The user's: the service sees the user."""
    SHARED_KEY = "shared_key"
    """An API key that is the same for everyone. The user's rights were used to get it; the service sees its
    owner.
    """
    OAUTH_ACCOUNT = "oauth_account"
    """An account at another provider. IDaaS's provider decides whose it is: the one that the user connected,
    or the organization's.
    """
    CLOUD_ROLE = "cloud_role"
    """A cloud role that is released to the user: the service sees the role."""
    ISSUER = "issuer"
    """What an issuer beside IDaaS gave out for the user. The issuer decides whose it is."""
    NONE = "none"
    """The service needs no credential."""
    UNKNOWN = "unknown"
    """It is not recorded."""


def rights_of(access_identity: str | None, credential_kind: str | None) -> Rights:
    """The rights that a call uses, by its access identity and the kinds of its credentials, with a space
    between them. `credential_kind` is `None` if it was recorded without.

    Of several credentials, the one that names the user counts: the service sees them.
    """
    if access_identity is None:
        return Rights.NONE
    if access_identity == "Machine":
        return Rights.MACHINE
    kinds = (credential_kind or "").split()
    if access_identity != "Human" or not kinds:
        return Rights.UNKNOWN
    if any(kind in _ABOUT_THE_USER for kind in kinds):
        return Rights.HUMAN
    if "oauth_token" in kinds:
        return Rights.OAUTH_ACCOUNT
    if "cloud_role" in kinds:
        return Rights.CLOUD_ROLE
    if "issuer_credential" in kinds:
        return Rights.ISSUER
    return Rights.SHARED_KEY if set(kinds) == {"api_key"} else Rights.UNKNOWN


LABELS: Final = {
    Rights.MACHINE: "as the agent",
    Rights.HUMAN: "on your behalf",
    Rights.SHARED_KEY: "with a shared key",
    Rights.OAUTH_ACCOUNT: "with an account elsewhere",
    Rights.CLOUD_ROLE: "as a cloud role",
    Rights.ISSUER: "with a credential issued for you",
    Rights.NONE: "no identity needed",
    Rights.UNKNOWN: "identity unknown",
}
"""For the user whose call it is."""

SENTENCES: Final = {
    Rights.MACHINE: "It would use the agent's own rights (Machine).",
    Rights.HUMAN: "It would use the rights of {user} (Human).",
    Rights.SHARED_KEY: "It would use the organization's API key, which is the same for everyone (Human).",
    Rights.OAUTH_ACCOUNT: "It would use an account at another provider: the one that {user} connected there,"
    " or the organization's (Human).",
    Rights.CLOUD_ROLE: "It would use a cloud role that is released to {user} (Human).",
    Rights.ISSUER: "It would use a credential that another system issued for {user} (Human).",
    Rights.NONE: "It needs no credential.",
    Rights.UNKNOWN: "Whose rights it would use is not known.",
}
"""About a call that waits, for its user and for approvers. `user` is the user's `sub`."""
