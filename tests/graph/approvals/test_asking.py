"""A call that asks pauses the run before anything is obtained or recorded of it, and goes on as decided.

An answer counts for the rights that the question showed: a process that would use others asks anew.
"""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.encryption.encryption import Encryption
from graph.approvals.record import ApprovalStatus
from graph.call_arguments import arguments_digest
from graph.context import AgentContext
from graph.error_codes import GraphCode
from identity.audit.event import AuditedAction
from identity.credentials.placement import Placement
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import AuditError, CredentialError, ServiceError, UnavailableError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import ARGUMENTS, PAY, SCOPE, YES, Bank, result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.approvals.memory_store import MemoryDatabase, memory_approvals
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.error_codes import ToolCode

pytestmark = pytest.mark.promise("approval-binds")


async def test_run_pauses_when_the_credential_is_obtained_and_before_the_call_is_recorded() -> None:
    bank = Bank()
    messages = await bank.ask()
    assert messages[-1].tool_calls[0]["name"] == "pay"
    assert bank.bench.vault.obtained == [("llm_api_key", "alice"), (SCOPE.scope, "alice")]
    assert bank.records.outcomes == [("approval_requested", "succeeded")]
    assert bank.service.calls == []


REFUSED = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "no such permission")


async def test_user_without_the_right_is_not_asked_and_the_model_reads_why() -> None:
    bank = Bank()
    bank.bench.vault.failures[SCOPE.scope] = REFUSED
    messages = await bank.ask()
    [event] = bank.records.events

    assert await bank.store.pending(ALICE) == []
    assert result_of(messages).text.startswith("token_exchange_failed: ")
    assert (bank.service.calls, messages[-1].text) == ([], "done")
    assert (event.action, event.outcome, event.error) == ("tool_call", "refused", REFUSED.code)


async def test_call_whose_arguments_break_the_schema_is_not_asked_about_and_the_model_reads_why() -> None:
    bank = Bank([calls(("pay", {"amount": "5", "to": "ann"}), ("pay", {"amount": 5})), DONE])
    await bank.ask()
    assert (await bank.waiting()).arguments == {"amount": 5}
    result = result_of(await bank.approve())
    assert (result.status, result.text) == (
        "error", "invalid arguments: \"amount\": '5' is not of type 'integer'",
    )  # fmt: skip
    assert bank.paid == [{"amount": 5}]
    assert bank.records.outcomes[0] == ("tool_call", "refused")


async def test_call_whose_schema_cannot_be_obtained_is_not_asked_about() -> None:
    bank = Bank()
    bank.service.schema_failure = ServiceError(ToolCode.SERVICE_FAILED, "down")
    messages = await bank.ask()
    assert result_of(messages).text.startswith("service_failed: ")
    assert await bank.store.pending(ALICE) == []


async def test_user_is_asked_about_the_calls_for_which_they_have_the_right() -> None:
    bank = Bank([calls(("view", {}), ("pay", {"amount": 1}), ("pay", {"amount": 2})), DONE])
    foreign = EchoService("foreign", AccessTokenRequirement("https://foreign.example|view"), view="seen")
    foreign.policies = {"view": ToolPolicy(Effect.WRITE)}
    bank.bench.services.append(foreign)
    bank.bench.__post_init__()
    bank.graph = bank.bench.graph
    bank.bench.vault.failures["https://foreign.example|view"] = REFUSED
    await bank.ask()
    first = await bank.waiting()
    await bank.approve()
    second = await bank.waiting()
    assert (first.arguments, second.arguments) == ({"amount": 1}, {"amount": 2})
    bank.bench.vault.failures[SCOPE.scope] = REFUSED  # the right was withdrawn: the approved call fails
    results = [each.text for each in await bank.approve() if each.type == "tool"]
    assert [result.partition(":")[0] for result in results] == ["token_exchange_failed"] * 3
    assert (bank.service.calls, foreign.calls) == ([], [])


async def test_run_of_another_process_obtains_the_credential_before_its_next_question() -> None:
    before = Bank([calls(("pay", {"amount": 1}), ("pay", {"amount": 2}))])
    await before.ask()
    after = Bank([DONE], store=before.store, saver=before.saver)
    after.bench.vault.failures[SCOPE.scope] = REFUSED
    messages = await after.resume({await before.approval_id(): {"approved": False}})
    assert result_of(messages, "call_2").text.startswith("token_exchange_failed: ")
    assert await after.store.pending(ALICE) == []


