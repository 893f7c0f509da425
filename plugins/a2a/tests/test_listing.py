"""`ListTasks` of the official client: pages, selections, and what each task has."""

from typing import Any

import pytest
from a2a.utils.errors import InvalidParamsError

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from plugins.a2a.tests.official_client import ClientOf, OfficialClient
from plugins.a2a.tests.task_updates import task_id_of, texts_of
from tests.agent.api.threads.script import APPLY, TALE
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE


async def ids(client: OfficialClient, **members: Any) -> list[str]:
    return [task["id"] for task in (await client.list(**members)).get("tasks", [])]


async def test_tasks_are_listed_as_they_are_read_in_pages_and_selected(
    threads: ThreadsOf, client: ClientOf
) -> None:
    failing = ServiceError(GraphCode.MODEL_CALL_FAILED, "down")
    served = await threads([TALE, failing, APPLY, APPLY, DONE], ACCESS_IDENTITY="Human")
    alice = await client(served)
    made = []
    for number, context in enumerate(("context-1", "context-1", "context-2", "context-3")):
        updates = await alice.send(f"question {number}", contextId=context, message_id=f"m-{number}")
        made.append(task_id_of(updates))
        served.sandbox.clock.advance(1)
    tale, failed, waits, cancelled = made
    await alice.cancel(cancelled)

    page = await alice.list()
    assert (page["totalSize"], page["pageSize"], page.get("nextPageToken", "")) == (4, 50, "")
    listed = {task["id"]: task for task in page["tasks"]}
    assert list(listed) == [cancelled, waits, failed, tale]
    whole = {task["id"]: task for task in (await alice.list(include_artifacts=True))["tasks"]}
    for task_id, task in whole.items():
        assert task == await alice.get(task_id)
        assert listed[task_id] == {name: value for name, value in task.items() if name != "artifacts"}
    assert texts_of(whole[tale]) == ["Once upon a time"]
    assert not any("history" in task for task in (await alice.list(history_length=0))["tasks"])

    first = await alice.list(page_size=3)
    second = await alice.list(page_size=3, page_token=first["nextPageToken"])
    assert [task["id"] for task in (*first["tasks"], *second["tasks"])] == list(listed)
    assert (second["totalSize"], second.get("nextPageToken", "")) == (4, "")

    assert await ids(alice, context_id="context-1") == [failed, tale]
    for state, expected in (("FAILED", failed), ("INPUT_REQUIRED", waits), ("CANCELED", cancelled)):
        assert await ids(alice, status=f"TASK_STATE_{state}") == [expected]
    assert await ids(alice, status="TASK_STATE_REJECTED") == []
    since = listed[waits]["status"]["timestamp"]
    assert await ids(alice, status_timestamp_after=since) == [cancelled, waits]

    served.sandbox.clock.advance(601)
    assert await ids(alice, status="TASK_STATE_CANCELED") == [waits, cancelled]
    await served.ask("DELETE", "/threads/context-1")
    assert await ids(alice) == [waits, cancelled]


@pytest.mark.promise("threads-are-private")
async def test_tasks_of_another_user_are_not_listed(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE])
    alice, bob = await client(served), await client(served, "bob")
    for number in range(2):
        await alice.send("A tale", contextId="context-1", message_id=f"m-{number}")
    token = (await alice.list(page_size=1))["nextPageToken"]
    for members in ({}, {"context_id": "context-1"}, {"page_token": token}):
        page = await bob.list(**members)
        assert (page.get("tasks", []), page.get("totalSize", 0)) == ([], 0)

    own = task_id_of(await bob.send("mine", contextId="context-1"))
    assert await ids(bob, context_id="context-1") == [own]


async def test_task_in_progress_is_listed_by_another_process(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    [sent] = await (await client(served, streaming=False)).send(
        "A tale", configuration={"returnImmediately": True}
    )
    await served.model.waiting.wait()
    elsewhere = await client(await threads())
    [task] = (await elsewhere.list(status="TASK_STATE_WORKING"))["tasks"]
    read = await elsewhere.get(task["id"])
    served.model.go_on.set()

    assert task == read
    assert (task["id"], task["history"][0]["parts"][0]["text"]) == (sent["task"]["id"], "A tale")


async def test_token_of_no_page_is_refused(threads: ThreadsOf, client: ClientOf) -> None:
    alice = await client(await threads())
    with pytest.raises(InvalidParamsError):
        await alice.list(page_token="none")
