"""The broker with an issuer that a test holds in its hand: each call waits until the test lets it land."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.access_identity import AccessIdentity
from identity.access_token import VerifiedAccessToken
from identity.credential import AccessToken, ApiKey, Credential, CredentialNeed
from identity.credential_broker import PAM_TOKEN, CredentialBroker
from identity.error_table import ErrorCode
from identity.errors import AccessTokenError, AgentError, CredentialError, UnreachableError
from identity.idaas_client import ApiKeyRefusedError, IssuedToken, PamTokenRefusedError
from identity.secret import Secret

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessToken("https://enterprise.example|service.invoke")
LLM = ApiKey("llm_api_key", ErrorCode.LLM_API_KEY_UNAVAILABLE)
AMAP = ApiKey("amap_api_key", ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE)
DOWN = UnreachableError(ErrorCode.IDAAS_UNREACHABLE, "down")
NO_TOKEN = CredentialError(ErrorCode.TOKEN_EXCHANGE_FAILED, "refused")
NO_KEY = ApiKeyRefusedError(ErrorCode.LLM_API_KEY_UNAVAILABLE, "refused")


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


class HeldIssuer:
    """A `CredentialIssuer` whose secrets tell whose they are: `owner/what/number`."""

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

    async def machine_token(self, scope: str) -> IssuedToken:
        return await self._token("machine", scope)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:
        return await self._token(subject_token.reveal(), scope)

    async def obtain_api_key(self, pam_token: Secret, need: ApiKey) -> Secret:
        owner, what, _ = pam_token.reveal().rsplit("/", 2)
        if what != PAM_TOKEN.scope.replace("/", "_"):
            self.faults.append("a key was asked for with a token of another scope")
        if self.clock() >= self.expires[pam_token.reveal()]:
            self.faults.append("an expired token was presented")
        return Secret(await self._land(owner, need.identifier))

    async def _token(self, owner: str, scope: str) -> IssuedToken:
        asked_at = self.clock()
        name = await self._land(owner, scope)
        self.expires[name] = asked_at + self.lifetime
        return IssuedToken(Secret(name), self.expires[name])

    async def _land(self, owner: str, what: str) -> str:
        if any((call.owner, call.what) == (owner, what) for call in self.in_flight):
            self.faults.append("two flights for one credential")
        call = Call(owner, what)
        self.calls.append(call)
        if not self.hold:
            call.land(self.errors.get(what))
        await call.landed
        return f"{owner}/{what.replace('/', '_')}/{len(self.calls)}"


@pytest.fixture
def issuer(clock: Any) -> HeldIssuer:
    return HeldIssuer(clock)


@pytest.fixture
def broker(issuer: HeldIssuer, clock: Any) -> CredentialBroker:
    return CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0)


async def settled(broker: CredentialBroker) -> None:
    """Lets flights without waiters land."""
    while flights := list(broker._flights._flights.values()):
        await asyncio.wait(flights)


async def ticks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
@pytest.mark.parametrize("need", [TOKEN, LLM])
async def test_a_held_credential_costs_no_call(
    broker: CredentialBroker, issuer: HeldIssuer, caller: Any, need: CredentialNeed, identity: AccessIdentity
) -> None:
    alice = caller("alice")
    assert broker.held(need, identity, alice) is None
    credential = await broker.obtain(need, identity, alice)
    calls = len(issuer.calls)
    assert calls == (2 if need is LLM else 1)
    assert await broker.obtain(need, identity, alice) is credential
    assert broker.held(need, identity, alice) is credential
    assert len(issuer.calls) == calls
    assert (credential.need, credential.access_identity) == (need, identity)


async def test_human_and_machine_are_never_taken_for_each_other(
    broker: CredentialBroker, issuer: HeldIssuer, caller: Any
) -> None:
    alice, bob = caller("alice"), caller("bob")
    owners = [
        (await broker.obtain(need, identity, subject)).secret.reveal().split("/")[0]
        for need in (TOKEN, LLM)
        for identity, subject in ((MACHINE, alice), (HUMAN, alice), (HUMAN, bob), (MACHINE, bob))
    ]
    assert owners == ["machine", "access-token-of-alice", "access-token-of-bob", "machine"] * 2
    assert issuer.count(TOKEN.scope) == 3


async def test_a_refusal_under_human_is_not_mended_with_machine(
    broker: CredentialBroker, issuer: HeldIssuer, caller: Any
) -> None:
    await broker.obtain(TOKEN, MACHINE, None)
    issuer.errors[TOKEN.scope] = NO_TOKEN
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(TOKEN, HUMAN, caller("alice"))
    assert caught.value.code is ErrorCode.TOKEN_EXCHANGE_FAILED
    assert [call.owner for call in issuer.calls] == ["machine", "access-token-of-alice"]


async def test_machine_needs_no_caller_and_human_does(broker: CredentialBroker) -> None:
    assert await broker.obtain(TOKEN, MACHINE, None)
    with pytest.raises(TypeError):
        await broker.obtain(TOKEN, HUMAN, None)
    with pytest.raises(TypeError):
        await broker.obtain(TOKEN, "Robot", None)  # type: ignore[arg-type]  # the refusal is under test


@pytest.mark.parametrize("identity", [MACHINE, HUMAN])
async def test_a_hundred_at_once_make_one_call_for_each_credential(
    broker: CredentialBroker, issuer: HeldIssuer, caller: Any, identity: AccessIdentity
) -> None:
    issuer.hold = True
    alice = caller("alice")
    waiting = [
        asyncio.create_task(broker.obtain(need, identity, alice))
        for _ in range(100)
        for need in (LLM, AMAP, TOKEN)
    ]
    await ticks()
    assert {call.what for call in issuer.in_flight} == {PAM_TOKEN.scope, TOKEN.scope}
    issuer.hold = False
    for call in issuer.in_flight:
        call.land()
    credentials = await asyncio.gather(*waiting)
    assert len({id(credential) for credential in credentials}) == 3
    assert len(issuer.calls) == 4


async def test_a_waiter_that_leaves_takes_nobody_along(broker: CredentialBroker, issuer: HeldIssuer) -> None:
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


async def test_what_the_last_waiter_left_is_kept_for_the_next(
    broker: CredentialBroker, issuer: HeldIssuer
) -> None:
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(TOKEN, MACHINE, None))
    await ticks()
    waiter.cancel()
    issuer.calls[0].land()
    await settled(broker)
    assert broker.held(TOKEN, MACHINE, None) is not None
    assert len(issuer.calls) == 1


async def test_an_error_goes_to_every_waiter_and_is_not_kept(
    broker: CredentialBroker, issuer: HeldIssuer
) -> None:
    issuer.hold = True
    waiting = [asyncio.create_task(broker.obtain(TOKEN, MACHINE, None)) for _ in range(3)]
    await ticks()
    issuer.calls[0].land(DOWN)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, UnreachableError) for result in results)
    issuer.hold = False
    assert await broker.obtain(TOKEN, MACHINE, None)


@pytest.mark.parametrize(
    ("lifetime", "refresh", "end"), [(60, 30, 54), (300, 240, 270), (1200, 1080, 1170), (7200, 6480, 7170)]
)
async def test_a_token_is_renewed_ahead_and_never_used_to_its_end(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any, lifetime: float, refresh: float, end: float
) -> None:
    issuer.lifetime = lifetime
    first = await broker.obtain(TOKEN, MACHINE, None)
    assert first.expires_at == clock.now + end
    clock.advance(refresh - 1)
    assert broker.held(TOKEN, MACHINE, None) is first
    assert len(issuer.calls) == 1
    clock.advance(1)
    assert broker.held(TOKEN, MACHINE, None) is first, "the refresh must not make anybody wait"
    await settled(broker)
    assert len(issuer.calls) == 2
    second = broker.held(TOKEN, MACHINE, None)
    assert second is not None
    assert second is not first


async def test_jitter_brings_the_refresh_forward_only(issuer: HeldIssuer, clock: Any) -> None:
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 1.0)
    await broker.obtain(TOKEN, MACHINE, None)
    clock.advance(1200 - 120 - 24)
    broker.held(TOKEN, MACHINE, None)
    await settled(broker)
    assert len(issuer.calls) == 2


async def test_nothing_is_fetched_while_nobody_asks(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
) -> None:
    await broker.obtain(TOKEN, MACHINE, None)
    clock.advance(100_000)
    await ticks()
    assert len(issuer.calls) == 1
    assert broker.held(TOKEN, MACHINE, None) is None


async def test_an_outage_leaves_what_is_good_in_use_and_spaces_attempts(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
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


async def test_a_refusal_leaves_a_token_in_use_until_its_end(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
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


async def test_an_api_key_is_read_again_after_a_while(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
) -> None:
    first = await broker.obtain(LLM, MACHINE, None)
    clock.advance(539)
    assert broker.held(LLM, MACHINE, None) is first
    clock.advance(1)
    assert broker.held(LLM, MACHINE, None) is first
    await settled(broker)
    assert issuer.count("llm_api_key") == 2
    assert broker.held(LLM, MACHINE, None) is not first


async def test_an_api_key_that_nobody_confirmed_for_a_while_is_read_first(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
) -> None:
    first = await broker.obtain(LLM, MACHINE, None)
    clock.advance(600)
    assert broker.held(LLM, MACHINE, None) is None
    assert await broker.obtain(LLM, MACHINE, None) is not first


async def test_an_api_key_outlives_an_outage_for_an_hour_and_no_longer(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
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


async def test_an_api_key_that_idaas_refuses_is_forgotten_at_once(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
) -> None:
    await broker.obtain(LLM, MACHINE, None)
    issuer.errors["llm_api_key"] = NO_KEY
    clock.advance(560)
    broker.held(LLM, MACHINE, None)
    await settled(broker)
    with pytest.raises(CredentialError) as caught:
        await broker.obtain(LLM, MACHINE, None)
    assert caught.value.code is ErrorCode.LLM_API_KEY_UNAVAILABLE


async def test_a_wrong_client_secret_does_not_cost_an_api_key(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any
) -> None:
    first = await broker.obtain(LLM, MACHINE, None)
    issuer.errors[PAM_TOKEN.scope] = CredentialError(ErrorCode.CLIENT_AUTHENTICATION_FAILED, "refused")
    issuer.lifetime = 60
    broker.invalidate(await broker.obtain(PAM_TOKEN, MACHINE, None), None)
    clock.advance(560)
    broker.held(LLM, MACHINE, None)
    await settled(broker)
    assert broker.held(LLM, MACHINE, None) is first


async def test_a_refused_pam_token_is_renewed_once(broker: CredentialBroker, issuer: HeldIssuer) -> None:
    await broker.obtain(PAM_TOKEN, MACHINE, None)
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(LLM, MACHINE, None))
    await ticks()
    issuer.in_flight[0].land(PamTokenRefusedError(LLM.error_code, "refused"))
    await ticks()
    assert [call.what for call in issuer.calls] == [PAM_TOKEN.scope, "llm_api_key", PAM_TOKEN.scope]
    issuer.in_flight[0].land()
    await ticks()
    issuer.in_flight[0].land(PamTokenRefusedError(LLM.error_code, "refused"))
    with pytest.raises(CredentialError) as caught:
        await waiter
    assert caught.value.code is ErrorCode.LLM_API_KEY_UNAVAILABLE
    assert len(issuer.calls) == 4


async def test_needs_with_one_identifier_share_a_key_but_not_an_error(
    broker: CredentialBroker, issuer: HeldIssuer
) -> None:
    same = ApiKey("llm_api_key", ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE)
    issuer.errors["llm_api_key"] = NO_KEY
    results = await asyncio.gather(
        *(broker.obtain(need, MACHINE, None) for need in (LLM, same)), return_exceptions=True
    )
    assert [error.code for error in results if isinstance(error, AgentError)] == [
        LLM.error_code,
        same.error_code,
    ]
    issuer.errors.clear()
    assert await broker.obtain(LLM, MACHINE, None) is await broker.obtain(same, MACHINE, None)


@pytest.mark.parametrize("need", [TOKEN, LLM])
async def test_a_users_credential_ends_with_the_users_token(
    broker: CredentialBroker, issuer: HeldIssuer, clock: Any, caller: Any, need: CredentialNeed
) -> None:
    alice = caller("alice", lifetime=100)
    credential = await broker.obtain(need, HUMAN, alice)
    assert credential.expires_at == alice.expires_at
    clock.advance(99)
    assert broker.held(need, HUMAN, alice) is credential
    clock.advance(1)
    assert broker.held(need, HUMAN, alice) is None
    calls = len(issuer.calls)
    with pytest.raises(AccessTokenError):
        await broker.obtain(need, HUMAN, alice)
    assert len(issuer.calls) == calls


async def test_invalidating_forgets_this_credential_and_no_newer_one(
    broker: CredentialBroker, issuer: HeldIssuer, caller: Any
) -> None:
    alice = caller("alice")
    first = await broker.obtain(TOKEN, HUMAN, alice)
    machine = await broker.obtain(TOKEN, MACHINE, alice)
    broker.invalidate(first, alice)
    second = await broker.obtain(TOKEN, HUMAN, alice)
    assert second is not first
    broker.invalidate(first, alice)
    assert broker.held(TOKEN, HUMAN, alice) is second
    assert broker.held(TOKEN, MACHINE, alice) is machine


async def test_users_credentials_are_bounded_and_the_agents_own_stay(
    issuer: HeldIssuer, clock: Any, caller: Any
) -> None:
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0, capacity=3)
    own = await broker.obtain(TOKEN, MACHINE, None)
    callers = [caller(f"user-{number}") for number in range(10)]
    for subject in callers:
        await broker.obtain(TOKEN, HUMAN, subject)
    assert len(broker._held) == 4
    assert broker.held(TOKEN, MACHINE, None) is own
    assert [broker.held(TOKEN, HUMAN, subject) is not None for subject in callers] == [False] * 7 + [True] * 3


async def test_who_uses_a_credential_keeps_it(issuer: HeldIssuer, clock: Any, caller: Any) -> None:
    broker = CredentialBroker(issuer, clock=clock, jitter=lambda: 0.0, capacity=2)
    alice, bob, carol = map(caller, ("alice", "bob", "carol"))
    credential = await broker.obtain(TOKEN, HUMAN, alice)
    await broker.obtain(TOKEN, HUMAN, bob)
    assert broker.held(TOKEN, HUMAN, alice) is credential
    await broker.obtain(TOKEN, HUMAN, carol)
    assert broker.held(TOKEN, HUMAN, alice) is credential
    assert broker.held(TOKEN, HUMAN, bob) is None


class OneKeyIssuer(HeldIssuer):
    """IDaaS as it mostly is: whoever may read a key reads the same."""

    async def obtain_api_key(self, pam_token: Secret, need: ApiKey) -> Secret:
        await super().obtain_api_key(pam_token, need)
        return Secret("the-key-" + need.identifier)


async def test_users_who_may_read_the_same_key_hold_it_once(clock: Any, caller: Any) -> None:
    broker = CredentialBroker(OneKeyIssuer(clock), clock=clock)
    alice, bob = caller("alice"), caller("bob")
    of_alice, of_bob = [await broker.obtain(LLM, HUMAN, subject) for subject in (alice, bob)]
    assert of_alice.secret is of_bob.secret
    broker.invalidate(of_alice, alice)
    assert broker.held(LLM, HUMAN, alice) is None
    assert broker.held(LLM, HUMAN, bob) is of_bob


async def test_users_that_are_gone_leave_room(issuer: HeldIssuer, clock: Any, caller: Any) -> None:
    broker = CredentialBroker(issuer, clock=clock)
    for number in range(10):
        await broker.obtain(TOKEN, HUMAN, caller(f"user-{number}", lifetime=100))
    clock.advance(100)
    await broker.obtain(TOKEN, HUMAN, caller("alice"))
    assert len(broker._held) == 1


async def test_closing_ends_flights_and_waiters(broker: CredentialBroker, issuer: HeldIssuer) -> None:
    issuer.hold = True
    waiter = asyncio.create_task(broker.obtain(LLM, MACHINE, None))
    await ticks()
    await broker.aclose()
    with pytest.raises(UnreachableError):
        await waiter
    with pytest.raises(UnreachableError):
        await broker.obtain(TOKEN, MACHINE, None)


NEEDS: list[CredentialNeed] = [TOKEN, LLM, AMAP, PAM_TOKEN]
NAMES = ["alice", "bob"]
OPERATION = st.one_of(
    st.tuples(
        st.just("obtain"), st.sampled_from(NEEDS), st.sampled_from([MACHINE, HUMAN]), st.sampled_from(NAMES)
    ),
    st.tuples(st.just("land"), st.integers(0, 5), st.sampled_from([None, None, DOWN, NO_TOKEN, NO_KEY])),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 10.0, 29.0, 60.0, 500.0, 1300.0])),
    st.tuples(st.just("invalidate"), st.integers(0, 30)),
)


class Schedule:
    """Runs operations against a broker and notes every promise that is broken."""

    def __init__(self, clock: Any, callers: dict[str, VerifiedAccessToken], lifetime: float) -> None:
        self.clock = clock
        self.callers = callers
        self.issuer = HeldIssuer(clock, lifetime=lifetime, hold=True)
        self.broker = CredentialBroker(self.issuer, clock=clock)
        self.waiting: list[asyncio.Task[None]] = []
        self.obtained: list[tuple[Credential, VerifiedAccessToken]] = []
        self.broken: list[str] = self.issuer.faults

    async def obtain(self, need: CredentialNeed, identity: AccessIdentity, name: str) -> None:
        subject = self.callers[name]
        try:
            credential = await self.broker.obtain(need, identity, subject)
        except AgentError:
            return
        owner, what, _ = credential.secret.reveal().rsplit("/", 2)
        now = self.clock()
        if owner != ("machine" if identity is MACHINE else subject.token.reveal()):
            self.broken.append("another's credential")
        if what != (need.identifier if isinstance(need, ApiKey) else need.scope).replace("/", "_"):
            self.broken.append("a credential for another need")
        if now >= credential.expires_at or now >= self.issuer.expires.get(
            credential.secret.reveal(), now + 1
        ):
            self.broken.append("an expired credential")
        if identity is HUMAN and credential.expires_at > subject.expires_at:
            self.broken.append("a credential that outlives its user's token")
        self.obtained.append((credential, subject))

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
        async with asyncio.timeout(5):
            await asyncio.gather(*self.waiting, return_exceptions=True)
        await self.broker.aclose()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATION, max_size=40), lifetime=st.sampled_from([20.0, 60.0, 1200.0]))
def test_no_schedule_breaks_a_promise(
    clock: Any, caller: Callable[..., VerifiedAccessToken], operations: list[tuple[Any, ...]], lifetime: float
) -> None:
    async def run() -> Schedule:
        schedule = Schedule(clock, {name: caller(name) for name in NAMES}, lifetime)
        await schedule.run(operations)
        return schedule

    assert asyncio.run(run()).broken == []
