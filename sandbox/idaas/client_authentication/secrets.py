"""The client secret, in the form or by Basic (RFC 6749, section 2.3.1)."""

import base64
import binascii
from hmac import compare_digest
from urllib.parse import unquote_plus

from sandbox.oauth_error import OAuthError, required
from sandbox.state.directory import Application, Directory


def known_client(directory: Directory, client_id: str) -> Application:
    """The application with this client id. Raises OAuthError `invalid_client`."""
    client = directory.applications.get(client_id)
    if client is None:
        raise OAuthError("invalid_client", "the client is unknown")
    return client


def by_secret(directory: Directory, parameters: dict[str, str]) -> Application:
    """The client whose id and secret are in the form."""
    client = known_client(directory, required(parameters, "client_id"))
    _check_secret(client, parameters["client_secret"])
    return client


def by_basic(directory: Directory, parameters: dict[str, str], authorization: str) -> Application:
    """The client whose id and secret are in the Authorization header."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", 'the Authorization header must be "Basic"')
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "the Basic credentials are malformed") from error
    client = known_client(directory, unquote_plus(client_id))
    if parameters.get("client_id", client.client_id) != client.client_id:
        raise OAuthError("invalid_request", 'parameter "client_id" must equal the Basic user')
    _check_secret(client, unquote_plus(secret))
    return client


def _check_secret(client: Application, secret: str) -> None:
    if client.secret is None or not compare_digest(client.secret.encode(), secret.encode()):
        raise OAuthError("invalid_client", "the client secret is wrong")
