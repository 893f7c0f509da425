"""The settings of identity: its variables, and the SDK configuration that one of them names."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import Field, InstanceOf

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.idaas.client_authentication.role_credential import RequestHeaderRole
from identity.idaas.configuration import SdkConfiguration
from identity.settings.reading import GivenVariables, groups_of
from identity.settings.values import VariableGroup
from identity.settings.variables import (
    AuditVariables,
    CallerVariables,
    ClientVariables,
    RoleVariables,
    TlsVariables,
)

S = TypeVar("S", bound="IdentitySettings")


# In reverse, because pydantic takes the fields of the last base first.
class IdentityVariables(AuditVariables, TlsVariables, RoleVariables, ClientVariables, CallerVariables):
    """The variables of identity. A field's variable is its name in capitals."""


class IdentitySettings(IdentityVariables):
    """The variables of identity, and the SDK configuration."""

    idaas: InstanceOf[SdkConfiguration] = Field(exclude=True, repr=False)
    header_role: InstanceOf[RequestHeaderRole] | None = Field(None, exclude=True, repr=False)

    @property
    def jwks_url(self) -> str:
        """The address of the signing keys."""
        return self.jwks_endpoint or f"{self.idaas.issuer.rstrip('/')}/jwks"


def read_identity_settings(
    environment: Mapping[str, str],
    joined: type[VariableGroup],
    settings: type[S],
    *,
    clock: Callable[[], float] = time.time,
    in_files: tuple[str, ...] = (),
) -> S:
    """The `settings` of `environment`: the variables that `joined` joins, and the SDK configuration.

    `clock` dates what the agent presents to IDaaS. Of `in_files`, fields, a file may contain the value.
    Raises `ConfigurationError` with every fault at once, each by the variable's name; no value of a secret.
    """
    reading = GivenVariables.of(environment, joined, in_files=in_files)
    faults = reading.all_faults
    faults += [fault for group in groups_of(joined) for fault in group.place_faults(reading.given)]
    code = IdentityCode.SETTINGS_INVALID if faults else IdentityCode.SDK_CONFIG_UNREADABLE
    try:
        idaas, sources = reading.sdk_configuration(clock)
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(code, faults)
    header_role = sources.role if isinstance(sources.role, RequestHeaderRole) else None
    return settings.model_validate({**reading.given, "idaas": idaas, "header_role": header_role})
