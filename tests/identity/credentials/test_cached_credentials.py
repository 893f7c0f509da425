"""The cache of users' credentials: their expiry, number and sharing."""

from typing import Any

import pytest

from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement, CredentialRequirement
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.identity.credentials.controlled_issuer import HUMAN, LLM, MACHINE, TOKEN, ControlledIssuer


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


async def test_invalidating_removes_this_credential_and_no_newer_one(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any, caller: Any
) -> None:
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


async def test_user_credentials_are_bounded_and_do_not_evict_those_of_the_agent(
    issuer: ControlledIssuer, clock: Any, caller: Any
) -> None:
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0, capacity=3)
    own = await broker.obtain(TOKEN, MACHINE, None)
    callers = [caller(f"user-{number}") for number in range(10)]
    for user in callers:
        await broker.obtain(TOKEN, HUMAN, user)
    assert len(broker._cache) == 4
    assert broker.cached(TOKEN, MACHINE, None) is own
    assert [broker.cached(TOKEN, HUMAN, user) is not None for user in callers] == [False] * 7 + [True] * 3


async def test_recently_used_credential_is_not_evicted(
    issuer: ControlledIssuer, clock: Any, caller: Any
) -> None:
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


async def test_expired_user_credentials_are_evicted(
    issuer: ControlledIssuer, clock: Any, caller: Any
) -> None:
    broker = CredentialBroker(issuer, clock=clock)
    for number in range(10):
        await broker.obtain(TOKEN, HUMAN, caller(f"user-{number}", lifetime=100))
    clock.advance(100)
    await broker.obtain(TOKEN, HUMAN, caller("alice"))
    assert len(broker._cache) == 1


async def test_only_credentials_of_the_revoked_user_are_removed(
    broker: CredentialBroker, caller: Any
) -> None:
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
