"""The agent's settings: every environment variable, checked at once, by name.

`read_settings` is the only code of the product that reads the environment. `docs/configuration.md` is
generated from the texts below the fields of the groups.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx
from pydantic import Field, InstanceOf, ValidationError

from agent.errors.error_codes import AgentCode
from agent.settings.authentication_sources import authentication_sources
from agent.settings.quotation_marks import quotation_mark_faults, without_quotation_marks
from agent.settings.values import VariableGroup, holds, secret_in_file
from agent.settings.variables.conversations import ConversationVariables
from agent.settings.variables.identity import CallerVariables, ClientVariables, RoleVariables
from agent.settings.variables.model import ModelVariables
from agent.settings.variables.observation import OtelVariables, RecordVariables, TelemetryVariables
from agent.settings.variables.policy import PolicyVariables
from agent.settings.variables.revocation import RevocationVariables
from agent.settings.variables.server import LimitVariables, ServerVariables
from agent.settings.variables.services import ServiceVariables
from http1.proxy import environment_proxies
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.role_credential import RequestHeaderRole
from identity.idaas.configuration import DEFAULT_PATH, SdkConfiguration, read_sdk_configuration
from tools.service_declarations import FileDeclaration
from tools.services_file import BUILT_IN, read_services_file, sum_faults

TOKEN_VARIABLE: Final = "IDAAS_AGENT_ACCESS_TOKEN"  # noqa: S105 - a variable's name
"""The variable of a user's access token, for commands that act as a user. The agent does not read it."""

_IN_FILES: Final = ("conversations_url", "redis_url")
"""Variables with a password, which a file may contain in their place."""
_UNUSED: Final = "unused"
"""In place of a required variable that is missing, while the others are validated."""
_MAX_SHOWN: Final = 40
_KINDS: Final = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


# In reverse, because pydantic takes the fields of the last base first.
class Variables(
    OtelVariables,
    TelemetryVariables,
    RecordVariables,
    RevocationVariables,
    ConversationVariables,
    LimitVariables,
    ServerVariables,
    PolicyVariables,
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

    @property
    def own_code(self) -> Path:
        """Where files with own code are: the folder of SERVICES_FILE, or the working directory."""
        return self.services_file.parent if self.services_file else Path()


def variable_groups() -> list[type[VariableGroup]]:
    """The groups of variables, as docs/configuration.md has them."""
    return [each for each in reversed(Variables.__mro__) if vars(each).get("heading")]


def variables() -> dict[str, object]:
    """Every variable that `read_settings` knows: name → default; `...` if it must be set."""
    return {
        name.upper(): ... if field.is_required() else field.default
        for group in variable_groups()
        for name, field in group.model_fields.items()
    }


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
    faults = [*reading.all_faults]
    if serves:
        faults += [fault for group in variable_groups() for fault in group.place_faults(reading.given)]
    code = AgentCode.SETTINGS_INVALID if faults else IdentityCode.SDK_CONFIG_UNREADABLE
    sources = authentication_sources(reading.given, _bundle(reading.given), clock)
    try:
        idaas = read_sdk_configuration(
            reading.sdk_file, reading.environment, clock=clock, sources=sources, authenticates=serves
        )
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(code, faults)
    header_role = sources.role if isinstance(sources.role, RequestHeaderRole) else None
    others = {"idaas": idaas, "services": reading.services, "header_role": header_role}
    return Settings.model_validate(reading.given | others)


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
    if reading.faults:
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, reading.faults)
    absent = {
        name: ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
        for name, faults in reading.absent.items()
    }
    given = {name: value for name, value in reading.given.items() if name not in absent}
    required = {name for name, field in Variables.model_fields.items() if field.is_required()}
    values = dict(Variables.model_validate(given | dict.fromkeys(required & absent.keys(), _UNUSED)))
    sources = authentication_sources(reading.given, _bundle(reading.given), clock)
    try:
        values["idaas"] = read_sdk_configuration(
            reading.sdk_file, reading.environment, clock=clock, sources=sources, authenticates=False
        )
    except ConfigurationError as error:
        absent["idaas"] = error
    made = _CommandSettings.model_construct(**values, services=reading.services, absent=absent)
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
    """What was read: `given` are the variables that are set, by their fields."""

    environment: Mapping[str, str]
    given: dict[str, str]
    services: dict[str, FileDeclaration]
    absent: Mapping[str, list[str]]
    """The faults of fields that are missing or invalid, of `services` too."""
    faults: list[str]
    """All others."""

    @classmethod
    def of(cls, environment: Mapping[str, str], unread: Set[str] = frozenset()) -> Self:
        """Raises `ConfigurationError` for NUL characters."""
        if unusable := [name for name, value in environment.items() if "\0" in f"{name}{value}"]:
            faults = [f"{name} must not contain a NUL character" for name in unusable]
            raise ConfigurationError(AgentCode.SETTINGS_INVALID, faults)
        faults = quotation_mark_faults(environment, variables())
        environment = without_quotation_marks(environment)
        texts = {name.lower(): environment.get(name, "").strip() for name in variables()}
        given = {name: text for name, text in texts.items() if text and name not in unread}
        for name in _IN_FILES:
            with contextlib.suppress(KeyError, ValueError):  # `Variables` reports the file
                given[name] = secret_in_file(given[f"{name}_file"]).reveal()
        absent = _absent(given, unread)
        try:
            environment_proxies(httpx)
        except ValueError as error:
            faults.append(str(error))
        faults += [fault for group in variable_groups() for fault in group.combination_faults(given)]
        services: dict[str, FileDeclaration] = {}
        if "services_file" in given and "services_file" not in absent:
            services, of_services = read_services_file(Path(given["services_file"]))
            if "policy_url" not in given:
                of_services += sum_faults(services)
            if BUILT_IN in services and "external_server_api_key_identifier" not in given:
                needed = "EXTERNAL_SERVER_API_KEY_IDENTIFIER"
                of_services.append(f"SERVICES_FILE: services.{BUILT_IN} needs {needed}")
            if of_services:
                absent["services"] = of_services
        return cls(environment, given, services, absent, faults)

    @property
    def sdk_file(self) -> Path:
        return Path(self.given.get("cloud_idaas_config_path", DEFAULT_PATH))

    @property
    def all_faults(self) -> list[str]:
        of_fields = (fault for faults in self.absent.values() for fault in faults)
        return [*dict.fromkeys(of_fields), *self.faults]


