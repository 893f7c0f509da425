"""The agent as a server of MCP 2026-07-28, by requests written from the specification."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from plugins.mcp_server.tests.modern_client import (
    APPROVE,
    META,
    call,
    events,
    headers_of,
    post,
    refusal,
    request,
    result,
)
from sandbox.faults.faults import Fault
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import FIRST_DAY, LEAVE

BALANCE = calls(("leave_balance", {}), text="One moment.")


@pytest.fixture
async def served(threads: ThreadsOf, tmp_path: Path) -> Threads:
    audit = {"AUDIT_LOG_FILE": f"{tmp_path}/audit.jsonl", "AUDIT_REQUIRED": "true"}
    origins = "https://page.example"
    return await threads([DONE], ACCESS_IDENTITY="Human", CORS_ALLOWED_ORIGINS=origins, **audit)


async def balance(served: Threads) -> int:
    """The days that alice has left."""
    found = await call(served, "leave_balance", {})
    return int(json.loads(found["content"][0]["text"])["days_left"])


async def test_server_says_what_it_is_and_lists_the_tools_of_its_user(served: Threads) -> None:
    found = await result(served, "server/discover")
    listed = await result(served, "tools/list")
    tools = {tool["name"]: tool for tool in listed["tools"]}

    assert found["supportedVersions"] == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]
    assert found["_meta"][f"{META}serverInfo"]["name"] == "idaas-agent"
    for each in (found, listed):
        assert (each["resultType"], each["cacheScope"], each["ttlMs"]) == ("complete", "private", 60_000)
    assert {"ask", "leave_apply", "leave_balance", "maps_weather"} <= tools.keys()
    assert tools["leave_balance"]["annotations"] == {"readOnlyHint": True}
    assert tools["leave_apply"]["annotations"] == {"readOnlyHint": False}
    assert all(tool["inputSchema"]["type"] == "object" for tool in tools.values())


async def test_question_is_answered_in_a_stored_conversation_which_goes_on(served: Threads) -> None:
    first = await call(served, "ask", {"question": "Hello"})
    answer = first["structuredContent"]
    again = await call(served, "ask", {"question": "And now?", "conversation": answer["conversation"]})
    stored = (await served.ask("GET", f"/threads/{answer['conversation']}")).json()["messages"]

    assert first["content"] == [{"type": "text", "text": "done "}]
    assert (answer["answer"], answer["finish_reason"]) == ("done ", "stop")
    assert again["structuredContent"]["conversation"] == answer["conversation"]
    assert [each["content"] for each in stored] == ["Hello", "done ", "And now?", "done "]
    written_by = [each["metadata"]["idaas-agent"].get("written_by") for each in stored]
    assert written_by == ["an MCP client", None, "an MCP client", None]


@pytest.mark.promise("threads-are-private")
async def test_conversation_of_another_user_is_not_found(served: Threads) -> None:
    conversation = (await call(served, "ask", {"question": "Hello"}))["structuredContent"]["conversation"]
    errors = []
    for asked in (conversation, "no-such-conversation"):
        arguments = {"question": "What did I say?", "conversation": asked}
        response = await post(served, request("tools/call", {"name": "ask", "arguments": arguments}), "bob")
        errors.append((response.status_code, response.json()["error"]))
    assert errors[0] == errors[1]
    assert errors[0][1]["code"] == -32602


async def test_progress_names_tools_and_text_and_ends_with_the_result(threads: ThreadsOf) -> None:
    served = await threads([BALANCE, DONE], ACCESS_IDENTITY="Human")
    params = {"name": "ask", "arguments": {"question": "How many days?"}}
    response = await post(served, request("tools/call", params, progressToken="p"))
    *progress, last = events(response.text)
    told = [each["params"] for each in progress]

    assert response.headers["content-type"].startswith("text/event-stream")
    assert {each["progressToken"] for each in told} == {"p"}
    assert [each["progress"] for each in told] == list(range(1, len(told) + 1))
    assert "leave_balance …" in [each["message"] for each in told]
    assert last["result"]["structuredContent"]["answer"] == "done "


@pytest.mark.parametrize("meta", [{}, {"progressToken": 1}])
async def test_failure_of_the_model_is_a_result(threads: ThreadsOf, meta: dict[str, Any]) -> None:
    served = await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "the key is sk-secret")])
    params = {"name": "ask", "arguments": {"question": "Hello"}}
    response = await post(served, request("tools/call", params, **meta))
    found = response.json()["result"]

    assert (response.status_code, found["isError"]) == (200, True)
    assert found["content"][0]["text"].startswith("model_call_failed: ")
    assert "sk-secret" not in response.text


async def test_tool_is_called_with_the_users_rights_and_without_the_model(served: Threads) -> None:
    found = await call(served, "leave_balance", {})
    bobs = await call(served, "leave_balance", {}, "bob")

    assert (found["isError"], json.loads(found["content"][0]["text"])["days_left"]) == (False, 12)
    assert bobs["isError"]  # has no right to the service
    assert served.model.asked == []
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


@pytest.mark.promise("approval-binds")
class TestApprovals:
    """alice's client calls `leave_apply`, which needs her approval."""

    async def waiting(self, served: Threads) -> dict[str, Any]:
        asked = await call(served, "leave_apply", LEAVE)
        assert asked["resultType"] == "input_required"
        return asked

    async def test_call_is_made_once_after_its_user_approved_it(
        self, served: Threads, tmp_path: Path
    ) -> None:
        before, asked = await balance(served), await self.waiting(served)
        form = asked["inputRequests"]["answer"]["params"]
        again = {"requestState": asked["requestState"], "inputResponses": APPROVE}
        made = await call(served, "leave_apply", LEAVE, **again)
        after = await balance(served)
        repeated = await call(served, "leave_apply", LEAVE, **again)

        assert (form["mode"], form["requestedSchema"]["properties"].keys()) == ("form", {"approve"})
        assert "It would use the rights of user_alice01 (Human)." in form["message"]
        assert "leave_apply" in form["message"]
        assert f"First day (first_day): {FIRST_DAY}" in form["message"]
        assert (made["isError"], json.loads(made["content"][0]["text"])["days"]) == (False, 3)
        assert before - after == 3
        assert (await balance(served), repeated["content"]) == (after, made["content"])
        assert served.model.asked == []
        lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        of_call = [line for line in lines if line["tool"] == "leave_apply"]
        assert [(line["event"], line["outcome"]) for line in of_call] == [
            *(("approval_requested", "succeeded"), ("approval_decided", "succeeded")),
            *(("tool_call", "started"), ("tool_call", "succeeded")),
        ]
        assert {(line["principal"]["sub"], line["access_identity"]) for line in of_call} == {
            ("user_alice01", "Human")
        }

    @pytest.mark.parametrize(
        "response",
        [{"action": "decline"}, {"action": "cancel"}, {"action": "accept", "content": {"approve": False}}],
    )
    async def test_call_that_is_not_approved_is_not_made(self, served: Threads, response: Any) -> None:
        before, asked = await balance(served), await self.waiting(served)
        again = {"requestState": asked["requestState"], "inputResponses": {"answer": response}}
        refused = await call(served, "leave_apply", LEAVE, **again)

        assert (refused["isError"], await balance(served)) == (True, before)

    @pytest.mark.parametrize("answers", [None, {}, {"answer": {"action": "accept"}}, {"answer": "yes"}, [1]])
    async def test_what_is_no_answer_is_asked_again(self, served: Threads, answers: Any) -> None:
        before, asked = await balance(served), await self.waiting(served)
        again = {"requestState": asked["requestState"], "inputResponses": answers}
        repeated = await call(served, "leave_apply", LEAVE, **again)

        assert repeated["requestState"] == asked["requestState"]
        assert await balance(served) == before

    async def test_state_of_another_call_or_user_or_of_nothing_approves_nothing(
        self, served: Threads
    ) -> None:
        before, asked = await balance(served), await self.waiting(served)
        state = asked["requestState"]
        thread_id, _, approval = state.partition(".")
        attempts = [
            ("alice", LEAVE | {"days": 4}, state),
            ("bob", LEAVE, state),
            ("alice", LEAVE, f"other.{approval}"),
            ("alice", LEAVE, f"{thread_id}.{'0' * 32}"),
            ("alice", LEAVE, f"{thread_id}.{(await self.waiting(served))['requestState'].partition('.')[2]}"),
            ("alice", LEAVE, ""),
            ("alice", LEAVE, "." * 4000),
            ("alice", LEAVE, 7),
            ("alice", LEAVE, None),
        ]
        for user, arguments, sent in attempts:
            params = {"name": "leave_apply", "arguments": arguments} | {
                "requestState": sent,
                "inputResponses": APPROVE,
            }
            assert await refusal(served, request("tools/call", params), user) == (400, -32602)
        assert await balance(served) == before

    async def test_question_in_a_conversation_asks_in_the_same_way(self, threads: ThreadsOf) -> None:
        served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
        question = {"question": "Apply for leave"}
        asked = await call(served, "ask", question)
        params = {"requestState": asked["requestState"], "inputResponses": APPROVE}
        ended = await call(served, "ask", question, **params)

        card = asked["inputRequests"]["answer"]["params"]["message"]
        assert '"Apply for leave (leave_apply)"' in card
        assert "· First day (first_day): " in card
        assert ended["structuredContent"]["answer"] == "done "
        assert ended["structuredContent"]["conversation"] == asked["requestState"].partition(".")[0]

    async def test_client_that_cannot_ask_is_told_so(self, served: Threads) -> None:
        params = {"name": "leave_apply", "arguments": LEAVE}
        response = await post(served, request("tools/call", params, elicitation=False))
        error = response.json()["error"]

        assert (response.status_code, error["code"]) == (400, -32021)
        assert error["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}
        assert "https://page.example" in error["message"]
        assert (await call(served, "leave_apply", LEAVE, elicitation={}))["resultType"] == "input_required"


@pytest.mark.promise("another-decides")
async def test_call_goes_on_when_another_person_has_approved_it(threads: ThreadsOf, tmp_path: Path) -> None:
    policy = 'maps_weather = { effect = "write", approvers = "finance" }'
    (tmp_path / "services.toml").write_text(
        f'[services.amap]\ntype = "built-in"\npolicies = {{ {policy} }}\n'
    )
    file = str(tmp_path / "services.toml")
    served = await threads(ACCESS_IDENTITY="Human", CALLER_CLAIMS="groups", SERVICES_FILE=file)
    served.tokens["bob"] = served.sandbox.access_token("bob", groups=["finance"])
    weather = {"city": "Hangzhou"}
    asked = await call(served, "maps_weather", weather)
    again = {"requestState": asked["requestState"], "inputResponses": APPROVE}
    early = await call(served, "maps_weather", weather, **again)
    _, _, approval = asked["requestState"].partition(".")
    decided = await served.ask("POST", f"/approvals/{approval}", "bob", {"decision": "approve"})
    made = await call(served, "maps_weather", weather, **again)

    assert '"finance"' in asked["inputRequests"]["answer"]["params"]["message"]
    assert early["requestState"] == asked["requestState"]
    assert decided.status_code == 204
    assert not made["isError"]
    assert "Hangzhou" in made["content"][0]["text"] or "杭州" in made["content"][0]["text"]


async def test_call_that_needs_an_approval_is_refused_without_conversations(threads: ThreadsOf) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human", CONVERSATIONS_URL="none")
    before = await balance(served)
    refused = await call(served, "leave_apply", LEAVE)
    answered = await call(served, "ask", {"question": "Apply for leave"})

    assert (refused["isError"], await balance(served)) == (True, before)
    assert answered["structuredContent"] == {"answer": "done ", "conversation": None, "finish_reason": "stop"}


async def test_each_request_must_say_what_it_is_in_body_and_headers(served: Threads) -> None:
    listing, called = request("tools/list"), request("tools/call", {"name": "查天气", "arguments": {}})
    encoded = base64.b64encode("查天气".encode()).decode()

    def without(name: str) -> dict[str, Any]:
        body = request("tools/list")
        del body["params"]["_meta"][META + name]
        return body

    other = request("tools/list")
    other["params"]["_meta"][f"{META}protocolVersion"] = "3000-01-01"
    assert await refusal(served, without("protocolVersion")) == (400, -32602)
    assert await refusal(served, without("clientCapabilities")) == (400, -32602)
    assert await refusal(served, listing, Mcp_Method="tools/call") == (400, -32020)
    assert await refusal(served, listing, MCP_Protocol_Version="2025-11-25") == (400, -32020)
    assert await refusal(served, other) == (400, -32022)
    assert await refusal(served, request("resources/list")) == (404, -32601)
    assert await refusal(served, request("initialize")) == (404, -32601)
    assert await refusal(served, request("tools/list", {"cursor": ""})) == (400, -32602)
    for conversation in (7, True, None):
        arguments = {"question": "Hello", "conversation": conversation}
        asking = request("tools/call", {"name": "ask", "arguments": arguments})
        assert await refusal(served, asking) == (400, -32602)
    for sent, code in {
        f"=?base64?{encoded}?=": -32602,  # read, and no such tool
        f"=?BASE64?{encoded}?=": -32020,
        f"=?base64?{encoded}A?=": -32020,
        "weather": -32020,
    }.items():
        assert await refusal(served, called, Mcp_Name=sent) == (400, code), sent
    headers = headers_of(listing)
    del headers["Mcp-Method"]
    missing = await served.ask("POST", "/mcp", body=listing, **headers)
    bare = await served.ask("POST", "/mcp", body=listing)
    assert [each.json()["error"]["code"] for each in (missing, bare)] == [-32020, -32020]


async def test_what_is_no_message_is_refused_and_a_notification_is_received(served: Threads) -> None:
    for body in (
        [],
        [request("ping")],
        7,
        {"jsonrpc": "2.0"},
        {"jsonrpc": "2.0", "method": "ping", "id": None},
        {"jsonrpc": "2.0", "method": "ping", "id": "x" * 2_000},
    ):
        response = await served.ask("POST", "/mcp", body=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)
    notification = request("notifications/cancelled", {"requestId": 1})
    del notification["id"]
    assert (await post(served, notification)).status_code == 202
    for method in ("GET", "DELETE"):
        assert (await served.ask(method, "/mcp")).status_code == 405


async def test_page_of_another_origin_is_refused(served: Threads) -> None:
    listing = request("tools/list")
    statuses = [
        (await post(served, listing, Origin=origin)).status_code
        for origin in ("https://page.example", served.origin, "https://evil.example", "null")
    ]
    rebound = await post(served, listing, Origin="http://evil.example", Host="evil.example")
    assert (statuses, rebound.status_code) == ([200, 200, 403, 403], 403)


async def test_challenge_leads_to_metadata_whose_resource_is_the_address_that_is_called(
    threads: ThreadsOf,
) -> None:
    served = await threads(AGENT_PUBLIC_URL="https://agent.example.com")
    refused = await served.http.post(f"{served.origin}/mcp", json=request("server/discover"))
    metadata = "/.well-known/oauth-protected-resource/mcp"
    found = (await served.http.get(served.origin + metadata)).json()

    assert refused.status_code == 401
    assert f'resource_metadata="https://agent.example.com{metadata}"' in refused.headers["WWW-Authenticate"]
    assert found["resource"] == "https://agent.example.com/mcp"
    assert found["authorization_servers"] == [served.sandbox.issuer]


@pytest.mark.promise("no-secret-leaves")
async def test_challenge_and_metadata_have_no_name_that_a_request_makes_up(threads: ThreadsOf) -> None:
    served, metadata = await threads(), "/.well-known/oauth-protected-resource/mcp"
    hosts = {"evil.example": served.origin, "localhost:8080": "http://localhost:8080"}
    for host, origin in hosts.items():
        refused = await served.http.post(f"{served.origin}/mcp", headers={"Host": host})
        found = (await served.http.get(served.origin + metadata, headers={"Host": host})).json()
        assert f'resource_metadata="{origin}{metadata}"' in refused.headers["WWW-Authenticate"]
        assert found["resource"] == f"{origin}/mcp"


async def test_list_of_tools_names_the_service_that_is_away(threads: ThreadsOf) -> None:
    away = {"amap": "external_service_failed"}
    served = await threads()
    served.sandbox.cloud.faults.set("amap", Fault(status=503))
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    result = (await served.ask("POST", "/mcp", body=body)).json()["result"]
    assert result["_meta"] == {"idaas-agent/services_unavailable": away}
    served.sandbox.cloud.faults.clear()
    assert "_meta" not in (await served.ask("POST", "/mcp", body=body)).json()["result"]


async def test_call_lists_the_tools_of_a_service_that_is_away_no_more_often_than_it_must(
    threads: ThreadsOf,
) -> None:
    served = await threads()
    faults = served.sandbox.cloud.faults

    async def requests_to_amap(method: str, **params: Any) -> int:
        faults.set("amap", Fault(status=503, times=1000))
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        response = await served.ask("POST", "/mcp", body=body)
        assert "error" not in response.json()
        left = faults.snapshot()["amap"].times
        assert left is not None
        return 1000 - left

    of_list = await requests_to_amap("tools/list")
    of_call = await requests_to_amap("tools/call", name="leave_balance", arguments={})
    assert of_list > 0
    assert of_call == 2 * of_list, "once to find the tool, and once in its run"