async def test_question_names_call_service_credential_and_time() -> None:
    bank = Bank()
    await bank.ask()
    pending = await bank.waiting()
    request = pending.request
    assert pending.arguments == {"amount": 5, "to": "ann"}
    assert (request.service, request.tool, request.call_id) == ("bank", "pay", "call_1")
    assert (request.principal, request.thread_id) == (ALICE, "t1")
    assert (request.access_identity, request.effect) == (AccessIdentity.HUMAN, "write")
    assert (request.declared["audience"], request.declared["scope"]) == ("https://bank.example", "pay")
    assert request.expires_at - request.created_at == SECONDS
    assert [state.request for state in await bank.store.pending(ALICE, "t1")] == [request]


async def test_approved_call_is_made_once_with_the_credential_of_the_user_who_approved() -> None:
    bank = Bank()
    await bank.ask()
    messages = await bank.approve(token="alice-new-at")
    assert bank.service.calls == [("pay", {"amount": 5, "to": "ann"}, "https://bank.example|pay-of-alice-0")]
    assert (result_of(messages).text, messages[-1].text) == ("paid", "done")


async def test_every_line_of_the_audit_log_about_the_call_has_the_id_of_its_approval() -> None:
    bank = Bank()
    await bank.ask()
    approval_id = (await bank.waiting()).request.id
    await bank.approve()
    assert bank.records.outcomes == [
        ("approval_requested", "succeeded"),
        ("approval_decided", "succeeded"),
        ("tool_call", "started"),
        ("tool_call", "succeeded"),
    ]
    for event in bank.records.events:
        assert (event.approval, event.call_id, event.tool) == (approval_id, "call_1", "pay")
        assert (event.principal, event.service, event.scope) == (ALICE, "bank", "pay")
        assert event.arguments_digest == arguments_digest({"amount": 5, "to": "ann"})
        assert event.token_hash is not None
    assert "ann" not in repr(bank.records.events)


async def test_rejection_goes_to_the_model_as_the_words_of_the_user() -> None:
    bank = Bank()
    await bank.ask()
    request = (await bank.waiting()).request
    messages = await bank.resume({request.id: {"approved": False, "message": 'Not "Ann"'}})
    result = result_of(messages)
    assert result.status == "error"
    assert result.text == 'The user declined this call. Their own words: "Not \\"Ann\\""'
    assert bank.bench.model.asked[-1][-1].text == result.text
    assert bank.service.calls == []
    assert bank.records.outcomes[1:] == [("approval_decided", "refused"), ("tool_call", "refused")]
    assert {event.approval for event in bank.records.events} == {request.id}
    assert "Ann" not in repr(bank.records.events)


async def test_edited_call_is_made_with_the_edited_arguments_and_shown_to_the_model() -> None:
    bank = Bank()
    await bank.ask()
    messages = await bank.approve(arguments={"amount": 4, "to": "ann"})
    assert bank.paid == [{"amount": 4, "to": "ann"}]
    digests = [event.arguments_digest for event in bank.records.events]
    assert digests[1:] == [arguments_digest({"amount": 4, "to": "ann"})] * 3 != digests[:1] * 3
    (response,) = [m for m in messages if isinstance(m, AIMessage) and m.tool_calls]
    assert response.tool_calls[0]["args"] == {"amount": 4, "to": "ann"}
    assert messages[-1].text == "done"


async def test_policy_holds_for_edited_arguments() -> None:
    bank = Bank([calls(("transfer", {"amount": 100})), DONE])
    await bank.ask()
    messages = await bank.approve(arguments={"amount": 101})
    assert "policy" in result_of(messages).text
    assert bank.service.calls == []


async def test_calls_are_asked_about_one_after_the_other_and_run_together() -> None:
    two = calls(("pay", {"amount": 1}), ("balance", {}), ("pay", {"amount": 2}), ("pay", {"amount": 3}))
    bank = Bank([two, DONE])
    await bank.ask()
    first = await bank.waiting()
    await bank.approve()
    second = await bank.waiting()
    assert (first.arguments, second.arguments) == ({"amount": 1}, {"amount": 2})
    assert bank.service.calls == []
    await bank.resume({second.request.id: {"approved": False}})
    messages = await bank.approve()
    assert bank.paid == [{"amount": 1}, {"amount": 3}]
    results = {m.tool_call_id: m.text for m in messages if m.type == "tool"}
    assert results == {
        "call_1": "paid", "call_2": "12", "call_3": "The user declined this call.", "call_4": "paid",
    }  # fmt: skip


async def test_continuing_without_an_answer_asks_the_same_again() -> None:
    bank = Bank()
    await bank.ask()
    asked = await bank.waiting()
    for _ in range(3):
        bank.now += 1
        await bank.resume()
    assert await bank.waiting() == asked
    assert bank.records.outcomes == [("approval_requested", "succeeded")]


async def test_new_call_of_the_model_needs_a_new_approval() -> None:
    bank = Bank([PAY, PAY, DONE])
    await bank.ask()
    first = (await bank.waiting()).request.id
    await bank.approve()
    assert (await bank.waiting()).request.id != first
    assert bank.paid == [{"amount": 5, "to": "ann"}]


