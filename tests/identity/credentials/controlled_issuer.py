"""An issuer under the control of a test: each request ends when the test ends it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.error_codes import IdentityCode
from identity.errors import (
    AgentError,
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.error_codes import ToolCode

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessTokenRequirement("https://enterprise.example|service.invoke")
STORE_TOKEN = AccessTokenRequirement("https://credential-store.example|read")
"""The prerequisite of API keys."""
LLM = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
AMAP = ApiKeyRequirement("amap_api_key", ToolCode.EXTERNAL_API_KEY_UNAVAILABLE)
DOWN = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "down")
NO_TOKEN = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "refused")
NO_KEY = RequirementRefusedError(GraphCode.LLM_API_KEY_UNAVAILABLE, "refused")
NO_CLIENT = CredentialError(IdentityCode.CLIENT_AUTHENTICATION_FAILED, "refused")
NO_PREREQUISITE = PrerequisiteRefusedError(LLM.error_code, "refused")


@dataclass
class Call:
    """A call to the issuer. `owner` is the user's access token, or "machine"."""

    owner: str
    what: str
    landed: asyncio.Future[None] = field(default_factory=asyncio.Future)

    def land(self, error: AgentError | None = None) -> None:
        if self.landed.done():
            return
        if error is None:
            self.landed.set_result(None)
        else:
            self.landed.set_exception(error)


class ControlledIssuer:
    """A `CredentialIssuer` whose secrets name their owner: `owner/what/number`."""

    def __init__(self, clock: Any, *, lifetime: float = 1200.0, hold: bool = False) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.hold = hold
        self.calls: list[Call] = []
        self.errors: dict[str, AgentError] = {}
        self.expires: dict[str, float] = {}
        self.faults: list[str] = []

    @property
    def in_flight(self) -> list[Call]:
        return [call for call in self.calls if not call.landed.done()]

    def count(self, what: str) -> int:
        return sum(call.what == what for call in self.calls)

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        return STORE_TOKEN if isinstance(requirement, ApiKeyRequirement) else None

    async def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
        prerequisite: Secret | None,
    ) -> IssuedCredential:
        if (caller is None) is not (access_identity is MACHINE):
            self.faults.append("a caller under Machine identity, or none under Human identity")
        if isinstance(requirement, ApiKeyRequirement):
            assert prerequisite is not None
            return IssuedCredential(await self._api_key(prerequisite, requirement))
        assert prerequisite is None
        owner = "machine" if caller is None else caller.token.reveal()
        requested_at = self.clock()
        name = await self._land(owner, requirement.scope)
        self.expires[name] = requested_at + self.lifetime
        return IssuedCredential(Secret(name), self.expires[name])

    async def _api_key(self, token: Secret, requirement: ApiKeyRequirement) -> Secret:
        owner, what, _ = token.reveal().rsplit("/", 2)
        if what != STORE_TOKEN.scope.replace("/", "_"):
            self.faults.append("a key was requested with a token of another scope")
        if self.clock() >= self.expires[token.reveal()]:
            self.faults.append("an expired token was presented")
        return Secret(await self._land(owner, requirement.identifier))

    async def _land(self, owner: str, what: str) -> str:
        if any((call.owner, call.what) == (owner, what) for call in self.in_flight):
            self.faults.append("two flights for one credential")
        call = Call(owner, what)
        self.calls.append(call)
        if not self.hold:
            call.land(self.errors.get(what))
        await call.landed
        return f"{owner}/{what.replace('/', '_')}/{len(self.calls)}"


async def refusal(broker: CredentialBroker, requirement: CredentialRequirement, *who: Any) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(requirement, *who)
    return caught.value


async def settled(broker: CredentialBroker) -> None:
    """Lets flights without waiters land."""
    while flights := list(broker._flights._flights.values()):
        await asyncio.wait(flights)


async def ticks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
