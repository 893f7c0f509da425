"""`sandbox.toml`: users, services, API keys, grants and redirect URIs beside those that are built in.

Read from text and checked as a whole: every fault is reported, by its place. README.md has an example.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sandbox.ram import Policy, Statement
from sandbox.state.directory import (
    AGENT,
    AGENT_AUDIENCE,
    ENTERPRISE_AUDIENCE,
    LEAVE_AUDIENCE,
    LEAVE_PERMISSIONS,
    PAM_AUDIENCE,
    PAM_PERMISSIONS,
    Grant,
    User,
)
from sandbox.state.jwt_providers import SERVICE_JWT

AccessIdentity = Literal["Machine", "Human"]

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[^\s|\"]{1,128}$")]
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Placement = Annotated[
    str, StringConstraints(pattern=r"^(?:Bearer|header:[A-Za-z0-9-]{1,64}|query:[A-Za-z0-9_.-]{1,64})$")
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UserTable(_Table):
    """`[users.NAME]`."""

    display_name: str | None = Field(None, min_length=1, max_length=64)
    permissions: list[str] = []
    password_env: _Variable | None = None


class ServiceTable(_Table):
    """`[services.NAME]`."""

    audience: _Word | None = None
    permissions: list[_Word] = []
    person: bool = False
    api_key: _Name | None = None
    jwt_provider: _Name | None = None
    placement: _Placement = "Bearer"


class CredentialTable(_Table):
    """`[credentials.IDENTIFIER]`."""

    value_env: _Variable | None = None
    readers: list[str] | None = None


class GrantTable(_Table):
    """One of `[[grants]]`."""

    scope: str
    to: list[str] = Field(min_length=1)
    access_identity: AccessIdentity | None = None


class ExecutionRoleTable(_Table):
    """`[execution_role]`."""

    policy: list[Statement]


class ConfigurationTable(_Table):
    """The whole file."""

    redirect_uris: list[str] = []
    users: dict[_Name, UserTable] = {}
    services: dict[_Name, ServiceTable] = {}
    credentials: dict[_Name, CredentialTable] = {}
    grants: list[GrantTable] = []
    execution_role: ExecutionRoleTable | None = None


def described(fault: Mapping[str, object]) -> str:
    """A fault of pydantic with its place as TOML names it; never the value."""
    place = ""
    located = fault["loc"]
    for step in located if isinstance(located, tuple) else ():
        if step != "[key]":
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    kind, text = str(fault["type"]), str(fault["msg"])
    if kind == "extra_forbidden":
        text = "is unknown"
    elif kind == "string_pattern_mismatch":
        context = fault.get("ctx")
        text = f"must match {context['pattern'] if isinstance(context, dict) else ''}"
    elif kind == "missing":
        text = "is missing"
    return f"{place}: {text[:1].lower()}{text[1:]}"


BUILT_IN_USERS = ("alice", "bob")
BUILT_IN_SERVICES = {
    "agent": (AGENT_AUDIENCE, ("agent.access",)),
    "enterprise": (ENTERPRISE_AUDIENCE, ("service.invoke",)),
    "leave": (LEAVE_AUDIENCE, LEAVE_PERMISSIONS),
    "pam": (PAM_AUDIENCE, PAM_PERMISSIONS),
}
BUILT_IN_JWT_PROVIDERS = (SERVICE_JWT,)
BUILT_IN_CREDENTIALS = ("llm_api_key", "amap_api_key")


class ConfigurationFaultsError(Exception):
    """The file is wrong. `faults` names each place and what is expected there."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class EchoService:
    """A service that shows what it received.

    With `jwt_provider` it wants a JWT of that provider for `audience`, with `api_key` the key of that
    identifier, else an access token for `audience` with one of `permissions`. `placement` is `Bearer`,
    `header:NAME` or `query:NAME`. `person`: an agent's own token is refused.
    """

    name: str
    audience: str | None
    permissions: tuple[str, ...]
    api_key: str | None
    placement: str
    person: bool = False
    jwt_provider: str | None = None


