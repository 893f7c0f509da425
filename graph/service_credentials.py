"""A verified caller's access to the services: by the state's credentials while they are good, else anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graph.node_error import error_of_node
from graph.state import AgentState, UnavailableCredential
from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.credentials.requirement import CredentialRequirement
from identity.credentials.source import CredentialSource
from identity.errors import CredentialError, UnreachableError
from identity.principal import Principal

_SKEW = 30.0
"""Seconds before its expiry at which a credential of the state is asked for anew; the source is the judge."""


@dataclass(frozen=True, slots=True)
class ServiceRequirement:
    """What a node needs, and the identity under which it is met."""

    credential: CredentialRequirement
    access_identity: AccessIdentity


class ServiceCredential:
    """One caller's access to one service, for one node of one run (`tools.service.Access`)."""

    def __init__(
        self,
        requirement: ServiceRequirement | None,
        caller: VerifiedAccessToken,
        source: CredentialSource,
        in_state: Credential | UnavailableCredential | None,
        clock: Callable[[], float],
        name: str | None = None,
    ) -> None:
        """`name` is the node's, by which errors name the service."""
        self._name = name
        self._requirement = requirement
        self._caller = caller
        self._source = source
        self._in_state = in_state
        self._clock = clock
        self.renewed: Credential | None = None
        """What this node obtained, for the state."""

    async def credential(self) -> Credential:
        """The credential of the service. Raises `CredentialError` or `UnreachableError`."""
        if isinstance(self._in_state, UnavailableCredential):
            raise CredentialError(self._in_state.code, self._in_state.detail.reveal(), service=self._name)
        if isinstance(self._in_state, Credential) and self._is_good(self._in_state):
            return self._in_state
        return await self._obtain()

    def cached(self) -> Credential | None:
        """The credential, if nobody has to be asked for it."""
        if isinstance(self._in_state, Credential) and self._is_good(self._in_state):
            return self._in_state
        if self._requirement is None:
            return None
        return self._source.cached(
            self._requirement.credential, self._requirement.access_identity, self._caller
        )

    def known(self) -> Credential | UnavailableCredential | None:
        """The credential, or why there is none, as far as no request is needed; else `None`."""
        return self._in_state if isinstance(self._in_state, UnavailableCredential) else self.cached()

    async def renew(self, refused: Credential) -> Credential:
        """A credential in place of `refused`, which is forgotten; once for all calls that were refused.

        `refused` itself comes back if it was obtained so short a time ago that nothing was renewed.
        """
        in_state = self._in_state
        if isinstance(in_state, Credential) and in_state is not refused and self._is_good(in_state):
            return in_state
        self._source.invalidate(refused, self._caller)
        return await self._obtain()

    async def _obtain(self) -> Credential:
        if self._requirement is None:
            raise LookupError("the service declares no credential")
        requirement, access_identity = self._requirement.credential, self._requirement.access_identity
        try:
            obtained = await self._source.obtain(requirement, access_identity, self._caller)
        except (CredentialError, UnreachableError) as error:
            raise (error if self._name is None else error_of_node(error, self._name)) from None
        self._in_state = self.renewed = obtained
        return obtained

    def _principal(self) -> Principal | None:
        """Whose a credential must be to be used here: never another user's, whatever the state holds."""
        human = self._requirement and self._requirement.access_identity is AccessIdentity.HUMAN
        return self._caller.principal if human else None

    def _is_good(self, credential: Credential) -> bool:
        return (
            self._requirement is not None
            and credential.requirement == self._requirement.credential
            and credential.access_identity == self._requirement.access_identity
            and credential.principal == self._principal()
            and credential.expires_at - _SKEW > self._clock()
        )


class CallAccess:
    """The same for one call, which knows whether the call could be made (`tools.service.Access`)."""

    def __init__(self, access: ServiceCredential) -> None:
        self._access = access
        self.given = False
        """Whether the call had its credential, without which no request is made."""

    async def credential(self) -> Credential:
        """The credential of the service. Raises `CredentialError` or `UnreachableError`."""
        credential = await self._access.credential()
        self.given = True
        return credential

    def cached(self) -> Credential | None:
        """The credential, if no request is needed for it."""
        return self._access.cached()

    async def renew(self, refused: Credential) -> Credential:
        """A credential in place of `refused`."""
        return await self._access.renew(refused)


class ServiceCredentials:
    """Makes the accesses of a run, by the names of its nodes."""

    def __init__(
        self,
        requirements: Mapping[str, ServiceRequirement],
        source: CredentialSource,
        clock: Callable[[], float],
    ) -> None:
        self.requirements = requirements
        self._source = source
        self._clock = clock

    def of(self, caller: VerifiedAccessToken, name: str, state: AgentState) -> ServiceCredential:
        """`caller`'s access for node `name`. What the state holds counts only if it is for the same need."""
        cached = (state.get("credentials") or {}).get(name)
        return ServiceCredential(self.requirements.get(name), caller, self._source, cached, self._clock, name)
