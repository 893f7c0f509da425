"""When a credential is renewed, and which one is used until then."""

import asyncio
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.credentials.broker import CredentialBroker
from identity.errors import CredentialError, PrerequisiteRefusedError, UnreachableError
from tests.identity.credentials.controlled_issuer import (
    DOWN,
    LLM,
    MACHINE,
    NO_KEY,
    NO_TOKEN,
    STORE_TOKEN,
    TOKEN,
    ControlledIssuer,
    settled,
    ticks,
)


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


async def test_unused_credential_is_not_renewed(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    await broker.obtain(TOKEN, MACHINE, None)
    clock.advance(100_000)
    await ticks()
    assert len(issuer.calls) == 1
    assert broker.cached(TOKEN, MACHINE, None) is None


async def test_valid_credential_stays_in_use_during_an_outage_and_attempts_are_delayed(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
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


async def test_token_stays_in_use_until_its_end_after_a_refused_renewal(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    credential = await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors[TOKEN.scope] = NO_TOKEN
    clock.advance(1100)
    assert await broker.obtain(TOKEN, MACHINE, None) is credential
    await settled(broker)
    assert await broker.obtain(TOKEN, MACHINE, None) is credential
    clock.advance(70)
    with pytest.raises(CredentialError):
        await broker.obtain(TOKEN, MACHINE, None)


async def test_api_key_is_read_again_after_its_maximum_age(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    first = await broker.obtain(LLM, MACHINE, None)
    clock.advance(539)
    assert broker.cached(LLM, MACHINE, None) is first
    clock.advance(1)
    assert broker.cached(LLM, MACHINE, None) is first
    await settled(broker)
    assert issuer.count("llm_api_key") == 2
    assert broker.cached(LLM, MACHINE, None) is not first


async def test_stale_api_key_is_read_again_before_use(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    first = await broker.obtain(LLM, MACHINE, None)
    clock.advance(600)
    assert broker.cached(LLM, MACHINE, None) is None
    assert await broker.obtain(LLM, MACHINE, None) is not first


async def test_api_key_is_used_for_an_hour_during_an_outage(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
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


async def test_refused_api_key_is_removed_at_once(
    broker: CredentialBroker, issuer: ControlledIssuer, clock: Any
) -> None:
    await broker.obtain(LLM, MACHINE, None)
    issuer.errors["llm_api_key"] = NO_KEY
    clock.advance(560)
    broker.cached(LLM, MACHINE, None)
    await settled(broker)
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(LLM, MACHINE, None)
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE


async def test_refused_prerequisite_is_renewed_once(
    broker: CredentialBroker, issuer: ControlledIssuer
) -> None:
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
