"""`sandbox.toml`: users, applications, services, API keys and grants beside those that are built in.

Read from text and checked as a whole: every fault is reported, by its place. README.md has an example.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal
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
    Application,
    Claims,
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
    claims: dict[str, Any] = {}


class ClientTable(_Table):
    """`[clients.NAME]`: an application that calls as itself."""

    display_name: str | None = Field(None, min_length=1, max_length=64)
    permissions: list[str] = []
    secret_env: _Variable | None = None


class AgentTable(_Table):
    """`[agent]`."""

    permissions: list[_Word] = []


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
    agent: AgentTable = AgentTable()
    users: dict[_Name, UserTable] = {}
    clients: dict[_Name, ClientTable] = {}
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
BUILT_IN_CLIENTS = ("agent", "client")
AGENT_PERMISSION: Final = "agent.access"
CLAIMS_OF_IDAAS: Final = frozenset(
    {"iss", "sub", "aud", "scope", "iat", "exp", "nbf", "jti", "act", "client_id", "azp"}
)
"""Claims that no table can set: what the server says of each token."""
BUILT_IN_SERVICES = {
    "agent": (AGENT_AUDIENCE, (AGENT_PERMISSION,)),
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
    claims: Mapping[str, Claims] = field(default_factory=dict)
    """By the names of users, also of built-in ones."""
    clients: tuple[Application, ...] = ()
    """An application without a secret gets one that the sandbox generates."""
    agent_permissions: tuple[str, ...] = ()
    """That the agent's audience defines, beside `agent.access`."""
    services: tuple[EchoService, ...] = ()
    credentials: tuple[AddedCredential, ...] = ()
    machine: tuple[Grant, ...] = ()
    delegated: tuple[Grant, ...] = ()
    people: tuple[Grant, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    policy: Policy | None = None
    """Of the agent's execution role, in place of the one that allows it its access tokens."""


def parse_configuration(
    text: str, environment: Mapping[str, str] | None = None, *, base: str = ""
) -> Configuration:
    """The configuration that `text` (TOML) describes. Raises `ConfigurationFaultsError` with all faults.

    `environment` has the values of `value_env`, `password_env` and `secret_env`; with None they are not
    looked up. `base` is a valid file that `text` adds to: a table of `text` replaces that of the same name.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationFaultsError((f"not TOML: {error}",)) from None
    faults: list[str] = []
    faulty: set[str] = set()
    try:
        file = ConfigurationTable.model_validate(given)
    except ValidationError as error:
        faults = list(map(described, error.errors()))
        rest, faulty = _without_faults(given, [fault["loc"] for fault in error.errors()])
        try:
            file = ConfigurationTable.model_validate(rest)
        except ValidationError:
            raise ConfigurationFaultsError(tuple(faults)) from None
    if base:
        file = _added(ConfigurationTable.model_validate(tomllib.loads(base)), file)
    reader = _Reader(file, environment, faulty)
    configuration = reader.configuration()
    faults += reader.faults
    if faults:
        raise ConfigurationFaultsError(tuple(faults))
    return configuration


_NAMED_TABLES: Final = ("users", "clients", "services", "credentials")
_NO_GRANT: Final[Mapping[str, object]] = {"scope": f"agent|{AGENT_PERMISSION}", "to": ["agent"]}
"""In the place of a grant that cannot be read, so that the others keep their numbers."""


def _without_faults(
    given: Mapping[str, Any], places: Collection[tuple[int | str, ...]]
) -> tuple[dict[str, Any], set[str]]:
    """The file without what stands at `places`, in which further faults are found; and the tables that lost
    a member, as `services.shop`.
    """
    rest = deepcopy(dict(given))
    faulty: set[str] = set()
    for kind, *path in places:
        if kind == "grants" and path:
            rest[kind][path[0]] = dict(_NO_GRANT)
        elif kind in _NAMED_TABLES and path:
            faulty.add(f"{kind}.{path[0]}")
            _take_out(rest[str(kind)], *path)
        else:
            faulty.add(f"services.{kind}")  # of the permissions of `agent`
            rest.pop(str(kind), None)
    return rest, faulty


def _take_out(tables: dict[str, Any], name: str | int, *path: str | int) -> None:
    """Takes the member of a table that `path` begins with out of it; the whole table if that is wrong."""
    table = tables.get(str(name))
    if isinstance(table, dict) and path and path[0] != "[key]":
        table.pop(str(path[0]), None)
    else:
        tables.pop(str(name), None)


def _added(base: ConfigurationTable, file: ConfigurationTable) -> ConfigurationTable:
    """Both, where `file` replaces what `base` has of the same name, and what `base` grants of that."""

    def is_kept(scope: str) -> bool:
        return scope.partition("|")[0] not in file.services

    users = {
        name: user.model_copy(update={"permissions": list(filter(is_kept, user.permissions))})
        if user.permissions
        else user
        for name, user in base.users.items()
    }
    permissions = dict.fromkeys((*file.agent.permissions, *base.agent.permissions))
    joined = {
        "redirect_uris": [*file.redirect_uris, *base.redirect_uris],
        "agent": AgentTable(permissions=list(permissions)),
        "users": users | file.users,
        "clients": base.clients | file.clients,
        "services": base.services | file.services,
        "credentials": base.credentials | file.credentials,
        "grants": [*file.grants, *(grant for grant in base.grants if is_kept(grant.scope))],
    }
    return file.model_copy(update=joined)


def service_audience(name: str) -> str:
    """The audience of a service that names none."""
    return f"https://{name}.sandbox.example"


def subject_of(user: str) -> str:
    """The `sub` of a user's tokens."""
    return f"user_{user}01"


def client_id_of(client: str) -> str:
    """The client id of an application, which is the `sub` of its tokens."""
    return f"app_{client}01"


class _Reader:
    """Resolves names, and collects what does not fit together.

    `faulty` are tables whose faults are known: what refers to them is not judged.
    """

    def __init__(
        self, file: ConfigurationTable, environment: Mapping[str, str] | None, faulty: Collection[str] = ()
    ) -> None:
        self.faults: list[str] = []
        self._file = file
        self._environment = environment
        self._faulty = faulty
        self._users = {*BUILT_IN_USERS, *file.users}
        self._scopes = dict(BUILT_IN_SERVICES)
        audience, permissions = self._scopes["agent"]
        self._scopes["agent"] = audience, tuple(dict.fromkeys((*permissions, *file.agent.permissions)))
        for name, service in file.services.items():
            if service.api_key is None and service.jwt_provider is None and name not in BUILT_IN_SERVICES:
                self._scopes[name] = (service.audience or service_audience(name), tuple(service.permissions))

    def configuration(self) -> Configuration:
        claims = {name: self._claims(name, user.claims) for name, user in self._file.users.items()}
        users = tuple(
            self._user(name, user)
            for name, user in self._file.users.items()
            if not self._is_claims_of_built_in(name, user)
        )
        clients = tuple(self._client(name, client) for name, client in self._file.clients.items())
        services = tuple(self._service(name, service) for name, service in self._file.services.items())
        credentials = tuple(self._credential(name, c) for name, c in self._file.credentials.items())
        machine, delegated, people = self._grants()
        for i, uri in enumerate(self._file.redirect_uris):
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.hostname or "#" in uri:
                self.faults.append(f'redirect_uris[{i}]: must be an http or https URL without "#"')
        uris, role = tuple(self._file.redirect_uris), self._file.execution_role
        policy = Policy(statement=role.policy) if role else None
        return Configuration(
            users=users,
            claims={name: told for name, told in claims.items() if told},
            clients=clients,
            agent_permissions=tuple(self._file.agent.permissions),
            services=services,
            credentials=credentials,
            machine=machine,
            delegated=delegated,
            people=people,
            redirect_uris=uris,
            policy=policy,
        )

    @staticmethod
    def _is_claims_of_built_in(name: str, user: UserTable) -> bool:
        """Whether the table only adds claims to a user who is there already."""
        return name in BUILT_IN_USERS and user.model_fields_set == {"claims"}

    def _user(self, name: str, user: UserTable) -> User:
        if name in (*BUILT_IN_USERS, "agent"):
            text = "it may have claims here, and [[grants]] can give it permissions"
            self.faults.append(f'users.{name}: "{name}" is built in; {text}')
        password = self._variable(user.password_env, f"users.{name}.password_env")
        return User(name, subject_of(name), user.display_name or name.capitalize(), password or "")

    def _claims(self, name: str, claims: Mapping[str, Any]) -> Claims:
        """The claims of a user's tokens, whose `auth_time` stands for the time of the sign-in."""
        for claim, value in claims.items():
            place = f"users.{name}.claims.{claim}"
            if claim in CLAIMS_OF_IDAAS:
                self.faults.append(f"{place}: is IDaaS's own; no table can set it")
            elif claim == "auth_time" and value is not True:
                text = "must be true: the time of the sign-in; idaas-agent token --auth-time has others"
                self.faults.append(f"{place}: {text}")
            elif not _is_claim(value):
                self.faults.append(f"{place}: must be a text, a number, true, false or a list of texts")
        return dict(claims)

    def _client(self, name: str, client: ClientTable) -> Application:
        if name in BUILT_IN_CLIENTS:
            self.faults.append(f'clients.{name}: "{name}" is built in; choose another name')
        secret = self._variable(client.secret_env, f"clients.{name}.secret_env")
        title = client.display_name or name.capitalize()
        return Application(client_id_of(name), title, frozenset({"client_credentials"}), secret=secret)

    def _service(self, name: str, service: ServiceTable) -> EchoService:
        place = f"services.{name}"
        if name in BUILT_IN_SERVICES:
            self.faults.append(f'{place}: "{name}" is built in; choose another name')
        if service.api_key is not None:
            if service.audience or service.permissions or service.person or service.jwt_provider:
                self.faults.append(
                    f"{place}: api_key excludes audience, permissions, person and jwt_provider"
                )
            is_known = service.api_key in (*BUILT_IN_CREDENTIALS, *self._file.credentials)
            if not is_known and f"credentials.{service.api_key}" not in self._faulty:
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
        if not permissions and place not in self._faulty:
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
        for name, client in self._file.clients.items():
            for i, text in enumerate(client.permissions):
                if scope := self._scope(text, f"clients.{name}.permissions[{i}]"):
                    machine.append((client_id_of(name), *scope))
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
        if f"services.{service}" in self._faulty:
            return None
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
            elif f"users.{name}" not in self._faulty:
                known = ", ".join(("agent", *sorted(self._users)))
                self.faults.append(f'{place}[{i}]: "{name}" is unknown; known are {known}')

    def _variable(self, name: str | None, place: str) -> str | None:
        if name is None or self._environment is None:
            return None
        value = self._environment.get(name, "")
        if not re.fullmatch(r"[\x21-\x7e]{1,512}", value):
            self.faults.append(f"{place}: the variable {name} must be set, to printable ASCII without blanks")
        return value


def _is_claim(value: object) -> bool:
    """Whether the sandbox puts such a value into a token."""
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str | int | float)
