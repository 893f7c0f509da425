"""The question of a tool's server, on each surface on which its user is asked."""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.a2a.tests.conftest import client as client
from plugins.a2a.tests.official_client import ClientOf
from plugins.a2a.tests.task_updates import approval_of, states, task_id_of
from plugins.mcp_server.tests.modern_client import call, post, request
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.terminal import on_terminal
from tests.tools.mcp_service.modern_server import META, TEXT, ModernServer

pytestmark = pytest.mark.promise("approval-binds")

PAY = calls(("pay", {"amount": 5}))
SCHEMA = {
    "type": "object",
    "properties": {"copies": {"type": "integer", "maximum": 3}},
    "required": ["copies"],
}
URL = "https://login.bank.example/connect?ticket=1"
FORM = {"message": "How many copies?", "requestedSchema": SCHEMA}
VISIT = {"mode": "url", "message": "Sign in there", "url": URL}
TWO = {"action": "accept", "content": {"copies": 2}}
FOUR = {"action": "accept", "content": {"copies": 4}}


class Bank(ModernServer):
    """Asks `question` in each call without a response to it."""

    def __init__(self) -> None:
        super().__init__()
        self.question: dict[str, Any] = FORM
        tool = {"name": "pay", "description": "Pays.", "inputSchema": {"type": "object"}}
        self.results["tools/list"] = {"resultType": "complete", "tools": [tool]}
        self.results["tools/call"] = self.called
        self.answered: list[Any] = []
        self.capabilities: list[Any] = []
        self.refusal = None

    async def answer(self, given: Any, body: dict[str, Any]) -> Any:
        self.keys = {given.headers.get("authorization", "").removeprefix("Bearer ")}
        return await super().answer(given, body)

    def called(self, params: dict[str, Any]) -> dict[str, Any]:
        declared = params["_meta"][META + "clientCapabilities"]
        self.capabilities.append(
            {"elicitation": declared["elicitation"]} if "elicitation" in declared else {}
        )
        if (given := params.get("inputResponses")) is not None:
            self.answered.append(given)
            return TEXT
        asked = {"q": {"method": "elicitation/create", "params": self.question}}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
async def served(
    bank: Bank, threads: ThreadsOf, serve: Callable[[Any], Awaitable[str]], tmp_path: Path
) -> Threads:
    (tmp_path / "services.toml").write_text(
        f'[services.bank]\ntype = "mcp"\nurl = "{await serve(bank)}/mcp"\napi_key = "amap_api_key"\n'
        'policies = { pay = { effect = "read" } }\n'
    )
    file = str(tmp_path / "services.toml")
    return await threads([PAY, DONE], SERVICES_FILE=file, CORS_ALLOWED_ORIGINS="https://page.example")


async def test_mcp_passes_the_form_on_and_takes_what_fits_it(served: Threads, bank: Bank) -> None:
    asked = await call(served, "pay", {})
    question = asked["inputRequests"]["answer"]["params"]
    again = {"requestState": asked["requestState"]}
    wrong = await call(served, "pay", {}, **again, inputResponses={"answer": FOUR})
    made = await call(served, "pay", {}, **again, inputResponses={"answer": TWO})

    asks, warning = question["message"].split("\n")
    assert asks == "The bank service asks: How many copies?"
    assert "asks for a password" in warning
    assert question["requestedSchema"] == {**SCHEMA, "additionalProperties": False}
    assert wrong["requestState"] == asked["requestState"]
    assert (made["isError"], made["content"][0]["text"]) == (False, "sunny")
    assert bank.answered == [{"q": TWO}]
    assert served.model.asked == []


async def test_mcp_client_that_cannot_ask_leaves_the_capability_undeclared(
    served: Threads, bank: Bank
) -> None:
    params = {"name": "pay", "arguments": {}}
    found = (await post(served, request("tools/call", params, elicitation=False))).json()["result"]
    assert found["isError"]
    assert bank.capabilities == [{}]
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_mcp_passes_a_refusal_and_a_dismissal_on(served: Threads, bank: Bank, action: str) -> None:
    bank.question = VISIT
    asked = await call(served, "pay", {})
    assert asked["inputRequests"]["answer"]["params"]["url"] == URL
    answers = {"answer": {"action": action}}
    await call(served, "pay", {}, requestState=asked["requestState"], inputResponses=answers)
    assert bank.answered == [{"q": {"action": action}}]


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


async def test_a2a_task_requires_input_and_goes_on(served: Threads, bank: Bank, client: ClientOf) -> None:
    alice = await client(served)
    updates = await alice.send("Pay", contextId="context-1")
    given = {"approval": approval_of(updates[-1])["id"], "decision": "edit", "arguments": {"copies": 2}}
    ended = await alice.send(given, taskId=task_id_of(updates))
    assert states(updates)[-1] == "INPUT_REQUIRED"
    assert "No question here asks for a password" in json.dumps(updates[-1])
    assert states(ended)[-1] == "COMPLETED"
    assert bank.answered == [{"q": TWO}]


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
    command = str(Path(sys.executable).with_name("idaas-agent"))
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": served.sandbox.access_token()}
    async with on_terminal(
        command, "chat", "--url", served.origin, "Pay", folder=tmp_path, **variables
    ) as chat:
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
