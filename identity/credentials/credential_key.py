"""By what a credential is cached: its holder and its requirement."""

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import CredentialRequirement

CredentialKey = tuple[str | None, CredentialRequirement]
"""The holder (the fingerprint of a user's access token; `None` is the agent itself) and the requirement."""


def credential_key(
    requirement: CredentialRequirement, access_identity: AccessIdentity, caller: VerifiedAccessToken | None
) -> CredentialKey:
    """The key of a credential. Under Human identity there must be a `caller`, else: `TypeError`."""
    if access_identity is AccessIdentity.MACHINE:
        return None, requirement
    if access_identity is AccessIdentity.HUMAN:
        return required_caller(caller).fingerprint, requirement
    raise TypeError("the access identity must be an AccessIdentity")


def required_caller(caller: VerifiedAccessToken | None) -> VerifiedAccessToken:
    """`caller`; raises `TypeError` if there is none."""
    if caller is None:
        raise TypeError("under Human identity there must be a caller")
    return caller
