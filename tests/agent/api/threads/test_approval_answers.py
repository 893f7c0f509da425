"""Answers to approvals over `/threads`: which count, and what the others change."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from identity.access_token.verifier import LEEWAY
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


def on_threads(approval: dict[str, Any], _: str, decision: str) -> tuple[str, dict[str, Any]]:
    return f"/threads/thread-1/approvals/{approval['id']}", {"decision": decision}


def on_ag_ui(approval: dict[str, Any], _: str, decision: str) -> tuple[str, dict[str, Any]]:
    payload = {"approved": decision == "approve"}
    resume = [{"interruptId": approval["id"], "status": "resolved", "payload": payload}]
    return "/ag-ui/agent", {"threadId": "thread-1", "runId": "r", "messages": [], "resume": resume}


def on_a2a(approval: dict[str, Any], task_id: str, decision: str) -> tuple[str, dict[str, Any]]:
    part = {"data": {"approval": approval["id"], "decision": decision}}
    message = {"messageId": "m", "role": "ROLE_USER", "taskId": task_id, "parts": [part]}
    return "/a2a", {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}


@pytest.mark.parametrize("surface", [on_threads, on_ag_ui, on_a2a])
async def test_decision_with_a_token_that_has_just_expired_requires_a_sign_in_and_leaves_it_open(
    threads: ThreadsOf, surface: Any
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human", APPROVAL_SECONDS="3000")
    now = served.sandbox.clock()
    served.tokens["alice"] = served.sandbox.access_token("alice", lifetime=100)
    approval = await asked(served)
    call = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
    version = {"A2A-Version": "1.0"}
    [task] = (await served.ask("POST", "/a2a", body=call, **version)).json()["result"]["tasks"]
    served.sandbox.clock.advance(100 + LEEWAY / 2 - (served.sandbox.clock() - now))
    for decision in ("approve", "reject"):
        path, body = surface(approval, task["id"], decision)
        refused = await served.ask("POST", path, body=body, **version)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "sign_in_required")
        assert "WWW-Authenticate" in refused.headers
    served.tokens.clear()
    read = (await served.ask("GET", "/threads/thread-1")).json()
    assert (read["status"], read["approvals"]) == ("paused", [approval])
    path, body = surface(approval, task["id"], "approve")
    assert (await served.ask("POST", path, body=body, **version)).status_code in (200, 202)
    assert "applied" in str((await ended(served))["messages"])
