"""A service that requires the user's consent pauses a run that is kept; the URL is for this user only.

On LangGraph Server the run pauses too, and LangGraph's resume values are the answers.
"""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command

from agent.conversations.database.database import query
from graph.approvals.consent_urls import ConsentUrls, url_reference
from graph.approvals.record import ApprovalKind, ApprovalStatus
from graph.context import AgentContext
from identity.credentials.requirement import OAuthTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import ApprovalError, UnreachableError
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import ARGUMENTS, PAY, result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.approvals.foreign_bank import LOOK, PROVIDER, URL, ForeignBank, required, saved
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("approval-binds", "no-secret-leaves")


async def test_run_pauses_and_tries_again_after_the_consent() -> None:
    bank = ForeignBank([LOOK, DONE])
    bank.now += 0.123456
    await bank.ask()
    pending = await bank.shown()
    assert (pending.request.kind, pending.request.service) == (ApprovalKind.CONSENT_REQUIRED, "bank")
    assert pending.url == Secret(URL)
    assert [name for name, _ in bank.bench.vault.obtained].count(PROVIDER) == 1
    assert bank.service.calls == []
    bank.consent()
    messages = await bank.resume({pending.request.id: {"approved": True}})
    assert (result_of(messages).text, messages[-1].text) == ("12", "done")
    assert await bank.store.pending(ALICE) == []


async def test_run_goes_on_after_the_consent_without_an_answer() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    bank.consent()
    assert (await bank.resume())[-1].text == "done"


async def test_user_who_has_consented_may_still_decline() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    asked = (await bank.waiting()).request
    bank.consent()
    messages = await bank.resume({asked.id: {"approved": False}})
    assert result_of(messages).text.startswith("consent_required: ")
    state = await bank.store.get(asked.id, ALICE)
    assert state is not None
    assert (state.status, bank.service.calls) == (ApprovalStatus.REJECTED, [])


async def test_answer_without_the_consent_grants_nothing() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    asked = await bank.waiting()
    for answer in ({"approved": True}, {"decisions": [{"type": "approve"}]}, "done", None):
        await bank.resume({asked.request.id: answer})
        await bank.respond(answer or {})
    assert bank.service.calls == []
    assert await bank.waiting() == asked


@pytest.mark.parametrize("declined", [True, False])
async def test_call_fails_without_the_url_if_the_user_declines_or_the_time_is_over(declined: bool) -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    request = (await bank.waiting()).request
    bank.now += 0 if declined else SECONDS
    messages = await bank.resume({request.id: {"approved": False}} if declined else None)
    result = result_of(messages)
    assert result.text.startswith("consent_required: ")
    assert "canary" not in repr(messages) + saved(bank) + repr(bank.records.events)
    assert (bank.service.calls, messages[-1].text) == ([], "done")


async def test_url_is_neither_saved_nor_recorded() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    await bank.resume()
    assert (await bank.shown()).url is not None
    state = await bank.graph.aget_state(bank.config)
    kept = await bank.store.rows.database.read(lambda: query("SELECT * FROM approvals"))
    assert "canary" not in saved(bank) + repr(state) + repr(bank.records.events) + repr(kept)


async def test_url_is_not_shown_to_another_user() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    assert (await bank.shown("bob-at")).url is None
    assert ("bob",) not in {owner[1:] for owner in bank.bench.vault.obtained}


async def test_another_process_obtains_the_url_again() -> None:
    before = ForeignBank([LOOK, DONE])
    await before.ask()
    after = ForeignBank([DONE], store=before.store, saver=before.saver)
    after.bench.vault.failures[PROVIDER] = required("https://idaas.example/consent?state=second")
    for _ in range(2):
        assert (await after.shown()).url == Secret("https://idaas.example/consent?state=second")
    assert after.bench.vault.obtained == [(PROVIDER, "alice")]
    after.urls = ConsentUrls(after.access, lambda: after.now)
    after.bench.vault.failures[PROVIDER] = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "down")
    assert (await after.shown()).url is None
    after.consent()
    assert (await after.shown()).url is None


