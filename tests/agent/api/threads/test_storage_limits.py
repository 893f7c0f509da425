"""Every surface that stores conversations refuses what exceeds a limit, before the model is called."""

from typing import Any

import pytest

from tests.agent.api.threads.served_threads import Threads, ThreadsOf

pytestmark = pytest.mark.promise("bounded")


def ag_ui(text: str, thread: str) -> dict[str, Any]:
    return {"threadId": thread, "runId": "r", "messages": [{"id": text, "role": "user", "content": text}]}


async def refused_by_all(served: Threads, thread: str) -> dict[str, Any]:
    """The error of each surface, which is the same."""
    asked = len(served.model.asked)
    responses = [await served.say("more", thread), await served.say("more", thread, stream=True)]
    responses.append(await served.ask("POST", "/ag-ui/agent", body=ag_ui("more", thread)))
    assert [response.status_code for response in responses] == [409] * 3
    errors = [response.json()["error"] for response in responses]
    assert len({error["code"] for error in errors}) == 1
    assert len(served.model.asked) == asked
    found: dict[str, Any] = errors[0]
    return found


async def test_full_conversation_is_refused_with_its_limit(threads: ThreadsOf) -> None:
    served = await threads(MAX_THREAD_MESSAGES="2")
    assert (await served.say("hello", "full")).status_code == 200
    error = await refused_by_all(served, "full")
    assert (error["code"], error["limit"]) == ("conversation_full", {"unit": "messages", "most": 2})
    assert error["message"].startswith("The limit is 2 messages. This conversation is full.")
    assert (await served.say("hello", "another")).status_code == 200


async def test_user_whose_space_is_used_deletes_a_conversation_and_goes_on(threads: ThreadsOf) -> None:
    served = await threads(MAX_USER_BYTES="6000")
    assert (await served.say("x" * 3_600, "large")).status_code == 200
    assert (await served.say("x" * 5_500, "too-large")).status_code == 409
    error = await refused_by_all(served, "new")
    assert (error["code"], error["limit"]) == ("storage_full", {"unit": "bytes", "most": 6000})
    assert (await served.ask("DELETE", "/threads/large")).status_code == 204
    assert (await served.say("hello", "new")).status_code == 200


async def test_user_with_too_many_conversations_opens_no_other_one(threads: ThreadsOf) -> None:
    served = await threads(MAX_USER_THREADS="1")
    assert (await served.ask("POST", "/threads", body={"id": "one"})).status_code == 201
    assert (await served.ask("POST", "/threads", body={"id": "two"})).status_code == 409
    error = await refused_by_all(served, "two")
    assert error["limit"] == {"unit": "conversations", "most": 1}
    assert (await served.say("hello", "one")).status_code == 200
