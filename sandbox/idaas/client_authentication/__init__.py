"""Who calls the token endpoint: client authentication (RFC 6749, section 2.3).

One file for each method; begin here.
"""

from collections.abc import Callable

from sandbox.directory import Application, Directory
from sandbox.idaas.client_authentication.jwt_assertion import by_jwt_assertion
from sandbox.idaas.client_authentication.secrets import by_basic, by_secret, known_client
from sandbox.oauth_error import OAuthError, required

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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
        client = by_basic(directory, parameters, authorization)
    elif "client_secret" in parameters:
        client = by_secret(directory, parameters)
    elif any(offered):
        kind = required(parameters, "client_assertion_type")
        if kind != ASSERTION_TYPE:
            raise OAuthError("invalid_client", f'client_assertion_type must be "{ASSERTION_TYPE}"')
        client = by_jwt_assertion(directory, parameters, token_endpoint=token_endpoint, now=clock())
    else:
        client = known_client(directory, required(parameters, "client_id"))
        if not client.public:
            raise OAuthError("invalid_client", "the client must authenticate")
    if client.client_id in directory.disabled:
        raise OAuthError("access_denied", "the application is disabled")
    return client
