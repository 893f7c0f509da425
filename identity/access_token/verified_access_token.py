"""A verified access token of a caller (AT_u)."""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any, TypeAlias

from identity.principal import Caller, Principal
from identity.secrets.secret import Secret

_SEAL = object()
KeptClaim: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAccessToken:
    """Exists only if signature, issuer, audience, lifetime and scope were verified.

    Calling the class (or `dataclasses.replace`) raises `TypeError`: only `AccessTokenVerifier.verify` creates
    one, and `assume_verified`, whose calls are easy to find.

    `fingerprint` is the SHA-256 of the token, in hexadecimal. It is a cache key, and is not shown.
    Times are unix seconds; `issued_at` is `None` if the token has no `iat`, and `signed_in_at` if it has no
    `auth_time`: only that proves a sign-in. `audience` and `scopes` are those of the token, which may be more
    than the required ones. `claims` are those that the verifier keeps: texts, and lists of texts.
    `is_client`: its subject is an application, and no person.
    """

    principal: Principal
    audience: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    fingerprint: str
    token: Secret
    issued_at: float | None = None
    signed_in_at: float | None = None
    claims: Mapping[str, KeptClaim] = field(default_factory=dict)
    is_client: bool = False
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only the verifier creates a verified access token")

    @property
    def caller(self) -> Caller:
        """The bearer, as the code of tools and nodes may know them."""
        return Caller(self.principal, self.claims)


def assume_verified(**members: Any) -> VerifiedAccessToken:  # noqa: ANN401 - those of the class
    """Creates a verified access token without verifying anything: for the verifier, and for tests.

    A test checks that no other code of the project calls it.
    """
    return VerifiedAccessToken(**members, seal=_SEAL)
