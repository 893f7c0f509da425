"""The cache of users' credentials: their expiry, number, sharing and renewal."""

import asyncio
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement, CredentialRequirement
from identity.errors import AccessTokenError, CredentialError, PrerequisiteRefusedError, UnreachableError
from identity.secrets.secret import Secret
from tests.identity.credentials.controlled_issuer import (
    DOWN,
    HUMAN,
    LLM,
    MACHINE,
    NO_TOKEN,
    STORE_TOKEN,
    TOKEN,
    ControlledIssuer,
    settled,
    ticks,
)


@pytest.mark.parametrize("requirement", [TOKEN, LLM])
async def test_user_credential_ends_with_the_user_token(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    caller: Any,
    requirement: CredentialRequirement,
) -> None:
    alice = caller("alice", lifetime=100)
    credential = await broker.obtain(requirement, HUMAN, alice)
    assert credential.expires_at == alice.expires_at
    clock.advance(99)
    assert broker.cached(requirement, HUMAN, alice) is credential
    clock.advance(1)
    assert broker.cached(requirement, HUMAN, alice) is None
    calls = len(issuer.calls)
    with pytest.raises(AccessTokenError):
        await broker.obtain(requirement, HUMAN, alice)
    assert len(issuer.calls) == calls


async def test_invalidating_removes_this_credential_and_no_newer_one(broker, issuer, clock, caller):
    alice = caller("alice")
    first = await broker.obtain(TOKEN, HUMAN, alice)
    machine = await broker.obtain(TOKEN, MACHINE, alice)
    clock.advance(5)
    broker.invalidate(first, alice)
    second = await broker.obtain(TOKEN, HUMAN, alice)
    assert second is not first
    clock.advance(5)
    broker.invalidate(first, alice)
    assert broker.cached(TOKEN, HUMAN, alice) is second
    assert broker.cached(TOKEN, MACHINE, alice) is machine


async def test_user_credentials_are_bounded_and_do_not_evict_those_of_the_agent(issuer, clock, caller):
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0, capacity=3)
    own = await broker.obtain(TOKEN, MACHINE, None)
    callers = [caller(f"user-{number}") for number in range(10)]
    for user in callers:
        await broker.obtain(TOKEN, HUMAN, user)
    assert len(broker._cache) == 4
    assert broker.cached(TOKEN, MACHINE, None) is own
    assert [broker.cached(TOKEN, HUMAN, user) is not None for user in callers] == [False] * 7 + [True] * 3


async def test_recently_used_credential_is_not_evicted(issuer, clock, caller):
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0, capacity=2)
    alice, bob, carol = map(caller, ("alice", "bob", "carol"))
    credential = await broker.obtain(TOKEN, HUMAN, alice)
    await broker.obtain(TOKEN, HUMAN, bob)
    assert broker.cached(TOKEN, HUMAN, alice) is credential
    await broker.obtain(TOKEN, HUMAN, carol)
    assert broker.cached(TOKEN, HUMAN, alice) is credential
    assert broker.cached(TOKEN, HUMAN, bob) is None


class OneKeyIssuer(ControlledIssuer):
    """Issues the same key to every user, as IDaaS usually does."""

    async def _api_key(self, token: Secret, requirement: ApiKeyRequirement) -> Secret:
        await super()._api_key(token, requirement)
        return Secret("the-key-" + requirement.identifier)


async def test_users_with_the_same_key_share_one_secret_object(clock: Any, caller: Any) -> None:
    broker = CredentialBroker(OneKeyIssuer(clock), clock=clock)
    alice, bob = caller("alice"), caller("bob")
    of_alice, of_bob = [await broker.obtain(LLM, HUMAN, user) for user in (alice, bob)]
    assert of_alice.secret is of_bob.secret
    clock.advance(5)
    broker.invalidate(of_alice, alice)
    assert broker.cached(LLM, HUMAN, alice) is None
    assert broker.cached(LLM, HUMAN, bob) is of_bob


async def test_expired_user_credentials_are_evicted(issuer, clock, caller):
    broker = CredentialBroker(issuer, clock=clock)
    for number in range(10):
        await broker.obtain(TOKEN, HUMAN, caller(f"user-{number}", lifetime=100))
    clock.advance(100)
    await broker.obtain(TOKEN, HUMAN, caller("alice"))
    assert len(broker._cache) == 1


async def test_only_credentials_of_the_revoked_user_are_removed(broker, caller):
    alice, bob = caller("alice"), caller("bob")
    for requirement in (TOKEN, LLM):
        await broker.obtain(requirement, HUMAN, alice)
    await broker.obtain(TOKEN, HUMAN, bob)
    own = await broker.obtain(TOKEN, MACHINE, alice)
    before = len(broker._cache)
    assert broker.forget_users(lambda _, principal: principal == alice.principal) == 1
    assert broker.cached(TOKEN, HUMAN, alice) is None
    assert broker.cached(LLM, HUMAN, alice) is None
    assert broker.cached(TOKEN, HUMAN, bob) is not None
    assert broker.cached(TOKEN, MACHINE, alice) is own
    assert len(broker._cache) < before
    assert broker.forget_users(lambda fingerprint, _: fingerprint == bob.fingerprint) == 1
    assert broker.cached(TOKEN, HUMAN, bob) is None


