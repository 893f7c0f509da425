"""`POST /ag-ui/agent` on stored conversations: what starts, follows, keeps and ends a run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage

from agent.api.ag_ui.routes import MAX_SNAPSHOT
from agent.conversations.owned_thread import RunKey
from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.agent.api.ag_ui.verified import of_type, read_events, text_of, verified
from tests.agent.api.threads.served_threads import Threads, ThreadsOf

ROUTE = "/ag-ui/agent"
TALE = AIMessage("Once upon a time")


def body(*questions: str, thread: str = "thread-1", **members: Any) -> dict[str, Any]:
    messages = [{"id": text, "role": "user", "content": text} for text in questions]
    return {"threadId": thread, "runId": "run-1", "messages": messages, **members}


async def run(served: Threads, *questions: str, user: str = "alice", **members: Any) -> list[dict[str, Any]]:
    """The verified events of one request."""
    response = await served.ask("POST", ROUTE, user, body(*questions, **members))
    assert response.status_code == 200, response.text
    return verified(read_events(response.text))


async def status_and_code(served: Threads, given: dict[str, Any], user: str = "alice") -> tuple[int, str]:
    response = await served.ask("POST", ROUTE, user, given)
    return response.status_code, response.json()["error"]["code"]


@asynccontextmanager
async def run_that_waits(served: Threads, **forwarded: str) -> AsyncIterator[httpx.Response]:
    """A run that has sent its first words to the client that started it, and waits for the model."""
    given = body("A tale", forwardedProps=forwarded)
    async with served.stream("POST", ROUTE, "alice", given) as response:
        await served.model.waiting.wait()
        yield response


def contents(served: Threads, call: int = -1) -> list[str]:
    """What the model received after its instructions."""
    return [message.text.strip() for message in served.model.asked[call][1:]]


async def test_model_receives_the_stored_conversation_and_the_new_message(threads: ThreadsOf) -> None:
    served = await threads()
    await run(served, "first")
    await run(served, "second")

    assert contents(served) == ["first", "done", "second"]


async def exported(served: Threads) -> list[str]:
    """The messages as they are stored; other routes show those with one id once."""
    whole = (await served.ask("GET", "/threads/thread-1/export")).json()
    return [message["content"].strip() for message in whole["messages"]]


async def test_message_that_is_sent_again_much_later_is_stored_and_answered_once(threads: ThreadsOf) -> None:
    served = await threads()
    await run(served, "first")
    for number in range(21):
        await run(served, f"question {number}")
    events = await run(served, "first")

    assert of_type(events, "TEXT_MESSAGE_CONTENT") == []
    assert (await exported(served)).count("first") == 1
    await run(served, "first", "new")
    assert (await exported(served))[-2:] == ["new", "done"]
    assert (await exported(served)).count("first") == 1


async def test_failed_run_is_tried_again_by_the_same_message(threads: ThreadsOf) -> None:
    served = await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "down"), TALE])
    failed = await status_and_code(served, body("A tale"))
    events = await run(served, "A tale")

    assert failed == (503, "model_call_failed")
    assert text_of(events).strip() == "Once upon a time"
    assert contents(served) == ["A tale"]


async def test_client_that_disconnects_cancels_its_run(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served):
        pass
    await served.ask("POST", "/threads/thread-1/cancel")  # returns when the run has ended

    events = await run(served)
    assert "upon" not in events[1]["messages"][-1]["content"]
    assert events[-2]["snapshot"]["status"] == "idle"


async def test_run_goes_on_without_its_client_if_that_was_asked(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served, on_disconnect="continue"):
        pass
    async with served.stream("POST", ROUTE, "alice", body()) as following:
        served.model.go_on.set()
        events = verified(read_events((await following.aread()).decode()))

    assert text_of(events).strip() == "Once upon a time"
    assert events[-1]["outcome"] == {"type": "success"}


async def test_request_without_anything_new_follows_the_run_that_is_going_on(threads: ThreadsOf) -> None:
    served = await threads([TALE], waits=True)
    async with run_that_waits(served) as first, served.stream("POST", ROUTE, "alice", body()) as second:
        served.model.go_on.set()
        texts = [(await response.aread()).decode() for response in (first, second)]

    assert [text_of(verified(read_events(text))).strip() for text in texts] == ["Once upon a time"] * 2


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (body("hello", thread="../etc"), "threadId"),
        (body("hello", thread="t" * 65), "threadId"),
        (body("hello", forwardedProps={"on_disconnect": "keep"}), "forwardedProps.on_disconnect"),
    ],
)
async def test_invalid_request_is_refused_by_the_name_of_its_member(
    threads: ThreadsOf, given: dict[str, Any], param: str
) -> None:
    served = await threads()
    response = await served.ask("POST", ROUTE, body=given)

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_answer_to_nothing_is_refused(threads: ThreadsOf) -> None:
    served = await threads()
    await run(served, "hello")
    answer = {"resume": [{"interruptId": "a" * 32, "status": "resolved", "payload": {"approved": True}}]}

    assert await status_and_code(served, body(**answer)) == (409, "approval_invalid")
    assert await status_and_code(served, body(**answer, thread="other")) == (404, "thread_not_found")


@pytest.mark.parametrize("texts", [["x"] * MAX_SNAPSHOT, ["x" * 600_000] * 2], ids=["messages", "bytes"])
async def test_conversation_that_is_too_long_is_not_sent_in_part(
    threads: ThreadsOf, texts: list[str]
) -> None:
    served = await threads()
    await run(served, "hello")
    stored = served.agent.kept.conversations
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    assert len(thread["messages"]) == 2
    before = await run(served)
    thread = next(iter(stored.live._latest))
    more = [AIMessage(text, id=f"m{number}") for number, text in enumerate(texts)]
    await stored.threads.begin_run(RunKey(thread, "r"), "p", messages=more)
    await stored.threads.end_run(RunKey(thread, "r"), "idle")

    assert of_type(before, "MESSAGES_SNAPSHOT")
    assert of_type(await run(served), "MESSAGES_SNAPSHOT") == []
