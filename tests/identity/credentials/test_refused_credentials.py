"""A refusal is cached for a short time, for its holder and requirement alone."""

import asyncio
import traceback
from typing import Any

import pytest

from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CredentialRequirement,
    OAuthTokenRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import AuditError, ConsentRequiredError, CredentialError, UnreachableError
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
    Call,
    ControlledIssuer,
    refusal,
    settled,
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


async def test_refusal_applies_to_one_holder_and_one_requirement(broker, issuer, caller):
    issuer.errors[TOKEN.scope] = NO_TOKEN
    await refusal(broker, TOKEN, HUMAN, caller("alice"))
    issuer.errors.clear()
    assert await broker.obtain(TOKEN, HUMAN, caller("bob"))
    assert await broker.obtain(TOKEN, MACHINE, None)
    assert await broker.obtain(LLM, HUMAN, caller("alice"))
    await refusal(broker, TOKEN, HUMAN, caller("alice"))


async def test_clock_set_back_does_not_prolong_a_refusal(broker, issuer, clock):
    issuer.errors[TOKEN.scope] = NO_TOKEN
    await refusal(broker, TOKEN, MACHINE, None)
    issuer.errors.clear()
    clock.advance(-3600)
    assert await broker.obtain(TOKEN, MACHINE, None)


async def test_refusals_are_bounded_and_dropped_when_they_have_expired(issuer, clock, caller, monkeypatch):
    monkeypatch.setattr("identity.credentials.broker._MAX_REFUSALS", 100)
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0)
    issuer.errors[TOKEN.scope] = NO_TOKEN
    for number in range(300):
        await refusal(broker, TOKEN, HUMAN, caller(f"user-{number}"))
    assert len(broker._refusals) == 100
    clock.advance(2.0)
    await refusal(broker, TOKEN, HUMAN, caller("one"))
    assert len(broker._refusals) == 1


async def test_error_of_a_waiter_refers_to_no_other_request(broker, issuer):
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
    assert [error.__traceback__ for _, error in broker._refusals.values()] == [None]


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


async def test_refused_key_is_not_used_during_a_later_outage(broker, issuer, clock):
    await broker.obtain(LLM, MACHINE, None)
    issuer.lifetime = 60
    clock.advance(1190)
    issuer.errors[STORE_TOKEN.scope] = NO_CLIENT
    await refusal(broker, LLM, MACHINE, None)
    issuer.errors[STORE_TOKEN.scope] = DOWN
    clock.advance(2)
    with pytest.raises(UnreachableError):
        await broker.obtain(LLM, MACHINE, None)


async def test_stale_key_is_not_used_if_its_request_cannot_be_recorded(broker, issuer, clock):
    await broker.obtain(LLM, MACHINE, None)
    issuer.errors[LLM.identifier] = AuditError(IdentityCode.AUDIT_UNAVAILABLE, "no room")
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


async def test_refused_key_does_not_remove_other_keys(broker, issuer, clock):
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

    async def _api_key(self, token: Secret, requirement: ApiKeyRequirement) -> Secret:  # noqa: ARG002 - as the original
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


CALENDAR = OAuthTokenRequirement("calendar")


class KeepingIssuer(ControlledIssuer):
    """Keeps the token of a foreign provider, and gives it again, as IDaaS does. `anew` is another one, or why
    there is none.
    """

    kept = "kept"
    anew: str | ConsentRequiredError = "anew"

    async def issue(self, requirement, *_):
        self.calls.append(Call("", "anew" if requirement.forced else "kept"))
        if requirement.forced:
            if not isinstance(self.anew, str):
                raise self.anew
            self.kept = self.anew
        return IssuedCredential(Secret(self.kept), self.clock() + 3600)


CONSENT = ConsentRequiredError(
    IdentityCode.CONSENT_REQUIRED, "not allowed", authorization_url=Secret("https://idp.example/consent")
)


@pytest.fixture
def keeping(clock: Any) -> KeepingIssuer:
    return KeepingIssuer(clock)


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
async def test_withdrawn_token_is_asked_for_once_more_and_then_with_force(keeping, clock, caller, identity):
    broker, alice = CredentialBroker(keeping, clock=clock, jitter=lambda: 0.0), caller("alice")
    kept = await broker.obtain(CALENDAR, identity, alice)
    broker.invalidate(kept, alice, withdrawn=True)  # also one that is a moment old: IDaaS may have kept it
    anew = await broker.obtain(CALENDAR, identity, alice)
    assert (anew.secret, anew.requirement) == (Secret("anew"), CALENDAR)
    assert broker.cached(CALENDAR, identity, alice) is anew
    assert [call.what for call in keeping.calls] == ["kept", "kept", "anew"]


async def test_token_that_was_refused_for_this_call_only_is_not_asked_for_with_force(keeping, clock, caller):
    broker, alice = CredentialBroker(keeping, clock=clock, jitter=lambda: 0.0), caller("alice")
    kept = await broker.obtain(CALENDAR, HUMAN, alice)
    clock.advance(5)
    broker.invalidate(kept, alice)
    assert (await broker.obtain(CALENDAR, HUMAN, alice)).secret == Secret("kept")
    assert [call.what for call in keeping.calls] == ["kept", "kept"]


async def test_withdrawn_token_is_not_used_until_the_user_has_consented_again(keeping, clock, caller):
    broker, alice, bob = CredentialBroker(keeping, clock=clock), caller("alice"), caller("bob")
    kept = await broker.obtain(CALENDAR, HUMAN, alice)
    keeping.anew = CONSENT
    broker.invalidate(kept, alice, withdrawn=True)
    for _ in range(3):
        assert isinstance(await refusal(broker, CALENDAR, HUMAN, alice), ConsentRequiredError)
    assert (await broker.obtain(CALENDAR, HUMAN, bob)).secret == Secret("kept")  # another user's own
    keeping.kept = "of the new consent"
    fresh = await broker.obtain(CALENDAR, HUMAN, alice)
    assert fresh.secret == Secret("of the new consent")


async def test_service_that_refuses_every_token_does_not_have_the_user_asked_again_and_again(
    keeping, clock, caller
):
    broker, alice = CredentialBroker(keeping, clock=clock, jitter=lambda: 0.0), caller("alice")
    broker.invalidate(await broker.obtain(CALENDAR, HUMAN, alice), alice, withdrawn=True)
    anew = await broker.obtain(CALENDAR, HUMAN, alice)
    for _ in range(10):
        clock.advance(50)
        broker.invalidate(anew, alice, withdrawn=True)
        assert (await broker.obtain(CALENDAR, HUMAN, alice)).secret == Secret("anew")
    assert [call.what for call in keeping.calls].count("anew") == 1
    clock.advance(101)
    broker.invalidate(anew, alice, withdrawn=True)
    await broker.obtain(CALENDAR, HUMAN, alice)
    assert [call.what for call in keeping.calls].count("anew") == 2
