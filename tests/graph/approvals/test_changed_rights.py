"""An answer counts for the rights that the question showed: a process that would use others asks anew."""

from typing import Any

import pytest

from graph.approvals.record import ApprovalStatus
from identity.credentials.placement import Placement
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.principal import AccessIdentity
from tests.graph.approvals.bank import ARGUMENTS, PAY, YES, Bank, result_of
from tests.graph.approvals.conftest import ALICE
from tests.graph.scripted_model import DONE
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("approval-binds")

ASK = ToolPolicy(Effect.WRITE, ApprovalMode.ASK)


def bank_of(turns: list[Any], policy: ToolPolicy = ASK, **members: Any) -> Bank:
    bank = Bank(turns, **members)
    bank.service.policies["pay"] = policy
    return bank


GATEWAY = ApiKeyRequirement("gateway", placement=Placement("X-API-Key"))
CHANGES: list[dict[str, Any]] = [
    {"access_identity": AccessIdentity.MACHINE},
    {"credential": AccessTokenRequirement("https://other.example|pay")},
    {"credential": AccessTokenRequirement("https://bank.example|pay.any")},
    {"credential": AccessTokenRequirement("https://bank.example|pay", ("pay.any",))},
    {"credential": AccessTokenRequirement("https://bank.example|pay", also=(GATEWAY,))},
    {"policy": ToolPolicy(Effect.EXTERNAL, ApprovalMode.ASK)},
]


@pytest.mark.parametrize("changed", CHANGES)
async def test_answer_at_a_process_with_other_rights_makes_no_call_and_the_user_is_asked_anew(
    changed: dict[str, Any],
) -> None:
    before = bank_of([PAY])
    await before.ask()
    asked = await before.approval_id()
    after = bank_of([DONE], store=before.store, saver=before.saver, **changed)
    await after.resume({asked: YES})
    anew = await after.waiting()

    assert before.service.calls == after.service.calls == []
    assert (anew.request.id != asked, anew.arguments) == (True, ARGUMENTS)
    assert [state.request for state in await after.store.pending(ALICE, "t1")] == [anew.request]
    await after.resume({asked: YES})
    assert after.service.calls == []
    await after.approve()
    assert after.paid == [ARGUMENTS]


async def test_approved_call_is_not_made_where_the_rights_are_others() -> None:
    """The first process ends after the decision, and another one continues the run."""
    before = bank_of([PAY])
    await before.ask()
    asked = (await before.waiting()).request
    await before.store.decide(asked.id, ALICE, approved=True, digest=asked.digest, at=before.now)
    after = bank_of([DONE], store=before.store, saver=before.saver, access_identity=AccessIdentity.MACHINE)
    await after.resume()

    assert after.service.calls == []
    assert (await after.waiting()).request.access_identity is AccessIdentity.MACHINE


async def test_question_about_a_call_that_is_denied_meanwhile_is_withdrawn() -> None:
    before = bank_of([PAY])
    await before.ask()
    asked = await before.approval_id()
    denies = ToolPolicy(Effect.WRITE, ApprovalMode.DENY)
    after = bank_of([DONE], denies, store=before.store, saver=before.saver)
    messages = await after.resume({asked: YES})
    state = await after.store.get(asked, ALICE)

    assert "policy" in result_of(messages).text
    assert after.service.calls == []
    assert state is not None
    assert state.status is ApprovalStatus.WITHDRAWN
