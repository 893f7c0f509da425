"""The audit events of the credentials that the broker requests."""

import asyncio
import hashlib

import pytest

from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import assume_verified
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import (
    AgentError,
    AuditError,
    CredentialError,
    PrerequisiteRefusedError,
    UnreachableError,
)
from identity.idaas.client import IDaaSClient
from identity.observation.metrics import Histogram
from identity.observation.request_context import REQUEST_ID
from identity.observation.span import timed_span
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.audit_records import AuditRecords

pytestmark = pytest.mark.promise("on-record")

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessTokenRequirement("https://enterprise.example|service.invoke")
KEY = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
ALICE = Principal("https://idaas.example", "user_alice01")
REFUSED = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "refused")
DOWN = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "down")


class Issuer(IDaaSClient):
    """Issues credentials, or raises the next of `errors`."""

    def __init__(self, clock):
        self.clock = clock
        self.errors: list[AgentError] = []
        self.gate: asyncio.Event | None = None

    async def _issue(self, secret):
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        return Secret(secret)

    async def token(self, _scope, subject_token=None):
        whose = "machine" if subject_token is None else "exchanged"
        return IssuedCredential(await self._issue(f"canary-{whose}"), self.clock() + 1200)

    async def obtain(self, _pam_token, _requirement, _subject):
        return IssuedCredential(await self._issue("canary-key"))


@pytest.fixture
def records():
    return AuditRecords()


@pytest.fixture
def issuer(clock):
    return Issuer(clock)


@pytest.fixture
async def broker(issuer, records, clock):
    trail = AuditTrail(records, client="app_agent01", clock=clock)
    broker = CredentialBroker(issuer, clock=clock, audit=trail)
    yield broker
    await broker.aclose()


def caller(clock, token="canary-at"):
    return assume_verified(
        principal=ALICE,
        audience=("https://agent.example",),
        scopes=frozenset({"agent.access"}),
        expires_at=clock() + 1200,
        fingerprint=hashlib.sha256(token.encode()).hexdigest(),
        token=Secret(token),
    )


async def test_exchange_event_names_user_agent_audience_and_scope(broker, records, clock):
    await broker.obtain(TOKEN, HUMAN, caller(clock))
    [event] = records.events
    assert event.action is AuditedAction.TOKEN_EXCHANGE
    assert event.outcome is AuditOutcome.SUCCEEDED
    assert event.principal == ALICE
    assert event.client == "app_agent01"
    assert event.access_identity is HUMAN
    assert (event.audience, event.scope) == ("https://enterprise.example", "service.invoke")
    assert event.time == clock()
    assert event.duration >= 0


async def test_machine_credential_event_names_no_caller(broker, records, clock):
    await broker.obtain(KEY, MACHINE, caller(clock))
    assert records.outcomes == [("machine_token", "succeeded"), ("api_key_issue", "succeeded")]
    assert {(event.principal, event.token_hash) for event in records.events} == {(None, None)}
    assert records.events[1].credential == "llm_api_key"


@pytest.mark.parametrize(("error", "outcome"), [(REFUSED, AuditOutcome.REFUSED), (DOWN, AuditOutcome.FAILED)])
async def test_failure_event_has_its_code_and_distinguishes_refusal_from_outage(
    broker, issuer, records, clock, error, outcome
):
    issuer.errors = [error]
    with pytest.raises(type(error)):
        await broker.obtain(TOKEN, HUMAN, caller(clock))
    [event] = records.events
    assert (event.outcome, event.error) == (outcome, error.code)


async def test_each_attempt_to_obtain_a_key_is_recorded(broker, issuer, records, clock):
    await broker.obtain(AccessTokenRequirement("urn:cloud:idaas:pam|.all"), MACHINE, None)
    issuer.errors = [PrerequisiteRefusedError(KEY.error_code, "token refused")]
    await broker.obtain(KEY, MACHINE, None)
    assert records.outcomes[1:] == [
        ("api_key_issue", "refused"),
        ("machine_token", "succeeded"),
        ("api_key_issue", "succeeded"),
    ]


