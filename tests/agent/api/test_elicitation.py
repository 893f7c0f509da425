"""The question of a tool's server, on each surface on which its user is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.api.asking_bank import TWO, URL, VISIT, Bank
from tests.agent.api.asking_bank import bank as bank
from tests.agent.api.asking_bank import served as served
from tests.agent.api.threads.served_threads import Threads
from tests.terminal import on_terminal

pytestmark = pytest.mark.promise("approval-binds")


async def test_conversation_shows_the_question_and_takes_its_answer(served: Threads, bank: Bank) -> None:
    shown = (await served.say("Pay")).json()
    assert "The bank service asks you something" in shown["choices"][0]["message"]["content"]
    stored = (await served.ask("GET", "/threads/thread-1")).json()
    [asked] = stored["approvals"]
    path = f"/threads/thread-1/approvals/{asked['id']}"
    wrong = await served.ask("POST", path, body={"decision": "edit", "arguments": {"copies": 4}})
    right = await served.ask("POST", path, body={"decision": "edit", "arguments": {"copies": 2}})
    followed = await served.ask("GET", "/threads/thread-1/events")

    assert (asked["kind"], asked["question"]["message"]) == ("elicitation", "How many copies?")
    assert "requestState" not in json.dumps(stored)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (409, "arguments.copies")
    assert (right.status_code, "done" in followed.text) == (202, True)
    assert bank.answered == [{"q": TWO}]
    assert bank.capabilities[0] == {"elicitation": {"form": {}, "url": {}}}


async def test_ag_ui_pauses_with_the_url_and_goes_on(served: Threads, bank: Bank) -> None:
    bank.question = VISIT
    messages = [{"id": "u1", "role": "user", "content": "Pay"}]
    asked = await _ag_ui(served, messages=messages)
    [interrupt] = asked[-1]["outcome"]["interrupts"]
    approval = interrupt["metadata"]["idaas-agent"]
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": {"action": "accept"}}]
    ended = await _ag_ui(served, messages=messages, resume=resume)

    assert (approval["url"], approval["question"]["host"]) == (URL, "login.bank.example")
    assert "No question here asks for a password" in interrupt["message"]
    assert interrupt["responseSchema"]["required"] == ["action"]
    assert [each["type"] for each in asked].count("TOOL_CALL_RESULT") == 0
    assert [each["type"] for each in ended].count("TOOL_CALL_RESULT") == 1
    assert bank.answered == [{"q": {"action": "accept"}}]
    stored = (await served.ask("GET", "/threads/t-1")).json()["messages"]
    assert URL not in json.dumps(stored) + str(served.model.asked)


async def _ag_ui(served: Threads, **members: Any) -> list[dict[str, Any]]:
    body = {"threadId": "t-1", "runId": "r-1", **members}
    text = (await served.ask("POST", "/ag-ui/agent", body=body)).text
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


async def test_call_that_was_begun_is_not_reported_as_not_made_when_its_run_is_cancelled(
    served: Threads,
) -> None:
    await served.say("Pay")
    await served.ask("POST", "/threads/thread-1/cancel")
    messages = (await served.ask("GET", "/threads/thread-1")).json()["messages"]
    assert "may already have taken effect" in json.dumps(messages)


async def test_terminal_shows_the_form_and_sends_what_was_typed(
    served: Threads, bank: Bank, tmp_path: Path
) -> None:
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    async with on_terminal("chat", "--url", served.origin, "Pay", folder=tmp_path, **variables) as chat:
        shown = await chat.shows("[y/n/e/c]")
        assert "The bank service asks: How many copies?" in shown
        assert "The server of the bank service asks this, not the agent." in shown
        assert '"maximum": 3' in shown
        chat.types("e")
        await chat.shows("arguments: ")
        chat.types("\x01\x0b" + '{"copies": 4}')
        assert 'Check "copies"' in await chat.shows("[y/n/e/c]")
        chat.types("e")
        await chat.shows("arguments: ")
        chat.types("\x01\x0b" + '{"copies": 2}')
        await chat.shows("done")
    assert bank.answered == [{"q": TWO}]
