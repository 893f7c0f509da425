"""An API key is removed when the permission to read it is refused, and by nothing else."""

from typing import Any

import pytest

from agent.errors.error_codes import AgentCode
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.errors import (
    AuditError,
    UnreachableError,
)
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.identity.credentials.controlled_issuer import (
    AMAP,
    DOWN,
    HUMAN,
    LLM,
    MACHINE,
    NO_CLIENT,
    NO_KEY,
    NO_PREREQUISITE,
    NO_TOKEN,
    STORE_TOKEN,
    TOKEN,
    ControlledIssuer,
    refusal,
    settled,
)

pytestmark = pytest.mark.promise("refused-ends-use")

STORE_REFUSALS = {
    "the token for the store is not issued": (STORE_TOKEN.scope, NO_TOKEN),
    "the agent is refused at the token endpoint": (STORE_TOKEN.scope, NO_CLIENT),
    "the store refuses every token": (LLM.identifier, NO_PREREQUISITE),
}


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
@pytest.mark.parametrize("how", STORE_REFUSALS)
async def test_keys_are_removed_at_once_when_the_store_refuses_their_holder(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    caller: Any,
    identity: AccessIdentity,
    how: str,
) -> None:
    alice, bob = caller("alice", lifetime=7200), caller("bob", lifetime=7200)
    issuer.lifetime = 300
    for requirement in (LLM, AMAP):
        await broker.obtain(requirement, identity, alice)
    of_bob = await broker.obtain(LLM, HUMAN, bob)
    what, error = STORE_REFUSALS[how]
    issuer.errors[what] = error
    clock.advance(545)
    for requirement in (LLM, AMAP):
        broker.cached(requirement, identity, alice)  # the refresh in the background is refused
        await settled(broker)
    assert [broker.cached(requirement, identity, alice) for requirement in (LLM, AMAP)] == [None, None]
    for _ in range(50):
        clock.advance(60)
        await refusal(broker, LLM, identity, alice)
    assert of_bob.expires_at > clock()
    issuer.errors.clear()
    clock.advance(2)
    assert await broker.obtain(LLM, identity, alice)


async def test_refused_key_is_not_used_during_a_later_outage(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    await broker.obtain(LLM, MACHINE, None)
    issuer.lifetime = 60
    clock.advance(1190)
    issuer.errors[STORE_TOKEN.scope] = NO_CLIENT
    await refusal(broker, LLM, MACHINE, None)
    issuer.errors[STORE_TOKEN.scope] = DOWN
    clock.advance(2)
    with pytest.raises(UnreachableError):
        await broker.obtain(LLM, MACHINE, None)


async def test_stale_key_is_not_used_if_its_request_cannot_be_recorded(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    await broker.obtain(LLM, MACHINE, None)
    issuer.errors[LLM.identifier] = AuditError(AgentCode.AUDIT_UNAVAILABLE, "no room")
    clock.advance(600)
    for _ in range(2):
        with pytest.raises(AuditError):
            await broker.obtain(LLM, MACHINE, None)


async def test_refusal_of_another_token_removes_keys_only_if_the_agent_is_refused(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any, caller: Any
) -> None:
    alice, other = caller("alice"), AccessTokenRequirement("https://leave.example|leave.read")
    key = await broker.obtain(LLM, HUMAN, alice)
    issuer.errors = {TOKEN.scope: NO_TOKEN, other.scope: NO_CLIENT}
    await refusal(broker, TOKEN, HUMAN, alice)
    assert broker.cached(LLM, HUMAN, alice) is key
    await refusal(broker, other, HUMAN, alice)
    assert broker.cached(LLM, HUMAN, alice) is None


async def test_refused_key_does_not_remove_other_keys(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    llm, amap = [await broker.obtain(requirement, MACHINE, None) for requirement in (LLM, AMAP)]
    issuer.errors[LLM.identifier] = NO_KEY
    clock.advance(545)
    broker.cached(LLM, MACHINE, None)
    await settled(broker)
    assert broker.cached(LLM, MACHINE, None) is None
    assert broker.cached(AMAP, MACHINE, None) is amap
    assert llm.expires_at > clock()


class TwoStores(ControlledIssuer):
    """An issuer of which each key has a prerequisite of its own."""

    def prerequisite(self, requirement: CredentialRequirement) -> CredentialRequirement | None:
        if requirement == LLM:
            return STORE_TOKEN
        return OTHER_STORE_TOKEN if requirement == AMAP else None

    async def _api_key(self, token: Secret, requirement: ApiKeyRequirement) -> Secret:  # noqa: ARG002
        return Secret(await self._land("machine", requirement.identifier))


OTHER_STORE_TOKEN = AccessTokenRequirement("https://other-store.example|read")


async def test_refused_prerequisite_ends_its_own_dependents_and_no_others(clock: Any) -> None:
    issuer = TwoStores(clock)
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0)
    _, amap = [await broker.obtain(requirement, MACHINE, None) for requirement in (LLM, AMAP)]
    issuer.errors[LLM.identifier] = NO_PREREQUISITE
    clock.advance(545)
    broker.cached(LLM, MACHINE, None)
    await settled(broker)
    assert broker.cached(LLM, MACHINE, None) is None
    assert broker.cached(STORE_TOKEN, MACHINE, None) is None
    assert broker.cached(AMAP, MACHINE, None) is amap
    assert broker.cached(OTHER_STORE_TOKEN, MACHINE, None) is not None
