"""Answers to approvals over `/threads`: which count, and what the others change."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from identity.access_token.verifier import LEEWAY
from tests.agent.api.threads.approval_surfaces import OF_THE_CORE, ApprovalSurface
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.every_surface import of_plugins
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LATER_DAY, LEAVE

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
    late = (await answer(await threads(ACCESS_IDENTITY="Human"), approval)).json()["error"]
    assert late["decided_by"] == "user_alice01"
    assert late["decided_on"] == f"python-httpx/{httpx.__version__}"


async def test_approval_of_another_conversation_is_no_approval_of_this_one(threads: ThreadsOf) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    await answer(served, approval)
    await ended(served)
    await served.say("hi", "thread-2")
    path = f"/threads/thread-2/approvals/{approval['id']}"
    refused = await served.ask("POST", path, body={"decision": "approve"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")


SURFACES = [*OF_THE_CORE, *of_plugins("DECISIONS")]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.name)
async def test_decision_with_a_token_that_has_just_expired_requires_a_sign_in_and_leaves_it_open(
    threads: ThreadsOf, surface: ApprovalSurface
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human", APPROVAL_SECONDS="3000")
    now = served.sandbox.clock()
    served.tokens["alice"] = served.sandbox.access_token("alice", lifetime=100)
    approval = await asked(served)
    decide = await surface.of(served, approval)
    served.sandbox.clock.advance(100 + LEEWAY / 2 - (served.sandbox.clock() - now))
    for decision in ("approve", "reject"):
        refused = await decide(decision).sent(served)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "sign_in_required")
        assert "WWW-Authenticate" in refused.headers
    served.tokens.clear()
    read = (await served.ask("GET", "/threads/thread-1")).json()
    assert (read["status"], read["approvals"]) == ("paused", [approval])
    assert (await decide("approve").sent(served)).status_code in (200, 202)
    assert "applied" in str((await ended(served))["messages"])


EDITS: list[tuple[dict[str, Any], str]] = [
    (LEAVE | {"days": True}, "days"),
    (LEAVE | {"days": "3"}, "days"),
    (LEAVE | {"days": 2.5}, "days"),
    (LEAVE | {"days": None}, "days"),
    (LEAVE | {"days": 0}, "days"),
    ({"days": 3}, "first_day"),
    (LEAVE | {"first_day": "7 December"}, "first_day"),
    (LEAVE | {"first_day": {"day": 7}}, "first_day"),
    (LEAVE | {"hours": 1}, "hours"),
]
"""Each with the argument that breaks the schema of `leave_apply`."""


@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.name)
async def test_edit_that_breaks_the_schema_is_refused_with_the_argument_and_leaves_the_approval_open(
    threads: ThreadsOf, surface: ApprovalSurface
) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    decide = await surface.of(served, approval)
    for edit, argument in EDITS:
        refused = await decide("edit", edit).sent(served)
        assert surface.refused_edit(refused) == ("approval_invalid", f"arguments.{argument}"), edit
    read = (await served.ask("GET", "/threads/thread-1")).json()
    assert (read["status"], read["approvals"]) == ("paused", [approval])
    edited = await decide("edit", {"days": 1, "first_day": LATER_DAY}).sent(served)
    assert edited.status_code in (200, 202)
    [result] = [each for each in (await ended(served))["messages"] if each["role"] == "tool"]
    assert json.loads(result["content"])["days"] == 1


async def test_call_of_the_model_that_breaks_the_schema_is_not_asked_about(threads: ThreadsOf) -> None:
    broken = calls(("leave_apply", LEAVE | {"days": True}))
    served = await threads([broken, APPLY, DONE], ACCESS_IDENTITY="Human")
    approval = await asked(served)
    [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

    assert result.text.startswith('invalid arguments: "days": ')
    assert approval["arguments"] == LEAVE


async def test_edit_of_a_call_of_an_mcp_server_is_validated_by_the_schema_that_it_lists(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text(
        '[services.amap]\ntype = "built-in"\npolicies = { maps_weather = { effect = "write" } }\n'
    )
    turns = [calls(("maps_weather", {"city": "Hangzhou"})), DONE]
    served = await threads(turns, ACCESS_IDENTITY="Human", SERVICES_FILE=str(file))
    approval = await asked(served)
    other = await threads([DONE], ACCESS_IDENTITY="Human", SERVICES_FILE=str(file))
    for edit in ({"city": 5}, {"city": None}, {}):
        refused = await answer(other, approval, "edit", arguments=edit)
        assert (refused.status_code, refused.json()["error"]["param"]) == (409, "arguments.city")
    assert (await answer(other, approval, "edit", arguments={"city": "Shanghai"})).status_code == 202
    [result] = [each for each in (await ended(other))["messages"] if each["role"] == "tool"]
    assert "上海" in result["content"]