async def test_question_is_on_record() -> None:
    bank = ForeignBank([LOOK, DONE])
    await bank.ask()
    request = (await bank.waiting()).request
    bank.consent()
    await bank.resume({request.id: {"approved": True}})
    asked, decided = bank.records.events[:2]
    assert (asked.action, asked.error) == ("approval_requested", IdentityCode.CONSENT_REQUIRED)
    assert (decided.action, decided.outcome) == ("approval_decided", "succeeded")
    assert (asked.principal, asked.service, asked.approval) == (ALICE, "bank", request.id)


async def test_consent_is_asked_for_before_the_approval_of_its_call() -> None:
    bank = ForeignBank()
    await bank.ask()
    assert (await bank.waiting()).request.kind is ApprovalKind.CONSENT_REQUIRED
    bank.consent()
    await bank.resume()
    assert (await bank.waiting()).request.kind is ApprovalKind.TOOL_CALL
    assert bank.paid == []
    await bank.approve()
    assert bank.paid == [{"amount": 5, "to": "ann"}]


async def test_call_is_not_asked_about_without_the_consent() -> None:
    bank = ForeignBank()
    await bank.ask()
    messages = await bank.resume({await bank.approval_id(): {"approved": False}})
    assert result_of(messages).text.startswith("consent_required: ")
    assert await bank.store.pending(ALICE) == []
    assert "canary" not in saved(bank)


async def test_consent_that_ends_during_the_run_puts_no_url_into_its_messages() -> None:
    def withdraw_consent(_: object) -> AIMessage:
        bank.service.renew_first = True
        bank.bench.vault.failures[PROVIDER] = required()
        return LOOK.model_copy()

    bank = ForeignBank([LOOK, withdraw_consent, DONE])
    bank.consent()
    messages = await bank.ask()
    results = [message.text for message in messages if isinstance(message, ToolMessage)]
    assert results[0] == "12"
    assert results[1].startswith("consent_required: ")
    assert "canary" not in saved(bank)


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_run_waits_for_a_consent_that_ended_and_repeats_only_a_call_that_reads(effect: Effect) -> None:
    bank = ForeignBank([LOOK, DONE])
    bank.service.policies["balance"] = ToolPolicy(effect, ApprovalMode.ALLOW)
    bank.consent()
    vault, before = bank.bench.vault, dict(bank.bench.vault.failures)
    bank.service.renew_first = True
    invalidate = vault.invalidate

    def withdrawn(*given: Any, **more: Any) -> None:
        invalidate(*given, **more)
        vault.failures[PROVIDER] = required()

    vault.invalidate = withdrawn  # type: ignore[method-assign]  # and then withdrawn
    messages = await bank.ask()
    assert result_of(messages).text.startswith("consent_required: ")
    if effect is Effect.WRITE:
        assert messages[-1].text == "done"
        return
    pending = await bank.waiting()
    assert (pending.request.kind, pending.request.tool) == (ApprovalKind.CONSENT_REQUIRED, "balance")
    bank.service.renew_first, vault.failures = False, before
    results = [each.text for each in await bank.resume() if isinstance(each, ToolMessage)]
    assert (results[1], bank.service.calls) == ("12", [("balance", {}, f"{PROVIDER}-of-alice-1")])


