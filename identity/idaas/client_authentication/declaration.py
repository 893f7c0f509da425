"""Reads the members that several kinds of client authentication have: from the configuration file, the
secrets and keys that it names, and sources outside of it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from identity.idaas.client_authentication.metadata_service import MetadataService
from identity.idaas.client_authentication.role_credential import RoleCredential
from identity.idaas.configuration_members import ConfigurationMembers
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret, SecretFile, SecretSource, parse_secret_lines

T = TypeVar("T")


class SubjectTokenIn(StrEnum):
    """Where the user's access token is in a request of the OpenAPI."""

    BODY = "body"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and the name of the setting that names it, for faults."""

    path: Path
    setting: str


@dataclass(frozen=True, slots=True)
class AuthenticationSources:
    """Sources of secrets outside of the configuration file, besides the variables it names.

    A file is read in place of the variable that the configuration file names. `role` is the credential of the
    execution role (`PLUGIN`); without it that method is a fault.
    """

    client_secret_file: NamedFile | None = None
    private_key_file: NamedFile | None = None
    metadata: MetadataService = field(default_factory=MetadataService)
    role: SecretSource[RoleCredential] | None = None
    subject_token_in: SubjectTokenIn = SubjectTokenIn.BODY


@dataclass(frozen=True, slots=True)
class Declaration:
    """The client as the configuration file declares it.

    `authn` has the members of `authnConfiguration`, `root` those of the file. A reader notes faults there.
    `environment` has the variables that members may name. `clock` gives unix seconds.
    """

    root: ConfigurationMembers
    authn: ConfigurationMembers
    client_id: str
    token_endpoint: str
    environment: Mapping[str, str]
    clock: Callable[[], float]
    sources: AuthenticationSources


def read_credential_name(declared: Declaration) -> str:
    """The member `applicationFederatedCredentialName`; its absence is noted as a fault.

    IDaaS has an application's federated credentials (`PKCS7`, `OIDC`, `PCA`) by name. The name leads to the
    provider that must have issued what is presented.
    """
    return declared.authn.text("applicationFederatedCredentialName", required=True)


def check_environment(declared: Declaration, expected: str) -> None:
    """Notes a fault unless `clientDeployEnvironment` is `expected`, the only one that the SDK serves."""
    name = "clientDeployEnvironment"
    environment = declared.authn.text(name, required=True)
    if environment and environment != expected:
        method = declared.authn.text("authnMethod")
        declared.authn.fault(name, f'must be "{expected}" with {method}, found "{environment}"')


PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_WHITE_SPACE = r"(?:\\[nr]|\s)"  # also "\n" as two characters, which many ways of setting a variable leave
_PEM = re.compile(
    rf"{_WHITE_SPACE}*-----BEGIN (RSA |EC |)PRIVATE KEY-----(.+)-----END \1PRIVATE KEY-----{_WHITE_SPACE}*",
    re.DOTALL,
)
_BETWEEN_KEYS = re.compile(r"(?<=PRIVATE KEY-----)\s*(?=-----BEGIN )")
_CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def read_private_key(pem: str) -> PrivateKey:
    """Reads an unencrypted key in PKCS#8, PKCS#1 or SEC 1 form; line breaks may be missing or escaped.

    Raises `ValueError`, whose text has nothing of the key, unless it is RSA of 2048 bits or more, or on the
    curve P-256, P-384 or P-521.
    """
    match = _PEM.fullmatch(pem)
    if match is None:
        raise ValueError("is not an unencrypted private key in PEM form")
    try:
        der = base64.b64decode(re.sub(_WHITE_SPACE, "", match.group(2)), validate=True)
        key = load_der_private_key(der, password=None)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not an unencrypted private key in PEM form") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVE_ALGORITHMS:
        return key
    raise ValueError("is not RSA of at least 2048 bits, nor on the curve P-256, P-384 or P-521")


def assertion_algorithm(key: PrivateKey) -> str:
    """The JWS algorithm for client assertions, chosen as the vendor's SDK chooses it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVE_ALGORITHMS[key.curve.name]
    if key.key_size <= 2048:
        return "RS256"
    return "RS384" if key.key_size <= 3072 else "RS512"


KeyCheck = Callable[[PrivateKey], None]
"""Raises `ValueError`, without the key, if the key cannot be used."""


def read_client_key(
    declared: Declaration, check: KeyCheck = lambda _: None
) -> SecretSource[PrivateKey] | None:
    """The key in the file of `declared.sources`, which may have two, else in the variable of
    `privateKeyEnvVarName`.

    Faults, those that `check` finds included, are noted, and give `None`.
    """
    member = "privateKeyEnvVarName"
    file = declared.sources.private_key_file

    def keys(pem: str) -> tuple[PrivateKey, ...]:
        parts = _BETWEEN_KEYS.split(pem) if file else [pem]
        private_keys = tuple(map(read_private_key, parts))
        for key in private_keys:
            check(key)
        return private_keys

    if file is not None:
        return _file_source(declared, member, file, keys)
    pem = declared.authn.variable(member, declared.environment)
    try:
        return FixedSecret(keys(pem)[0])
    except ValueError as error:
        if pem:
            declared.authn.fault(member, f"names a variable whose value {error}")
        return None


def read_client_secret(declared: Declaration) -> SecretSource[Secret] | None:
    """The secret in the file of `declared.sources`, else in the variable of `clientSecretEnvVarName`.

    Faults are noted, and give `None`.
    """
    member = "clientSecretEnvVarName"
    file = declared.sources.client_secret_file
    if file is not None:
        return _file_source(declared, member, file, lambda text: tuple(map(Secret, parse_secret_lines(text))))
    value = declared.authn.variable(member, declared.environment)
    if "-----BEGIN" in value:
        declared.authn.fault(member, "names a variable that holds a key or certificate, not a secret")
    return FixedSecret(Secret(value)) if value else None


def _file_source(
    declared: Declaration, member: str, file: NamedFile, parse: Callable[[str], tuple[T, ...]]
) -> SecretSource[T] | None:
    """The values of `file`. The variable that `member` names must not be set beside it."""
    if declared.environment.get(declared.authn.text(member), "").strip():
        declared.authn.fault(member, f"names a variable that is set beside {file.setting}")
    try:
        return SecretFile(file.path, parse, clock=declared.clock)
    except ValueError as error:
        declared.root.faults.append(f"{file.setting} names a file that {error}")
        return None
