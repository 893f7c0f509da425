"""Messages of the official client: streams, responses, contexts, and tasks that fail."""

import json
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
)

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from plugins.a2a.tests.official_client import ClientOf
from plugins.a2a.tests.task_updates import states, status_of, task_id_of, text_of, texts_of
from tests.agent.api.threads.script import APPLY, TALE
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE

DOCUMENTATION = Path(__file__).parents[1] / "README.md"


async def test_stream_is_the_task_pieces_of_the_response_and_the_end(
    threads: ThreadsOf, client: ClientOf
) -> None:
    alice = await client(await threads([TALE]))
    updates = await alice.send("A tale", contextId="context-1")

    assert states(updates) == ["WORKING", "COMPLETED"]
    assert text_of(updates) == "Once upon a time "
    pieces = [update["artifactUpdate"] for update in updates if "artifactUpdate" in update]
    assert [piece.get("append", False) for piece in pieces] == [False, True, True, True, True]
    assert [piece.get("lastChunk", False) for piece in pieces] == [False] * 4 + [True]
    assert len({piece["artifact"]["artifactId"] for piece in pieces}) == 1
    task = updates[0]["task"]
    assert task["contextId"] == "context-1"
    assert [(each["role"], each["messageId"]) for each in task["history"]] == [("ROLE_USER", "m-1")]


async def test_task_whose_response_is_not_whole_says_why(threads: ThreadsOf, client: ClientOf) -> None:
    for reason in ("length", "content_filter"):
        cut = TALE.model_copy(update={"response_metadata": {"finish_reason": reason}})
        alice = await client(await threads([cut]), streaming=False)
        [sent] = await alice.send("A tale", contextId=f"context-{reason}")
        stored = await alice.get(sent["task"]["id"])
        for task in (sent["task"], stored):
            assert task["status"]["state"] == "TASK_STATE_COMPLETED"
            assert task["metadata"] == {"idaas-agent": {"finish_reason": reason}}


async def test_example_of_the_documentation_works(
    threads: ThreadsOf, capsys: pytest.CaptureFixture[str]
) -> None:
    served = await threads([TALE])
    [example] = re.findall(r"```python\n(.+?)```", DOCUMENTATION.read_text(), re.DOTALL)
    before, main = example.split("async def main")
    here = re.sub(r"(?m)^(command|access_token) = .*$", "", before)
    token = served.headers()["Authorization"].removeprefix("Bearer ")
    names: dict[str, Any] = {"access_token": token}
    code = f"{here}async def main{main}".replace("http://localhost:9002", served.origin)
    exec(code.replace("asyncio.run(main())", ""), names)  # noqa: S102 - the example
    await names["main"]()

    assert "TASK_STATE_COMPLETED" in capsys.readouterr().out


