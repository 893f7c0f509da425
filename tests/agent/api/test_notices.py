"""What the person should know beside the answer is on every surface, and in no conversation."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from graph.notices import tell
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.agent.api.threads.test_run_routes import followed
from tests.graph.scripted_model import DONE, calls
from tests.security.surfaces import SURFACES

TEXT = 'The "canteen" closes at 2 = ½ day'
VALUES = {"hour": 2, "where": "食堂"}
BALANCE = calls(("leave_balance", {}))


def telling(response: AIMessage) -> Any:
    """A turn of the model, during which something beneath it tells the notice."""

    def turn(_: Any) -> AIMessage:
        tell("canteen", TEXT, **VALUES)  # type: ignore[arg-type]  # a mapping of both types
        return response

    return turn


def members_of(text: str) -> list[Any]:
    """Every object of a response, of JSON or of server-sent events, also within texts that are JSON."""
    bodies = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: ", "{"))]
    found: list[Any] = []

    def read(value: Any) -> None:
        if isinstance(value, dict):
            found.append(value)
            for member in value.values():
                read(member)
        elif isinstance(value, list):
            for item in value:
                read(item)

    for body in bodies:
        if body != "[DONE]":
            read(json.loads(body))
    return found


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
async def test_every_surface_tells_the_person(threads: ThreadsOf, surface: Any) -> None:
    served = await threads([telling(DONE)])
    response = await surface(served, "Hello", served.headers())
    assert response.status_code == 200
    told = [each for each in members_of(response.text) if each.get("code") == "canteen"]
    assert told, response.text
    assert {(each["text"], json.dumps(each["values"])) for each in told} == {(TEXT, json.dumps(VALUES))}
    assert "canteen" not in str(served.model.asked)


async def test_whole_response_that_waits_for_an_approval_tells_it_too(threads: ThreadsOf) -> None:
    served = await threads([telling(APPLY)], ACCESS_IDENTITY="Human")
    body = (await served.say("Apply for leave")).json()
    assert body["agent_event"]["type"] == "approval_required"
    assert [notice["text"] for notice in body["agent_notices"]] == [TEXT]
    assert TEXT not in body["choices"][0]["message"]["content"]


async def test_reader_who_comes_later_is_told_and_the_conversation_does_not_keep_it(
    threads: ThreadsOf,
) -> None:
    served = await threads([telling(BALANCE), AIMessage("You have some days")], ACCESS_IDENTITY="Human")
    await served.say("How much leave?")
    async with followed(served) as late:
        notice = [event for event in await late.rest() if event.get("name") == "idaas-agent:notice"]
    assert [event["value"]["text"] for event in notice] == [TEXT]
    thread = await served.ask("GET", "/threads/thread-1")
    assert "some days" in thread.text
    assert "canteen" not in thread.text


@pytest.mark.promise("threads-are-private")
async def test_another_user_is_told_nothing(threads: ThreadsOf) -> None:
    served = await threads([telling(DONE)])
    await served.say("Hello")
    async with followed(served, "bob") as stranger:
        assert stranger.response.status_code == 404
        assert "canteen" not in (await stranger.response.aread()).decode()
