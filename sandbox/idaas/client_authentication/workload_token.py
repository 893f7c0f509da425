"""OIDC: an ID token of another issuer, which the federated credential provider trusts."""

from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from sandbox.cloud import Cloud
from sandbox.directory import Application
from sandbox.federation.id_token import IDAAS_AUDIENCE
from sandbox.idaas.client_authentication.federated_credential import check_identity, named_credential, refused
from sandbox.idaas.client_authentication.jwt_assertion import CLOCK_SKEW
from sandbox.oauth_error import required

ALGORITHMS = ("ES256", "RS256")
AUDIENCES = frozenset({IDAAS_AUDIENCE})
"""The audiences that the provider accepts."""


def by_workload_token(cloud: Cloud, parameters: dict[str, str]) -> Application:
    """The client whose federated credential allows the token's subject.

    Checked: signature by a key of the issuer's JWKS, `iss`, `aud`, `exp`, `nbf`, `sub`. A token may be used
    until it expires. A newline at its end is accepted while `settings.workload_token_newline` is on.
    """
    client, credential = named_credential(cloud.directory, parameters, "oidc")
    token = required(parameters, "client_assertion")
    if cloud.settings.workload_token_newline:
        token = token.rstrip("\r\n")
    keys = jwk.KeySet.import_key_set({"keys": [*cloud.federation.jwks()["keys"]]})
    try:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError) as error:
        raise refused("signature", "the token does not verify with the issuer's keys") from error
    _validate(claims, cloud.federation.issuer, cloud.clock())
    check_identity(credential, str(claims.get("sub")))
    return client


def _validate(claims: dict[str, Any], issuer: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise refused("issuer", f'claim "iss" must be "{issuer}"')
    audience = claims.get("aud")
    if AUDIENCES.isdisjoint(audience if isinstance(audience, list) else [audience]):
        raise refused("audience", f'claim "aud" must contain {", ".join(AUDIENCES)}')
    expires_at, not_before = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires_at, int | float) or not isinstance(not_before, int | float):
        raise refused("malformed", 'claims "exp" and "nbf" must be numbers')
    if expires_at <= now:
        raise refused("expired", "the token has expired")
    if not_before > now + CLOCK_SKEW:
        raise refused("clock", "the token is not valid yet")