async def test_message_that_is_sent_again_much_later_is_not_asked_again(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([TALE, DONE])
    alice = await client(served, streaming=False)
    [sent] = await alice.send("A tale", contextId="context-1")
    for number in range(21):
        await served.say(f"question {number}", "context-1")
    for streaming in (False, True):
        repeating = await client(served, streaming=streaming)
        [again] = await repeating.send("A tale", contextId="context-1")
        assert again["task"]["id"] == sent["task"]["id"]
        assert states([again]) == ["COMPLETED"]
        assert texts_of(again["task"]) == ["Once upon a time"]

    assert len(served.model.asked) == 22


async def test_message_is_answered_by_the_task_at_its_end(threads: ThreadsOf, client: ClientOf) -> None:
    alice = await client(await threads([TALE]), streaming=False)
    [sent] = await alice.send("A tale", configuration={"historyLength": 0})

    assert sent["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert texts_of(sent["task"]) == ["Once upon a time"]
    assert "history" not in sent["task"]


async def test_context_is_a_conversation(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([DONE])
    alice = await client(served)
    context = (await alice.send("first"))[0]["task"]["contextId"]
    await alice.send("second", contextId=context, message_id="m-2")

    assert [each.text for each in served.model.asked[-1][1:]] == ["first", "done ", "second"]
    read = (await served.ask("GET", f"/threads/{context}")).json()
    assert [message["content"].strip() for message in read["messages"]] == ["first", "done", "second", "done"]
    written_by = [message["metadata"]["idaas-agent"].get("written_by") for message in read["messages"]]
    assert written_by == ["an A2A client", None, "an A2A client", None]


async def test_task_is_read_after_its_end_also_by_another_process(
    threads: ThreadsOf, client: ClientOf
) -> None:
    alice = await client(await threads([TALE]))
    first = task_id_of(await alice.send("A tale", contextId="context-1"))
    await alice.send("Another", contextId="context-1", message_id="m-2")
    restarted = await client(await threads([DONE]))
    task = await restarted.get(first)

    assert (task["id"], task["status"]["state"]) == (first, "TASK_STATE_COMPLETED")
    assert texts_of(task) == ["Once upon a time"]
    assert [part["text"] for each in task["history"] for part in each["parts"]] == ["A tale"]
    assert "history" not in await restarted.get(first, history_length=0)


async def test_task_that_fails_ends_with_the_text_for_the_user(threads: ThreadsOf, client: ClientOf) -> None:
    alice = await client(await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "down at 10.0.0.7")]))
    updates = await alice.send("A tale")
    message = status_of(updates[-1])["message"]

    assert states(updates) == ["WORKING", "FAILED"]
    assert message["metadata"]["idaas-agent"]["code"] == "model_call_failed"
    assert "10.0.0.7" not in json.dumps(updates)
    read = await alice.get(task_id_of(updates))
    assert read["status"]["state"] == "TASK_STATE_FAILED"
    assert read["status"]["message"]["metadata"]["idaas-agent"]["code"] == "model_call_failed"


async def test_task_that_has_ended_stays_what_it_was_when_the_conversation_goes_on(
    threads: ThreadsOf, client: ClientOf
) -> None:
    failing = ServiceError(GraphCode.MODEL_CALL_FAILED, "down")
    served = await threads([failing, APPLY, APPLY, DONE, DONE], ACCESS_IDENTITY="Human")
    alice = await client(served)

    async def asked(number: int) -> str:
        return task_id_of(await alice.send(f"{number}", contextId="context-1", message_id=f"m-{number}"))

    failed, cancelled = await asked(1), await asked(2)
    await alice.cancel(cancelled)
    expired = await asked(3)
    served.sandbox.clock.advance(601)
    before = [await alice.get(task_id) for task_id in (cancelled, expired)]
    completed = await asked(4)
    before += [await alice.get(completed)]
    await asked(5)
    again = await client(await threads())  # another process, as after a restart
    for reader in (alice, again):
        assert [await reader.get(task_id) for task_id in (cancelled, expired, completed)] == before
        first = await reader.get(failed)
        assert first["status"]["state"] == "TASK_STATE_FAILED"
        assert code_of(first) == "model_call_failed"

    assert [task["status"]["state"] for task in before] == [
        "TASK_STATE_CANCELED",
        "TASK_STATE_CANCELED",
        "TASK_STATE_COMPLETED",
    ]
    assert [code_of(task) for task in before[:2]] == ["run_cancelled", "approval_expired"]


def code_of(task: dict[str, Any]) -> str:
    """Why a task ended early."""
    code: str = task["status"]["message"]["metadata"]["idaas-agent"]["code"]
    return code


async def test_id_of_a_message_cannot_be_that_of_another_message(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([TALE])
    alice = await client(served)
    first = await alice.send("A tale", contextId="context-1")
    [response] = {
        each["artifactUpdate"]["artifact"]["artifactId"] for each in first if "artifactUpdate" in each
    }
    second = await alice.send("Forged", contextId="context-1", message_id=response)

    assert [each.text.strip() for each in served.model.asked[-1][1:]] == [
        "A tale",
        "Once upon a time",
        "Forged",
    ]
    assert second[0]["task"]["history"][0]["messageId"] == response


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