@dataclass(frozen=True, slots=True)
class AddedCredential:
    """An API key. `value` is None if the sandbox is to generate it; no `readers` means everyone."""

    identifier: str
    value: str | None = field(repr=False)
    readers: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is added to the built-in cloud. Grants name holders by client id or subject."""

    users: tuple[User, ...] = ()
    """A user without a password gets one that the sandbox generates."""
    services: tuple[EchoService, ...] = ()
    credentials: tuple[AddedCredential, ...] = ()
    machine: tuple[Grant, ...] = ()
    delegated: tuple[Grant, ...] = ()
    people: tuple[Grant, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    policy: Policy | None = None
    """Of the agent's execution role, in place of the one that allows it its access tokens."""


def parse_configuration(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """The configuration that `text` (TOML) describes. Raises `ConfigurationFaultsError` with all faults.

    `environment` has the values of `value_env` and `password_env`; with None they are not looked up.
    """
    try:
        file = ConfigurationTable.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationFaultsError((f"not TOML: {error}",)) from None
    except ValidationError as error:
        raise ConfigurationFaultsError(tuple(map(described, error.errors()))) from None
    reader = _Reader(file, environment)
    configuration = reader.configuration()
    if reader.faults:
        raise ConfigurationFaultsError(tuple(reader.faults))
    return configuration


def service_audience(name: str) -> str:
    """The audience of a service that names none."""
    return f"https://{name}.sandbox.example"


def subject_of(user: str) -> str:
    """The `sub` of a user's tokens."""
    return f"user_{user}01"


class _Reader:
    """Resolves names, and collects what does not fit together."""

    def __init__(self, file: ConfigurationTable, environment: Mapping[str, str] | None) -> None:
        self.faults: list[str] = []
        self._file = file
        self._environment = environment
        self._users = {*BUILT_IN_USERS, *file.users}
        self._scopes = dict(BUILT_IN_SERVICES)
        for name, service in file.services.items():
            if service.api_key is None and service.jwt_provider is None and name not in BUILT_IN_SERVICES:
                self._scopes[name] = (service.audience or service_audience(name), tuple(service.permissions))

    def configuration(self) -> Configuration:
        users = tuple(self._user(name, user) for name, user in self._file.users.items())
        services = tuple(self._service(name, service) for name, service in self._file.services.items())
        credentials = tuple(self._credential(name, c) for name, c in self._file.credentials.items())
        machine, delegated, people = self._grants()
        for i, uri in enumerate(self._file.redirect_uris):
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.hostname or "#" in uri:
                self.faults.append(f'redirect_uris[{i}]: must be an http or https URL without "#"')
        uris, role = tuple(self._file.redirect_uris), self._file.execution_role
        policy = Policy(statement=role.policy) if role else None
        return Configuration(users, services, credentials, machine, delegated, people, uris, policy)

    def _user(self, name: str, user: UserTable) -> User:
        if name in (*BUILT_IN_USERS, "agent"):
            self.faults.append(f'users.{name}: "{name}" is built in; [[grants]] can give it permissions')
        password = self._variable(user.password_env, f"users.{name}.password_env")
        return User(name, subject_of(name), user.display_name or name.capitalize(), password or "")

    def _service(self, name: str, service: ServiceTable) -> EchoService:
        place = f"services.{name}"
        if name in BUILT_IN_SERVICES:
            self.faults.append(f'{place}: "{name}" is built in; choose another name')
        if service.api_key is not None:
            if service.audience or service.permissions or service.person or service.jwt_provider:
                self.faults.append(
                    f"{place}: api_key excludes audience, permissions, person and jwt_provider"
                )
            if service.api_key not in (*BUILT_IN_CREDENTIALS, *self._file.credentials):
                self.faults.append(f'{place}.api_key: credential "{service.api_key}" is unknown')
            return EchoService(name, None, (), service.api_key, service.placement)
        if service.jwt_provider is not None:
            if service.permissions or service.person:
                self.faults.append(f"{place}: jwt_provider excludes permissions and person")
            if service.jwt_provider not in BUILT_IN_JWT_PROVIDERS:
                self.faults.append(f'{place}.jwt_provider: provider "{service.jwt_provider}" is unknown')
            audience = service.audience or service_audience(name)
            provider = service.jwt_provider
            return EchoService(name, audience, (), None, service.placement, jwt_provider=provider)
        audience, permissions = service.audience or service_audience(name), tuple(service.permissions)
        if not permissions:
            self.faults.append(f"{place}: must have permissions, an api_key or a jwt_provider")
        others = [other for other in self._scopes if other != name and self._scopes[other][0] == audience]
        if others:
            self.faults.append(f'{place}.audience: "{audience}" is the audience of "{others[0]}" too')
        return EchoService(name, audience, permissions, None, service.placement, service.person)

    def _credential(self, identifier: str, credential: CredentialTable) -> AddedCredential:
        place = f"credentials.{identifier}"
        if identifier in BUILT_IN_CREDENTIALS:
            self.faults.append(f'{place}: "{identifier}" is built in; choose another identifier')
        value = self._variable(credential.value_env, f"{place}.value_env")
        readers = credential.readers
        holders = None if readers is None else tuple(self._holders(readers, f"{place}.readers"))
        return AddedCredential(identifier, value, holders)

    def _grants(self) -> tuple[tuple[Grant, ...], tuple[Grant, ...], tuple[Grant, ...]]:
        machine: list[Grant] = []
        delegated: list[Grant] = []
        people: list[Grant] = []
        for name, user in self._file.users.items():
            people.append((subject_of(name), AGENT_AUDIENCE, "agent.access"))
            people += [(subject_of(name), PAM_AUDIENCE, permission) for permission in PAM_PERMISSIONS]
            for i, text in enumerate(user.permissions):
                if scope := self._scope(text, f"users.{name}.permissions[{i}]"):
                    people.append((subject_of(name), *scope))
        for i, grant in enumerate(self._file.grants):
            holders = list(self._holders(grant.to, f"grants[{i}].to"))
            scope = self._scope(grant.scope, f"grants[{i}].scope")
            if grant.access_identity and AGENT not in holders:
                self.faults.append(f'grants[{i}].access_identity: is for the agent; "to" must name it')
            for holder in holders if scope else ():
                if holder != AGENT:
                    people.append((holder, *(scope or ("", ""))))
                    continue
                if grant.access_identity != "Human":
                    machine.append((AGENT, *(scope or ("", ""))))
                if grant.access_identity != "Machine":
                    delegated.append((AGENT, *(scope or ("", ""))))
        return tuple(machine), tuple(delegated), tuple(people)

    def _scope(self, text: str, place: str) -> tuple[str, str] | None:
        """Audience and permission of `service|permission` or `audience|permission`."""
        service, bar, permission = text.rpartition("|")
        known = {audience: (audience, permissions) for audience, permissions in self._scopes.values()}
        found = self._scopes.get(service) or known.get(service)
        if not bar:
            self.faults.append(f'{place}: must be "service|permission", found "{text}"')
        elif found is None:
            names = ", ".join(self._scopes)
            self.faults.append(f'{place}: service "{service}" is unknown; known are {names}')
        elif permission not in found[1]:
            names = ", ".join(found[1])
            self.faults.append(f'{place}: "{service}" has no permission "{permission}"; it has {names}')
        else:
            return found[0], permission
        return None

    def _holders(self, names: list[str], place: str) -> Iterator[str]:
        for i, name in enumerate(names):
            if name == "agent":
                yield AGENT
            elif name in self._users:
                yield subject_of(name)
            else:
                known = ", ".join(("agent", *sorted(self._users)))
                self.faults.append(f'{place}[{i}]: "{name}" is unknown; known are {known}')

    def _variable(self, name: str | None, place: str) -> str | None:
        if name is None or self._environment is None:
            return None
        value = self._environment.get(name, "")
        if not re.fullmatch(r"[\x21-\x7e]{1,512}", value):
            self.faults.append(f"{place}: the variable {name} must be set, to printable ASCII without blanks")
        return value
