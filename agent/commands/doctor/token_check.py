"""Whether the agent would accept the tokens of IDaaS, by the example of the agent's own token.

A token that was just issued shows the exact issuer, the signing key, and the clock of IDaaS.
"""

from collections.abc import Callable
from typing import Final

from identity.access_token.claims import AccessTokenClaims, read_claims
from identity.access_token.jws import JoseHeader, parse_compact_jws, read_header
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from identity.signing_keys.jwks import Jwks
from identity.signing_keys.signing_key import SUPPORTED_ALGORITHMS

_LEEWAY: Final = 30.0


async def check_issued(
    token: Secret, *, issuer: str, keys: Jwks, clock: Callable[[], float], requested_at: float
) -> str:
    """The detail of the finding. `requested_at` is the time of the token request, by `clock`.

    Raises `AccessTokenError` for a wrong issuer, key or clock, as the verifier does for a user's token.
    """
    arrived_at = clock()
    try:
        jws = parse_compact_jws(token.reveal())
        header: JoseHeader = read_header(jws.header, SUPPORTED_ALGORITHMS)
        claims: AccessTokenClaims = read_claims(jws.payload)
    except ValueError:
        return "the agent's own token is opaque, which leaves issuer, keys and clock unchecked"
    if claims.issuer != issuer:
        raise _invalid("iss", f'of what IDaaS issues must be "{issuer}"')
    if await keys.find(header.kid, header.algorithm) is None:
        raise AccessTokenError(
            IdentityCode.ACCESS_TOKEN_INVALID, 'header "kid" of what IDaaS issues names no key of the JWKS'
        )
    if claims.issued_at is not None:
        behind, ahead = claims.issued_at - arrived_at, requested_at - claims.issued_at
        if max(behind, ahead) > _LEEWAY:
            where = "future" if behind > ahead else "past"
            raise _invalid("iat", f"of what IDaaS issued now is {max(behind, ahead):.0f} s in the {where}")
    return "by the configured issuer, signed by a key of the JWKS, and the clocks agree"


def _invalid(claim: str, fault: str) -> AccessTokenError:
    return AccessTokenError(IdentityCode.ACCESS_TOKEN_INVALID, f'claim "{claim}" {fault}')
