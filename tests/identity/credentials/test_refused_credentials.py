"""A refusal is cached for a short time, for its holder and requirement alone."""

import asyncio
import gc
import traceback
from typing import Any

import pytest

from identity.credentials.broker import CredentialBroker
from identity.credentials.credential_cache import RefusalCache
from identity.credentials.requirement import AccessTokenRequirement, CredentialRequirement
from identity.errors import (
    AgentError,
    CredentialError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.principal import AccessIdentity
from tests.identity.credentials.controlled_issuer import (
    AMAP,
    DOWN,
    HUMAN,
    LLM,
    MACHINE,
    NO_CLIENT,
    NO_KEY,
    NO_TOKEN,
    STORE_TOKEN,
    TOKEN,
    ControlledIssuer,
    refusal,
    ticks,
)

pytestmark = pytest.mark.promise("refused-ends-use")

REFUSALS = [
    (TOKEN, TOKEN.scope, NO_TOKEN),
    (LLM, LLM.identifier, NO_KEY),
    (LLM, STORE_TOKEN.scope, NO_CLIENT),
]


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
@pytest.mark.parametrize(("requirement", "what", "error"), REFUSALS)
async def test_refused_request_is_sent_once_in_two_seconds(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    caller: Any,
    identity: AccessIdentity,
    requirement: CredentialRequirement,
    what: str,
    error: CredentialError,
) -> None:
    alice = caller("alice")
    issuer.errors[what] = error
    for _ in range(600):
        assert (await refusal(broker, requirement, identity, alice)).code is error.code
        clock.advance(0.1)
    assert 20 <= issuer.count(what) <= 31


@pytest.mark.parametrize(("requirement", "what", "error"), REFUSALS)
async def test_restored_permission_takes_effect_within_two_seconds(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    requirement: CredentialRequirement,
    what: str,
    error: CredentialError,
) -> None:
    issuer.errors[what] = error
    await refusal(broker, requirement, MACHINE, None)
    issuer.errors.clear()
    clock.advance(1.9)
    await refusal(broker, requirement, MACHINE, None)
    clock.advance(0.1)
    assert await broker.obtain(requirement, MACHINE, None)


async def test_refused_prerequisite_is_requested_once_for_all_keys_and_not_cached_longer(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    issuer.errors[STORE_TOKEN.scope] = NO_CLIENT
    await refusal(broker, LLM, MACHINE, None)
    clock.advance(1.9)
    await refusal(broker, AMAP, MACHINE, None)
    assert issuer.count(STORE_TOKEN.scope) == 1
    issuer.errors.clear()
    clock.advance(0.1)
    assert await broker.obtain(AMAP, MACHINE, None)


async def test_refusal_applies_to_one_holder_and_one_requirement(
    broker: CredentialBroker, issuer: ControlledIssuer, caller: Any
) -> None:
    issuer.errors[TOKEN.scope] = NO_TOKEN
    await refusal(broker, TOKEN, HUMAN, caller("alice"))
    issuer.errors.clear()
    assert await broker.obtain(TOKEN, HUMAN, caller("bob"))
    assert await broker.obtain(TOKEN, MACHINE, None)
    assert await broker.obtain(LLM, HUMAN, caller("alice"))
    await refusal(broker, TOKEN, HUMAN, caller("alice"))


async def test_outage_is_not_cached(broker: CredentialBroker, issuer: ControlledIssuer) -> None:
    issuer.errors[TOKEN.scope] = DOWN
    with pytest.raises(UnreachableError):
        await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors.clear()
    assert await broker.obtain(TOKEN, MACHINE, None)


async def test_clock_set_back_does_not_prolong_a_refusal(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    issuer.errors[TOKEN.scope] = NO_TOKEN
    await refusal(broker, TOKEN, MACHINE, None)
    issuer.errors.clear()
    clock.advance(-3600)
    assert await broker.obtain(TOKEN, MACHINE, None)


def test_refusal_cache_is_bounded_and_drops_expired_refusals() -> None:
    refusals = RefusalCache(2.0, capacity=100)
    for number in range(1000):
        refusals.add((f"user-{number}", TOKEN), NO_TOKEN, now=0.0)
    assert len(refusals) == 100
    refusals.add(("one", TOKEN), NO_TOKEN, now=2.0)
    assert len(refusals) == 1


async def test_error_of_a_waiter_refers_to_no_other_request(
    broker: CredentialBroker, issuer: ControlledIssuer
) -> None:
    async def request(number: int) -> CredentialError:
        variable_of_a_request = f"request {number}"
        try:
            await broker.obtain(TOKEN, MACHINE, None)
        except CredentialError as error:
            return error
        return pytest.fail(variable_of_a_request)

    issuer.hold = True
    waiting = [asyncio.create_task(request(number)) for number in range(5)]
    await ticks()
    issuer.calls[0].land(NO_TOKEN)
    errors = await asyncio.gather(*waiting)
    issuer.hold = False
    errors += [await request(number) for number in range(5, 10)]
    assert len({id(error) for error in errors}) == 10
    depths = [len(traceback.extract_tb(error.__traceback__)) for error in errors]
    assert len(set(depths[:5])) == len(set(depths[5:])) == 1
    for number, error in enumerate(errors):
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
        found = {f["variable_of_a_request"] for f in frames if "variable_of_a_request" in f}
        assert found == {f"request {number}"}
        assert error.__context__ is None
    remembered = [each for each in gc.get_objects() if isinstance(each, RefusalCache)]
    assert all(
        error.__traceback__ is None for refusals in remembered for _, error in refusals._until.values()
    )


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
@pytest.mark.parametrize("requirement", [TOKEN, LLM])
async def test_service_that_refuses_every_call_causes_one_renewal_in_five_seconds(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    caller: Any,
    requirement: CredentialRequirement,
    identity: AccessIdentity,
) -> None:
    alice = caller("alice")
    what = requirement.scope if isinstance(requirement, AccessTokenRequirement) else requirement.identifier
    refused = await broker.obtain(requirement, identity, alice)
    clock.advance(5)
    renewed = 0
    for _ in range(200):
        broker.invalidate(refused, alice)
        fresh = await broker.obtain(requirement, identity, alice)
        renewed += fresh is not refused
        refused = fresh
        clock.advance(0.1)
    assert renewed == issuer.count(what) - 1 == 4


async def test_cached_refusal_equals_the_first(broker: CredentialBroker, issuer: ControlledIssuer) -> None:
    issuer.errors[LLM.identifier] = RequirementRefusedError(LLM.error_code, 'credential "llm_api_key": gone')
    refusals: list[AgentError] = [await refusal(broker, LLM, MACHINE, None) for _ in range(2)]
    assert {(type(error), error.code, error.detail, str(error)) for error in refusals} == {
        (RequirementRefusedError, LLM.error_code, 'credential "llm_api_key": gone', str(refusals[0]))
    }
