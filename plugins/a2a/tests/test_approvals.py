"""Tasks of the official client that wait for their user: for an approval, or a sign-in."""

import json
from pathlib import Path
from typing import Any

import pytest
from a2a.utils.errors import (
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from agent.runs.conversation_runs import Conversations
from plugins.a2a.tests.official_client import ClientOf, OfficialClient
from plugins.a2a.tests.task_updates import approval_of, states, status_of, task_id_of, texts_of
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.databases.redis_process import RedisProcess
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LATER_DAY, LEAVE

FOUR_EYES = """[services.amap]
type = "built-in"
policies = { maps_weather = { effect = "write", approvers = "finance" } }
"""


class TestApprovals:
    """alice's model applies for leave, which needs her approval."""

    @pytest.fixture
    async def served(self, threads: ThreadsOf) -> Threads:
        return await threads([APPLY, DONE], ACCESS_IDENTITY="Human")

    @pytest.fixture
    async def alice(self, served: Threads, client: ClientOf) -> OfficialClient:
        return await client(served)

    async def waiting(self, alice: OfficialClient) -> tuple[str, str]:
        """The ids of the task that waits, and of the approval."""
        updates = await alice.send("Apply for leave", contextId="context-1")
        assert states(updates)[-1] == "INPUT_REQUIRED"
        return task_id_of(updates), approval_of(updates[-1])["id"]

    async def test_task_that_waits_shows_what_it_asks(self, alice: OfficialClient) -> None:
        updates = await alice.send("Apply for leave")
        message = status_of(updates[-1])["message"]
        approval = approval_of(updates[-1])

        assert states(updates) == ["WORKING", "INPUT_REQUIRED"]
        assert '"Apply for leave (leave_apply)"' in message["parts"][0]["text"]
        assert "· First day (first_day): " in message["parts"][0]["text"]
        assert (approval["kind"], approval["service"]) == ("tool_call", "leave")
        assert approval["arguments"] == LEAVE
        assert (await alice.get(task_id_of(updates)))["status"]["message"] == message

    async def test_task_that_is_decided_while_it_is_read_is_not_cancelled(
        self, alice: OfficialClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task_id, approval_id = await self.waiting(alice)
        pending = Conversations.pending
        decisions: list[Any] = []

        async def pending_after_decision(*arguments: Any) -> Any:
            if not decisions:
                decisions.append(None)
                decision = {"approval": approval_id, "decision": "approve"}
                decisions[0] = await alice.send(decision, taskId=task_id)
            return await pending(*arguments)

        monkeypatch.setattr(Conversations, "pending", pending_after_decision)
        read = await alice.get(task_id)

        assert states(decisions[0])[-1] == "COMPLETED"
        assert read["status"]["state"] == "TASK_STATE_COMPLETED"
        assert texts_of(read) == ["I apply.", "done"]

    async def test_approved_call_is_made_and_the_task_completes(self, alice: OfficialClient) -> None:
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
        with pytest.raises(UnsupportedOperationError) as refused:
            await alice.send({"approval": approval_id, "decision": "approve"}, taskId=task_id)
        assert refused.value.data["code"] == "approval_used"

    @pytest.mark.promise("another-decides")
    async def test_asker_decides_nothing_about_a_call_that_another_person_approves(
        self, threads: ThreadsOf, client: ClientOf, tmp_path: Path
    ) -> None:
        (file := tmp_path / "services.toml").write_text(FOUR_EYES)
        weather = calls(("maps_weather", {"city": "Hangzhou"}))
        served = await threads([weather], ACCESS_IDENTITY="Human", SERVICES_FILE=str(file))
        alice = await client(served)
        task_id, approval_id = await self.waiting(alice)
        for decision in ("approve", "reject"):
            with pytest.raises(InvalidParamsError) as refused:
                await alice.send({"approval": approval_id, "decision": decision}, taskId=task_id)
            assert refused.value.data["code"] == "approval_invalid"

    @pytest.mark.promise("another-decides")
    @pytest.mark.parametrize(("version", "streaming"), [("1.0", True), ("1.0", False), ("0.3", True)])
    async def test_approver_sees_and_decides_the_call_of_another_person_who_continues(
        self, threads: ThreadsOf, client: ClientOf, tmp_path: Path, version: str, streaming: bool
    ) -> None:
        (file := tmp_path / "services.toml").write_text(FOUR_EYES)
        weather = calls(("maps_weather", {"city": "Hangzhou"}))
        claims = {"SERVICES_FILE": str(file), "CALLER_CLAIMS": "groups"}
        served = await threads([weather, DONE], ACCESS_IDENTITY="Human", **claims)
        served.tokens["carol"] = served.sandbox.access_token("bob", sub="user_carol", groups=["staff"])
        served.tokens["bob"] = served.sandbox.access_token("bob", groups=["finance"])
        form = {"version": version, "streaming": streaming}
        alice, bob, carol = [await client(served, who, **form) for who in ("alice", "bob", "carol")]
        task_id, approval_id = await self.waiting(alice)

        [seen] = await bob.send({"approval": approval_id})
        shown = seen["message"]["parts"][1]["data"]
        assert (shown["tool"], shown["arguments"], shown["thread_id"]) == (
            *("maps_weather", {"city": "Hangzhou"}),
            "",
        )
        assert "Weather (maps_weather)" in seen["message"]["parts"][0]["text"]
        assert "Apply for leave" not in json.dumps(seen)
        approve = {"approval": approval_id, "decision": "approve"}
        for person, given in ((carol, {"approval": approval_id}), (carol, approve), (alice, approve)):
            with pytest.raises(InvalidParamsError) as refused:
                await person.send(given)
            assert version == "0.3" or refused.value.data["code"] == "approval_invalid"
        with pytest.raises(InvalidParamsError):
            await bob.send({**approve, "arguments": {"city": "Beijing"}})
        [decided] = await bob.send(approve)
        assert "approved" in decided["message"]["parts"][0]["text"]
        with pytest.raises(UnsupportedOperationError) as late:
            await bob.send({"approval": approval_id, "decision": "reject"})
        assert version == "0.3" or late.value.data["code"] == "approval_used"

        await alice.send(approve, taskId=task_id)
        assert texts_of(await alice.get(task_id))[-1] == "done"

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
        again = await client(served)
        [listed] = (await again.list(status="TASK_STATE_AUTH_REQUIRED"))["tasks"]
        ended = await again.send(decision, taskId=task_id)

        assert (listed["id"], listed["status"]["message"]) == (task_id, status_of(waiting)["message"])
        assert states([waiting]) == ["AUTH_REQUIRED"]
        assert approval_of(waiting)["kind"] == "sign_in_required"
        assert states(ended)[-1] == "COMPLETED"

    async def test_edited_arguments_are_those_of_the_call(
        self, alice: OfficialClient, served: Threads
    ) -> None:
        task_id, approval_id = await self.waiting(alice)
        edited = {"days": 1, "first_day": LATER_DAY}
        await alice.send({"approval": approval_id, "decision": "edit", "arguments": edited}, taskId=task_id)
        [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

        assert json.loads(result.text)["days"] == 1

    async def test_words_of_a_rejection_are_for_the_model(
        self, alice: OfficialClient, served: Threads
    ) -> None:
        task_id, approval_id = await self.waiting(alice)
        rejection = {"approval": approval_id, "decision": "reject", "message": "Not in December"}
        updates = await alice.send(rejection, taskId=task_id)
        [result] = [each for each in served.model.asked[-1] if each.type == "tool"]

        assert states(updates)[-1] == "COMPLETED"
        assert "Not in December" in result.text

    @pytest.mark.promise("approval-binds")
    async def test_text_is_never_an_approval(self, alice: OfficialClient) -> None:
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
    async def test_answer_that_does_not_fit_leaves_the_approval_open(self, alice: OfficialClient) -> None:
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

    async def test_task_whose_approval_has_expired_is_cancelled(
        self, alice: OfficialClient, served: Threads
    ) -> None:
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
