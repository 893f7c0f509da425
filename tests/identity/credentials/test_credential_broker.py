"""The broker returns each holder's own credential, and shares one request between concurrent callers."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from identity.credentials.placement import Placement
from identity.credentials.requirement import ApiKeyRequirement, Credential, CredentialRequirement
from identity.error_codes import IdentityCode
from identity.errors import AgentError, CredentialError, UnreachableError
from identity.principal import AccessIdentity
from tests.identity.credentials.controlled_issuer import (
    AMAP,
    DOWN,
    HUMAN,
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
from tools.error_codes import ToolCode


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
@pytest.mark.parametrize("requirement", [TOKEN, LLM])
async def test_cached_credential_costs_no_request(
    broker: CredentialBroker,
    issuer: ControlledIssuer,
    caller: Any,
    requirement: CredentialRequirement,
    identity: AccessIdentity,
) -> None:
    alice = caller("alice")
    assert broker.cached(requirement, identity, alice) is None
    credential = await broker.obtain(requirement, identity, alice)
    calls = len(issuer.calls)
    assert calls == (2 if requirement is LLM else 1)
    assert await broker.obtain(requirement, identity, alice) is credential
    assert broker.cached(requirement, identity, alice) is credential
    assert len(issuer.calls) == calls
    assert (credential.requirement, credential.access_identity) == (requirement, identity)


@pytest.mark.promise("human-stays-human", "users-never-cross")
@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
async def test_several_credentials_of_one_service_are_obtained_renewed_and_refused_as_each_alone(
    broker: CredentialBroker, issuer: ControlledIssuer, caller: Any, clock: Any, identity: AccessIdentity
) -> None:
    both, alice = replace(TOKEN, also=(replace(LLM, placement=Placement("X-API-Key")),)), caller("alice")
    assert broker.cached(both, identity, alice) is None
    found = await broker.obtain(both, identity, alice)
    token, key = [await broker.obtain(each, identity, alice) for each in (TOKEN, LLM)]
    assert found.secrets == (token.secret, key.secret)
    assert found.expires_at == min(token.expires_at, key.expires_at)
    assert broker.cached(both, identity, alice) == await broker.obtain(both, identity, alice) == found
    owner = "machine" if identity is MACHINE else "access-token-of-alice"
    assert [(call.owner, call.what) for call in issuer.calls] == [
        (owner, what) for what in (TOKEN.scope, STORE_TOKEN.scope, LLM.identifier)
    ]
    broker.invalidate(found, alice)
    assert await broker.obtain(both, identity, alice) == found, "they are too new to be renewed"
    clock.advance(6)
    broker.invalidate(found, alice)
    renewed = await broker.obtain(both, identity, alice)
    assert {each.reveal() for each in renewed.secrets}.isdisjoint(each.reveal() for each in found.secrets)
    clock.advance(6)
    broker.invalidate(renewed, alice)
    issuer.errors[LLM.identifier] = NO_KEY
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(both, identity, alice)
    assert caught.value.code is LLM.error_code


async def test_human_and_machine_credentials_are_separate(broker, issuer, caller):
    alice, bob = caller("alice"), caller("bob")
    owners = [
        (await broker.obtain(requirement, identity, user)).secret.reveal().split("/")[0]
        for requirement in (TOKEN, LLM)
        for identity, user in ((MACHINE, alice), (HUMAN, alice), (HUMAN, bob), (MACHINE, bob))
    ]
    assert owners == ["machine", "access-token-of-alice", "access-token-of-bob", "machine"] * 2
    assert issuer.count(TOKEN.scope) == 3


async def test_refusal_under_human_does_not_fall_back_to_machine(broker, issuer, caller):
    await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors[TOKEN.scope] = NO_TOKEN
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(TOKEN, HUMAN, caller("alice"))
    assert caught.value.code is IdentityCode.TOKEN_EXCHANGE_FAILED
    assert [call.owner for call in issuer.calls] == ["machine", "access-token-of-alice"]


async def test_machine_needs_no_caller_and_human_does(broker: CredentialBroker) -> None:
    assert await broker.obtain(TOKEN, MACHINE, None)
    with pytest.raises(TypeError):
        await broker.obtain(TOKEN, HUMAN, None)
    with pytest.raises(TypeError):
        await broker.obtain(TOKEN, "Robot", None)  # type: ignore[arg-type]  # the refusal is under test


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
async def test_hundred_concurrent_callers_cause_one_request_for_each_credential(
    broker: CredentialBroker, issuer: ControlledIssuer, caller: Any, identity: AccessIdentity
) -> None:
    issuer.hold = True
    alice = caller("alice")
    waiting = [
        asyncio.create_task(broker.obtain(requirement, identity, alice))
        for _ in range(100)
        for requirement in (LLM, AMAP, TOKEN)
    ]
    await ticks()
    assert {call.what for call in issuer.in_flight} == {STORE_TOKEN.scope, TOKEN.scope}
    issuer.hold = False
    for call in issuer.in_flight:
        call.land()
    credentials = await asyncio.gather(*waiting)
    assert len({id(credential) for credential in credentials}) == 3
    assert len(issuer.calls) == 4


async def test_cancelled_waiter_does_not_cancel_the_others(broker, issuer):
    issuer.hold = True
    first, second = (asyncio.create_task(broker.obtain(TOKEN, MACHINE, None)) for _ in range(2))
    await ticks()
    first.cancel()
    await ticks()
    assert first.cancelled()
    assert not second.done()
    issuer.calls[0].land()
    assert await second
    assert len(issuer.calls) == 1


async def test_credential_is_cached_after_its_last_waiter_was_cancelled(broker, issuer):
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(TOKEN, MACHINE, None))
    await ticks()
    waiter.cancel()
    issuer.calls[0].land()
    await settled(broker)
    assert broker.cached(TOKEN, MACHINE, None) is not None
    assert len(issuer.calls) == 1


async def test_outage_is_raised_for_every_waiter_and_not_cached(broker, issuer):
    issuer.hold = True
    waiting = [asyncio.create_task(broker.obtain(TOKEN, MACHINE, None)) for _ in range(3)]
    await ticks()
    issuer.calls[0].land(DOWN)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, UnreachableError) for result in results)
    issuer.hold = False
    assert await broker.obtain(TOKEN, MACHINE, None)


async def test_requirements_with_one_identifier_share_the_key_but_not_the_error_code(broker, issuer, clock):
    same = ApiKeyRequirement("llm_api_key", ToolCode.EXTERNAL_API_KEY_UNAVAILABLE)
    issuer.errors["llm_api_key"] = NO_KEY
    results = await asyncio.gather(
        *(broker.obtain(requirement, MACHINE, None) for requirement in (LLM, same)), return_exceptions=True
    )
    assert [error.code for error in results if isinstance(error, AgentError)] == [
        LLM.error_code,
        same.error_code,
    ]
    issuer.errors.clear()
    clock.advance(2)
    assert await broker.obtain(LLM, MACHINE, None) is await broker.obtain(same, MACHINE, None)


async def test_closing_ends_requests_and_waiters(broker: CredentialBroker, issuer: ControlledIssuer) -> None:
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(LLM, MACHINE, None))
    await ticks()
    await broker.aclose()
    with pytest.raises(UnreachableError):
        await waiter
    with pytest.raises(UnreachableError):
        await broker.obtain(TOKEN, MACHINE, None)


NEEDS: list[CredentialRequirement] = [TOKEN, LLM, AMAP, STORE_TOKEN]
NAMES = ["alice", "bob"]
OPERATION = st.one_of(
    st.tuples(
        st.just("obtain"), st.sampled_from(NEEDS), st.sampled_from([MACHINE, HUMAN]), st.sampled_from(NAMES)
    ),
    st.tuples(st.just("land"), st.integers(0, 5), st.sampled_from([None, None, DOWN, NO_TOKEN, NO_KEY])),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 5.0, 10.0, 29.0, 60.0, 500.0, 1300.0])),
    st.tuples(st.just("invalidate"), st.integers(0, 30)),
)


class Schedule:
    """Runs operations against a broker and notes every violated invariant."""

    def __init__(self, clock: Any, callers: dict[str, VerifiedAccessToken], lifetime: float) -> None:
        self.clock = clock
        self.callers = callers
        self.issuer = ControlledIssuer(clock, lifetime=lifetime, hold=True)
        self.broker = CredentialBroker(self.issuer, clock=clock)
        self.waiting: list[asyncio.Task[None]] = []
        self.obtained: list[tuple[Credential, VerifiedAccessToken]] = []
        self.broken: list[str] = self.issuer.faults

    async def obtain(self, requirement: CredentialRequirement, identity: AccessIdentity, name: str) -> None:
        caller = self.callers[name]
        try:
            credential = await self.broker.obtain(requirement, identity, caller)
        except AgentError:
            return
        owner, what, _ = credential.secret.reveal().rsplit("/", 2)
        now = self.clock()
        if owner != ("machine" if identity is MACHINE else caller.token.reveal()):
            self.broken.append("another's credential")
        if what != (
            requirement.identifier if isinstance(requirement, ApiKeyRequirement) else requirement.scope
        ).replace("/", "_"):
            self.broken.append("a credential for another need")
        if now >= credential.expires_at or now >= self.issuer.expires.get(
            credential.secret.reveal(), now + 1
        ):
            self.broken.append("an expired credential")
        if identity is HUMAN and credential.expires_at > caller.expires_at:
            self.broken.append("a credential that outlives its user's token")
        self.obtained.append((credential, caller))

    async def run(self, operations: list[tuple[Any, ...]]) -> None:
        for operation, *arguments in operations:
            if operation == "obtain":
                self.waiting.append(asyncio.create_task(self.obtain(*arguments)))
            elif operation == "land" and self.issuer.in_flight:
                number, error = arguments
                self.issuer.in_flight[number % len(self.issuer.in_flight)].land(error)
            elif operation == "cancel" and self.waiting:
                self.waiting[arguments[0] % len(self.waiting)].cancel()
            elif operation == "advance":
                self.clock.advance(arguments[0])
            elif operation == "invalidate" and self.obtained:
                self.broker.invalidate(*self.obtained[arguments[0] % len(self.obtained)])
            await ticks()
        self.issuer.hold = False
        while self.issuer.in_flight:
            for call in self.issuer.in_flight:
                call.land()
            await ticks()
        async with asyncio.timeout(60):
            await asyncio.gather(*self.waiting, return_exceptions=True)
        await self.broker.aclose()


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(operations=st.lists(OPERATION, max_size=40), lifetime=st.sampled_from([20.0, 60.0, 1200.0]))
def test_no_schedule_violates_an_invariant(clock, caller, operations, lifetime):
    async def run() -> Schedule:
        schedule = Schedule(clock, {name: caller(name) for name in NAMES}, lifetime)
        await schedule.run(operations)
        return schedule

    assert asyncio.run(run()).broken == []
