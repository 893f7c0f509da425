"""A question that is asked anew over `/threads` and AG-UI: the old one is kept, and not read any more."""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage

from tests.agent.api.ag_ui.verified import of_type, read_events, verified
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES

WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))
ANSWERS = [AIMessage(f"answer {number}", id=f"a-{number}") for number in range(9)]


async def read(served: Threads) -> list[dict[str, Any]]:
    """The messages of the conversation, when no run goes on."""
    async with served.stream("GET", "/threads/thread-1/events") as events:
        await events.aread()
    return list((await served.ask("GET", "/threads/thread-1")).json()["messages"])


async def anew(served: Threads, message_id: str, content: str | None = None) -> Any:
    body = {"message_id": message_id} | ({"content": content} if content else {})
    return await served.ask("POST", "/threads/thread-1/versions", body=body)


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [str(message.get("content", "")).strip() for message in messages]


def contents(served: Threads) -> list[str]:
    """What the model received last, after its instructions."""
    return [message.text.strip() for message in served.model.asked[-1][1:]]


async def test_edited_question_replaces_the_old_one_and_either_can_be_shown(threads: ThreadsOf) -> None:
    served = await threads(ANSWERS)
    await served.say("first")
    await served.say("wrong")
    before = await read(served)
    accepted = await anew(served, before[2]["id"], "right")
    after = await read(served)
    about = after[2]["metadata"]["idaas-agent"]

    assert accepted.status_code == 202
    assert contents(served) == ["first", "answer 0", "right"]
    assert texts(after) == ["first", "answer 0", "right", "answer 2"]
    assert (about["version"], about["versions"]) == (5, [3, 5])
    assert about["created_at"].endswith("Z")
    assert "versions" not in after[0]["metadata"]["idaas-agent"]

    late = await anew(served, before[2]["id"], "too late")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "question_replaced")
    shown = await served.ask("POST", "/threads/thread-1/versions/3")
    assert shown.status_code == 200
    assert texts(await read(served)) == texts(before)
    for version, status in ((1, 409), (99, 409), (0, 400)):
        refused = await served.ask("POST", f"/threads/thread-1/versions/{version}")
        assert (refused.status_code, texts(await read(served))) == (status, texts(before))

    await anew(served, before[0]["id"])
    assert texts(await read(served)) == ["first", "answer 3"]
    whole = (await served.ask("GET", "/threads/thread-1/export")).json()["messages"]
    assert [each["replaced"] for each in whole] == [True] * 6 + [False] * 2


async def test_model_learns_which_calls_the_replaced_answer_made_and_nothing_waits_in_silence(
    threads: ThreadsOf,
) -> None:
    served = await threads([WEATHER, DONE, DONE, APPLIES], ACCESS_IDENTITY="Human")
    await served.say("Weather in Hangzhou")
    [question, *_] = await read(served)
    await anew(served, question["id"], "In Beijing, I mean")
    [question, *_] = await read(served)

    made, [asked] = served.model.asked[-1][0].text, contents(served)
    assert 'maps_weather({"city": "Hangzhou"})' in made
    assert "not undone" in made
    assert asked == "In Beijing, I mean"

    await anew(served, question["id"], "Apply for leave")
    await read(served)
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    refused = await anew(served, thread["messages"][0]["id"], "Never mind")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_open")
    assert (await served.ask("GET", "/threads/thread-1")).json()["approvals"] == thread["approvals"] != []


async def test_of_two_replicas_one_replaces_the_question(threads: ThreadsOf) -> None:
    one, other = await threads(ANSWERS), await threads(ANSWERS)
    await one.say("first")
    [question, _] = await read(one)
    outcomes = await asyncio.gather(*(anew(each, question["id"], "other") for each in (one, other)))
    await asyncio.gather(read(one), read(other))
    whole = (await one.ask("GET", "/threads/thread-1/export")).json()["messages"]

    # The one that is late finds the run of the other, or that the question is not there any more.
    assert sorted(each.status_code for each in outcomes) == [202, 409]
    assert [each["replaced"] for each in whole] == [True, True, False, False]


class Client:
    """What AG-UI's clients keep: all messages, and the state, which they send with each request."""

    def __init__(self, served: Threads) -> None:
        self.served = served
        self.messages: list[dict[str, Any]] = []
        self.state: Any = {}

    async def run(self, *questions: str) -> None:
        self.messages += [{"id": text, "role": "user", "content": text} for text in questions]
        given = {"threadId": "thread-1", "runId": "r", "messages": self.messages, "state": self.state}
        response = await self.served.ask("POST", "/ag-ui/agent", body=given)
        assert response.status_code == 200, response.text
        events = verified(read_events(response.text))
        for event in of_type(events, "MESSAGES_SNAPSHOT"):
            self.messages = event["messages"]
        for event in of_type(events, "TEXT_MESSAGE_CONTENT"):
            if self.messages[-1]["id"] != event["messageId"]:
                self.messages.append({"id": event["messageId"], "role": "assistant", "content": ""})
            self.messages[-1]["content"] += event["delta"]
        for event in of_type(events, "STATE_SNAPSHOT"):
            self.state = event["snapshot"]


async def test_ag_ui_client_that_has_cut_its_messages_asks_anew_and_one_that_is_behind_does_not(
    threads: ThreadsOf,
) -> None:
    served = await threads(ANSWERS)
    client, behind = Client(served), Client(served)
    await client.run("first")
    behind.messages, behind.state = [*client.messages], client.state
    await client.run("second")

    client.messages.pop()  # as "regenerate"
    await client.run()
    assert contents(served) == ["first", "answer 0", "second"]
    assert texts(await read(served)) == ["first", "answer 0", "second", "answer 2"]

    client.messages = client.messages[:-2]  # as "edit"
    await client.run("SECOND")
    assert texts(await read(served)) == ["first", "answer 0", "SECOND", "answer 3"]

    await behind.run("third")
    assert texts(await read(served)) == ["first", "answer 0", "SECOND", "answer 3", "third", "answer 4"]
    behind.messages.pop()  # the response was lost
    behind.state = {}
    await behind.run()
    assert texts(behind.messages)[-1] == "answer 4"

    client = Client(served)
    await client.run()  # as after a reload
    client.messages = client.messages[:1]
    await client.run()
    assert texts(await read(served)) == ["first", "answer 5"]
    client.messages = []
    await client.run("FIRST")
    assert texts(await read(served)) == ["FIRST", "answer 6"]
    await client.run()
    assert of_type([{"type": each["role"]} for each in client.messages], "user") == [{"type": "user"}]
