"""A service that requires the user's consent pauses a run that is kept; the URL is for this user only."""

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.record import ApprovalKind, ApprovalStatus
from graph.context import AgentContext
from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.secrets.secret import Secret
from tests.graph.approvals.bank import result_of
from tests.graph.approvals.conftest import ALICE, SECONDS
from tests.graph.approvals.foreign_bank import LOOK, PROVIDER, URL, ForeignBank, required, saved
from tests.graph.scripted_model import DONE

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
    assert "canary" not in saved(bank) + repr(state) + repr(bank.records.events) + repr(bank.store.__dict__)


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