@pytest.mark.parametrize(
    ("lifetime", "refresh", "end"), [(60, 30, 54), (300, 240, 270), (1200, 1080, 1170), (7200, 6480, 7170)]
)
async def test_token_is_renewed_ahead_and_not_used_until_its_expiry(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    clock: Any,
    lifetime: float,
    refresh: float,
    end: float,
) -> None:
    issuer.lifetime = lifetime
    first = await broker.obtain(TOKEN, MACHINE, None)
    assert first.expires_at == clock.now + end
    clock.advance(refresh - 1)
    assert broker.cached(TOKEN, MACHINE, None) is first
    assert len(issuer.calls) == 1
    clock.advance(1)
    assert broker.cached(TOKEN, MACHINE, None) is first, "the refresh must not delay a caller"
    await settled(broker)
    assert len(issuer.calls) == 2
    second = broker.cached(TOKEN, MACHINE, None)
    assert second is not None
    assert second is not first


async def test_jitter_makes_the_refresh_earlier_only(issuer: ControlledIssuer, clock: Any) -> None:
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 1.0)
    await broker.obtain(TOKEN, MACHINE, None)
    clock.advance(1200 - 120 - 24)
    broker.cached(TOKEN, MACHINE, None)
    await settled(broker)
    assert len(issuer.calls) == 2


async def test_unused_credential_is_not_renewed(broker, issuer, clock):
    await broker.obtain(TOKEN, MACHINE, None)
    clock.advance(100_000)
    await ticks()
    assert len(issuer.calls) == 1
    assert broker.cached(TOKEN, MACHINE, None) is None


async def test_valid_credential_stays_in_use_during_an_outage_and_attempts_are_delayed(broker, issuer, clock):
    credential = await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors[TOKEN.scope] = DOWN
    clock.advance(1080)
    for _ in range(20):
        assert await broker.obtain(TOKEN, MACHINE, None) is credential
        await settled(broker)
    assert len(issuer.calls) == 2
    for expected in (3, 4):
        clock.advance(4)
        assert await broker.obtain(TOKEN, MACHINE, None) is credential
        await settled(broker)
        assert len(issuer.calls) == expected
    clock.advance(90)
    with pytest.raises(UnreachableError):
        await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors.clear()
    assert await broker.obtain(TOKEN, MACHINE, None) is not credential


async def test_token_stays_in_use_until_its_end_after_a_refused_renewal(broker, issuer, clock):
    credential = await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors[TOKEN.scope] = NO_TOKEN
    clock.advance(1100)
    assert await broker.obtain(TOKEN, MACHINE, None) is credential
    await settled(broker)
    assert await broker.obtain(TOKEN, MACHINE, None) is credential
    clock.advance(70)
    with pytest.raises(CredentialError):
        await broker.obtain(TOKEN, MACHINE, None)


async def test_api_key_is_read_again_after_its_maximum_age(broker, issuer, clock):
    first = await broker.obtain(LLM, MACHINE, None)
    clock.advance(539)
    assert broker.cached(LLM, MACHINE, None) is first
    clock.advance(1)
    assert broker.cached(LLM, MACHINE, None) is first
    await settled(broker)
    assert issuer.count("llm_api_key") == 2
    assert broker.cached(LLM, MACHINE, None) is not first
    clock.advance(600)
    assert broker.cached(LLM, MACHINE, None) is None, "a stale key is read again before its use"


async def test_api_key_is_used_for_an_hour_during_an_outage(broker, issuer, clock):
    first = await broker.obtain(LLM, MACHINE, None)
    issuer.errors["llm_api_key"] = DOWN
    clock.advance(700)
    assert await broker.obtain(LLM, MACHINE, None) is first
    attempts = issuer.count("llm_api_key")
    assert await broker.obtain(LLM, MACHINE, None) is first
    assert issuer.count("llm_api_key") == attempts, "the next attempt waits"
    clock.advance(2899)
    assert await broker.obtain(LLM, MACHINE, None) is first
    clock.advance(1)
    with pytest.raises(UnreachableError):
        await broker.obtain(LLM, MACHINE, None)


async def test_refused_prerequisite_is_renewed_once(broker, issuer):
    await broker.obtain(STORE_TOKEN, MACHINE, None)
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(LLM, MACHINE, None))
    await ticks()
    issuer.in_flight[0].land(PrerequisiteRefusedError(LLM.error_code, "refused"))
    await ticks()
    assert [call.what for call in issuer.calls] == [STORE_TOKEN.scope, "llm_api_key", STORE_TOKEN.scope]
    issuer.in_flight[0].land()
    await ticks()
    issuer.in_flight[0].land(PrerequisiteRefusedError(LLM.error_code, "refused"))
    with pytest.raises(CredentialError) as caught:
        await waiter
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE
    assert len(issuer.calls) == 4


@pytest.mark.promise("never-expired")
async def test_token_that_expired_on_its_way_is_not_used(broker, issuer, clock):
    issuer.hold, issuer.lifetime = True, 60
    waiter = asyncio.create_task(broker.obtain(TOKEN, MACHINE, None))
    await ticks()
    clock.advance(60)
    issuer.in_flight[0].land()
    with pytest.raises(UnreachableError, match="idaas_unreachable"):
        await waiter
    assert broker.cached(TOKEN, MACHINE, None) is None
