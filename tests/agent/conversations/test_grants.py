"""Grants in the database, and which calls of a run they cover."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from agent.conversations import grants
from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Database
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.grants import SqlGrantStore
from graph.approvals.grants import Grant, Grants
from graph.error_codes import GraphCode
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.sealed_caller import SealingKeys
from identity.audit.event import Ruled
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import AccessTokenRequirement
from identity.errors import ApprovalError
from identity.principal import AccessIdentity
from tests.graph.approvals.bank import ARGUMENTS, PAY, YES, Bank
from tests.graph.approvals.conftest import ALICE, BOB, NOW, request_of
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.lasting import Lasting
from tools.service import ToolSchema

pytestmark = pytest.mark.promise("grants-are-bounded")

LASTING = Lasting(60, False, {"amount": {"min": 0, "max": 9}, "to": {"equal": "ann"}})
KEYS = SealingKeys.of("A" * 43)


def stores(database: Database) -> tuple[SqlApprovalStore, SqlGrantStore]:
    approvals = SqlApprovalStore(database, Encryption(KEYS))
    return approvals, SqlGrantStore(database, Encryption(KEYS), approvals)


def grant_of(**members: Any) -> Grant:
    given = {"lasting": LASTING, "schema": "s", "token": "t", "created_at": NOW}
    return Grant(request=request_of(id="given", call_id="given"), **{**given, **members})


async def test_each_call_is_used_once_and_counted_until_the_grant_is_withdrawn_or_ends(new_database):
    (approvals, store), (_, other) = stores(new_database()), stores(new_database())
    grant = grant_of()
    await store.add(grant)
    called = [request_of(id=f"{n % 5}", call_id=f"{n % 5}") for n in range(10)]
    assert [each.last_used_at for each in await other.of(ALICE, NOW)] == [None]
    uses = [each.use(grant, call, NOW + 1) for each, call in zip([store, other] * 5, called, strict=True)]
    found = await asyncio.gather(*uses, return_exceptions=True)
    assert Counter(map(type, found)) == {type(None): 5, ApprovalError: 5}
    assert {each.code for each in found if isinstance(each, ApprovalError)} == {GraphCode.APPROVAL_USED}
    counted = [(each.id, each.uses, each.last_used_at) for each in await other.of(ALICE, NOW)]
    assert counted == [("given", 5, NOW + 1)]
    state = await approvals.get("0", ALICE)
    assert state is not None
    assert (state.status, state.approved_digest) == ("used", state.request.digest)

    late, withdrawn, foreign = (request_of(id=name, call_id=name) for name in ("late", "gone", "bob"))
    with pytest.raises(ApprovalError):
        await store.use(grant, late, NOW + 60)
    assert await store.of(ALICE, NOW + 60) == []
    assert await store.of(BOB, NOW) == []
    assert await store.withdraw(BOB, "given") is None
    assert (await store.withdraw(ALICE, "given") or grant).uses == 5
    for call in (withdrawn, foreign):
        with pytest.raises(ApprovalError):
            await other.use(grant, call, NOW)
        assert await approvals.get(call.id, ALICE) is None


async def test_operator_sees_every_grant_that_counts_and_a_user_the_newest(new_database, monkeypatch):
    monkeypatch.setattr(grants, "MOST", 2)
    _, store = stores(new_database())
    for number in range(3):
        given = request_of(id=str(number), call_id=str(number))
        await store.add(replace(grant_of(created_at=NOW + number), request=given))
    assert [each.id for each in await store.of(ALICE, NOW)] == ["2", "1"]
    assert [each.id for each in await store.of_all(NOW)] == ["2", "1", "0"]


class GrantingBank:
    """Banks on one database, whose user has granted payments to ann of at most 9."""

    def __init__(self, database: Database) -> None:
        self.approvals, self.store = stores(database)
        self.grants: Any = None

    def bank(self, thread: str, **members: Any) -> Bank:
        services: dict[str, Any] = {}
        grants = Grants(self.store, services, lambda *_: None, RevocationList(), AuditTrail(), lambda: NOW)  # type: ignore[arg-type, return-value]  # a stand-in
        self.grants = grants
        bank = Bank(store=self.approvals, thread=thread, options={"grants": grants}, **members)  # type: ignore[arg-type]  # checked where it is called
        services["bank"] = bank.service
        policy = ToolPolicy(Effect.WRITE, ApprovalMode.ASK, lasting=LASTING)
        bank.service.policies["pay"] = policy
        return bank


@pytest.fixture
async def granting(database: Database) -> GrantingBank:
    """Paid once, with a grant for all conversations."""
    granting = GrantingBank(database)
    bank = granting.bank("run1")
    await bank.ask()
    await bank.approve(lasting={"seconds": 60})
    assert bank.paid == [ARGUMENTS]
    return granting


OTHERS: dict[str, dict[str, Any]] = {
    "audience": {"credential": AccessTokenRequirement("https://other.example|pay")},
    "permission": {"credential": AccessTokenRequirement("https://bank.example|pay-all")},
    "identity": {"access_identity": AccessIdentity.MACHINE},
}


@pytest.mark.parametrize("changed", OTHERS)
async def test_call_with_other_rights_is_asked_about(granting: GrantingBank, changed: str) -> None:
    bank = granting.bank("run2", **OTHERS[changed])
    await bank.ask()
    assert (await bank.waiting()).request.tool == "pay"
    assert bank.paid == []
    assert len(await granting.grants.of(ALICE)) == (changed == "identity")


@pytest.mark.parametrize("parameters", [{"type": "object", "properties": {"fee": {"type": "number"}}}, None])
async def test_tool_with_another_schema_or_none_is_asked_about(granting, parameters):
    bank = granting.bank("run2")
    schema = ToolSchema("pay", "The tool pay.", parameters) if parameters else bank.service.schemas[1]
    bank.service.schemas[0] = schema
    await bank.ask()
    assert bank.paid == []


async def test_another_user_and_an_effect_that_has_changed_are_asked_about(granting: GrantingBank) -> None:
    here = replace(LASTING, conversation_only=True)
    for thread, token, effect, lasting in (
        ("run2", "bob-at", Effect.WRITE, LASTING),
        ("run3", "alice-at", Effect.EXTERNAL, here),
    ):
        bank = granting.bank(thread)
        bank.service.policies["pay"] = ToolPolicy(effect, ApprovalMode.ASK, lasting=lasting)
        await bank.ask(token=token)
        assert bank.paid == []


@pytest.mark.parametrize(
    "lasting",
    [
        None,
        replace(LASTING, seconds=59),
        replace(LASTING, conversation_only=True),
        replace(LASTING, bounds={"amount": {"min": 0, "max": 4}, "to": {"equal": "ann"}}),
    ],
)
async def test_grant_that_is_more_than_the_policy_offers_today_counts_no_more(granting, lasting):
    bank = granting.bank("run2")
    bank.service.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ASK, lasting=lasting)
    await bank.ask()
    assert (await bank.waiting()).request.tool == "pay"
    assert (bank.paid, await granting.grants.of(ALICE)) == ([], [])


def test_grant_that_rules_offer_counts_where_the_declared_policy_allows_and_for_the_same_arguments() -> None:
    services: dict[str, Any] = {"bank": Bank().service}
    grants = Grants(*[None, services, None, RevocationList(), None, None])  # type: ignore[arg-type]  # unused
    declared, wide = grant_of(lasting=Lasting(60, False, {"amount": {"one_of": [5]}})), grant_of()
    same, wide = (
        replace(each, request=replace(each.request, ruled=Ruled(policy="d"))) for each in (declared, wide)
    )
    policies = ApprovalMode.ALLOW, ApprovalMode.ASK, ApprovalMode.DENY
    for mode, expected in zip(policies, ([True, False, False], [False] * 3, [False] * 3), strict=True):
        services["bank"].policies["pay"] = ToolPolicy(Effect.WRITE, mode)
        assert [grants.counts(each) for each in (same, declared, wide)] == expected
    services.clear()
    assert not grants.counts(same)


def test_event_that_arrives_after_a_grant_ends_it_if_the_token_that_gave_it_was_issued_before() -> None:
    bank, revocations = Bank(), RevocationList()
    bank.service.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ASK, lasting=LASTING)
    services: dict[str, Any] = {"bank": bank.service}
    grants = Grants(*[None, services, None, revocations, None, None])  # type: ignore[arg-type]  # unused
    given = [grant_of(issued_at=NOW - seconds) for seconds in (60, 1)]
    assert all(map(grants.counts, given))
    revocations.apply(Revocation(Target.USER, ALICE.subject, Origin.IDAAS, NOW - 5, NOW - 5))
    assert [grants.counts(each) for each in given] == [False, True]


async def test_denied_call_is_not_made_under_a_grant(granting: GrantingBank) -> None:
    bank = granting.bank("run2")
    bank.service.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.DENY)
    await bank.ask()
    assert bank.paid == []


@pytest.mark.promise("approval-binds")
async def test_approval_is_void_once_the_rights_of_its_user_were_changed_also_if_they_were_restored(granting):
    large = [{"amount": amount, "to": "ann"} for amount in (20, 30)]
    bank = granting.bank("run2", turns=[calls(*(("pay", each) for each in large)), DONE])
    await bank.ask()
    await bank.approve()
    for changed_at, until in ((NOW + 1, NOW), (NOW + 2, None)):
        revocation = Revocation(Target.USER, ALICE.subject, Origin.OPERATOR, until, changed_at)
        granting.grants.revocations.apply(revocation)
    bank.now = NOW + 3
    await bank.approve()
    assert bank.paid == large[1:]


async def test_argument_with_a_secret_of_the_run_is_not_granted(granting: GrantingBank) -> None:
    turn = PAY.model_copy(deep=True)
    turn.tool_calls[0]["args"] = {"amount": 5, "to": "alice-at"}
    bank = granting.bank("run2", turns=[turn, DONE])
    await bank.ask()
    asked = await bank.waiting()
    assert (asked.lasting, "alice-at" in str(asked.arguments)) == (None, False)
    await bank.resume({asked.request.id: YES | {"lasting": {}}})
    assert bank.paid == []