async def test_call_of_a_tool_that_reads_has_no_additional_step() -> None:
    bank = Bank([calls(("balance", {})), DONE])
    question = {"messages": [("user", "hi")]}
    context = AgentContext(Secret("alice-at"))
    stream = bank.graph.astream(question, bank.config, context=context, stream_mode="updates")
    nodes = [node async for update in stream for node in update]
    assert nodes == ["authenticate", "credentials", "model", "credentials", "bank", "model"]


async def test_write_under_machine_identity_is_refused_and_the_model_reads_why() -> None:
    bank = Bank(access_identity=AccessIdentity.MACHINE)
    messages = await bank.ask()
    assert "with its own rights" in result_of(messages).text
    assert (bank.service.calls, messages[-1].text) == ([], "done")
    assert bank.bench.vault.obtained == [("llm_api_key", "machine")]
    assert bank.records.outcomes == [("tool_call", "refused")]


async def test_denied_call_is_refused_beside_one_that_is_asked_about() -> None:
    bank = Bank([calls(("transfer", {"amount": 101}), ("pay", {"amount": 1})), DONE])
    await bank.ask()
    messages = await bank.approve()
    assert "policy" in result_of(messages).text
    assert result_of(messages, "call_2").text == "paid"
    assert bank.records.outcomes.count(("tool_call", "refused")) == 1


async def test_call_that_asks_is_refused_without_a_store_of_approvals() -> None:
    bank = Bank(options={"store": None})
    assert "is not kept" in result_of(await bank.ask()).text
    assert bank.service.calls == []


async def test_call_that_asks_is_refused_in_a_run_that_is_not_kept() -> None:
    bank = Bank(options={"checkpointer": None})
    messages = await bank.bench.ask()
    assert "is not kept" in result_of(messages).text
    assert (bank.service.calls, messages[-1].text) == ([], "done")


async def test_call_may_ask_under_machine_identity_if_its_policy_says_so() -> None:
    bank = Bank(access_identity=AccessIdentity.MACHINE)
    bank.service.policies["pay"] = ToolPolicy(mode=ApprovalMode.ASK)
    await bank.ask()
    assert (await bank.waiting()).request.access_identity is AccessIdentity.MACHINE
    assert result_of(await bank.approve()).text == "paid"


async def test_decision_that_cannot_be_recorded_does_not_count() -> None:
    bank = Bank()
    await bank.ask()
    bank.records.broken = {AuditedAction.APPROVAL_DECIDED}
    request = (await bank.waiting()).request
    with pytest.raises(AuditError):
        await bank.approve()
    state = await bank.store.get(request.id, ALICE)
    assert state is not None
    assert state.status is ApprovalStatus.WITHDRAWN
    bank.records.broken = ()
    assert "withdrawn" in result_of(await bank.resume()).text
    assert bank.service.calls == []


async def test_question_that_cannot_be_recorded_is_not_asked() -> None:
    bank = Bank()
    bank.records.broken = {AuditedAction.APPROVAL_REQUESTED}
    with pytest.raises(AuditError):
        await bank.ask()
    assert await bank.store.pending(ALICE) == []


async def test_concurrent_threads_of_one_user_are_asked_separately() -> None:
    store = memory_approvals()
    banks = [Bank(store=store, thread=f"run{n}") for n in range(5)]
    await asyncio.gather(*(bank.ask() for bank in banks))
    ids = {(await bank.waiting()).request.id for bank in banks}
    assert len(ids) == 5
    await banks[0].approve()
    assert [len(bank.paid) for bank in banks] == [1, 0, 0, 0, 0]


async def test_secret_in_the_arguments_is_not_shown() -> None:
    bank = Bank([calls(("pay", {"to": "alice-at", "note": "llm_api_key-of-alice-0"})), DONE])
    await bank.ask()
    assert (await bank.waiting()).arguments == {"to": "**redacted**", "note": "**redacted**"}


class Unreachable(SqlApprovalStore):
    """A store whose database is lost before `method` is called."""

    def __init__(self, method: str) -> None:
        super().__init__(MemoryDatabase(), Encryption())  # type: ignore[arg-type]  # as much as it uses

        async def fail(*_: object, **__: object) -> None:
            raise UnavailableError(GraphCode.APPROVAL_UNAVAILABLE, "the database is lost")

        self.__dict__[method] = fail


@pytest.mark.parametrize("method", ["get", "open", "decide", "use"])
async def test_no_call_is_made_while_approvals_are_not_available(method: str) -> None:
    bank = Bank(store=Unreachable(method))

    async def ask_and_approve() -> None:
        await bank.ask()
        await bank.approve()

    with pytest.raises(UnavailableError):
        await ask_and_approve()
    assert bank.service.calls == []


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
