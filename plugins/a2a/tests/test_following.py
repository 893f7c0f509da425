"""Tasks in progress that the official client follows, leaves and cancels, and to which it adds nothing."""

import pytest
from a2a.utils.errors import TaskNotCancelableError, UnsupportedOperationError

from plugins.a2a.tests.official_client import ClientOf
from plugins.a2a.tests.task_updates import states, task_id_of, text_of, texts_of
from tests.agent.api.threads.script import TALE
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.databases.redis_process import RedisProcess


async def test_task_can_be_returned_at_once_and_followed(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    polling = await client(served, streaming=False)
    [sent] = await polling.send("A tale", configuration={"returnImmediately": True})
    task_id = sent["task"]["id"]
    await served.model.waiting.wait()
    following = (await client(served)).follow(task_id)
    first = await anext(following)
    served.model.go_on.set()
    rest = [update async for update in following]

    assert sent["task"]["status"]["state"] == "TASK_STATE_WORKING"
    assert texts_of(first["task"]) == ["Once"]
    assert text_of(rest) == "upon a time "
    assert states(rest) == ["COMPLETED"]
    assert texts_of(await polling.get(task_id)) == ["Once upon a time"]
    with pytest.raises(UnsupportedOperationError):
        await anext((await client(served)).follow(task_id))


async def test_task_of_another_process_is_followed_by_what_it_stores(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([TALE], waits=True)
    [sent] = await (await client(served, streaming=False)).send(
        "A tale", configuration={"returnImmediately": True}
    )
    await served.model.waiting.wait()
    following = (await client(await threads())).follow(sent["task"]["id"])
    first = await anext(following)
    served.model.go_on.set()
    rest = [update async for update in following]

    assert first["task"]["status"]["state"] == "TASK_STATE_WORKING"
    assert text_of(rest).strip() == "Once upon a time"
    assert states(rest) == ["COMPLETED"]


async def test_task_of_another_replica_is_followed_event_for_event_and_cancelled_there(
    threads: ThreadsOf, client: ClientOf, redis: RedisProcess
) -> None:
    served = await threads([TALE], waits=True, REDIS_URL=redis.url)
    elsewhere = await client(await threads(REDIS_URL=redis.url))
    [sent] = await (await client(served, streaming=False)).send(
        "A tale", configuration={"returnImmediately": True}
    )
    await served.model.waiting.wait()
    following = elsewhere.follow(sent["task"]["id"])
    shown = "".join(texts_of((await anext(following))["task"]))
    while not shown:  # the events of a run reach other replicas a little later than its beginning
        shown = text_of([await anext(following)])
    await elsewhere.cancel(sent["task"]["id"])
    rest = [update async for update in following]

    assert shown.strip() == "Once"
    assert states(rest) == ["CANCELED"]


async def test_client_that_leaves_does_not_end_its_task(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    leaving = await client(served)
    updates = leaving.updates("A tale")
    task_id = task_id_of([await anext(updates)])
    await served.model.waiting.wait()
    await updates.aclose()  # type: ignore[attr-defined]  # a generator
    following = (await client(served)).follow(task_id)
    await anext(following)
    served.model.go_on.set()

    assert states([update async for update in following]) == ["COMPLETED"]


async def test_task_is_cancelled_once(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    alice = await client(served)
    updates = alice.updates("A tale")
    task_id = task_id_of([await anext(updates)])
    await served.model.waiting.wait()
    cancelled = await alice.cancel(task_id)

    assert cancelled["status"]["state"] == "TASK_STATE_CANCELED"
    assert texts_of(cancelled) == ["Once"]
    assert states([update async for update in updates]) == ["CANCELED"]
    with pytest.raises(TaskNotCancelableError):
        await alice.cancel(task_id)


async def test_second_message_during_a_task_is_refused(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    alice = await client(served)
    updates = alice.updates("A tale", contextId="context-1")
    task_id = task_id_of([await anext(updates)])

    with pytest.raises(UnsupportedOperationError) as busy:
        await alice.send("Faster", contextId="context-1", message_id="m-2")
    assert busy.value.data["code"] == "thread_busy"
    with pytest.raises(UnsupportedOperationError, match="in progress"):
        await alice.send("Faster", taskId=task_id, message_id="m-2")
    served.model.go_on.set()
