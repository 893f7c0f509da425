"""Calls that wait for their user: asked by an item, decided by another one, by the official client."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from agent.runs.conversation_runs import Conversations
from plugins.responses.response_id import ResponseId
from plugins.responses.tests.conftest import ClientOf
from plugins.responses.tests.test_text import PATH, events_of
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LATER_DAY, LEAVE

pytestmark = pytest.mark.promise("approval-binds")

FOUR_EYES = """[services.amap]
type = "built-in"
policies = { maps_weather = { effect = "write", approvers = "finance" } }
"""


def decided(item_id: str, *, approve: bool = True, **more: Any) -> dict[str, Any]:
    return {"type": "mcp_approval_response", "approval_request_id": item_id, "approve": approve, **more}


class TestApprovals:
    """alice's model applies for leave, which needs her approval."""

    @pytest.fixture
    async def served(self, threads: ThreadsOf) -> Threads:
        return await threads([APPLY, DONE], ACCESS_IDENTITY="Human")

    async def waiting(self, served: Threads, **body: Any) -> dict[str, Any]:
        response = await served.ask("POST", PATH, body={"input": "Apply for leave", **body})
        assert response.status_code == 200, response.text
        made: dict[str, Any] = response.json()
        return made

    async def decide(self, served: Threads, *items: Any, user: str = "alice", **body: Any) -> Any:
        return await served.ask("POST", PATH, user, {"input": list(items), **body})

    async def test_response_that_waits_ends_with_its_question(
        self, served: Threads, client: ClientOf
    ) -> None:
        response = await (await client(served)).responses.create(model="any", input="Apply for leave")
        message, asked = response.output

        assert response.status == "completed"
        assert message.type == "message"
        assert asked.type == "mcp_approval_request"
        assert (asked.name, asked.server_label) == ("leave_apply", "leave")
        assert json.loads(asked.arguments) == LEAVE
        approval = asked.model_dump()["agent_event"]["approval"]
        assert (approval["access_identity"], approval["kind"]) == ("Human", "tool_call")
        read = await (await client(served)).responses.retrieve(response.id)
        assert read.output == response.output

    async def test_approved_call_is_made_and_the_run_goes_on(self, served: Threads, client: ClientOf) -> None:
        responses = (await client(served)).responses
        first = await responses.create(model="any", input="Apply for leave")
        items: Any = [decided(first.output[-1].id or "")]
        second = await responses.create(model="any", input=items, previous_response_id=first.id)
        call, answer = second.output

        assert call.type == "mcp_call"
        assert (call.status, call.approval_request_id) == ("completed", first.output[-1].id)
        assert "applied" in str(call.output)
        assert answer.type == "message"
        assert second.output_text.strip() == "done"
        assert second.id != first.id
        assert second.conversation == first.conversation
        read = await responses.retrieve(second.id)
        assert [item.id for item in read.output] == [item.id for item in second.output]
        whole = await responses.retrieve(first.id)
        assert [item.type for item in whole.output] == ["message", "mcp_call", "message"]
        third = await responses.create(model="any", input="Thanks", previous_response_id=second.id)
        assert third.status == "completed"

    @pytest.mark.parametrize("of_open", [True, False])
    async def test_id_of_a_decision_that_nobody_has_made_changes_nothing(
        self, served: Threads, of_open: bool
    ) -> None:
        first = await self.waiting(served)
        thread = first["conversation"]["id"]
        before = (await served.ask("GET", f"/threads/{thread}")).json()
        approval = before["approvals"][0]["id"] if of_open else "0" * 32
        invented = f"{PATH}/{first['id'].replace('_' + thread, f'.{approval}_{thread}')}"
        for method, path in (("GET", invented), ("POST", f"{invented}/cancel"), ("DELETE", invented)):
            refused = await served.ask(method, path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "response_not_found")
        assert (await served.ask("GET", f"/threads/{thread}")).json() == before

    async def test_decision_is_streamed_on(self, served: Threads) -> None:
        asked = events_of(await served.ask("POST", PATH, body={"input": "Leave", "stream": True}))
        item = asked[-1]["response"]["output"][-1]
        of_item = [event["type"] for event in asked if event.get("item", {}).get("id") == item["id"]]
        goes_on = await self.decide(served, decided(item["id"]), stream=True)
        events = events_of(goes_on)

        assert of_item == ["response.output_item.added", "response.output_item.done"]
        assert asked[-1]["type"] == events[-1]["type"] == "response.completed"
        assert [event["type"] for event in events].count("response.mcp_call.completed") == 1

    async def test_rejected_call_is_not_made_and_the_model_reads_why(self, served: Threads) -> None:
        first = await self.waiting(served)
        item = decided(first["output"][-1]["id"], approve=False, reason="Not in December")
        second = (await self.decide(served, item, previous_response_id=first["id"])).json()

        assert second["output"][-1]["content"][0]["text"].strip() == "done"
        [result] = [message for message in served.model.asked[-1] if message.type == "tool"]
        assert "Not in December" in result.text
        assert "applied" not in str(served.model.asked)

    async def test_edited_arguments_are_those_of_the_call(self, served: Threads) -> None:
        first = await self.waiting(served)
        edited = {"days": 1, "first_day": LATER_DAY}
        item = decided(first["output"][-1]["id"], arguments=edited)
        second = (await self.decide(served, item)).json()

        [call] = [item for item in second["output"] if item["type"] == "mcp_call"]
        assert json.loads(call["output"])["days"] == 1

    async def test_decision_counts_once(self, served: Threads) -> None:
        first = await self.waiting(served)
        item = decided(first["output"][-1]["id"])
        assert (await self.decide(served, item, previous_response_id=first["id"])).status_code == 200
        again = await self.decide(served, item, previous_response_id=first["id"])
        assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_used")

    async def test_decision_of_another_user_changes_nothing(self, served: Threads) -> None:
        first = await self.waiting(served)
        question = first["output"][-1]["id"]
        own = (await served.ask("POST", PATH, "bob", {"input": "Apply for leave"})).json()
        thread = first["conversation"]["id"]
        attempts: list[tuple[dict[str, Any], tuple[int, str | None]]] = [
            ({}, (404, "input[0].approval_request_id")),
            ({"previous_response_id": first["id"]}, (400, "previous_response_id")),
            ({"previous_response_id": own["id"]}, (409, None)),
            ({"conversation": own["conversation"]["id"]}, (409, None)),
            ({"conversation": thread}, (404, None)),
        ]
        for body, expected in attempts:
            refused = await self.decide(served, decided(question), user="bob", **body)
            assert (refused.status_code, refused.json()["error"]["param"]) == expected
        read = (await served.ask("GET", f"/threads/{thread}")).json()
        assert (read["status"], len(read["approvals"])) == ("paused", 1)
        assert "applied" not in str(served.model.asked)

    async def test_message_is_no_decision(self, served: Threads) -> None:
        first = await self.waiting(served)
        body = {"input": "yes", "previous_response_id": first["id"]}
        refused = await served.ask("POST", PATH, body=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_open")

    async def test_malformed_decisions_are_refused_and_leave_it_open(self, served: Threads) -> None:
        first = await self.waiting(served)
        item = decided(first["output"][-1]["id"])
        faults: list[tuple[list[Any], dict[str, Any], str | None, str]] = [
            ([item, item], {}, "input[1].approval_request_id", "invalid_request"),
            ([item, {"role": "user", "content": "and more"}], {}, "input[1]", "invalid_request"),
            ([item | {"approve": "true"}], {}, "input[0].approve", "invalid_type"),
            ([item | {"approved": True}], {}, "input[0].approved", "unknown_parameter"),
            ([item | {"reason": "x" * 2001}], {}, "input[0].reason", "string_above_max_length"),
            ([item | {"approve": False, "arguments": {}}], {}, "input[0].arguments", "invalid_request"),
            ([item], {"store": False}, "input[0]", "unsupported_value"),
            ([item], {"text": {"format": {"type": "json_object"}}}, "text.format", "unsupported_value"),
            ([decided("mcpr_0")], {}, "input[0].approval_request_id", "item_not_found"),
            ([decided("mcpr_0")], {"previous_response_id": first["id"]}, None, "approval_invalid"),
        ]
        for items, body, param, code in faults:
            error = (await self.decide(served, *items, **body)).json()["error"]
            assert (error["param"], error["code"]) == (param, code), items
        read = (await served.ask("GET", f"/threads/{first['conversation']['id']}")).json()
        assert (read["status"], len(read["approvals"])) == ("paused", 1)

    async def test_approval_of_another_conversation_is_none_of_this_one(self, threads: ThreadsOf) -> None:
        served = await threads([APPLY, APPLY, DONE], ACCESS_IDENTITY="Human")
        first = await self.waiting(served)
        second = await self.waiting(served)
        item = decided(first["output"][-1]["id"])
        refused = await self.decide(served, item, previous_response_id=second["id"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_invalid")

    async def test_decision_of_another_conversation_has_no_response_in_this_one(
        self, threads: ThreadsOf
    ) -> None:
        served = await threads([APPLY, APPLY, DONE], ACCESS_IDENTITY="Human")
        first = await self.waiting(served)
        second = await self.waiting(served)
        after = (await self.decide(served, decided(second["output"][-1]["id"]))).json()
        of_second = ResponseId.read(after["id"])
        of_first = ResponseId.read(first["id"])
        assert of_second is not None
        assert of_first is not None
        assert (await served.ask("GET", f"{PATH}/{of_second}")).status_code == 200
        mixed = replace(of_first, approval_id=of_second.approval_id)
        assert (await served.ask("GET", f"{PATH}/{mixed}")).status_code == 404

    async def test_response_that_is_not_stored_makes_no_call_that_asks(self, served: Threads) -> None:
        response = await self.waiting(served, store=False)
        assert "mcp_approval_request" not in [item["type"] for item in response["output"]]
        assert "applied" not in str(served.model.asked)

    async def test_cancelled_response_withdraws_its_question(self, served: Threads) -> None:
        first = await self.waiting(served)
        cancelled = (await served.ask("POST", f"{PATH}/{first['id']}/cancel")).json()
        assert cancelled["status"] == "cancelled"
        refused = await self.decide(served, decided(first["output"][-1]["id"]))
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_used")

    async def test_expired_question_ends_its_response(self, threads: ThreadsOf) -> None:
        served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human", APPROVAL_SECONDS="60")
        first = await self.waiting(served)
        served.sandbox.clock.advance(61)
        read = (await served.ask("GET", f"{PATH}/{first['id']}")).json()
        assert (read["status"], read["error"]["code"]) == ("cancelled", "approval_expired")

    async def test_response_that_is_decided_while_it_is_read_is_not_cancelled(
        self, served: Threads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await self.waiting(served)
        pending = Conversations.pending
        decisions: list[Any] = []

        async def pending_after_decision(*arguments: Any) -> Any:
            if not decisions:
                decisions.append(None)
                decisions[0] = await self.decide(served, decided(first["output"][-1]["id"]))
            return await pending(*arguments)

        monkeypatch.setattr(Conversations, "pending", pending_after_decision)
        read = (await served.ask("GET", f"{PATH}/{first['id']}")).json()

        assert decisions[0].status_code == 200
        assert (read["status"], read["error"]) == ("completed", None)
        assert [item["type"] for item in read["output"]] == ["message", "mcp_call", "message"]


@pytest.fixture
async def approved_by_finance(threads: ThreadsOf, tmp_path: Path) -> Threads:
    """alice's model asks for the weather, about which finance decides: bob."""
    (file := tmp_path / "services.toml").write_text(FOUR_EYES)
    weather = calls(("maps_weather", {"city": "Hangzhou"}))
    variables = {"SERVICES_FILE": str(file), "CALLER_CLAIMS": "groups"}
    served = await threads([weather, DONE], ACCESS_IDENTITY="Human", **variables)
    served.tokens["bob"] = served.sandbox.access_token("bob", groups=["finance"])
    return served


@pytest.mark.promise("another-decides")
async def test_asker_decides_nothing_about_a_call_that_another_person_approves(
    approved_by_finance: Threads, client: ClientOf
) -> None:
    served = approved_by_finance
    responses = (await client(served)).responses
    first = await responses.create(model="any", input="Weather?")
    items: Any = [decided(first.output[-1].id or "")]
    with pytest.raises(openai.ConflictError) as refused:
        await responses.create(model="any", input=items, previous_response_id=first.id)
    assert refused.value.code == "approval_invalid"
    asked = first.output[-1].model_dump()["agent_event"]["approval"]["id"]
    approved = await served.ask("POST", f"/approvals/{asked}", "bob", {"decision": "approve"})
    assert approved.status_code == 204
    second = await responses.create(model="any", input=items, previous_response_id=first.id)
    assert [item.type for item in second.output] == ["mcp_call", "message"]
    read = await responses.retrieve(second.id)
    assert [item.id for item in read.output] == [item.id for item in second.output]


@pytest.mark.promise("another-decides")
async def test_response_to_what_another_person_decided_is_named_by_their_decision(
    approved_by_finance: Threads, client: ClientOf
) -> None:
    served = approved_by_finance
    responses = (await client(served)).responses
    first = await responses.create(model="any", input="Weather?")
    asked = first.output[-1].model_dump()["agent_event"]["approval"]["id"]
    await served.ask("POST", f"/approvals/{asked}", "bob", {"decision": "approve"})
    another: Any = [decided((first.output[-1].id or "").replace(asked, "0" * 32))]
    second = await responses.create(model="any", input=another, previous_response_id=first.id)
    read = await responses.retrieve(second.id)
    assert [item.id for item in read.output] == [item.id for item in second.output]
