"""The variables of callers, of the agent as a client of IDaaS, of the execution role and of records."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, InstanceOf, field_validator, model_validator

from identity.idaas.client_authentication.declaration import SubjectTokenIn
from identity.idaas.client_authentication.metadata_service import METADATA_ENDPOINT
from identity.idaas.configuration import DEFAULT_PATH
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.secrets.secret_file import parse_secret_lines
from identity.settings.values import (
    TRUE,
    Url,
    VariableGroup,
    Word,
    existing_file,
    holds,
    local_url,
    parsed_by,
    secret_value,
    set_together,
)
from identity.transport.secure_url import is_secure_url


class CallerVariables(VariableGroup):
    """Which access tokens the agent accepts, and whose rights its calls use."""

    heading = "Access tokens of callers"

    jwks_endpoint: Url | None = None
    """The signing keys of IDaaS. Default: `<issuer>/jwks` of the SDK configuration."""
    agent_audience: Word
    """The audience of this agent in IDaaS: an access token must be for it."""
    agent_scope: Word
    """The permission that an access token must carry, such as `agent.access`."""
    allow_client_callers: bool = False
    """Whether clients may call as themselves, with a token whose `sub` is a client's id."""
    client_ids: str = ""
    """The ids of applications that call with tokens of their own, separated by spaces. The token of one that
    is not listed counts as a person's."""
    caller_claims: Annotated[str, Field(pattern=r"^(\w+( \w+)*)?$")] = ""
    """The claims of an access token that own tools, nodes and prompts may read, separated by spaces, such as
    `name groups`."""
    access_identity: AccessIdentity = AccessIdentity.MACHINE
    """The rights that calls use: `Machine`, the agent's own; `Human`, the signed-in user's."""

    @field_validator("access_identity", mode="before")
    @classmethod
    def _in_any_case(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is given
        """`human` means `Human`."""
        return given.capitalize() if isinstance(given, str) else given

    @model_validator(mode="before")
    @classmethod
    def _permission_without_audience(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is given
        """`AGENT_SCOPE` may be written as IDaaS writes it, `audience|permission`."""
        if isinstance(given, dict) and isinstance(scope := given.get("agent_scope"), str):
            audience, bar, permission = scope.partition("|")
            if bar and audience == given.get("agent_audience"):
                return given | {"agent_scope": permission}
        return given


def _metadata_endpoint(value: str) -> str:
    if urlsplit(local_url(value)).path not in ("", "/") or "?" in value:
        raise ValueError("must be an address without path and query")
    return value.rstrip("/")


class ClientVariables(VariableGroup):
    """How the agent authenticates to IDaaS.

    The client's secret or key is not among the fields: the SDK configuration names its variable.
    """

    heading = "The agent as a client of IDaaS"

    cloud_idaas_config_path: Path = DEFAULT_PATH
    """The IDaaS SDK configuration file, as the IDaaS console generates it."""
    idaas_client_secret_file: Path | None = None
    """A file with the client secret (`docs/connect-idaas.md`), in place of the variable that
    `clientSecretEnvVarName` names."""
    env_private_key_file: Path | None = None
    """A file with the client's private key (PEM), in place of the variable that `privateKeyEnvVarName`
    names."""
    ecs_metadata_endpoint: Annotated[str, AfterValidator(_metadata_endpoint)] = METADATA_ENDPOINT
    """The metadata service (`PKCS7`, and `PLUGIN` on ECS). Plain http is allowed to the platform's address
    and to loopback addresses."""
    openapi_subject_token_in: SubjectTokenIn = SubjectTokenIn.BODY
    """Where the user's access token is in a request of the OpenAPI (`PLUGIN` in Human identity): `body`, or
    `query`, where proxies may log it."""


def _host(value: str) -> str:
    host = value.removeprefix("https://").rstrip("/")
    if not is_secure_url(f"https://{host}") or set(host) & set("/?#"):
        raise ValueError("must be a host, optionally with a port")
    return host


class RoleVariables(VariableGroup):
    """Where the credential of the execution role comes from."""

    heading = "The execution role"

    fc_credentials_from_headers: bool = False
    """Whether the role credential is taken from the `x-fc-*` headers of each authenticated request
    (`PLUGIN`). Only on Function Compute."""
    fc_region: str | None = Field(None, pattern=r"^\S+$")
    """Set by Function Compute: the agent runs there."""
    alibaba_cloud_access_key_id: str | None = Field(None, pattern=r"^[!-~]+$", repr=False)
    """The role credential (`PLUGIN`): its access key id."""
    alibaba_cloud_access_key_secret: Annotated[InstanceOf[Secret], secret_value] | None = None
    """The role credential: its access key secret."""
    alibaba_cloud_security_token: Annotated[InstanceOf[Secret], secret_value] | None = None
    """The role credential: the security token of a temporary access key (STS)."""
    alibaba_cloud_credentials_uri: Annotated[str, AfterValidator(local_url)] | None = Field(None, repr=False)
    """Where the platform serves the role credential as JSON."""
    alibaba_cloud_role_arn: str | None = None
    """The RAM role to assume with the token of `ALIBABA_CLOUD_OIDC_TOKEN_FILE`."""
    alibaba_cloud_oidc_provider_arn: str | None = None
    """The OIDC provider that the role trusts."""
    alibaba_cloud_oidc_token_file: Path | None = None
    """The file with the token for the role, such as that of RRSA on ACK."""
    alibaba_cloud_role_session_name: str = "idaas-agent"
    """The name of the role's session, as audit logs show it."""
    alibaba_cloud_sts_endpoint: Annotated[str, AfterValidator(_host)] = "sts.aliyuncs.com"
    """The host of STS for `ALIBABA_CLOUD_ROLE_ARN`."""
    alibaba_cloud_ecs_metadata: str | None = None
    """The name of the ECS instance's role. Without it the metadata service names it."""
    alibaba_cloud_ecs_metadata_disabled: bool = False
    """Whether the role credential is never requested from the metadata service."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        yield from set_together(given, "alibaba_cloud_access_key_id", "alibaba_cloud_access_key_secret")
        key_id = given.get("alibaba_cloud_access_key_id", "")
        if key_id.startswith("STS.") and "alibaba_cloud_security_token" not in given:
            yield "ALIBABA_CLOUD_SECURITY_TOKEN must be set for a temporary access key (STS.)"

    @staticmethod
    def place_faults(given: Mapping[str, str]) -> Iterator[str]:
        headers = given.get("fc_credentials_from_headers", "").lower() in TRUE
        if headers and "fc_region" not in given:
            yield (
                "FC_CREDENTIALS_FROM_HEADERS must not be true outside of Function Compute (FC_REGION is not"
                " set): there any client can send the headers"
            )


class TlsVariables(VariableGroup):
    """Which servers are trusted."""

    heading = "Certificates"

    ssl_cert_file: Annotated[Path, AfterValidator(existing_file)] | None = None
    """A PEM bundle of the authorities to trust. Default: the public ones."""


STANDARD_OUTPUT: Final = Path("-")
"""The value of `AUDIT_LOG_FILE` that means standard output."""
_KEY_CHARACTERS: Final = 32
_MOST_KEYS: Final = 2


def _file_to_write(value: Path) -> Path:
    if value == STANDARD_OUTPUT:
        return value
    if holds(value.is_dir) or not holds(value.parent.is_dir):
        raise ValueError("must name a file in a folder that exists, or - for standard output")
    return value


def keys_in_file(path: str | Path) -> tuple[Secret, ...]:
    """The keys of a file, one or two, on a line each. Raises `ValueError`, without a key."""
    try:
        keys = parse_secret_lines(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        keys = ()
    if not 1 <= len(keys) <= _MOST_KEYS or any(len(key) < _KEY_CHARACTERS for key in keys):
        fault = (
            f"must name a readable file with one key, or two on two lines, of {_KEY_CHARACTERS} or more ASCII"
            " characters without spaces"
        )
        raise ValueError(fault)
    return tuple(map(Secret, keys))


class AuditVariables(VariableGroup):
    """Where the agent's work is recorded."""

    heading = "Audit log"

    audit_log_file: Annotated[Path, AfterValidator(_file_to_write)] | None = None
    """The file of the audit log (`docs/audit-log.md`), or `-`: standard output. Without it: only the
    logger."""
    audit_required: bool = False
    """Whether a request is refused if its audit record cannot be written. With `AUDIT_LOG_FILE`."""
    audit_key_file: Annotated[tuple[InstanceOf[Secret], ...], parsed_by(keys_in_file)] | None = None
    """A file with the key that signs the lines of the audit log (`docs/audit-log.md`): 32 or more characters,
    such as `openssl rand -hex 32` prints."""

    @classmethod
    def missing_faults(cls, given: Mapping[str, str]) -> dict[str, str]:
        if "audit_log_file" in given or given.get("audit_required", "").lower() not in TRUE:
            return {}
        return {"audit_log_file": "AUDIT_LOG_FILE must be set if AUDIT_REQUIRED is true"}
