"""Requests of the official client that are refused before a run."""

from collections.abc import Awaitable
from typing import Any

import pytest
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from tests.agent.api.a2a.official_client import ClientOf
from tests.agent.api.a2a.script import TALE
from tests.agent.api.a2a.task_updates import task_id_of
from tests.agent.api.threads.served_threads import ThreadsOf


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


async def test_request_that_the_agent_cannot_serve_is_refused_before_a_run(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads()
    alice = await client(served)
    refused: list[tuple[type[A2AError], Awaitable[Any]]] = [
        (InvalidParamsError, alice.send("x", contextId="../etc")),
        (InvalidParamsError, alice.send("  ")),
        (ContentTypeNotSupportedError, alice.send({"a": 1})),
        (ContentTypeNotSupportedError, alice.send("x", configuration={"acceptedOutputModes": ["image/png"]})),
        (
            PushNotificationNotSupportedError,
            alice.send("x", configuration={"taskPushNotificationConfig": {"url": "https://a.example"}}),
        ),
        (TaskNotFoundError, alice.send("x", taskId="context-1." + "0" * 32)),
        (TaskNotFoundError, alice.get("no-task")),
    ]
    for error, asked in refused:
        with pytest.raises(error):
            await asked

    assert served.model.asked == []