async def test_event_has_the_id_of_the_first_request(broker, issuer, records, clock):
    issuer.gate = asyncio.Event()

    async def request(name):
        REQUEST_ID.set(name)
        await broker.obtain(KEY, HUMAN, caller(clock))

    requests = [asyncio.create_task(request(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    issuer.gate.set()
    await asyncio.gather(*requests)
    assert [event.request_id for event in records.events] == ["first", "first"]
    assert REQUEST_ID.get() is None


async def test_credential_that_cannot_be_recorded_is_not_returned(broker, records, clock):
    records.broken = tuple(AuditedAction)
    for identity in (MACHINE, HUMAN):
        with pytest.raises(AuditError):
            await broker.obtain(TOKEN, identity, caller(clock))
        assert broker.cached(TOKEN, identity, caller(clock)) is None
    records.broken = ()
    await broker.obtain(TOKEN, HUMAN, caller(clock))


async def test_cancelled_credential_request_is_recorded(broker, issuer, records, clock):
    issuer.gate = asyncio.Event()
    waiting = asyncio.create_task(broker.obtain(TOKEN, HUMAN, caller(clock)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await broker.aclose()
    with pytest.raises(UnreachableError):
        await waiting
    assert records.outcomes == [("token_exchange", "cancelled")]


async def test_token_hashes_are_equal_only_for_one_token_in_one_process(records, clock):
    trails = [AuditTrail(records, clock=clock) for _ in range(2)]
    for trail, token in ((trails[0], "a"), (trails[0], "b"), (trails[1], "a")):
        await trail.call(AuditedAction.TOOL_CALL, TOKEN, HUMAN, caller(clock, token)).started()
    await trails[0].authentication(Secret("a"), "audience", "scope").started()
    first, other_token, other_process, presented = (event.token_hash for event in records.events)
    assert first == presented
    assert len({first, other_token, other_process}) == 3
    assert caller(clock, "a").fingerprint[:32] not in {first, other_process}


async def test_token_hashes_are_equal_in_all_processes_with_one_key(records, clock):
    for key in (b"k" * 32, b"k" * 32, b"f" * 32):
        trail = AuditTrail(records, key=key, clock=clock)
        await trail.authentication(Secret("a"), "audience", "scope").started()
    one, same_key, other_key = (event.token_hash for event in records.events)
    assert one == same_key != other_key


async def test_events_contain_no_secret(broker, records, clock):
    await broker.obtain(KEY, HUMAN, caller(clock))
    await broker.obtain(KEY, MACHINE, None)
    assert "canary" not in repr(records.events)
    assert caller(clock).fingerprint not in repr(records.events)


class Slow(AuditRecords):
    """Accepts events at once, and has written the start only when `safe` is set."""

    def __init__(self):
        super().__init__()
        self.taken, self.safe = asyncio.Event(), asyncio.Event()

    async def record(self, event):
        await super().record(event)
        self.taken.set()
        if event.outcome is AuditOutcome.STARTED:
            await self.safe.wait()


@pytest.mark.promise("shutdown-loses-nothing")
async def test_step_cancelled_before_its_start_is_written_has_an_end_event(clock):
    slow = Slow()
    step = AuditTrail(slow, clock=clock).call(AuditedAction.TOOL_CALL, KEY, MACHINE, caller(clock))
    starting = asyncio.create_task(step.started())
    await slow.taken.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert slow.outcomes == [("tool_call", "started"), ("tool_call", "cancelled")]


async def test_step_that_cannot_be_recorded_fails_also_in_its_measure() -> None:
    """The audit log is first: what its sinks learn of a step is whether it was recorded."""
    records, seconds = AuditRecords(), Histogram()
    records.broken = {AuditedAction.API_KEY_ISSUE}
    step = AuditTrail(records).issue(KEY, MACHINE, None)
    with pytest.raises(AuditError):
        async with step.timed(timed_span(seconds, ("api_key_issue",), "issue")):
            pass
    assert list(seconds.values) == [("api_key_issue", "audit_unavailable")]
