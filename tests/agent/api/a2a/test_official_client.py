"""The official client of A2A against the served agent: tasks that end, wait, are cancelled and are read."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from a2a.client.errors import A2AClientError
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from langchain_core.messages import AIMessage

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.agent.api.a2a.official_client import OfficialClient, official_client
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.databases.redis_process import RedisProcess
from tests.graph.scripted_model import DONE, calls

DOCUMENTATION = Path(__file__).parents[4] / "docs/a2a.md"
TALE = AIMessage("Once upon a time")
APPLY = calls(("leave_apply", {"days": 3, "first_day": "2026-12-07"}), text="I apply.")

ClientOf = Callable[..., Awaitable[OfficialClient]]


@pytest.fixture
async def client() -> AsyncIterator[ClientOf]:
    """`await client(served, user=…, streaming=…)`."""
    async with AsyncExitStack() as stack:

        async def of(served: Threads, user: str = "alice", *, streaming: bool = True) -> OfficialClient:
            token = served.headers(user)["Authorization"].removeprefix("Bearer ")
            entered = official_client(served.origin, token, streaming=streaming)
            return await stack.enter_async_context(entered)

        yield of


def states(updates: list[dict[str, Any]]) -> list[str]:
    """The states of a stream, without the prefix of their names."""
    statuses = [status_of(update) for update in updates if "artifactUpdate" not in update]
    return [status["state"].removeprefix("TASK_STATE_") for status in statuses]


def status_of(update: dict[str, Any]) -> dict[str, Any]:
    status: dict[str, Any] = update.get("task", update.get("statusUpdate", {}))["status"]
    return status


def task_id_of(updates: list[dict[str, Any]]) -> str:
    identifier: str = updates[0]["task"]["id"]
    return identifier


def text_of(updates: list[dict[str, Any]]) -> str:
    pieces = [update["artifactUpdate"]["artifact"] for update in updates if "artifactUpdate" in update]
    return "".join(part["text"] for piece in pieces for part in piece["parts"])


def texts_of(task: dict[str, Any]) -> list[str]:
    return [part["text"].strip() for each in task.get("artifacts", []) for part in each["parts"]]


def approval_of(update: dict[str, Any]) -> dict[str, Any]:
    """The approval in the status message of a task that waits."""
    approval: dict[str, Any] = status_of(update)["message"]["parts"][1]["data"]
    return approval


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


async def test_task_that_failed_is_cancelled_once_the_conversation_goes_on(
    threads: ThreadsOf, client: ClientOf
) -> None:
    alice = await client(await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "down"), DONE]))
    failed = await alice.send("A tale", contextId="context-1")
    ended = await alice.send("Again", contextId="context-1", message_id="m-2")

    assert (states(failed)[-1], states(ended)[-1]) == ("FAILED", "COMPLETED")
    assert (await alice.get(task_id_of(failed)))["status"]["state"] == "TASK_STATE_CANCELED"


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
    first = await anext(following)
    await elsewhere.cancel(sent["task"]["id"])
    rest = [update async for update in following]

    assert texts_of(first["task"]) == ["Once"]
    assert states(rest) == ["CANCELED"]


async def test_client_that_leaves_does_not_end_its_task(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([TALE], waits=True)
    leaving = await client(served)
    updates = leaving.updates("A tale")
    task_id = task_id_of([await anext(updates)])
    await served.model.waiting.wait()
    await updates.aclose()  # type: ignore[attr-defined]
    following = (await client(served)).follow(task_id)
    await anext(following)
    served.model.go_on.set()

    assert states([update async for update in following]) == ["COMPLETED"]


async def test_message_that_is_sent_again_is_answered_by_its_task(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([TALE])
    alice = await client(served)
    first = await alice.send("A tale", contextId="context-1")
    again = await alice.send("A tale", contextId="context-1")

    assert [update["task"]["id"] for update in again] == [task_id_of(first)]
    assert states(again) == ["COMPLETED"]
    assert len(served.model.asked) == 1


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


async def test_client_without_a_valid_token_is_refused_by_status(threads: ThreadsOf) -> None:
    served = await threads()
    for token in (None, "not.a.token"):
        async with official_client(served.origin, token) as stranger:
            with pytest.raises(A2AClientError, match="401"):
                await stranger.send("hello")


class TestApprovals:
    """alice's model applies for leave, which needs her approval."""

    @pytest.fixture
    async def served(self, threads: ThreadsOf) -> Threads:
        return await threads([APPLY, DONE], ACCESS_IDENTITY="Human")

    async def waiting(self, alice: OfficialClient) -> tuple[str, str]:
        """The ids of the task that waits, and of the approval."""
        updates = await alice.send("Apply for leave", contextId="context-1")
        assert states(updates)[-1] == "INPUT_REQUIRED"
        return task_id_of(updates), approval_of(updates[-1])["id"]

    async def test_task_that_waits_shows_what_it_asks(self, served: Threads, client: ClientOf) -> None:
        alice = await client(served)
        updates = await alice.send("Apply for leave")
        message = status_of(updates[-1])["message"]
        approval = approval_of(updates[-1])

        assert states(updates) == ["WORKING", "INPUT_REQUIRED"]
        assert "leave_apply" in message["parts"][0]["text"]
        assert (approval["kind"], approval["service"]) == ("tool_call", "leave")
        assert approval["arguments"] == {"days": 3, "first_day": "2026-12-07"}
        assert (await alice.get(task_id_of(updates)))["status"]["message"] == message

    async def test_approved_call_is_made_and_the_task_completes(
        self, served: Threads, client: ClientOf
    ) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        updates = await alice.send({"approval": approval_id, "decision": "approve"}, taskId=task_id)
        called = [
            update["statusUpdate"]["metadata"]["idaas-agent"]
            for update in updates
            if "statusUpdate" in update
        ]

        assert task_id_of(updates) == task_id
        assert states(updates) == ["WORKING", "WORKING", "WORKING", "COMPLETED"]
        assert [call.get("type") for call in called[:2]] == ["tool_started", "tool_finished"]
        assert (called[1]["tool"], called[1]["access_identity"], called[1]["ok"]) == (
            "leave_apply",
            "Human",
            True,
        )
        assert not {"arguments", "result"} & called[1].keys()
        assert [part["text"].strip() for part in updates[0]["task"]["artifacts"][0]["parts"]] == ["I apply."]
        assert texts_of(await alice.get(task_id)) == ["I apply.", "done"]
        with pytest.raises(UnsupportedOperationError):
            await alice.send({"approval": approval_id, "decision": "approve"}, taskId=task_id)

    async def test_task_that_comes_to_wait_in_another_replica_shows_what_it_asks(
        self, threads: ThreadsOf, client: ClientOf, redis: RedisProcess
    ) -> None:
        shared = {"ACCESS_IDENTITY": "Human", "REDIS_URL": redis.url}
        served = await threads([APPLY], waits=True, **shared)
        [sent] = await (await client(served, streaming=False)).send(
            "Apply for leave", configuration={"returnImmediately": True}
        )
        await served.model.waiting.wait()
        following = (await client(await threads(**shared))).follow(sent["task"]["id"])
        await anext(following)
        served.model.go_on.set()
        rest = [update async for update in following]

        assert states(rest) == ["INPUT_REQUIRED"]
        assert approval_of(rest[-1])["arguments"]["days"] == 3

    async def test_task_whose_token_expires_waits_for_a_sign_in_and_goes_on_with_a_fresh_one(
        self, threads: ThreadsOf, client: ClientOf
    ) -> None:
        balance = calls(("leave_balance", {}), text="One moment.")
        served = await threads([balance, DONE], waits=True, ACCESS_IDENTITY="Human")
        updates = (await client(served)).updates("How many days?")
        task_id = task_id_of([await anext(updates)])
        await served.model.waiting.wait()
        served.sandbox.clock.advance(1300)
        served.model.go_on.set()
        waiting = [update async for update in updates][-1]
        served.tokens.clear()
        decision = {"approval": approval_of(waiting)["id"], "decision": "approve"}
        ended = await (await client(served)).send(decision, taskId=task_id)

        assert states([waiting]) == ["AUTH_REQUIRED"]
        assert approval_of(waiting)["kind"] == "sign_in_required"
        assert states(ended)[-1] == "COMPLETED"

    async def test_edited_arguments_are_those_of_the_call(self, served: Threads, client: ClientOf) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        edited = {"days": 1, "first_day": "2026-12-08"}
        await alice.send({"approval": approval_id, "decision": "edit", "arguments": edited}, taskId=task_id)
        [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

        assert json.loads(result.text)["days"] == 1

    async def test_words_of_a_rejection_are_for_the_model(self, served: Threads, client: ClientOf) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        rejection = {"approval": approval_id, "decision": "reject", "message": "Not in December"}
        updates = await alice.send(rejection, taskId=task_id)
        [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

        assert states(updates)[-1] == "COMPLETED"
        assert "Not in December" in result.text

    @pytest.mark.promise("approval-binds")
    async def test_text_is_never_an_approval(self, served: Threads, client: ClientOf) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        for members in ({"taskId": task_id}, {"contextId": "context-1"}):
            with pytest.raises(UnsupportedOperationError) as refused:
                await alice.send("yes, approved", message_id="m-2", **members)
            assert refused.value.data["code"] == "approval_open"
            assert refused.value.data["taskId"] == task_id
        read = await alice.get(task_id)

        assert read["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
        assert read["status"]["message"]["parts"][1]["data"]["id"] == approval_id

    @pytest.mark.promise("approval-binds")
    async def test_answer_that_does_not_fit_leaves_the_approval_open(
        self, served: Threads, client: ClientOf
    ) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        for answer in (
            {"approval": "0" * 32, "decision": "approve"},
            {"decision": "approve"},
            {"approval": approval_id, "decision": "yes"},
            {"approval": approval_id, "decision": "edit"},
            {"approval": approval_id, "decision": "approve", "arguments": {"days": 30}},
            {"approval": approval_id, "decision": "approve", "approved": True},
            {"approved": True},
            [],
            None,
        ):
            with pytest.raises(InvalidParamsError):
                await alice.send(answer, taskId=task_id)
        decision = {"approval": approval_id, "decision": "approve"}
        with pytest.raises(InvalidParamsError, match="only part"):
            await alice.send("yes", decision, taskId=task_id)
        with pytest.raises(InvalidParamsError, match="contextId"):
            await alice.send(decision, taskId=task_id, contextId="context-2")

        assert (await alice.get(task_id))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"

    async def test_task_that_waits_is_cancelled(self, served: Threads, client: ClientOf) -> None:
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        cancelled = await alice.cancel(task_id)

        assert cancelled["status"]["state"] == "TASK_STATE_CANCELED"
        with pytest.raises(UnsupportedOperationError):
            await alice.send({"approval": approval_id, "decision": "approve"}, taskId=task_id)

    async def test_task_whose_approval_has_expired_is_cancelled(
        self, served: Threads, client: ClientOf
    ) -> None:
        alice = await client(served)
        task_id, _ = await self.waiting(alice)
        served.sandbox.clock.advance(601)
        status = (await alice.get(task_id))["status"]

        assert status["state"] == "TASK_STATE_CANCELED"
        assert status["message"]["metadata"]["idaas-agent"]["code"] == "approval_expired"
        with pytest.raises(TaskNotCancelableError):
            await alice.cancel(task_id)

    @pytest.mark.promise("threads-are-private")
    @pytest.mark.promise("approval-binds")
    async def test_task_of_another_user_does_not_exist(self, served: Threads, client: ClientOf) -> None:
        alice, bob = await client(served), await client(served, "bob")
        task_id, approval_id = await self.waiting(alice)
        decision = {"approval": approval_id, "decision": "approve"}
        refusals = []
        for asked in (task_id, "context-1." + "0" * 32, "no-context." + "0" * 32):
            for ask in (
                lambda asked: bob.get(asked),
                lambda asked: bob.cancel(asked),
                lambda asked: anext(bob.follow(asked)),
                lambda asked: bob.send(decision, taskId=asked),
                lambda asked: bob.send("hello", taskId=asked),
            ):
                with pytest.raises(TaskNotFoundError) as refused:
                    await ask(asked)
                refusals.append((str(refused.value), refused.value.data))
        await bob.send("mine", contextId="context-1")

        assert len(refusals) == 15
        assert len({repr(refusal) for refusal in refusals}) == 1
        assert (await alice.get(task_id))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
