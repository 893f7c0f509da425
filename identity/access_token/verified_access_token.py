"""The caller's access token (AT_u), once verified."""

from dataclasses import InitVar, dataclass

from identity.principal import Principal
from identity.secret import Secret

_SEAL = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAccessToken:
    """Exists only if signature, issuer, audience, lifetime and scope were verified.

    Calling the class (or `dataclasses.replace`) raises `TypeError`: only `AccessTokenVerifier.verify` makes
    one, and, under a name that one can search for, `assume_verified`.

    `fingerprint` is the SHA-256 of the token, in hexadecimal: a cache key, not a secret to be shown.
    Times are unix seconds; `issued_at` is `None` if the token does not say.
    `audience` and `scopes` are what the token says: perhaps more than was required.
    """

    principal: Principal
    audience: tuple[str, ...]
    scopes: frozenset[str]
    expires_at: float
    fingerprint: str
    token: Secret
    issued_at: float | None = None
    seal: InitVar[object] = None

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only the verifier makes a verified access token")


def assume_verified(
    *,
    principal: Principal,
    audience: tuple[str, ...],
    scopes: frozenset[str],
    expires_at: float,
    fingerprint: str,
    token: Secret,
    issued_at: float | None = None,
) -> VerifiedAccessToken:
    """Makes a verified access token of parts, verifying nothing: for the verifier, and for tests.

    A test holds that no other code of the project calls it.
    """
    return VerifiedAccessToken(
        principal=principal,
        audience=audience,
        scopes=scopes,
        expires_at=expires_at,
        fingerprint=fingerprint,
        token=token,
        issued_at=issued_at,
        seal=_SEAL,
    )
