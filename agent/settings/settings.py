"""The agent's settings: every environment variable, checked at once, by name.

`docs/configuration.md` is generated from the texts below the fields of the groups.
"""

import time
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self, TypeVar, cast

from pydantic import Field, InstanceOf, create_model

from agent.settings.plugin_variables import ENTRY_POINTS, PluginVariables, collision_faults, plugin_groups
from agent.settings.variables.conversations import ConversationVariables
from agent.settings.variables.model import ModelVariables
from agent.settings.variables.observation import OtelVariables, TelemetryVariables
from agent.settings.variables.revocation import RevocationVariables
from agent.settings.variables.server import LimitVariables, ServerVariables
from agent.settings.variables.services import ServiceVariables
from graph.approvals.variables import ApprovalVariables
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.role_credential import RequestHeaderRole
from identity.settings.reading import GivenVariables, defaults_of, groups_of
from identity.settings.settings import IdentitySettings
from identity.settings.values import VariableGroup
from identity.settings.variables import (
    AuditVariables,
    CallerVariables,
    ClientVariables,
    RoleVariables,
    TlsVariables,
)
from tools.service_declarations import FileDeclaration, IssuerDeclaration
from tools.services_file import BUILT_IN, ServicesFile, read_services_file, sum_faults

G = TypeVar("G", bound=PluginVariables)
V = TypeVar("V", bound=VariableGroup)

TOKEN_VARIABLE: Final = "IDAAS_AGENT_ACCESS_TOKEN"  # noqa: S105 - a variable's name
"""The variable of a user's access token, for commands that act as a user. The agent does not read it."""

_IN_FILES: Final = ("conversations_url", "redis_url")
"""Variables with a password, which a file may contain in their place."""
_UNUSED: Final = "unused"
"""In place of a required variable that is missing, while the others are validated."""


# In reverse, because pydantic takes the fields of the last base first.
class Variables(
    OtelVariables,
    TelemetryVariables,
    AuditVariables,
    RevocationVariables,
    ConversationVariables,
    ApprovalVariables,
    LimitVariables,
    ServerVariables,
    TlsVariables,
    ServiceVariables,
    ModelVariables,
    RoleVariables,
    ClientVariables,
    CallerVariables,
):
    """The variables that the agent reads. A field's variable is its name in capitals."""


class Settings(Variables, IdentitySettings):  # type: ignore[misc]  # constructors that the plug-in of mypy adds
    """The variables, and what two of them name: the SDK configuration, and the services and issuers."""

    services: dict[str, FileDeclaration] = Field(default={}, exclude=True, repr=False)
    issuers: dict[str, IssuerDeclaration] = Field(default={}, exclude=True, repr=False)

    def of(self, group: type[G]) -> G:
        """These settings, as the plug-in reads them that declares `group`. Raises `TypeError` if no installed
        package does.
        """
        if not isinstance(self, group):
            raise TypeError(f"{group.__name__} is no group of an installed package: see {ENTRY_POINTS}")
        return self

    @property
    def own_code(self) -> Path:
        """Where files with own code are: the folder of SERVICES_FILE, or the working directory."""
        return self.services_file.parent if self.services_file else Path()


def _with_plugins(own: type[V]) -> type[V]:
    """`own` with the variables of plug-ins, which follow its own. Raises `ConfigurationError`."""
    return cast("type[V]", _joined(own, plugin_groups()))


@cache
def _joined(own: type[VariableGroup], groups: tuple[type[PluginVariables], ...]) -> type[VariableGroup]:
    if faults := collision_faults(Variables.model_fields, groups):
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return create_model(own.__name__, __base__=(*reversed(groups), own), __module__=__name__)


def variable_groups() -> list[type[VariableGroup]]:
    """The groups of variables, as docs/configuration.md has them: the agent's, then those of plug-ins."""
    return groups_of(_with_plugins(Variables))


def variables() -> dict[str, object]:
    """Every variable that `read_settings` knows: name → default; `...` if it must be set."""
    return defaults_of(_with_plugins(Variables))


