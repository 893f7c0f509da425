"""Calls that a decision point of the operator's decides, by AuthZEN 1.0: a real server on loopback."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.messages import ToolCall
from starlette.responses import JSONResponse, RedirectResponse, Response

from agent.errors.error_codes import AgentCode
from agent.settings.settings import read_settings
from graph.approvals.declared_policy import DeclaredPolicy
from graph.approvals.pending_call import PendingCall
from graph.approvals.policies import Policies
from graph.approvals.policy import Allow, Ask, Decision, Deny, Facts, Undetermined, User
from graph.approvals.record import Approver
from graph.context import Conversation
from graph.credentials.service_credentials import requirements
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import AccessTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, UnreachableError
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from identity.transport.client import http_client
from identity.transport.retry import RetryPolicy
from plugins.policy.counters import UNCOUNTED, CallCounters
from plugins.policy.decision_point import DecisionPointPolicy
from plugins.policy.situation import FAILED
from plugins.policy.tests.company import ALLOWED, DOCUMENTED, FRIDAY, Away, ClaimedTokens
from plugins.policy.tests.decision_points import Decide, DecisionPoint
from tests.graph.bench import LLM
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Vault
from tests.suite import Sandbox
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.lasting import Lasting

pytestmark = pytest.mark.promise("policy-decides")

ASKS = ToolPolicy(Effect.WRITE, ApprovalMode.ASK)


class Asked:
    """An agent whose calls `point` decides."""

    def __init__(
        self,
        point: DecisionPoint,
        declared: DeclaredPolicy,
        policy: DecisionPointPolicy,
        service: EchoService,
        vault: Vault,
    ) -> None:
        self.point, self.service, self.vault = point, service, vault
        self.declared, self.policy = declared, policy
        self.tokens = ClaimedTokens()

    async def caller(self) -> VerifiedAccessToken:
        return await self.tokens.verify(Secret("alice-at"))

    async def decided(
        self, facts: Facts | None = None, call_id: str = "call_1", **arguments: Any
    ) -> Decision:
        """The decision about an expense of alice."""
        caller = await self.caller()
        arguments = arguments or {"amount": 620.5, "reason": "train", "note": None}
        call = ToolCall(name="submit_expense", args=arguments, id=call_id, type="tool_call")
        conversation = Conversation("t1", "run1")
        pending = PendingCall(call, "expenses", "r1", caller.principal, conversation)
        policies = Policies([self.declared, self.policy])
        return await policies.decide(pending, caller, facts or Facts())


AskedOf = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def asked(
    sandbox: Sandbox, serve: Callable[..., Awaitable[str]], counters: CallCounters
) -> AsyncIterator[AskedOf]:
    http = http_client(None, 5.0)

    async def nothing(_: float) -> None: ...

    async def make(decide: Decide = lambda _: True, *, attempts: int = 1, **variables: str) -> Asked:
        point = await DecisionPoint(decide).served(serve)
        given = {"POLICY_URL": point.url, "POLICY_GROUPS": "staff,finance", "CALLER_CLAIMS": "groups team"}
        settings = read_settings(
            sandbox.environment | given | {"POLICY_TIME_ZONE": "Asia/Shanghai"} | variables
        )
        service = EchoService(
            "expenses", AccessTokenRequirement("https://e.example|x"), submit_expense="done"
        )
        service.policies = dict(ALLOWED)
        services = {"expenses": service}
        required = requirements([service], AccessIdentity.HUMAN, LLM)
        retries = RetryPolicy(attempts=attempts, deadline=5.0, sleep=nothing)
        vault: Any = Vault()
        policy = DecisionPointPolicy(
            services, required, settings, http, vault, lambda: FRIDAY, counters, retries
        )
        return Asked(point, DeclaredPolicy(services, required), policy, service, vault)

    yield make
    await http.aclose()


async def test_request_is_that_of_the_page_and_what_is_permitted_is_called(asked: AskedOf) -> None:
    agent = await asked()
    agent.tokens.claims["alice"] = {"groups": ("staff", "secret"), "team": "sales", "other": "x"}
    agent.tokens.signed_in_at["alice-at"] = FRIDAY - 60
    agent.service.policies["submit_expense"] = replace(ALLOWED["submit_expense"], sum="amount")
    decision: Any = await agent.decided()
    assert replace(decision, release=None) == Allow(policy=f"authzen:{agent.point.url.split('/')[2]}")
    [(headers, given)] = agent.point.requests
    assert given == json.loads(DOCUMENTED.partition("/access/v1/evaluation\n")[2].partition("```")[0])
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]
    assert "authorization" not in headers


async def test_what_is_denied_whatever_is_approved_is_denied_after_each_question_was_tried(
    asked: AskedOf,
) -> None:
    agent = await asked(lambda _: False)
    agent.tokens.signed_in_at["alice-at"] = FRIDAY - 60
    decision = await agent.decided()
    assert isinstance(decision, Deny)
    assert (decision.reason, decision.error) == (Deny().reason, None)
    tried = [
        (each["context"]["approved"], each["context"]["authAge"], each["context"]["hypothetical"])
        for each in agent.point.evaluations
    ]
    own = [(True, 60, True)] * 3
    assert tried == [(False, 60, False), *own, (False, 0, True), *[(True, 0, True)] * 3]


async def test_first_consent_that_would_be_permitted_is_asked(asked: AskedOf) -> None:
    def of_finance(context: Any) -> bool:
        return "finance" in context.get("approver", {"properties": {"groups": ()}})["properties"]["groups"]

    agent = await asked()
    agent.tokens.signed_in_at["alice-at"] = FRIDAY - 900
    for permits, expected in (
        (lambda context: context["approved"], Ask()),
        (of_finance, Ask(approvers="finance")),
        (lambda context: context.get("authAge", 900) < 300, Ask(sign_in=0)),
        (
            lambda context: context["authAge"] < 300 and of_finance(context),
            Ask(approvers="finance", sign_in=0),
        ),
    ):
        agent.point.decide = lambda given, permits=permits: permits(given["context"])
        assert replace(await agent.decided(), policy=None) == expected


async def test_call_is_made_only_if_it_is_permitted_with_who_has_approved(asked: AskedOf) -> None:
    def of_finance(given: Any) -> bool:
        approver = given["context"].get("approver")
        return approver is not None and approver["properties"]["groups"] == ["finance"]

    agent = await asked(of_finance)
    fay = Approver(Principal("https://idaas.example", "fay"), frozenset({"finance", "unlisted"}))
    assert isinstance(await agent.decided(Facts(approved=True, approver=fay)), Allow)
    approver = agent.point.evaluations[-1]["context"]["approver"]
    assert approver["id"] == "fay"
    assert approver["properties"]["iss"] == "https://idaas.example"
    assert isinstance(await agent.decided(Facts(approved=True)), Deny)
    assert len(agent.point.evaluations) == 2


async def test_sign_in_is_not_asked_if_the_token_does_not_say_when_the_user_signed_in(asked: AskedOf) -> None:
    agent = await asked(lambda given: given["context"].get("authAge") == 0)
    decision = await agent.decided()
    assert isinstance(decision, Deny)
    assert "requires a recent sign-in" in decision.reason


async def test_declared_policy_keeps_its_meaning(asked: AskedOf) -> None:
    agent = await asked(lambda given: given["context"].get("consent", {}).get("seconds", 0) <= 900)
    agent.service.policies["submit_expense"] = ToolPolicy(Effect.WRITE, ApprovalMode.DENY)
    assert isinstance(await agent.decided(), Deny)
    assert agent.point.requests == []
    agent.service.policies["submit_expense"] = replace(ASKS, lasting=Lasting(3600, conversation_only=True))
    assert replace(await agent.decided(), policy=None) == Ask(lasting=(900,))
    tool, user = agent.service.schemas[0], User(Principal("https://idaas.example", "alice"), {})
    assert isinstance(await agent.policy.forecast("expenses", tool, user, Allow()), Undetermined)
    assert all(given["context"]["approved"] for given in agent.point.evaluations[1:])


async def test_calls_of_today_are_counted_before_a_replica_asks_about_them(asked: AskedOf) -> None:
    def two_a_day(given: Any) -> bool:
        return bool(given["context"]["today"]["count"] <= 2)

    agents = [await asked(two_a_day) for _ in range(2)]
    decisions = await asyncio.gather(*(agents[n % 2].decided(call_id=f"call_{n}") for n in range(8)))
    allowed = [each for each in decisions if isinstance(each, Allow)]
    assert len(allowed) <= 2
    for number in range(8, 10 - len(allowed)):  # those that were refused are not counted
        assert isinstance(await agents[0].decided(call_id=f"call_{number}"), Allow)
    agents[0].service.policies["submit_expense"] = ASKS
    assert isinstance(await agents[0].decided(call_id="call_9"), Deny)
    agents[1].point.decide = lambda _: True
    last = await agents[1].decided(call_id="call_10")
    assert isinstance(last, Allow)
    await last.released()
    await agents[1].decided(call_id="call_11")
    assert agents[1].point.evaluations[-1]["context"]["today"] == {"count": 3}


async def test_permitted_sum_of_today_exceeds_no_limit_when_replicas_race(asked: AskedOf) -> None:
    def a_thousand_a_day(given: Any) -> bool:
        return bool(given["context"]["today"]["sum"] <= 1000)

    agents = [await asked(a_thousand_a_day) for _ in range(2)]
    for agent in agents:
        agent.service.policies["submit_expense"] = replace(ALLOWED["submit_expense"], sum="amount")
    spent = [70.25 + number for number in range(16)]
    asking = (agents[n % 2].decided(call_id=f"call_{n}", amount=each) for n, each in enumerate(spent))
    decisions = await asyncio.gather(*asking)
    permitted = sum(n for n, each in zip(spent, decisions, strict=True) if isinstance(each, Allow))
    assert permitted <= 1000
    await agents[0].decided(call_id="call_16", amount=0)
    assert agents[0].point.evaluations[-1]["context"]["today"]["sum"] == permitted


@pytest.mark.parametrize("spent", [-1.0, 10.0**12, 0.00001, "5", None])
async def test_amount_that_would_not_count_is_denied_before_anything_is_asked(
    asked: AskedOf, spent: object
) -> None:
    agent = await asked()
    agent.service.policies["submit_expense"] = replace(ALLOWED["submit_expense"], sum="amount")
    decision = await agent.decided(amount=spent)
    assert isinstance(decision, Deny)
    assert (decision.reason, agent.point.requests) == (UNCOUNTED, [])


async def test_call_whose_decision_is_cancelled_or_fails_is_not_counted(asked: AskedOf) -> None:
    began = asyncio.Event()

    async def silent(_: Any) -> Any:
        began.set()
        await asyncio.Event().wait()

    agent = await asked(silent)
    deciding = asyncio.create_task(agent.decided())
    await began.wait()
    deciding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deciding
    agent.point.decide = lambda _: JSONResponse({}, 500)
    assert isinstance(await agent.decided(call_id="call_2"), Deny)
    agent.point.decide = lambda _: True
    assert isinstance(await agent.decided(call_id="call_3"), Allow)
    assert agent.point.evaluations[-1]["context"]["today"] == {"count": 1}


async def test_call_is_denied_while_it_cannot_be_counted_and_has_no_count_without_a_database(
    asked: AskedOf,
) -> None:
    agent = await asked()
    away: Any = Away()
    agent.policy = replace(agent.policy, counters=CallCounters(away))
    decision = await agent.decided()
    assert isinstance(decision, Deny)
    assert (decision.error, agent.point.requests) == (AgentCode.CONVERSATIONS_UNAVAILABLE, [])
    agent.policy = replace(agent.policy, counters=None)
    assert isinstance(await agent.decided(), Allow)
    assert "today" not in agent.point.evaluations[-1]["context"]


async def test_decision_point_learns_the_facts_of_today(asked: AskedOf) -> None:
    async def facts(_: Principal) -> Mapping[str, Any]:
        return {"tokens": 999, "cost": Decimal("2.50001")}

    agent = await asked()
    agent.policy = replace(agent.policy, facts_of_today=facts)
    assert isinstance(await agent.decided(), Allow)
    assert agent.point.evaluations[-1]["context"]["today"] == {"count": 1, "tokens": 999, "cost": 2.5001}


async def test_consent_lasts_as_long_as_the_decision_point_says_and_permits(asked: AskedOf) -> None:
    lasting: list[Any] = [3600]

    def an_hour(given: Any) -> Any:
        consent = given["context"].get("consent")
        if consent is None or consent["seconds"] > 3600:
            return False
        return JSONResponse({"decision": True, "context": {"lasting_seconds": lasting[0]}})

    agent = await asked(an_hour)
    for lasting[0], expected in ((3600, Ask(lasting=(3600,))), (None, Ask()), (7200, Ask())):
        assert replace(await agent.decided(), policy=None) == expected
    assert [each["context"].get("consent") for each in agent.point.evaluations[:3]] == [
        None,
        {"lasting": False, "seconds": 0},
        {"lasting": True, "seconds": 3600},
    ]
    lasting[0] = 3600
    assert isinstance(await agent.decided(Facts(approved=True, lasting=600)), Allow)
    assert agent.point.evaluations[-1]["context"]["hypothetical"] is False
    assert isinstance(await agent.decided(Facts(approved=True, lasting=7200)), Deny)
    agent.service.policies["submit_expense"] = ASKS  # which offers no longer consent
    assert replace(await agent.decided(), policy=None) == Ask()
    for lasting[0] in (0, -1, 86_401, 1.5, "3600", True):
        agent.service.policies = dict(ALLOWED)
        decision = await agent.decided()
        assert isinstance(decision, Deny)
        assert decision.error is AgentCode.POLICY_UNAVAILABLE


OBLIGED = {"decision": True, "context": {"obligations": [{"id": "1", "type": "notify"}]}}


NO_DECISIONS = [
    *(JSONResponse({"decision": True}, status) for status in (201, 400, 401, 403, 404, 429, 500, 503)),
    Response(status_code=204),
    RedirectResponse("http://127.0.0.1:1/"),
    Response('{"decision": true', media_type="application/json"),
    Response('{"decision": true, "decision": false}', media_type="application/json"),
    JSONResponse([True]),
    *(JSONResponse({"decision": value}) for value in ("true", 1, None)),
    JSONResponse({"allowed": True}),
    JSONResponse({"decision": True, "context": "ask first"}),
    JSONResponse(OBLIGED),
    JSONResponse({"decision": True, "padding": "x" * 70_000}),
    Response(gzip.compress(b'{"decision": true}'), headers={"content-encoding": "gzip"}),
]


async def test_whatever_is_no_decision_denies(asked: AskedOf, caplog: pytest.LogCaptureFixture) -> None:
    agent = await asked()
    for response in NO_DECISIONS:
        caplog.clear()
        agent.point.decide = lambda _, response=response: response
        decision = await agent.decided()
        assert isinstance(decision, Deny), response.body
        assert (decision.reason, decision.error) == (FAILED, AgentCode.POLICY_UNAVAILABLE)
        assert '"expenses.submit_expense" is denied: decision point of POLICY_URL: ' in caplog.text
    assert len(agent.point.requests) == len(NO_DECISIONS)


async def test_decision_point_that_is_silent_or_away_denies(asked: AskedOf) -> None:
    agent = await asked(lambda _: asyncio.Event().wait())
    agent.policy = replace(agent.policy, retries=RetryPolicy(attempts=1, deadline=0.01))
    silent = await agent.decided()
    agent.policy = replace(
        agent.policy,
        settings=agent.policy.settings.model_copy(update={"policy_url": "http://127.0.0.1:1/"}),
        retries=RetryPolicy(attempts=1),
    )
    for decision in (silent, await agent.decided()):
        assert isinstance(decision, Deny)
        assert decision.error is AgentCode.POLICY_UNAVAILABLE
    with pytest.raises(UnreachableError):
        await agent.policy.check()


async def test_temporary_failure_is_repeated_once(asked: AskedOf) -> None:
    left = [JSONResponse({}, 503)]
    agent = await asked(lambda _: left.pop() if left else True, attempts=2)
    assert isinstance(await agent.decided(), Allow)
    assert len(agent.point.requests) == 2


async def test_arguments_that_another_reader_would_read_otherwise_are_not_sent(asked: AskedOf) -> None:
    agent = await asked()
    for value in (2**53, -(2**53), float("nan"), "\ud800"):
        assert isinstance(await agent.decided(account=value), Deny)
        assert isinstance(await agent.decided(accounts=[{"id": value}]), Deny)
    assert agent.point.requests == []
    assert isinstance(await agent.decided(account=2**53 - 1), Allow)


async def test_neither_an_argument_nor_a_reason_is_logged_or_in_the_decision(
    asked: AskedOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    agent = await asked()
    reasons = {"reason_user": {"en": "open sesame"}, "id": "sesame"}
    for body in ({"decision": False, "context": reasons}, {"decision": "sesame", "context": reasons}):
        agent.point.decide = lambda _, body=body: JSONResponse(body)
        decision = await agent.decided(amount=1.0, reason="sesame")
        assert "sesame" in json.dumps(agent.point.evaluations)
        assert "sesame" not in caplog.text + repr(decision)


async def test_token_of_the_agent_itself_is_sent_and_without_one_nothing_is_asked(asked: AskedOf) -> None:
    scope = "https://pdp.example|evaluate"
    agent = await asked(POLICY_SCOPE=scope)
    assert isinstance(await agent.decided(), Allow)
    assert agent.point.requests[0][0]["authorization"] == f"Bearer {scope}-of-machine-0"
    agent.vault.failures[scope] = CredentialError(IdentityCode.MACHINE_TOKEN_FAILED, "refused")
    decision = await agent.decided()
    assert isinstance(decision, Deny)
    assert decision.error is IdentityCode.MACHINE_TOKEN_FAILED
    assert len(agent.point.requests) == 1


async def test_token_that_the_decision_point_refuses_is_renewed_once(asked: AskedOf) -> None:
    scope = "https://pdp.example|evaluate"
    refused = JSONResponse({}, 401)
    left: list[Any] = [refused]
    agent = await asked(lambda _: left.pop(0) if left else True, POLICY_SCOPE=scope)
    assert isinstance(await agent.decided(), Allow)
    tokens = [headers["authorization"][-1] for headers, _ in agent.point.requests]
    assert tokens == ["0", "1"]
    left[:] = [refused, refused]
    decision = await agent.decided()
    assert isinstance(decision, Deny)
    assert decision.error is AgentCode.POLICY_UNAVAILABLE
    assert len(agent.point.requests) == 4
    left[:] = [JSONResponse({}, 403)]
    assert isinstance(await agent.decided(), Deny)
    assert len(agent.point.requests) == 5
