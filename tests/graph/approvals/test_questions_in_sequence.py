"""A call that could carry what was read to another person: its user agrees first, and no other yes counts."""

import asyncio
from dataclasses import replace
from typing import Any, NoReturn, cast

import pytest
from langchain_core.messages import HumanMessage, ToolCall

from graph.approvals.gate import ApprovalGate
from graph.approvals.lasting_approvals import CoveringApproval
from graph.approvals.pending_call import PendingCall
from graph.approvals.policies import policies_of
from graph.approvals.policy import Allow, Ask, Decision, Deny, Facts
from graph.approvals.record import ApprovalState, ApprovalStatus, Approver, PendingApproval
from graph.context import Conversation
from graph.credentials.service_credentials import requirements
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import SCOPE
from tests.graph.approvals.conftest import ALICE, NOW
from tests.graph.approvals.memory_store import memory_approvals
from tests.graph.bench import LLM
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy
from tools.lasting import Lasting

pytestmark = pytest.mark.promise("confidential-data-stays")

CALL = ToolCall(name="pay", args={"reason": "8,250.00"}, id="call_1", type="tool_call")
READ = {"payroll.payslip": "confidential"}
SHOWN = ("payroll.payslip: confidential",)
PENDING = PendingCall(CALL, "bank", "r1", ALICE, Conversation("t1", "run1"), read=READ)
FINANCE = Approver(Principal("https://idaas.example", "fay"), frozenset({"finance"}))
ASKS_FINANCE = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ASK, approvers="finance")
ASKS_USER = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ASK, lasting=Lasting(3600))
ASKS_NOBODY = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)


class Rules:
    """A `CallPolicy` that asks a group, as rules of Cedar do, whatever a service declares."""

    def decides(self, *_: object) -> bool:
        return True

    async def decide(
        self, _pending: PendingCall, _caller: VerifiedAccessToken, facts: Facts, _so_far: Allow | Ask
    ) -> Decision:
        return Allow() if facts.approver == FINANCE else Ask(approvers="finance", rules=("four-eyes",))

    async def forecast(self, *_: Any) -> Decision:
        return Ask(approvers="finance")


def gate_of(policy: ToolPolicy, rules: Rules | None = None) -> ApprovalGate:
    bank = EchoService("bank", SCOPE, pay="")
    bank.policies = {"pay": policy}
    required = requirements([bank], AccessIdentity.HUMAN, LLM)
    policies = policies_of({"bank": bank}, required, [] if rules is None else [rules])
    return ApprovalGate([bank], required, memory_approvals(), 600.0, lambda: NOW, policies)


BY_OTHERS = [
    pytest.param(lambda: gate_of(ASKS_FINANCE), id="declared"),
    pytest.param(lambda: gate_of(ASKS_NOBODY, Rules()), id="rules"),
]


async def caller() -> VerifiedAccessToken:
    return await Tokens().verify(Secret("alice-at"))


async def asked(gate: ApprovalGate, pending: PendingCall = PENDING) -> PendingApproval:
    """The question that is asked now, kept as one that was asked."""
    verdict = await gate.verdict(pending, await caller())
    assert isinstance(verdict, PendingApproval)
    await gate.store.open(verdict.request)
    return verdict


async def approved(gate: ApprovalGate, question: PendingApproval) -> ApprovalState:
    request = question.request
    if request.approvers is not None:
        return await gate.store.decide_for(request.id, FINANCE, approved=True, at=NOW)
    return await gate.store.decide(request.id, ALICE, approved=True, digest=request.digest, at=NOW)


@pytest.mark.parametrize("gate_with", BY_OTHERS)
async def test_user_is_asked_before_others_and_both_must_agree(gate_with: Any) -> None:
    gate = gate_with()
    own = await asked(gate)
    assert (own.request.approvers, own.request.read, own.lasting) == (None, SHOWN, None)
    assert isinstance(await gate.permit(PENDING, await caller()), Deny)

    gate = gate_with()
    await approved(gate, await asked(gate))
    others = await asked(gate)
    assert others.request.approvers == "finance"
    assert others.request.digest == own.request.digest
    await approved(gate, others)
    permitted = await gate.permit(PENDING, await caller())
    assert isinstance(permitted, Allow)
    assert permitted.approval == others.request.id
    assert isinstance(await gate.permit(PENDING, await caller()), Deny)


@pytest.mark.parametrize("gate_with", BY_OTHERS)
async def test_approval_of_others_alone_never_lets_data_out(gate_with: Any) -> None:
    gate = gate_with()
    unlabelled = replace(PENDING, read={})
    await approved(gate, await asked(gate, unlabelled))
    assert isinstance(await gate.permit(PENDING, await caller()), Deny)


async def test_write_into_the_same_service_is_shown_to_others_after_its_user_has_agreed() -> None:
    labelled = ToolPolicy(Effect.WRITE, ApprovalMode.ASK, approvers="finance", data=Data.CONFIDENTIAL)
    gate = gate_of(labelled)  # what is written there comes back with a label
    own = replace(PENDING, read={"bank.balance": "confidential"})
    assert (await asked(gate, own)).request.approvers is None
    assert (await asked(gate, replace(own, read={}))).request.approvers == "finance"