def read_settings(
    environment: Mapping[str, str],
    *,
    clock: Callable[[], float] = time.time,
    serves: bool = True,
    unread: Collection[str] = (),
) -> Settings:
    """The settings of `environment`, and the SDK configuration that it names.

    `clock` dates what the agent presents to IDaaS. Without `serves`, what must hold where the agent serves is
    not checked, the client's secret included. Variables of the names `unread` have values that cannot be read
    here: they count as set, and have their defaults.

    An empty variable counts as not set, one pair of quotation marks around a value is taken off, and unknown
    variables are ignored.
    Raises `ConfigurationError` with every fault at once, each by the variable's name; no value of a secret.
    NUL characters, which only a file of variables can contain, are reported before all other faults.
    """
    reading = _Reading.of(environment, frozenset(map(str.lower, unread)))
    faults = reading.variables.all_faults
    if serves:
        faults += [fault for group in variable_groups() for fault in group.place_faults(reading.given)]
    if "services" in reading.absent and "services_file" not in reading.absent:
        from tools.declared_service import code_faults  # which loads what its code needs

        faults += code_faults(Path(reading.given["services_file"]), named="SERVICES_FILE")
    code = IdentityCode.SETTINGS_INVALID if faults else IdentityCode.SDK_CONFIG_UNREADABLE
    try:
        idaas, sources = reading.variables.sdk_configuration(clock, authenticates=serves)
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(code, faults)
    header_role = sources.role if isinstance(sources.role, RequestHeaderRole) else None
    of_file = {"services": reading.file.services, "issuers": reading.file.issuers}
    others = {"idaas": idaas, "header_role": header_role, **of_file}
    return _with_plugins(Settings).model_validate(reading.given | others)


def read_command_settings(
    environment: Mapping[str, str], *, clock: Callable[[], float] = time.time
) -> Settings:
    """The settings of `environment` for a command, which needs those that it uses, and no others.

    Reading a setting that is missing or invalid raises `ConfigurationError` with its faults; so do `services`
    for faults of SERVICES_FILE, `idaas` for those of the SDK configuration, and a request for a token without
    the client's secret. Nothing is replaced by a default. A command reads its settings before it changes
    anything.

    Raises `ConfigurationError` for variables that contradict each other, quotation marks and proxies.
    """
    reading = _Reading.of(environment)
    if reading.variables.faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, reading.variables.faults)
    absent = {
        name: ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
        for name, faults in reading.absent.items()
    }
    readable = {name: value for name, value in reading.given.items() if name not in absent}
    joined = _with_plugins(Variables)
    required = {name for name, field in joined.model_fields.items() if field.is_required()}
    values = dict(joined.model_validate(readable | dict.fromkeys(required & absent.keys(), _UNUSED)))
    try:
        values["idaas"], _ = reading.variables.sdk_configuration(clock, authenticates=False)
    except ConfigurationError as error:
        absent["idaas"] = error
    values |= {"services": reading.file.services, "issuers": reading.file.issuers, "absent": absent}
    made = _with_plugins(_CommandSettings).model_construct(**values)
    for name in absent:
        made.__dict__.pop(name, None)
    return made


class _CommandSettings(Settings):
    """Settings of which some are absent: reading one of those raises its `ConfigurationError`."""

    absent: dict[str, InstanceOf[ConfigurationError]] = Field(default={}, exclude=True, repr=False)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - called for what is absent alone
        error = self.__dict__.get("absent", {}).get(name)
        if error is None:
            raise AttributeError(name)
        raise error.again()


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading: the variables that are set, and what SERVICES_FILE declares."""

    variables: GivenVariables
    file: ServicesFile

    @classmethod
    def of(cls, environment: Mapping[str, str], unread: Set[str] = frozenset()) -> Self:
        """Raises `ConfigurationError` for NUL characters."""
        variables = GivenVariables.of(
            environment, _with_plugins(Variables), unread=unread, in_files=_IN_FILES
        )
        given = variables.given
        absent = variables.absent
        if "services_file" in absent:
            absent["services"] = absent["issuers"] = absent["services_file"]
        file = ServicesFile()
        if "services_file" in given and "services_file" not in absent:
            file, of_services = read_services_file(Path(given["services_file"]))
            if not any(group.learns_sums(given) for group in plugin_groups()):
                of_services += sum_faults(file.services)
            if BUILT_IN in file.services and "external_server_api_key_identifier" not in given:
                needed = "EXTERNAL_SERVER_API_KEY_IDENTIFIER"
                of_services.append(f"SERVICES_FILE: services.{BUILT_IN} needs {needed}")
            if of_services:
                absent["services"] = absent["issuers"] = of_services
        return cls(variables, file)

    @property
    def given(self) -> dict[str, str]:
        """The texts of the variables that are set, by their fields."""
        return self.variables.given

    @property
    def absent(self) -> Mapping[str, list[str]]:
        """The faults of fields that are missing or invalid, of `services` and `issuers` too."""
        return self.variables.absent
