"""Who calls the token endpoint: client authentication (RFC 6749, section 2.3; RFC 7523, section 3)."""

import base64
import binascii
import json
from collections.abc import Callable
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from sandbox.directory import Application, Directory
from sandbox.oauth_error import OAuthError, required

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
KEY_ALGORITHMS = ("RS256", "RS384", "RS512")
LONGEST_ASSERTION = 3600
CLOCK_SKEW = 30


def authenticate_client(
    directory: Directory,
    parameters: dict[str, str],
    authorization: str | None,
    *,
    token_endpoint: str,
    clock: Callable[[], float],
) -> Application:
    """The calling client, by exactly one method: Basic, secret in the form, or a JWT assertion.

    A public client (no secret, no key) names itself by `client_id`. Not checked: replay of an assertion's
    `jti`, which the vendor does not document. Raises OAuthError `invalid_client`, `invalid_request` if
    methods are mixed, `access_denied` if the client is disabled.
    """
    offered = [
        authorization is not None,
        "client_secret" in parameters,
        "client_assertion" in parameters or "client_assertion_type" in parameters,
    ]
    if sum(offered) > 1:
        raise OAuthError("invalid_request", "the client must authenticate by one method only")
    if authorization is not None:
        client = _by_basic(directory, parameters, authorization)
    elif "client_secret" in parameters:
        client = _known(directory, required(parameters, "client_id"))
        _check_secret(client, parameters["client_secret"])
    elif any(offered):
        client = _by_assertion(directory, parameters, token_endpoint, clock)
    else:
        client = _known(directory, required(parameters, "client_id"))
        if not client.public:
            raise OAuthError("invalid_client", "the client must authenticate")
    if client.client_id in directory.disabled:
        raise OAuthError("access_denied", "the application is disabled")
    return client


def _known(directory: Directory, client_id: str) -> Application:
    client = directory.applications.get(client_id)
    if client is None:
        raise OAuthError("invalid_client", "the client is unknown")
    return client


def _check_secret(client: Application, secret: str) -> None:
    if client.secret is None or not compare_digest(client.secret.encode(), secret.encode()):
        raise OAuthError("invalid_client", "the client secret is wrong")


def _by_basic(directory: Directory, parameters: dict[str, str], authorization: str) -> Application:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", 'the Authorization header must be "Basic"')
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "the Basic credentials are malformed") from error
    client = _known(directory, unquote_plus(client_id))
    if parameters.get("client_id", client.client_id) != client.client_id:
        raise OAuthError("invalid_request", 'parameter "client_id" must equal the Basic user')
    _check_secret(client, unquote_plus(secret))
    return client


def _by_assertion(
    directory: Directory,
    parameters: dict[str, str],
    token_endpoint: str,
    clock: Callable[[], float],
) -> Application:
    kind = required(parameters, "client_assertion_type")
    if kind != ASSERTION_TYPE:
        raise OAuthError("invalid_client", f'client_assertion_type must be "{ASSERTION_TYPE}"')
    assertion = required(parameters, "client_assertion")
    try:
        unverified = jws.extract_compact(assertion.encode())
        algorithm = unverified.headers().get("alg")
        client_id = json.loads(unverified.payload)["iss"]
    except (JoseError, ValueError, LookupError, TypeError) as error:
        raise OAuthError("invalid_client", "the client assertion is malformed") from error
    client = _known(directory, str(client_id))
    key, algorithms = _assertion_key(client, str(algorithm))
    try:
        claims = jwt.decode(assertion, key, algorithms=algorithms).claims
    except (JoseError, ValueError) as error:
        raise OAuthError("invalid_client", "the signature of the client assertion is wrong") from error
    _validate_assertion(claims, client.client_id, token_endpoint, clock())
    if parameters.get("client_id", client.client_id) != client.client_id:
        raise OAuthError("invalid_request", 'parameter "client_id" must equal the assertion\'s issuer')
    return client


def _assertion_key(client: Application, algorithm: str) -> tuple[jwk.OctKey | jwk.RSAKey, tuple[str, ...]]:
    """The registered key for the family of the algorithm; a public key is never taken for a secret."""
    if algorithm in SECRET_ALGORITHMS and client.secret is not None:
        return jwk.OctKey.import_key(client.secret), SECRET_ALGORITHMS
    if algorithm in KEY_ALGORITHMS and client.public_key is not None:
        return jwk.RSAKey.import_key(client.public_key), KEY_ALGORITHMS
    raise OAuthError("invalid_client", "the client has no key for this algorithm of the client assertion")


def _validate_assertion(claims: dict[str, Any], client_id: str, token_endpoint: str, now: float) -> None:
    audience = claims.get("aud")
    if claims.get("sub") != client_id:
        raise OAuthError("invalid_client", 'claim "sub" of the client assertion must equal "iss"')
    if audience != token_endpoint and not (isinstance(audience, list) and token_endpoint in audience):
        raise OAuthError("invalid_client", f'claim "aud" of the client assertion must be "{token_endpoint}"')
    expires_at, issued_at = claims.get("exp"), claims.get("iat", now)
    if not isinstance(expires_at, int | float) or not isinstance(issued_at, int | float):
        raise OAuthError("invalid_client", 'claims "exp" and "iat" of the client assertion must be numbers')
    if expires_at <= now:
        raise OAuthError("invalid_client", "the client assertion has expired", expired=True)
    if expires_at > now + LONGEST_ASSERTION or issued_at > now + CLOCK_SKEW:
        raise OAuthError("invalid_client", "the client assertion lies too far in the future")
