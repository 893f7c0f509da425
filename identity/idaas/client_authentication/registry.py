"""The kinds of client authentication by their `authnMethod`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from identity.idaas.client_authentication.client_secret_basic import read_client_secret_basic
from identity.idaas.client_authentication.client_secret_jwt import read_client_secret_jwt
from identity.idaas.client_authentication.client_secret_post import read_client_secret_post
from identity.idaas.client_authentication.declaration import Declaration
from identity.idaas.client_authentication.method import ClientAuthentication
from identity.idaas.client_authentication.oidc import read_oidc
from identity.idaas.client_authentication.pca import read_pca
from identity.idaas.client_authentication.pkcs7 import read_pkcs7
from identity.idaas.client_authentication.plugin import read_plugin
from identity.idaas.client_authentication.private_key_jwt import read_private_key_jwt

Reader = Callable[[Declaration], ClientAuthentication | None]
"""Reads one kind; notes faults, and may then return `None`."""

METHODS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "CLIENT_SECRET_POST": read_client_secret_post,
        "CLIENT_SECRET_BASIC": read_client_secret_basic,
        "CLIENT_SECRET_JWT": read_client_secret_jwt,
        "PRIVATE_KEY_JWT": read_private_key_jwt,
        "PKCS7": read_pkcs7,
        "OIDC": read_oidc,
        "PCA": read_pca,
        "PLUGIN": read_plugin,
    }
)


def read_client_authentication(declared: Declaration) -> ClientAuthentication | None:
    """The kind that `authnMethod` names. Faults are noted in `declared`; `None` only if there are any."""
    authn = declared.authn
    # The vendor's demo has "authenticationSubject" in its place, which the SDK ignores.
    identity_type = authn.text("identityType") or "CLIENT"
    if identity_type == "HUMAN":
        authn.fault("identityType", 'must be "CLIENT": "HUMAN" is not supported')
    elif identity_type != "CLIENT":
        authn.fault("identityType", 'must be "CLIENT"')
    method = authn.text("authnMethod", required=True)
    if method in METHODS:
        return METHODS[method](declared)
    if method == "NONE":
        authn.fault("authnMethod", f'must be one of {", ".join(METHODS)}: "NONE" is for public clients')
    elif method:
        authn.fault("authnMethod", f"must be one of {', '.join(METHODS)}")
    return None
