"""The agent's settings: every environment variable, checked at once, by name.

`read_settings` is the only code of the product that reads the environment. `docs/configuration.md` is
generated from the descriptions in the files of the groups.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import httpx
from pydantic import Field, InstanceOf, ValidationError

from agent.errors.error_codes import AgentCode
from agent.settings.authentication_sources import authentication_sources, client_faults
from agent.settings.faults import variable_faults
from agent.settings.service_declarations import FileDeclaration
from agent.settings.services_file import read_services_file
from agent.settings.values import VariableGroup, holds, secret_in_file
from agent.settings.variables.callers import CallerVariables
from agent.settings.variables.client import ClientVariables
from agent.settings.variables.conversations import ConversationVariables
from agent.settings.variables.limits import LimitVariables
from agent.settings.variables.model import ModelVariables, model_faults
from agent.settings.variables.otel import OtelVariables, otel_faults
from agent.settings.variables.records import RecordVariables, record_faults
from agent.settings.variables.revocation import RevocationVariables, revocation_faults
from agent.settings.variables.role import RoleVariables
from agent.settings.variables.server import ServerVariables, replica_faults
from agent.settings.variables.services import ServiceVariables, service_faults
from agent.settings.variables.telemetry import TelemetryVariables, telemetry_faults
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError, ErrorCode
from identity.idaas.client_authentication.role_credential import RequestHeaderRole
from identity.idaas.configuration import DEFAULT_PATH, SdkConfiguration, read_sdk_configuration
from identity.transport.http1.proxy import environment_proxies

TOKEN_VARIABLE: Final = "IDAAS_AGENT_ACCESS_TOKEN"  # noqa: S105 - a variable's name
"""The variable of a user's access token, for commands that act as a user. The agent does not read it."""

_GROUPS: Final[Mapping[str, type[VariableGroup]]] = {
    "Access tokens of callers": CallerVariables,
    "The agent as a client of IDaaS": ClientVariables,
    "The execution role": RoleVariables,
    "The model": ModelVariables,
    "Services": ServiceVariables,
    "The web server": ServerVariables,
    "Limits": LimitVariables,
    "Conversations": ConversationVariables,
    "Revocation and shared state": RevocationVariables,
    "Audit log and traces": RecordVariables,
    "Logs and metrics": TelemetryVariables,
    "OpenTelemetry": OtelVariables,
}
_IN_FILES: Final = ("conversations_url", "redis_url")
"""Variables with a password, which a file may contain in their place."""


# In reverse, because pydantic takes the fields of the last base first.
class Variables(
    OtelVariables,
    TelemetryVariables,
    RecordVariables,
    RevocationVariables,
    ConversationVariables,
    LimitVariables,
    ServerVariables,
    ServiceVariables,
    ModelVariables,
    RoleVariables,
    ClientVariables,
    CallerVariables,
):
    """The variables that the agent reads. A field's variable is its name in capitals."""


class Settings(Variables):
    """The variables, the SDK configuration and the services that two of them name."""

    idaas: InstanceOf[SdkConfiguration] = Field(exclude=True, repr=False)
    header_role: InstanceOf[RequestHeaderRole] | None = Field(None, exclude=True, repr=False)
    services: dict[str, FileDeclaration] = Field(default={}, exclude=True, repr=False)

    @property
    def jwks_url(self) -> str:
        """The address of the signing keys."""
        return self.jwks_endpoint or f"{self.idaas.issuer.rstrip('/')}/jwks"


def variable_groups() -> dict[str, dict[str, tuple[str, object]]]:
    """The variables, as `variables` returns them, by the heading of their group."""
    return {
        heading: {
            name.upper(): (field.description or "", ... if field.is_required() else field.default)
            for name, field in group.model_fields.items()
        }
        for heading, group in _GROUPS.items()
    }


def variables() -> dict[str, tuple[str, object]]:
    """Every variable that `read_settings` knows: name → (description, default; `...` if it must be set)."""
    return {name: variable for group in variable_groups().values() for name, variable in group.items()}


def read_settings(environment: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> Settings:
    """The settings of `environment`, and the SDK configuration that it names.

    `clock` dates what the agent presents to IDaaS.

    An empty variable counts as not set; unknown variables are ignored.
    Raises `ConfigurationError` with every fault at once, each by the variable's name; no value of a secret.
    NUL characters, which only a file of variables can contain, are reported before all other faults.
    """
    if unusable := [name for name, value in environment.items() if "\0" in f"{name}{value}"]:
        faults = [f"{name} must not contain a NUL character" for name in unusable]
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
    given: dict[str, str] = {
        name.lower(): value.strip() for name in variables() if (value := environment.get(name, "")).strip()
    }
    for name in _IN_FILES:
        with contextlib.suppress(KeyError, ValueError):  # `Variables` reports the file
            given[name] = secret_in_file(given[f"{name}_file"]).reveal()
    path = Path(given.get("cloud_idaas_config_path", DEFAULT_PATH))
    code: ErrorCode = IdentityCode.SDK_CONFIG_UNREADABLE
    faults, idaas = [], None
    try:
        Variables.model_validate(given)
    except ValidationError as error:
        code = AgentCode.SETTINGS_INVALID
        faults += variable_faults(error)
    try:
        environment_proxies(httpx)
    except ValueError as error:
        code = AgentCode.SETTINGS_INVALID
        faults.append(str(error))
    if unmatched := _unmatched(given):
        code = AgentCode.SETTINGS_INVALID
        faults += unmatched
    services: dict[str, FileDeclaration] = {}
    if "services_file" in given and holds(Path(given["services_file"]).is_file):
        services, found = read_services_file(Path(given["services_file"]))
        code = AgentCode.SETTINGS_INVALID if found else code
        faults += found
    sources = authentication_sources(given, _bundle(given), clock)
    try:
        idaas = read_sdk_configuration(path, environment, clock=clock, sources=sources)
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(code, faults)
    header_role = sources.role if isinstance(sources.role, RequestHeaderRole) else None
    return Settings.model_validate(given | {"idaas": idaas, "services": services, "header_role": header_role})


def _bundle(given: Mapping[str, str]) -> str | None:
    """`SSL_CERT_FILE`, if it is there; that it is not is a fault of its own."""
    path = given.get("ssl_cert_file")
    return path if path and holds(Path(path).is_file) else None


def _unmatched(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that must be set together, independent of other faults."""
    parts = (
        client_faults,
        service_faults,
        revocation_faults,
        model_faults,
        record_faults,
        telemetry_faults,
        replica_faults,
        otel_faults,
    )
    return [fault for faults_of in parts for fault in faults_of(given)]
