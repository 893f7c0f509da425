"""Who calls the token endpoint: client authentication (RFC 6749, section 2.3), one file for each method.

May import `sandbox.federation`, which issues what the federated methods verify. Begin here.
"""

from collections.abc import Callable

from sandbox.idaas.client_authentication.certificate_assertion import by_certificate_assertion
from sandbox.idaas.client_authentication.federated_credential import by_workload_token
from sandbox.idaas.client_authentication.instance_document import by_instance_document
from sandbox.idaas.client_authentication.own_secret import by_basic, by_jwt_assertion, by_secret, known_client
from sandbox.oauth_error import OAuthError, required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application

_OWN = "urn:cloud:idaas:params:oauth:client-assertion-type:"
ASSERTIONS: dict[str, tuple[str, Callable[[Cloud, dict[str, str]], Application]]] = {
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer": ("jwt", by_jwt_assertion),
    f"{_OWN}pkcs7-bearer": ("pkcs7", by_instance_document),
    f"{_OWN}id-token-bearer": ("oidc", by_workload_token),
    f"{_OWN}x509-jwt-bearer": ("pca", by_certificate_assertion),
}
"""By `client_assertion_type`: the method's name in events, and what verifies it."""


def authentication_method(parameters: dict[str, str], authorization: str | None) -> str:
    """The one method that the request uses: `basic`, `post`, the name of an assertion, or `none`."""
    offered = [
        authorization is not None,
        "client_secret" in parameters,
        "client_assertion" in parameters or "client_assertion_type" in parameters,
    ]
    if sum(offered) > 1:
        raise OAuthError("invalid_request", "the client must authenticate by one method only")
    if offered[2]:
        known = ASSERTIONS.get(required(parameters, "client_assertion_type"))
        if known is None:
            raise OAuthError(
                "invalid_client", f"client_assertion_type must be one of {', '.join(ASSERTIONS)}"
            )
        return known[0]
    return "basic" if offered[0] else "post" if offered[1] else "none"


def authenticate_client(
    cloud: Cloud, method: str, parameters: dict[str, str], authorization: str | None
) -> Application:
    """The calling client, by the method that the request uses.

    A public client (no secret, no key) names itself by `client_id`. Not checked: replay of an assertion,
    which the vendor does not document. Raises OAuthError `invalid_client`, `access_denied` if the client is
    disabled.
    """
    directory = cloud.directory
    if authorization is not None:
        client = by_basic(directory, parameters, authorization)
    elif method == "post":
        client = by_secret(directory, parameters)
    elif method == "none":
        client = known_client(directory, required(parameters, "client_id"))
        if not client.public:
            raise OAuthError("invalid_client", "the client must authenticate")
    else:
        client = ASSERTIONS[parameters["client_assertion_type"]][1](cloud, parameters)
    if client.client_id in directory.disabled:
        raise OAuthError("access_denied", "the application is disabled")
    return client
