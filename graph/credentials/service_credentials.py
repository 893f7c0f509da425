"""The credentials of services for one verified caller: from the state while they are valid, else obtained."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final

from graph.credentials.run_credentials import InState, RunCredentials, UnavailableCredential, in_state
from graph.error_codes import MODEL, error_of_node
from graph.state import AgentState
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement, Credential, CredentialRequirement
from identity.errors import CredentialError, UnreachableError
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret
from tools.service import Service
from tools.service_name import service_of

_SKEW_SECONDS: Final = 30.0
"""A credential of the state is obtained again this long before it expires. The source decides finally."""


@dataclass(frozen=True, slots=True)
class ServiceRequirement:
    """The credential that a service requires, and the identity under which it is obtained."""

    credential: CredentialRequirement
    access_identity: AccessIdentity


def requirements(
    services: Iterable[Service],
    default_identity: AccessIdentity,
    llm_api_key: ApiKeyRequirement | Secret | None = None,
) -> dict[str, ServiceRequirement]:
    """The requirements of the model and the services, by the names of their nodes, the model first.

    A service that declares no access identity has `default_identity`, as has the model. A model with a static
    key, and services without a credential, require nothing.
    """
    required: dict[str, ServiceRequirement] = {}
    if isinstance(llm_api_key, ApiKeyRequirement):
        required[MODEL] = ServiceRequirement(llm_api_key, default_identity)
    for service in services:
        if service.credential is not None:
            identity = service.access_identity or default_identity
            required[service.name] = ServiceRequirement(service.credential, identity)
    return required


def access_identity_of(requirements: Mapping[str, ServiceRequirement], service: str) -> AccessIdentity | None:
    """The identity whose rights calls of a service use; `None`: the service has no credential."""
    requirement = requirements.get(service)
    return None if requirement is None else requirement.access_identity


@dataclass(slots=True)
class ServiceCredential:
    """One caller's credential for one service, for one node of one run (`tools.service.Access`). `name` is
    the node's; errors have the name of its service. `stored` is what the state has.

    Machine identity needs no `token` of a caller. Unless its `maker` `renews`, `cached` starts no request.
    """

    name: str
    requirement: ServiceRequirement | None
    token: VerifiedAccessToken | None
    stored: InState
    maker: "ServiceCredentials"
    obtained: list[Secret] = field(default_factory=list)
    """The secrets that were obtained in this node, also for its stepped-up accesses."""
    renewed: Credential | None = field(init=False, default=None)
    """The credential that this node obtained, for the state."""
    update: RunCredentials | None = field(init=False, default=None)
    """The update of the state by this node: the credential that it obtained, or that there is none now. A
    source that did not respond is not asked again in the run: it has been asked as often as one run may.
    """

    @property
    def caller(self) -> Caller | None:
        return self.token.caller if self.token else None

    async def credential(self) -> Credential:
        """The credential of the service. Raises `CredentialError` or `UnreachableError`."""
        credential = self.stored
        if isinstance(credential, UnavailableCredential):
            raise credential.error.of(service_of(self.name))
        if isinstance(credential, Credential) and self._is_valid(credential):
            return credential
        return await self._obtain()

    def cached(self) -> Credential | None:
        """The credential if no request is needed for it."""
        if isinstance(self.stored, Credential) and self._is_valid(self.stored):
            return self.stored
        required = self.requirement
        if required is None or (self.token is None and required.access_identity is AccessIdentity.HUMAN):
            return None
        return self.maker.source.cached(
            required.credential, required.access_identity, self.token, renews=self.maker.renews
        )

    def known(self) -> InState:
        """The credential, or why there is none, if no request is needed to know; else `None`."""
        return self.stored if isinstance(self.stored, UnavailableCredential) else self.cached()

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:
        """See `Access`. Obtained once for all calls of the node that were refused.

        Raises `CredentialError` or `UnreachableError`.
        """
        newer = self.stored
        if isinstance(newer, Credential) and self._is_valid(newer) and not _are_equal(newer, refused):
            return newer
        self.maker.source.invalidate(refused, self.token, withdrawn=not forbidden)
        fresh = await self._obtain()
        return refused if _are_equal(fresh, refused) else fresh

    async def lent(self, **call: str | None) -> Credential:
        """See `Access`. `call` are further members of the record."""
        lent = await self.credential()
        call["service"] = service_of(self.name)
        taken = self.maker.source.audit.call(
            AuditedAction.CREDENTIAL_LENT, lent.requirement, lent.access_identity, self.token, **call
        )
        await taken.ended(AuditOutcome.SUCCEEDED)
        return lent

    def stepped_up(self, requirement: CredentialRequirement) -> "ServiceCredential":
        """See `Access`. The state keeps the credential that the service declares."""
        return replace(self, requirement=replace(self._declared(), credential=requirement), stored=None)

    async def _obtain(self) -> Credential:
        declared = self._declared()
        obtaining = self.maker.source.obtain(declared.credential, declared.access_identity, self.token)
        try:
            self.stored = self.renewed = obtained = await obtaining
        except (CredentialError, UnreachableError) as error:
            failure = error_of_node(error, self.name)
            lost = UnavailableCredential(failure.again()) if isinstance(error, UnreachableError) else None
            self.stored = self.renewed = None
            self.update = RunCredentials({self.name: lost})
            raise failure from None
        self.update = RunCredentials({self.name: obtained})
        self.obtained.extend(obtained.secrets)
        return obtained

    def _declared(self) -> ServiceRequirement:
        if self.requirement is None:
            raise LookupError("the service declares no credential")
        return self.requirement

    def _is_valid(self, credential: Credential) -> bool:
        """Whether a credential of the state fulfils the requirement, for this caller, and is not expiring."""
        return (
            self.requirement is not None
            and credential.requirement == self.requirement.credential
            and credential.access_identity == self.requirement.access_identity
            and credential.principal == self._principal()
            and credential.expires_at - _SKEW_SECONDS > self.maker.clock()
        )

    def _principal(self) -> Principal | None:
        human = self.requirement and self.requirement.access_identity is AccessIdentity.HUMAN
        return self.token.principal if human and self.token else None


def _are_equal(one: Credential, other: Credential) -> bool:
    """Whether a service receives the same. An API key that is read again may have another end."""
    return [part.secret for part in one.parts] == [part.secret for part in other.parts]


def secrets_of(state: AgentState, caller: VerifiedAccessToken) -> list[Secret]:
    """The secrets of the run that must not be shown: the credentials of the state, and the caller's token."""
    return [*in_state(state).secrets(), caller.token]


@dataclass(frozen=True, slots=True)
class ServiceCredentials:
    """Makes the credentials of each caller, by the names of the graph's nodes."""

    requirements: Mapping[str, ServiceRequirement]
    source: CredentialBroker
    clock: Callable[[], float]
    _: KW_ONLY
    renews: bool = True

    def of(
        self, caller: VerifiedAccessToken | None, name: str, state: AgentState | None = None
    ) -> ServiceCredential:
        """`caller`'s credential for the node `name`.

        A credential of `state` is used only if it fulfils the node's requirement and is this caller's.
        """
        credential = in_state(state).get(name) if state else None
        return ServiceCredential(name, self.requirements.get(name), caller, credential, self)
