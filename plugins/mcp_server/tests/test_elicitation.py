"""The question of a tool's server, passed on to the client of MCP."""

import pytest

from plugins.mcp_server.tests.modern_client import call, post, request
from tests.agent.api.asking_bank import FOUR, SCHEMA, TWO, URL, VISIT, Bank
from tests.agent.api.asking_bank import bank as bank
from tests.agent.api.asking_bank import served as served
from tests.agent.api.threads.served_threads import Threads

pytestmark = pytest.mark.promise("approval-binds")


async def test_form_is_passed_on_and_the_agent_takes_what_fits_it(served: Threads, bank: Bank) -> None:
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


async def test_client_that_cannot_ask_leaves_the_capability_undeclared(served: Threads, bank: Bank) -> None:
    params = {"name": "pay", "arguments": {}}
    found = (await post(served, request("tools/call", params, elicitation=False))).json()["result"]
    assert found["isError"]
    assert bank.capabilities == [{}]
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_refusal_and_dismissal_are_passed_on(served: Threads, bank: Bank, action: str) -> None:
    bank.question = VISIT
    asked = await call(served, "pay", {})
    assert asked["inputRequests"]["answer"]["params"]["url"] == URL
    answers = {"answer": {"action": action}}
    await call(served, "pay", {}, requestState=asked["requestState"], inputResponses=answers)
    assert bank.answered == [{"q": {"action": action}}]