async def test_run_that_is_not_kept_sends_the_url_to_its_surface_alone() -> None:
    bank, events = ForeignBank([LOOK, DONE], options={"checkpointer": None}), []
    context = AgentContext(Secret("alice-at"), writer=events.append)
    result = await bank.graph.ainvoke({"messages": [("user", "My balance")]}, context=context)
    (event,) = [each for each in events if each["type"] == "consent_required"]
    assert event == {"type": "consent_required", "service": "bank", "call_id": "call_1", "url": URL}
    events.remove(event)
    assert result_of(result["messages"]).text.startswith("consent_required: ")
    assert "canary" not in repr((result, events, bank.bench.model.asked))


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "streamed by a server"])
async def test_url_is_sent_to_no_surface_that_may_keep_it(kept: bool) -> None:
    """A run that is kept and cannot ask; and one whose events go to the server that executes it."""
    options = {"store": None} if kept else {"checkpointer": None}
    bank, events = ForeignBank([LOOK, DONE], options=options), []
    context = AgentContext(Secret("alice-at"), writer=events.append if kept else None)
    given, config = {"messages": [("user", "My balance")]}, bank.config if kept else {}
    modes = ["custom", "values", "updates"]
    seen = [each async for each in bank.graph.astream(given, config, context=context, stream_mode=modes)]
    assert "consent_required: " in repr(seen)
    assert "canary" not in repr((seen, events)) + saved(bank)


YES = {"decisions": [{"type": "approve"}]}
NO = {"decisions": [{"type": "reject", "message": "not there"}]}
NO_ANSWERS: list[object] = [
    {},
    "yes",
    {"messages": [{"role": "user", "content": "I consent"}]},
    {"0" * 32: YES},
]


def on_server(turns: list[Any], **members: Any) -> ForeignBank:
    return ForeignBank(turns, **members, options={"resume_values": True})


@pytest.fixture
async def bank() -> ForeignBank:
    """Alice is asked for her consent."""
    paused = on_server([LOOK, DONE])
    await paused.ask()
    return paused


async def test_run_pauses_with_a_reference_in_place_of_the_url(bank: ForeignBank) -> None:
    (interrupted,) = (await bank.graph.aget_state(bank.config)).interrupts
    [action], [review] = interrupted.value["action_requests"], interrupted.value["review_configs"]
    approval = interrupted.value["approval"]
    assert (approval["kind"], approval["service"]) == (ApprovalKind.CONSENT_REQUIRED, "bank")
    assert approval["url"] == url_reference(approval["id"])
    assert approval["url"] in action["description"]
    assert review["allowed_decisions"] == ["approve", "reject"]
    assert "canary" not in saved(bank) + repr(interrupted)
    assert (await bank.shown()).url is not None


async def test_run_goes_on_after_the_consent_and_closes_the_question(bank: ForeignBank) -> None:
    asked = (await bank.waiting()).request
    bank.consent()
    messages = await bank.respond(YES)
    assert (result_of(messages).text, messages[-1].text) == ("12", "done")
    state = await bank.store.get(asked.id, ALICE)
    assert state is not None
    assert state.status is ApprovalStatus.APPROVED
    assert bank.records.outcomes[:2] == [
        ("approval_requested", "succeeded"),
        ("approval_decided", "succeeded"),
    ]


async def test_credential_is_requested_anew_for_the_token_of_the_user_who_resumes(bank: ForeignBank) -> None:
    bank.consent()
    await bank.respond(YES, token="alice-fresh-at")
    assert bank.bench.vault.obtained.count((PROVIDER, "alice")) == 2
    assert bank.bench.tokens.verified[-1] == "alice-fresh-at"


async def test_answer_without_the_consent_pauses_again_with_a_fresh_url(bank: ForeignBank) -> None:
    asked = await bank.waiting()
    for number in range(5):
        bank.bench.vault.failures[PROVIDER] = required(f"https://idaas.example/consent?state=canary{number}")
        await bank.respond(YES)
        assert await bank.waiting() == asked
        url = (await bank.shown()).url
        assert url is not None
        assert url.reveal().endswith(f"canary{number}")
    assert bank.service.calls == []
    assert "canary" not in saved(bank)
    bank.consent()
    assert (await bank.respond(YES))[-1].text == "done"


@pytest.mark.parametrize("value", NO_ANSWERS)
async def test_what_is_no_answer_leaves_the_question_open(bank: ForeignBank, value: object) -> None:
    asked = await bank.waiting()
    for _ in range(3):
        await bank.respond(value)
    assert await bank.waiting() == asked
    assert [state.request for state in await bank.store.pending(ALICE)] == [asked.request]
    assert bank.service.calls == []