def _absent(given: Mapping[str, str], unread: Set[str]) -> dict[str, list[str]]:
    """The faults of fields that are missing or invalid. Those of `unread` are neither."""
    absent: dict[str, list[str]] = {}
    for group in variable_groups():
        for name, fault in group.missing_faults({**dict.fromkeys(unread, ""), **given}).items():
            absent[name] = [fault]
    try:
        Variables.model_validate(given)
    except ValidationError as error:
        absent |= {name: faults for name, faults in variable_faults(error).items() if name not in absent}
    for name in _IN_FILES:
        if f"{name}_file" in absent:
            absent[name] = absent[f"{name}_file"]
    if "services_file" in absent:
        absent["services"] = absent["services_file"]
    return absent


def _bundle(given: Mapping[str, str]) -> str | None:
    """`SSL_CERT_FILE`, if it is there; that it is not is a fault of its own."""
    path = given.get("ssl_cert_file")
    return path if path and holds(Path(path).is_file) else None


def variable_faults(error: ValidationError) -> dict[str, list[str]]:
    """Every fault of the variables, by their fields: the variable's name, the expected value, the found one.

    It repeats the value of a number, a boolean or an enumeration only, never a value that may contain a
    secret, such as an address with a password.
    """
    faults: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False):
        faults.setdefault(str(fault["loc"][0]), []).append(_fault(fault))
    return faults


def _fault(fault: Mapping[str, Any]) -> str:
    name = ".".join(str(step) for step in fault["loc"][:1]).upper()
    kind, context, found = fault["type"], fault.get("ctx", {}), _shown(fault.get("input"))
    if kind == "missing":
        return f"{name} must be set"
    if kind == "value_error":
        return f"{name} {str(fault['msg']).removeprefix('Value error, ')}".strip()
    if kind in _KINDS:
        return f"{name} must be {_KINDS[kind].format_map(context)}, found {found}"
    if kind == "string_pattern_mismatch":
        return f"{name} must be one word, without spaces"
    return f"{name} has a value that cannot be used"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