@pytest.mark.parametrize("gate_with", BY_OTHERS)
async def test_user_who_declines_is_not_overruled_and_others_are_not_asked(gate_with: Any) -> None:
    gate = gate_with()
    own = await asked(gate)
    await gate.store.decide(own.request.id, ALICE, approved=False, digest=None, at=NOW)
    assert isinstance(await gate.verdict(PENDING, await caller()), Deny)
    assert await gate.store.asked_of(FINANCE, NOW) == []


@pytest.mark.parametrize("gate_with", BY_OTHERS)
async def test_question_to_others_keeps_the_answer_of_the_user_only(gate_with: Any) -> None:
    gate = gate_with()
    own = await asked(gate)
    await approved(gate, own)
    await approved(gate, await asked(gate))
    changed = replace(PENDING, call={**CALL, "args": {"reason": "8,250.00 CNY"}})
    assert isinstance(await gate.permit(changed, await caller()), Deny)
    state = await gate.store.get(own.request.id, ALICE)
    assert state is not None
    assert state.status is ApprovalStatus.APPROVED


async def test_user_who_approves_the_call_anyhow_is_asked_once_and_for_this_call_only() -> None:
    for policy in (ASKS_USER, ASKS_NOBODY):
        gate = gate_of(policy)
        own = await asked(gate)
        assert (own.request.read, own.lasting) == (SHOWN, None)
        await approved(gate, own)
        permitted = await gate.permit(PENDING, await caller())
        assert isinstance(permitted, Allow)
        assert permitted.approval == own.request.id


async def test_answer_to_a_question_that_did_not_say_what_was_read_lets_nothing_out() -> None:
    gate = gate_of(ASKS_USER)
    await approved(gate, await asked(gate, replace(PENDING, read={})))
    assert isinstance(await gate.permit(PENDING, await caller()), Deny)


async def test_grant_covers_no_call_that_could_carry_what_was_read() -> None:
    gate = gate_of(ASKS_USER)
    await asked(gate, replace(PENDING, read={}))

    async def never_used(*_: object) -> None:
        raise AssertionError("the call is made without its user")

    class Granted:
        """Grants of which one covers every call."""

        def is_void(self, _: ApprovalState) -> bool:
            return False

        async def covering(self, *_: Any) -> list[CoveringApproval]:
            covers = Lasting(3600, bounds={"reason": {"equal": "8,250.00"}})
            return [CoveringApproval("given", covers, never_used)]

    gate.grants = Granted()  # type: ignore[assignment, misc]  # as much as the gate uses
    later = replace(PENDING, call={**CALL, "id": "call_2"})
    assert isinstance(await gate.verdict(replace(later, read={}), await caller()), Allow)
    asks = await gate.verdict(later, await caller())
    assert isinstance(asks, PendingApproval)
    assert asks.lasting is None
    assert isinstance(await gate.permit(later, await caller()), Deny)


async def test_labels_take_no_grant_for_the_users_agreement() -> None:
    bank = EchoService("bank", SCOPE, pay="")
    bank.policies = {"pay": ASKS_NOBODY}
    policies = policies_of({"bank": bank}, requirements([bank], AccessIdentity.HUMAN, LLM))
    granted = Facts(approved=True, lasting=3600)
    assert await policies.decide(PENDING, await caller(), granted) == Ask(read=SHOWN)
    assert await policies.decide(PENDING, await caller(), Facts(approved=True)) == Allow()


class Counting(Rules):
    """A `CallPolicy` that allows each call, and counts it."""

    counted = 0

    async def decide(self, *_: object) -> Decision:
        self.counted += 1

        async def release() -> None:
            self.counted -= 1

        return Allow(release=release)


class Unlisted(EchoService):
    """A service whose server never ends the list of its tools."""

    def __init__(self) -> None:
        super().__init__("bank", SCOPE, pay="")
        self.policies = {"pay": ASKS_NOBODY}
        self.is_asked = asyncio.Event()

    def cached_tools(self, _access: Any) -> None:
        return None

    async def tools(self, _access: Any) -> NoReturn:
        self.is_asked.set()
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("decides", [ApprovalGate.verdict, ApprovalGate.permit])
async def test_call_of_a_run_that_ends_while_tools_are_listed_is_not_counted(decides: Any) -> None:
    bank, counting = Unlisted(), Counting()
    required = requirements([bank], AccessIdentity.HUMAN, LLM)
    policies = policies_of({"bank": bank}, required, [counting], lambda _service, _caller: cast(Any, None))
    gate = ApprovalGate([bank], required, memory_approvals(), 600.0, lambda: NOW, policies)
    deciding = asyncio.create_task(decides(gate, PENDING, await caller()))
    await bank.is_asked.wait()
    deciding.cancel()
    await asyncio.wait([deciding])
    assert counting.counted == 0


async def test_arguments_of_a_tool_whose_schema_is_not_known_could_carry_what_was_read() -> None:
    gate = gate_of(ASKS_NOBODY)
    written = replace(PENDING, call={**CALL, "args": {"reason": "lunch"}}, messages=[HumanMessage("lunch")])
    assert (await asked(gate, written)).request.read == SHOWN
    nothing = replace(PENDING, call={**CALL, "args": {}})
    assert isinstance(await gate.verdict(nothing, await caller()), Allow)
