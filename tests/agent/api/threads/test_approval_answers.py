"""Answers to approvals over `/threads`: which count, and what the others change."""

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
