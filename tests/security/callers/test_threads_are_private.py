"""A conversation, its run, its events and its approvals are absent for every other principal."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage

from tests.agent.api.threads.served_threads import CHAT, Threads, ThreadsOf
from tests.graph.scripted_model import DONE
from tests.leave_application import APPLIES

pytestmark = pytest.mark.promise("threads-are-private")

ROUTES = [
    route.split(" ")
    for route in json.loads((Path(__file__).parents[1] / "routes.json").read_text())["agent"]["protected"]
    if "{thread_id}" in route
]
BODIES = {"PATCH": {"title": "Mine"}, "POST": {"decision": "approve"}}


def comparable(response: httpx.Response) -> tuple[int, Any]:
    """All that a client can see of a refusal, without what differs between any two requests."""
    body = response.text.replace(response.headers["x-request-id"], "…")
    headers = {name for name in response.headers if name not in ("date", "x-request-id")}
    return response.status_code, (body, sorted(headers))


async def refusals(served: Threads, user: str, thread: str, approval: str = "a" * 32) -> dict[str, Any]:
    """What `user` receives from each route of a thread."""
    assert len(ROUTES) >= 9
    found = {}
    for method, path in ROUTES:
        real = (
            path.replace("{thread_id}", thread).replace("{approval_id}", approval).replace("{version}", "1")
        )
        body = {"message_id": "m"} if path.endswith("/versions") else BODIES.get(method)
        found[f"{method} {path}"] = comparable(await served.ask(method, real, user, body))
    return found


@pytest.fixture
async def served(threads: ThreadsOf) -> Threads:
    """alice's model applies for leave, and so waits for an approval, unless a test changes it."""
    return await threads([APPLIES, DONE], ACCESS_IDENTITY="Human")


async def waiting(served: Threads) -> str:
    """The approval that alice's thread waits for."""
    await served.say("Apply for leave", "thread-1")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    return str(approval["id"])


async def test_other_users_receive_what_they_receive_for_a_thread_that_does_not_exist(
    served: Threads,
) -> None:
    approval = await waiting(served)
    absent = await refusals(served, "bob", "no-such-thread")
    assert {status for status, _ in absent.values()} == {404}
    assert await refusals(served, "bob", "thread-1", approval) == absent
    assert (await served.ask("GET", "/threads", "bob")).json()["threads"] == []
    read = (await served.ask("GET", "/threads/thread-1")).json()
    assert (read["status"], [each["id"] for each in read["approvals"]]) == ("paused", [approval])
    answered = await served.ask(
        "POST", f"/threads/thread-1/approvals/{approval}", body={"decision": "approve"}
    )
    assert answered.status_code == 202


async def test_deleted_thread_is_absent_for_other_users_and_cannot_be_restored_by_them(
    served: Threads,
) -> None:
    approval = await waiting(served)
    await served.ask("DELETE", "/threads/thread-1")
    assert await refusals(served, "bob", "thread-1", approval) == await refusals(served, "bob", "none")
    assert (await served.ask("POST", "/threads/thread-1/restore")).status_code == 200


async def test_deleted_thread_is_absent_for_its_owner_too_and_its_approval_is_void(served: Threads) -> None:
    approval = await waiting(served)
    await served.ask("DELETE", "/threads/thread-1")
    answer = {"decision": "approve"}
    refused = await served.ask("POST", f"/threads/thread-1/approvals/{approval}", body=answer)
    assert refused.status_code == 404
    await served.ask("POST", "/threads/thread-1/restore")
    refused = await served.ask("POST", f"/threads/thread-1/approvals/{approval}", body=answer)
    assert refused.status_code == 409
    assert (await served.ask("GET", "/threads/thread-1")).json()["approvals"] == []


async def test_run_and_events_of_another_user_are_absent_while_it_runs(threads: ThreadsOf) -> None:
    served = await threads([AIMessage("Once upon a time")], waits=True)
    body = {"messages": [{"role": "user", "content": "A tale"}], "stream": True}
    async with served.stream("POST", CHAT, "alice", body, **{"X-Thread-Id": "thread-1"}):
        await served.model.waiting.wait()
        absent = await refusals(served, "bob", "no-such-thread")
        assert await refusals(served, "bob", "thread-1") == absent
        assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "running"


async def test_same_id_is_another_thread_for_another_user(served: Threads) -> None:
    approval = await waiting(served)
    await served.ask("POST", "/threads", "bob", {"id": "thread-1", "title": "Mine"})
    read = (await served.ask("GET", "/threads/thread-1", "bob")).json()
    assert (read["title"], read["messages"], read["approvals"]) == ("Mine", [], [])
    path = f"/threads/thread-1/approvals/{approval}"
    refused = await served.ask("POST", path, "bob", {"decision": "approve"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")
    assert (await served.ask("POST", "/threads/thread-1/cancel", "bob")).json() == {"cancelled": False}
    assert (await served.ask("DELETE", "/threads", "bob")).json() == {"deleted": 1}
    assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "paused"


async def test_refusals_of_approvals_do_not_tell_whether_they_exist(served: Threads) -> None:
    approval = await waiting(served)
    await served.ask("POST", "/threads", "bob", {"id": "bobs"})
    refusals = [
        comparable(
            await served.ask("POST", f"/threads/bobs/approvals/{each}", "bob", {"decision": "approve"})
        )
        for each in (approval, "0" * 32, "no id")
    ]
    assert refusals[0] == refusals[1] == refusals[2]
