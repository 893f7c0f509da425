"""What a conversation has read stays known: in later runs, in another process, and however a run ends."""

import json

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agent.api.ag_ui.messages import conversation as of_ag_ui
from agent.api.ag_ui.run_input import AssistantInput, InputMessage, UserInput
from agent.api.openai.request import read_chat_request
from agent.conversations.message_json import message_from_json, message_to_json
from agent.runs.run import Paused
from graph.authorship import by_program, program_of
from graph.labels.run_labels import is_of_client
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import Data, ToolPolicy, Trust

pytestmark = pytest.mark.promise("confidential-data-stays")

READ = [calls(("payslip", {})), DONE]
CARRY = [calls(("weather", {"city": "8,250.00"})), DONE]


def payroll(service: EchoService) -> EchoService:
    service.policies["payslip"] = ToolPolicy(data=Data.CONFIDENTIAL)
    return service


def maps() -> EchoService:
    service = EchoService("maps", weather="sunny")
    service.policies["weather"] = ToolPolicy(trust=Trust.UNTRUSTED)
    return service


async def asks(other: ProcessOf) -> bool:
    """Whether the next run of the conversation, in another process, asks before the call leaves."""
    service = maps()
    process = other(CARRY, service, name="process-2")
    end = (await process.say("And the weather?"))[-1]
    assert bool(service.calls) is not isinstance(end, Paused)
    if isinstance(end, Paused):
        (line,) = end.pending[0].request.read
        assert line.endswith(".payslip: confidential")
    return isinstance(end, Paused)


async def test_what_an_earlier_run_has_read_is_known_in_another_process(process: ProcessOf) -> None:
    await process(READ, payroll(EchoService("payroll", payslip="net 8,250.00")), window_tokens=10).say("Pay?")
    assert await asks(process)


async def test_question_that_is_asked_anew_keeps_what_its_answer_had_read(process: ProcessOf) -> None:
    await process(READ, payroll(EchoService("payroll", payslip="net 8,250.00"))).say("Pay?")
    two = process(CARRY, service := maps(), name="process-2")
    run = await two.conversations.replace(ALICE, THREAD, "m-Pay?", [human("The weather?")])
    assert isinstance([event async for event in run.events()][-1], Paused)
    assert not service.calls


async def test_call_that_was_cut_off_may_have_been_read(process: ProcessOf) -> None:
    slow = payroll(HangingService(payslip="net 8,250.00"))
    one = process(READ, slow)
    run = await one.conversations.start(ALICE, THREAD, [human("Pay?")], streaming=True)
    await slow.called.wait()
    await one.conversations.cancel(ALICE, THREAD)
    await run.task
    assert await asks(process)


async def test_conversation_that_has_read_nothing_is_not_asked(process: ProcessOf) -> None:
    await process([DONE]).say("Hello")
    assert not await asks(process)


async def test_instructions_of_a_client_in_a_stored_conversation_count_as_read(process: ProcessOf) -> None:
    service = maps()
    one = process(CARRY, service, payroll(EchoService("payroll", payslip="net 8,250.00")))
    written = [SystemMessage("In short: net 8,250.00")]
    run = await one.conversations.start(
        ALICE, THREAD, [human("The weather?")], streaming=True, instructions=written
    )
    end = [event async for event in run.events()][-1]
    assert service.calls == []
    assert isinstance(end, Paused)
    assert end.pending[0].request.read == ("client: confidential, untrusted",)


async def test_question_that_a_program_wrote_stays_so_when_it_is_asked_again(process: ProcessOf) -> None:
    one = process([DONE])
    question = by_program(HumanMessage("The weather in Ulm?", id="q"), "reports")
    run = await one.conversations.start(ALICE, THREAD, [question], streaming=True)
    assert [event async for event in run.events()]
    again = await one.conversations.replace(ALICE, THREAD, "q", [])
    assert [event async for event in again.events()]
    asked = [message for message in await one.transcript() if isinstance(message, HumanMessage)]
    assert [program_of(message) for message in asked] == ["reports"]
    edited = await one.conversations.replace(ALICE, THREAD, str(asked[0].id), [human("In Oslo?")])
    assert [event async for event in edited.events()]
    [asked_anew] = [message for message in await one.transcript() if isinstance(message, HumanMessage)]
    assert program_of(asked_anew) is None


def test_who_wrote_a_message_is_stored_with_it() -> None:
    for message in (HumanMessage("Hi", id="1"), by_program(HumanMessage("Hi", id="1"), "reports")):
        assert program_of(message_from_json(message_to_json(message))) == program_of(message)


SUMMARY = "In short: net 8,250.00"
ASKED = {"role": "user", "content": "The weather?"}


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_summary_that_a_client_sends_over_openai_counts_as_read(role: str) -> None:
    body = {"messages": [{"role": role, "content": SUMMARY}, ASKED]}
    summary, asked = read_chat_request(json.dumps(body).encode(), max_messages=9).messages
    assert (is_of_client(summary, is_kept=False), is_of_client(asked, is_kept=False)) == (True, False)


def test_summary_that_a_client_sends_over_ag_ui_counts_as_read() -> None:
    sent: list[InputMessage] = [
        AssistantInput(id="1", role="assistant", content=SUMMARY),
        UserInput(id="2", role="user", content="The weather?"),
    ]
    summary, asked = of_ag_ui(sent, most=9)
    assert (is_of_client(summary, is_kept=False), is_of_client(asked, is_kept=False)) == (True, False)