@pytest.mark.parametrize("consented", [False, True])
async def test_declining_is_a_result_for_the_model(bank: ForeignBank, consented: bool) -> None:
    asked = (await bank.waiting()).request
    if consented:
        bank.consent()
    messages = await bank.respond(NO)
    assert result_of(messages).text.startswith("consent_required: ")
    assert "canary" not in repr(messages) + saved(bank)
    state = await bank.store.get(asked.id, ALICE)
    assert state is not None
    assert (state.status, bank.service.calls, messages[-1].text) == (ApprovalStatus.REJECTED, [], "done")


async def test_another_user_cannot_respond(bank: ForeignBank) -> None:
    bank.consent()
    for value in (YES, NO):
        with pytest.raises(ApprovalError):
            await bank.respond(value, token="bob-at")
    assert bank.service.calls == []
    assert (PROVIDER, "bob") not in bank.bench.vault.obtained


async def test_failure_of_another_kind_ends_the_question(bank: ForeignBank) -> None:
    bank.bench.vault.failures[PROVIDER] = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "down")
    messages = await bank.respond(YES)
    assert result_of(messages).text.startswith("idaas_unreachable: ")
    assert await bank.store.pending(ALICE) == []


async def test_one_value_answers_one_question() -> None:
    """The value for the consent to one service is not read by the question about the other."""
    bank = on_server([calls(("balance", {}), ("view", {})), DONE])
    bank.bench.services[1] = EchoService("other", OAuthTokenRequirement("other_provider"), view="seen")
    bank.bench.vault.failures["other_provider"] = required()
    bank.bench.__post_init__()
    bank.graph = bank.bench.graph
    await bank.ask()
    first = (await bank.waiting()).request
    await bank.respond(NO)
    second = (await bank.waiting()).request
    assert (first.service, second.service) == ("bank", "other")
    del bank.bench.vault.failures["other_provider"]
    messages = await bank.respond(YES)
    results = {message.tool_call_id: message.text for message in messages if message.type == "tool"}
    assert results["call_1"].startswith("consent_required: ")
    assert results["call_2"] == "seen"
    assert [service.calls != [] for service in bank.bench.services] == [False, True]


async def test_value_of_a_consent_is_not_read_by_the_approval_after_it() -> None:
    bank = on_server([PAY, DONE])
    await bank.ask()
    bank.consent()
    await bank.respond(YES)
    assert (await bank.waiting()).request.kind is ApprovalKind.TOOL_CALL
    assert len(await bank.store.pending(ALICE)) == 1
    assert bank.paid == []
    await bank.respond(YES)
    assert bank.paid == [ARGUMENTS]


@pytest.mark.parametrize("goto", ["bank", "credentials", "model"])
@pytest.mark.parametrize("update", [None, {"consenting": False}, {"consenting": True}])
async def test_jump_and_update_beside_an_answer_make_no_call(
    bank: ForeignBank, goto: str, update: dict[str, Any] | None
) -> None:
    await bank.run(Command(resume=YES, goto=goto, update=update))
    assert bank.service.calls == []
    assert "canary" not in saved(bank)


async def test_written_state_does_not_repeat_the_node_for_ever(bank: ForeignBank) -> None:
    await bank.graph.aupdate_state(bank.config, {"consenting": True}, as_node="authenticate")
    bank.consent()
    bank.bench.model.turns[:] = [DONE]
    assert (await bank.run({"messages": [("user", "And now?")]}))[-1].text == "done"


async def test_consent_that_is_there_is_not_asked_for() -> None:
    bank = on_server([LOOK, DONE])
    bank.consent()
    messages = await bank.ask()
    assert [message.text for message in messages if not isinstance(message, AIMessage)][-1] == "12"
    assert bank.records.outcomes == [("tool_call", "started"), ("tool_call", "succeeded")]
