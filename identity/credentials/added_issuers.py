"""Issuers that operators add beside IDaaS, such as a vault or another STS, and who calls them for the broker.

What the broker does for IDaaS's credentials it does for theirs: caching, one request for all who wait,
renewal ahead of the end, records, revocation, the error tree.
"""

import asyncio
import logging
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final, Generic, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import CredentialIssuer, IssuedCredential
from identity.credentials.requirement import CredentialRequirement, IssuerRequirement
from identity.error_codes import IdentityCode
from identity.errors import (
    AgentError,
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.observation.failure import place_of
from identity.principal import AccessIdentity, Caller
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret

_LOG: Final = logging.getLogger("idaas_agent.credentials")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,16384}")  # it is sent in a header or a query
_MOST_DETAIL: Final = 300

T = TypeVar("T")
W = TypeVar("W", bound=BaseModel)


class NoSettings(BaseModel):
    """The settings of an issuer that has none."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class IssueRequest(Generic[W]):
    """One credential that an issuer is asked for."""

    wanted: W
    """What the service declares, as the issuer's model `Wanted`."""
    caller: Caller | None
    """The user who gets it, verified; `None` under Machine identity: then it is the agent's."""
    user_token: Secret | None = None
    """The access token of `caller`, if the operator has declared that the issuer receives it."""
    login: Secret | None = None
    """What `Issuer.login` returned for the same holder, if the issuer has a login."""


class Issuer(ABC, Generic[W]):
    """Issues credentials for the broker, each with as few requests as it takes. It caches nothing.

    The broker calls it once for all who wait, keeps the credential for its holder alone (`request.caller`, or
    the agent), and calls it again ahead of the end. `Settings` and `Wanted` are pydantic models: of its own
    table in the file of services, and of what a service asks it for. A name that the model does not have is a
    fault. Values that are kept in memory and are secret belong into a `Secret`.

    `issue`, `login` and `check` raise `refused(…)` or `unreachable(…)`; another exception counts as
    unreachable, and its text is not shown, because it may contain anything.
    """

    Settings: ClassVar[type[BaseModel]] = NoSettings
    Wanted: ClassVar[type[BaseModel]] = NoSettings
    needs_user_token: ClassVar[bool] = False
    """Whether it cannot work without the access token of the user: then the operator must declare it."""

    def __init__(self, settings: Any, *, http: httpx.AsyncClient, clock: Callable[[], float]) -> None:  # noqa: ANN401 - of `Settings`
        """`settings` is an instance of `Settings`. `http` trusts what the agent trusts, follows no redirect,
        keeps no cookie, and is closed by the agent. `clock` is in unix seconds.
        """
        self.settings: Final = settings
        self.http: Final = http
        self.clock: Final = clock

    @abstractmethod
    async def issue(self, request: IssueRequest[W]) -> IssuedCredential:
        """The credential, and when it ends, in unix seconds; `None`: it does not end, so it is read again
        after ten minutes.
        """

    async def login(self, caller: Caller | None, user_token: Secret | None) -> IssuedCredential:
        """The credential that `issue` presents to the system behind the issuer, such as the token of a vault.
        An issuer without a login does not define it. It is kept for its holder as a credential is, and
        obtained first.
        """
        raise NotImplementedError

    async def check(self) -> str | None:
        """For `idaas-agent doctor`, without a caller: what was found to be right, as a text, or `None`."""

    async def aclose(self) -> None:
        """Closes what it has opened itself."""


def refused(detail: str, *, login: bool = False) -> CredentialError:
    """The error to raise if the credential is not given: asking again does not help. `detail` is for
    operators, without a secret. `login`: the login was refused, and a new one may help.
    """
    kind = PrerequisiteRefusedError if login else RequirementRefusedError
    return kind(IdentityCode.ISSUER_REFUSED, detail)


