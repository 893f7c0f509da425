"""The configuration file of the vendor's SDK, as the IDaaS console generates it.

Read as the SDK reads it: member names in camelCase or snake_case, endpoints turned into https, unknown
members ignored. Unlike the SDK, every fault is reported, all at once, each with the member's name.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.declaration import (
    AuthenticationSources,
    Declaration,
    read_client_key,
    read_client_secret,
)
from identity.idaas.client_authentication.method import ClientAuthentication, TokenRequest
from identity.idaas.client_authentication.oidc import read_oidc
from identity.idaas.client_authentication.own_credential import (
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    PrivateKeyJwt,
    read_own,
)
from identity.idaas.client_authentication.pca import read_pca
from identity.idaas.client_authentication.pkcs7 import read_pkcs7
from identity.idaas.client_authentication.plugin import read_plugin
from identity.idaas.configuration_members import parse_members
from identity.secrets.secret_file import read_bounded_file

Reader = Callable[[Declaration], ClientAuthentication | None]
"""Reads one kind; notes faults, and may then return `None`."""

METHODS: Final[Mapping[str, Reader]] = {
    "CLIENT_SECRET_POST": partial(read_own, ClientSecretPost, read_client_secret),
    "CLIENT_SECRET_BASIC": partial(read_own, ClientSecretBasic, read_client_secret),
    "CLIENT_SECRET_JWT": partial(read_own, ClientSecretJwt, read_client_secret),
    "PRIVATE_KEY_JWT": partial(read_own, PrivateKeyJwt, read_client_key),
    "PKCS7": read_pkcs7,
    "OIDC": read_oidc,
    "PCA": read_pca,
    "PLUGIN": read_plugin,
}


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


@dataclass(frozen=True, slots=True)
class UnreadAuthentication:
    """In place of a `ClientAuthentication` that could not be read: every use raises why."""

    error: ConfigurationError

    async def authenticate(self, _: TokenRequest) -> TokenRequest:
        raise self.error.again()

    async def renew(self, _: TokenRequest) -> bool:
        raise self.error.again()

    async def inspect(self) -> str:
        raise self.error.again()


DEFAULT_PATH = Path("~/.cloud_idaas/client-config.json")

_LARGEST_FILE = 1_000_000


@dataclass(frozen=True, slots=True)
class SdkConfiguration:
    """A valid configuration. Timeouts are in seconds, though the file has milliseconds.

    `authn_method` is the name of `client_authentication`. `developer_api_endpoint` is an origin
    (`https://host[:port]`). The file's `scope` is only validated: the agent requests the scopes that its
    services declare.
    """

    instance_id: str
    client_id: str
    issuer: str
    token_endpoint: str
    developer_api_endpoint: str
    client_authentication: ClientAuthentication
    connect_timeout: float
    read_timeout: float
    authn_method: str = ""


def read_sdk_configuration(
    path: Path,
    environment: Mapping[str, str],
    *,
    clock: Callable[[], float] = time.time,
    sources: AuthenticationSources | None = None,
    authenticates: bool = True,
) -> SdkConfiguration:
    """Reads the file at `path` (`~` is expanded), and secrets from the variables of `environment` it names.

    `clock` dates client assertions, documents and signatures. `sources` are the other origins of secrets.
    Without `authenticates`, faults of client authentication, such as a missing secret, are raised when it is
    used.
    Raises `ConfigurationError` (`sdk_config_unreadable`), whose `faults` name the members.
    """
    try:
        text = read_bounded_file(path.expanduser(), _LARGEST_FILE)
    except ValueError as error:
        raise _unreadable([f'file "{path}" {error}']) from None
    except RuntimeError:  # no home directory for "~"
        raise _unreadable([f'file "{path}" cannot be read: no such user']) from None
    faults: list[str] = []
    members = parse_members(text, faults)
    if members is None:
        raise _unreadable(faults)
    http = members.inner("httpConfiguration")
    if http.flag("unsafeIgnoreSslCert"):
        http.fault("unsafeIgnoreSslCert", "must not be true: certificates are always verified")
    client_id = members.text("clientId", required=True)
    token_endpoint = members.endpoint("tokenEndpoint")
    authn = members.inner("authnConfiguration", required=True)
    authentication: ClientAuthentication | None = None
    before = len(faults)
    if authn.values:
        declared = Declaration(
            root=members,
            authn=authn,
            client_id=client_id,
            token_endpoint=token_endpoint,
            environment=environment,
            clock=clock,
            sources=sources or AuthenticationSources(),
        )
        authentication = read_client_authentication(declared)
    if not authenticates and authn.values and len(faults) > before:
        authentication = UnreadAuthentication(_unreadable(faults[before:]))
        del faults[before:]
    configured = partial(
        SdkConfiguration,
        instance_id=members.text("idaasInstanceId", required=True),
        client_id=client_id,
        issuer=members.endpoint("issuer"),
        token_endpoint=token_endpoint,
        developer_api_endpoint=members.origin("developerApiEndpoint"),
        connect_timeout=http.seconds("connectTimeout", default=5.0),
        read_timeout=http.seconds("readTimeout", default=10.0),
    )
    members.check_scope("scope")
    if faults or authentication is None:
        raise _unreadable(faults)
    return configured(client_authentication=authentication, authn_method=authn.text("authnMethod"))


def _unreadable(faults: list[str]) -> ConfigurationError:
    return ConfigurationError(IdentityCode.SDK_CONFIG_UNREADABLE, faults)
