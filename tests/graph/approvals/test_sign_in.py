"""An access token that expires during a run that is kept pauses it, for the same user with a fresh token."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage

from graph.approvals.record import ApprovalKind, ApprovalStatus
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.extensions import Extensions
from graph.proposed_calls import RequestedCall
from identity.credentials.requirement import Credential
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, ApprovalError
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import Bank
from tests.graph.approvals.conftest import ALICE, NOW
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("approval-binds")

OLD, FRESH = "alice-old-at", "alice-fresh-at"
LOOK = calls(("balance", {}))


class Expiring(Bank):
    """The token `OLD` expires while the model responds for the first time; it is refused with `code`."""

    code = IdentityCode.ACCESS_TOKEN_INVALID
    lifetime = 100.0

    def __post_init__(self) -> None:
        self.turns = [self.expire, DONE]
        super().__post_init__()
        self.tokens = self.bench.tokens
        self.tokens.expires_at[OLD] = NOW + self.lifetime

    def expire(self, _: Sequence[AnyMessage]) -> AIMessage:
        self.now = NOW + 100
        self.tokens.refused.add(OLD)
        self.tokens.codes[OLD] = self.code
        return LOOK.model_copy()


async def test_run_pauses_and_goes_on_with_a_fresh_token() -> None:
    bank = Expiring()
    await bank.ask(token=OLD)
    request = (await bank.waiting()).request
    assert (request.kind, request.principal) == (ApprovalKind.SIGN_IN_REQUIRED, ALICE)
    assert bank.service.calls == []
    messages = await bank.resume({request.id: {"approved": True}}, token=FRESH)
    assert [tool for tool, _, _ in bank.service.calls] == ["balance"]
    assert messages[-1].text == "done"
    assert len(bank.bench.model.asked) == 2


async def test_question_is_on_record_and_closed_by_the_run_that_answers_it() -> None:
    bank = Expiring()
    await bank.ask(token=OLD)
    request = (await bank.waiting()).request
    assert [state.request for state in await bank.store.pending(ALICE)] == [request]
    await bank.resume({request.id: {"approved": True}}, token=FRESH)
    state = await bank.store.get(request.id, ALICE)
    assert state is not None
    assert state.status is ApprovalStatus.APPROVED
    asked, decided = bank.records.events[:2]
    assert (asked.action, asked.outcome, asked.error) == (
        "approval_requested", "succeeded", IdentityCode.SIGN_IN_REQUIRED,
    )  # fmt: skip
    assert (decided.action, decided.outcome) == ("approval_decided", "succeeded")
    assert {event.approval for event in (asked, decided)} == {request.id}
    assert {event.principal for event in (asked, decided)} == {ALICE}


async def test_run_goes_on_with_a_fresh_token_alone() -> None:
    bank = Expiring()
    await bank.ask(token=OLD)
    assert (await bank.resume(token=FRESH))[-1].text == "done"
    assert await bank.store.pending(ALICE) == []


async def test_another_user_cannot_go_on() -> None:
    bank = Expiring()
    await bank.ask(token=OLD)
    request = (await bank.waiting()).request
    for answers in ({request.id: {"approved": True}}, None):
        with pytest.raises(ApprovalError) as caught:
            await bank.resume(answers, token="bob-at")
        assert caught.value.code is GraphCode.APPROVAL_INVALID
    assert bank.service.calls == []
    state = await bank.store.get(request.id, ALICE)
    assert state is not None
    assert state.status is ApprovalStatus.OPEN


async def test_token_that_had_expired_before_does_not_resume() -> None:
    bank = Expiring()
    await bank.ask(token=OLD)
    asked = await bank.waiting()
    with pytest.raises(AccessTokenError):
        await bank.resume({asked.request.id: {"approved": True}}, token=OLD)
    assert bank.service.calls == []
    assert await bank.waiting() == asked


@pytest.mark.parametrize(
    ("code", "lifetime"),
    [
        (IdentityCode.ACCESS_REVOKED, 100.0),
        (IdentityCode.INSUFFICIENT_SCOPE, 100.0),
        (IdentityCode.ACCESS_TOKEN_INVALID, 101.0),
    ],
)
async def test_token_that_is_refused_for_another_reason_ends_the_run(
    code: IdentityCode, lifetime: float
) -> None:
    bank = type("_", (Expiring,), {"code": code, "lifetime": lifetime})()
    with pytest.raises(AccessTokenError) as caught:
        await bank.ask(token=OLD)
    assert caught.value.code is code
    assert await bank.store.pending(ALICE) == []


async def test_run_that_is_not_kept_ends() -> None:
    for missing in ("store", "checkpointer"):
        bank = Expiring(options={missing: None})
        with pytest.raises(AccessTokenError):
            await bank.bench.ask(token=OLD, **({"config": bank.config} if missing == "store" else {}))


async def test_caller_whom_the_server_cannot_find_any_more_signs_in_again() -> None:
    bank = type("_", (Expiring,), {"code": IdentityCode.SIGN_IN_REQUIRED, "lifetime": 1e6})()
    await bank.ask(token=OLD)
    request = (await bank.waiting()).request
    assert (request.kind, request.principal) == (ApprovalKind.SIGN_IN_REQUIRED, ALICE)
    assert (await bank.resume({request.id: {"approved": True}}, token=FRESH))[-1].text == "done"


async def test_resume_value_with_a_fresh_token_goes_on_and_closes_the_question() -> None:
    bank = Expiring(options={"resume_values": True})
    await bank.ask(token=OLD)
    messages = await bank.respond({"decisions": [{"type": "approve"}]}, token=FRESH)
    assert messages[-1].text == "done"
    assert await bank.store.pending(ALICE) == []


async def test_call_that_the_caller_requested_outlasts_the_pause_and_the_model_is_not_called() -> None:
    bank = Bank()
    bank.service.listed_by_its_server = True
    tokens, obtain = bank.bench.tokens, bank.bench.vault.obtain
    tokens.expires_at[OLD] = NOW + 100

    async def expiring(*given: Any) -> Credential:
        bank.now = NOW + 100
        tokens.refused.add(OLD)
        return await obtain(*given)

    bank.bench.vault.obtain = expiring  # type: ignore[method-assign]  # and then expired
    call = LOOK.tool_calls[0]
    context = AgentContext(Secret(OLD), thread_id="t1", extensions=Extensions(RequestedCall(call)))
    await bank.graph.ainvoke({"messages": [("user", "Call it.")]}, bank.config, context=context)
    assert (await bank.waiting()).request.kind is ApprovalKind.SIGN_IN_REQUIRED
    messages = await bank.resume(token=FRESH)
    assert [tool for tool, _, _ in bank.service.calls] == ["balance"]
    assert (messages[-1].text, bank.bench.model.asked) == ("12", [])
