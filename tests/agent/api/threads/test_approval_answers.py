"""Answers to approvals over `/threads`: which count, and what the others change."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.agent.api.a2a.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE

pytestmark = pytest.mark.promise("approval-binds")


async def asked(served: Threads) -> dict[str, Any]:
    """The approval for which alice's application for leave waits."""
    await served.say("Apply for leave")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    return dict(approval)


async def answer(served: Threads, approval: dict[str, Any], decision: str = "approve", **members: Any) -> Any:
    path = f"/threads/thread-1/approvals/{approval['id']}"
    return await served.ask("POST", path, body={"decision": decision, **members})


async def ended(served: Threads) -> dict[str, Any]:
    """The conversation when its run has ended or waits again."""
    async with served.stream("GET", "/threads/thread-1/events") as events:
        await events.aread()
    return dict((await served.ask("GET", "/threads/thread-1")).json())


async def test_answer_at_a_process_that_would_use_another_permission_is_not_used_and_asked_for_anew(
    threads: ThreadsOf,
) -> None:
    served = await threads([APPLY], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    other_scope = f"{approval['audience']}|leave.read"
    other = await threads([DONE], ACCESS_IDENTITY="Human", LEAVE_SERVICE_SCOPE=other_scope)
    accepted = await answer(other, approval)
    thread = await ended(other)
    [anew] = thread["approvals"]
    again = await answer(other, approval)

    assert (accepted.status_code, thread["status"]) == (202, "paused")
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant"]
    assert (approval["scope"], anew["scope"]) == ("leave.write", "leave.read")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_used")


async def test_of_the_same_answer_at_once_one_counts_and_the_others_are_used(threads: ThreadsOf) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    answers = await asyncio.gather(*(answer(served, approval) for _ in range(5)))
    answers.append(await answer(served, approval))
    await ended(served)
    answers.append(await answer(served, approval, "reject"))

    codes = [each.json().get("error", {}).get("code") for each in answers]
    assert Counter(codes) == {None: 1, "approval_used": 6}
    assert all("may already have taken effect" in each.text for each in answers if each.status_code == 409)


async def test_answer_of_an_older_ag_ui_client_to_a_used_approval_is_refused_as_used(
    threads: ThreadsOf,
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    await answer(served, approval)
    shown = (await ended(served))["messages"]
    props = {"command": {"resume": {"decisions": [{"type": "approve"}]}}}
    given = {"threadId": "thread-1", "runId": "r", "messages": shown, "forwardedProps": props}
    refused = await served.ask("POST", "/ag-ui/agent", body=given)

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_used")


async def test_approval_of_another_conversation_is_no_approval_of_this_one(threads: ThreadsOf) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    await answer(served, approval)
    await ended(served)
    await served.say("hi", "thread-2")
    path = f"/threads/thread-2/approvals/{approval['id']}"
    refused = await served.ask("POST", path, body={"decision": "approve"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")
