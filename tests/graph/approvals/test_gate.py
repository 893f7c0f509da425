"""The id of an approval follows from the call and the principal: any other call has another id."""

from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage, ToolCall

from graph.approvals.gate import ApprovalGate
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.context import Conversation
from graph.credentials.service_credentials import requirements
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CredentialRequirement,
    OAuthTokenRequirement,
)
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import SCOPE
from tests.graph.approvals.conftest import ALICE, NOW
from tests.graph.approvals.memory_store import memory_approvals
from tests.graph.bench import LLM
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.error_codes import ToolCode

pytestmark = pytest.mark.promise("approval-binds")

CALL = ToolCall(name="pay", args={"amount": 5}, id="call_1", type="tool_call")
PENDING = PendingCall(CALL, "bank", "r1", ALICE, Conversation("t1", "run1"))
ASK = ToolPolicy(mode=ApprovalMode.ASK)


def gate_of(
    requirement: CredentialRequirement | None = SCOPE,
    access_identity: AccessIdentity = AccessIdentity.HUMAN,
    policy: ToolPolicy = ASK,
) -> ApprovalGate:
    services = [EchoService(name, requirement, pay="", refund="", look="") for name in ("bank", "other")]
    for service in services:
        service.policies = {"pay": policy, "refund": policy}
    required = requirements(services, access_identity, LLM)
    return ApprovalGate(services, required, memory_approvals(), 600.0, lambda: NOW)


@pytest.fixture
def gate() -> ApprovalGate:
    return gate_of()


async def id_of(gate: ApprovalGate, pending: PendingCall) -> str:
    verdict = await gate.verdict(pending, await Tokens().verify(Secret("alice-at")))
    assert isinstance(verdict, PendingApproval)
    return verdict.request.id


async def test_same_call_has_the_same_id(gate: ApprovalGate) -> None:
    assert await id_of(gate, PENDING) == await id_of(gate, replace(PENDING, messages=[HumanMessage("x")]))


@pytest.mark.parametrize(
    "other",
    [
        replace(PENDING, principal=Principal("https://other.example", "alice")),
        replace(PENDING, principal=Principal("https://idaas.example", "bob")),
        replace(PENDING, conversation=Conversation("t2", "run1")),
        replace(PENDING, conversation=Conversation("t1", "run2")),
        replace(PENDING, response_id="r2"),
        replace(PENDING, service="other"),
        replace(PENDING, call={**CALL, "id": "call_2"}),
        replace(PENDING, call={**CALL, "name": "refund"}),
        replace(PENDING, principal=Principal("https://idaas.example/alice", "")),
    ],
)
async def test_any_other_call_has_another_id(gate: ApprovalGate, other: PendingCall) -> None:
    assert await id_of(gate, PENDING) != await id_of(gate, other)


@pytest.mark.parametrize(
    "other",
    [
        gate_of(access_identity=AccessIdentity.MACHINE),
        gate_of(AccessTokenRequirement("https://other.example|pay")),
        gate_of(AccessTokenRequirement("https://bank.example|refund")),
        gate_of(OAuthTokenRequirement("https://bank.example", ("pay",))),
        gate_of(ApiKeyRequirement("bank-key", ToolCode.SERVICE_FAILED)),
        gate_of(None),
        gate_of(policy=ToolPolicy(Effect.EXTERNAL, ApprovalMode.ASK)),
    ],
)
async def test_same_call_under_other_rights_has_another_id(gate: ApprovalGate, other: ApprovalGate) -> None:
    assert await id_of(gate, PENDING) != await id_of(other, PENDING)


async def test_another_kind_of_credential_with_the_same_name_has_another_id() -> None:
    key, token = (gate_of(kind) for kind in (ApiKeyRequirement("bank"), OAuthTokenRequirement("bank")))
    assert await id_of(key, PENDING) != await id_of(token, PENDING)


async def test_call_that_only_reads_needs_no_approval_and_no_conversation(gate: ApprovalGate) -> None:
    reads = replace(PENDING, call={**CALL, "name": "look"}, conversation=None)
    alice = await Tokens().verify(Secret("alice-at"))
    assert await gate.permit(reads, alice) == await gate.verdict(reads, alice) == Allow()


async def test_question_of_another_kind_about_the_same_call_has_another_id(gate: ApprovalGate) -> None:
    assert len({gate.requests.for_call(PENDING, kind).id for kind in ApprovalKind}) == len(ApprovalKind)