def unreachable(detail: str, *, retry_after: float | None = None) -> UnreachableError:
    """The error to raise if there is no usable response: a later request may succeed. What was issued before
    stays in use until its end. `detail` is for operators, without a secret.
    """
    return UnreachableError(IdentityCode.ISSUER_UNREACHABLE, detail, retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class AddedIssuer:
    """An issuer, and what its operator declares: whether it receives users' tokens, and its time."""

    issuer: Issuer[Any]
    user_token: bool = False
    seconds: float = 10.0
    declaration: object = None
    """By what it was made: two of one name are the same if these are equal."""

    @property
    def has_login(self) -> bool:
        """Whether it defines one."""
        return type(self.issuer).login is not Issuer.login

    def wanted(self, requirement: IssuerRequirement) -> BaseModel:
        """The request that `requirement` makes. Raises `ValueError` with each fault, by its name."""
        return checked(self.issuer.Wanted, dict(requirement.settings))


@dataclass(eq=False, repr=False, slots=True)
class AddedIssuers:
    """A `CredentialIssuer`: asks the issuers that were added for what they issue, and `others` for the rest.

    Guaranteed: an issuer receives a user's token only if its operator has declared it, and never under
    Machine identity; an error has a code of issuers, whatever the issuer raises, and no text that contains
    the user's token or the login; a credential that cannot be sent or has ended is none.
    """

    others: CredentialIssuer
    clock: Callable[[], float] = time.time
    _added: dict[str, AddedIssuer] = field(init=False, default_factory=dict)

    def add(self, name: str, added: AddedIssuer) -> None:
        """Adds one. Raises `ValueError` if there is another one of this name."""
        if name in self._added:
            raise ValueError(f'there is another issuer "{name}"')
        self._added[name] = added

    def declaration(self, name: str) -> object:
        """That of the one with this name."""
        return self._added[name].declaration

    @property
    def names(self) -> list[str]:
        """The names of those that were added."""
        return sorted(self._added)

    def fault(self, requirement: IssuerRequirement) -> str | None:
        """Why `requirement` cannot be fulfilled, whoever asks; `None` if it may be."""
        added = self._added.get(requirement.issuer)
        if added is None:
            there = ", ".join(self.names) or "none"
            return f'there is no issuer "{requirement.issuer}"; there are: {there}'
        if requirement.login:
            return "a service requires no login"
        try:
            added.wanted(requirement)
        except ValueError as error:
            return str(error)
        return None

    async def check(self, name: str) -> str | None:
        """A line about what the issuer finds to be right. Raises `AgentError` with a code of issuers."""
        added = self._added[name]
        return await _bounded(name, added, added.issuer.check, ())

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        """The login of the issuer, if it has one."""
        if not isinstance(requirement, IssuerRequirement):
            return self.others.prerequisite(requirement)
        added = self._added.get(requirement.issuer)
        if requirement.login or added is None or not added.has_login:
            return None
        return IssuerRequirement(requirement.issuer, login=True)

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        """See `CredentialIssuer`."""
        if not isinstance(requirement, IssuerRequirement):
            return await self.others.issue(requirement, access_identity, caller, prerequisite)
        name = requirement.issuer
        added = self._added.get(name)
        if added is None:
            raise RequirementRefusedError(IdentityCode.ISSUER_REFUSED, f'there is no issuer "{name}"')
        user = caller if access_identity is AccessIdentity.HUMAN else None
        person = None if user is None else user.caller
        user_token = user.token if user is not None and added.user_token else None
        if requirement.login:
            issuing = partial(added.issuer.login, person, user_token)
        else:
            try:
                wanted = added.wanted(requirement)
            except ValueError as error:
                raise refused(f'issuer "{name}": {error}') from None
            request = IssueRequest(wanted, person, user_token, prerequisite)
            issuing = partial(added.issuer.issue, request)
        secrets = [secret for secret in (user_token, prerequisite) if secret is not None]
        issued = await _bounded(name, added, issuing, secrets)
        if fault := self._fault_of(issued):
            raise unreachable(f'issuer "{name}": {fault}')
        return issued

    async def aclose(self) -> None:
        """Closes each of them. One that fails, or takes longer than its time, is a line in the log."""
        for name, added in self._added.items():
            try:
                await _bounded(name, added, added.issuer.aclose, ())
            except AgentError as error:
                _LOG.warning("not closed: %s", error.detail)

    def _fault_of(self, issued: object) -> str | None:
        if not isinstance(issued, IssuedCredential) or not isinstance(issued.secret, Secret):
            return "it must return an IssuedCredential with a Secret"
        if not _VISIBLE.fullmatch(issued.secret.reveal()):
            return "a credential must consist of 1 to 16384 visible ASCII characters"
        end = issued.expires_at
        if end is None:
            return None
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            return "the end of a credential must be a time in unix seconds"
        return "the credential must end in the future" if end <= self.clock() else None


async def _bounded(
    name: str, added: AddedIssuer, issuing: Callable[[], Awaitable[T]], secrets: Iterable[Secret]
) -> T:
    """The result, within the time of the issuer. Raises its failure as an error of the tree."""
    about = f'issuer "{name}"'
    try:
        async with asyncio.timeout(added.seconds):
            return await issuing()
    except AgentError as error:
        failure = error
    except TimeoutError:
        raise unreachable(f"{about}: no response within {added.seconds:g} s") from None
    except Exception as error:  # noqa: BLE001 - code of others raises anything
        raise unreachable(f"{about}: raised {type(error).__name__} at {place_of(error)}") from None
    detail = redact(failure.detail, secrets)[:_MOST_DETAIL]
    if isinstance(failure, CredentialError):
        raise refused(f"{about}: {detail}", login=isinstance(failure, PrerequisiteRefusedError)) from None
    raise unreachable(f"{about}: {detail}", retry_after=failure.retry_after) from None


def checked(model: type[W], members: Mapping[str, object]) -> W:
    """An instance of `model`. Raises `ValueError` with each fault, by its name and without a value."""
    fields = model.model_fields
    accepted = {*fields, *(entry.alias for entry in fields.values() if entry.alias)}
    faults = [f"{name} is unknown" for name in members if name not in accepted]
    try:
        made = model.model_validate({name: members[name] for name in members if name in accepted})
    except ValidationError as error:
        faults += [_fault(fault) for fault in error.errors(include_url=False, include_input=False)]
    else:
        if not faults:
            return made
    raise ValueError("; ".join(faults)) from None


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    place = ".".join(map(str, fault["loc"])) or "the table"
    if fault["type"] == "missing":
        return f"{place} must be set"
    text = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {text[:1].lower()}{text[1:]}"
