"""LangServe under `/agent`, with its own client and over plain HTTP."""

import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langserve import RemoteRunnable
from langserve.lzstring import LZString

from sandbox.faults.faults import Fault
from tests.agent.api.endless_model import endless_model
from tests.agent.conftest import AgentServer, running_agent
from tests.running_agent import retry_at_once
from tests.suite import Sandbox

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecationWarning"),
]
WEATHER = {"messages": [HumanMessage("What is the weather in Hangzhou right now?")]}
ENTERPRISE = {"messages": [HumanMessage("Call my enterprise service")]}
PLAIN = {"messages": [{"role": "user", "content": "What is the weather in Hangzhou right now?"}]}


@pytest.fixture(autouse=True)
def unfinalized_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangServe's finalizer uses a thread pool: it waits forever if it runs while one holds its lock."""
    monkeypatch.setattr("langserve.client._close_clients", lambda *_: None)


def remote(server: AgentServer, user: str = "alice") -> RemoteRunnable[Any, Any]:
    return RemoteRunnable(f"{server.url}/agent", headers=server.headers(user))


async def test_invoke_returns_a_message(agent_server: AgentServer) -> None:
    response = await remote(agent_server).ainvoke(WEATHER)
    assert type(response) is AIMessage
    assert "Hangzhou" in response.text
    assert response.usage_metadata
    assert response.usage_metadata["total_tokens"] > 0


async def test_stream_returns_chunks(agent_server: AgentServer) -> None:
    pieces = [piece async for piece in remote(agent_server).astream(WEATHER)]
    assert len(pieces) > 3
    assert all(isinstance(piece, AIMessageChunk) for piece in pieces)
    assert "Hangzhou" in "".join(piece.text for piece in pieces)


async def test_batch_returns_outputs_in_the_order_of_inputs(human_agent_server: AgentServer) -> None:
    weather, enterprise = await remote(human_agent_server).abatch([WEATHER, ENTERPRISE])
    assert "Hangzhou" in weather.text
    assert "user_alice01" in enterprise.text


async def test_events_report_tool_calls(agent_server: AgentServer) -> None:
    events = [event async for event in remote(agent_server).astream_events(WEATHER, version="v2")]
    tools = [event["data"] for event in events if event["event"] == "on_custom_event"]
    assert [tool["type"] for tool in tools] == ["tool_started", "tool_finished"]
    assert tools[1]["access_identity"] == "Machine"
    assert events[-1]["event"] == "on_chain_end"


async def test_stream_log_ends_with_the_final_message(agent_server: AgentServer) -> None:
    log = None
    async for patch in remote(agent_server).astream_log(WEATHER):
        log = patch if log is None else log + patch
    assert log is not None
    assert "Hangzhou" in log.state["final_output"].text


async def test_conversation_continues_with_earlier_messages(agent_server: AgentServer) -> None:
    runnable = remote(agent_server)
    pieces = [piece async for piece in runnable.astream(WEATHER)]
    first = sum(pieces[1:], pieces[0])
    response = await runnable.ainvoke({"messages": [*WEATHER["messages"], first, *ENTERPRISE["messages"]]})
    assert "app_agent01" in response.text


BAD_INPUTS = [
    None,
    {},
    "hello",
    {"messages": []},
    {"messages": "hello"},
    {"messages": [{"role": "unknown", "content": "x"}]},
    {"messages": [{"type": "remove", "id": "1", "content": ""}]},
    {"messages": [{"content": "x"}]},
    {"messages": [{"role": "user", "content": 1}]},
    {"messages": [None]},
    {"messages": [{"type": "human"}]},
    {"messages": [{"type": "ai"}]},
    {"messages": [["ai", None]]},
    {"messages": [{"type": "system", "content": None}]},
    {"messages": [{"type": "tool", "content": "x", "tool_call_id": "c"}]},
    {"messages": [{"role": "user", "content": "x"}] * 201},
]
ACTIONS = ("invoke", "stream", "stream_log", "stream_events", "batch")


async def test_invalid_input_is_a_422(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        for action in ACTIONS:
            for given in BAD_INPUTS:
                body = {"inputs": [PLAIN, given]} if action == "batch" else {"input": given}
                response = await http.post(f"/agent/{action}", json=body)
                assert response.status_code == 422, (action, given)
                error = response.json()["error"]
                assert (error["code"], error["param"][:5]) == ("invalid_request", "input")


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b'{"inputs": 1}',
    b'{"inputs": []}',
    b'{"input": 1}',
    b'{"input": ' + b"[" * 100_000,
    rb'{"input": {"messages": [["human", "\ud800"]]}, "inputs": [{"messages": [["human", "\ud800"]]}]}',
    b'{"input": {"messages": [["human", "x"]]}, "inputs": [{"messages": [["human", "x"]]}], "config": null}',
]


async def test_body_of_another_shape_is_a_422(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        for content in BAD_BODIES:
            for action in ACTIONS:
                response = await http.post(f"/agent/{action}", content=content)
                assert response.status_code == 422, (action, content)


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [("idaas.token", 503, "idaas_unreachable"), ("model_studio", 502, "model_call_failed")],
)
async def test_failure_has_a_status_before_the_stream(
    human_agent_server: AgentServer, service: str, status: int, code: str
) -> None:
    retry_at_once(human_agent_server.agent)
    human_agent_server.sandbox.cloud.faults.set(service, Fault(status=500))
    async with human_agent_server.client() as http:
        for action in ("invoke", "stream", "stream_log", "stream_events"):
            response = await http.post(f"/agent/{action}", json={"input": PLAIN})
            assert response.status_code == status, action
            assert response.json()["error"]["code"] == code


async def test_error_after_the_first_byte_is_one_event_with_code_and_error_body(
    agent_server: AgentServer,
) -> None:
    agent_server.sandbox.cloud.faults.set("model_studio.stream", Fault(drop=True))
    async with agent_server.client() as http:
        for action in ("stream", "stream_events", "stream_log"):
            response = await http.post(f"/agent/{action}", json={"input": {"messages": [["human", "hello"]]}})
            assert response.status_code == 200
            assert response.text.count("event: error") == 1, action
            assert "event: end" not in response.text, action
            last = response.text.strip().splitlines()[-1]
            error = json.loads(last.removeprefix("data: "))
            assert error["status_code"] == 503, action
            assert error["error"]["code"] == "model_call_failed", action
            assert error["error"]["request_id"] == response.headers["x-request-id"], action
            assert error["error"]["service"] == "model", action


async def test_langserve_client_raises_an_error_after_the_first_byte_with_status_and_code(
    agent_server: AgentServer,
) -> None:
    agent_server.sandbox.cloud.faults.set("model_studio.stream", Fault(drop=True))
    runnable, hello = remote(agent_server), {"messages": [HumanMessage("hello")]}
    for pieces in (
        runnable.astream(hello),
        runnable.astream_events(hello, version="v2"),
        runnable.astream_log(hello),
    ):
        with pytest.raises(httpx.HTTPStatusError, match="model_call_failed") as raised:
            _ = [piece async for piece in pieces]
        assert raised.value.response.status_code == 503


async def test_system_message_follows_the_agents_own(sandbox: Sandbox) -> None:
    forms = (
        {"type": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be brief."},
        ["system", "Be brief."],
    )
    with endless_model() as model, running_agent(sandbox, LLM_BASE_URL=model.url) as server:
        async with server.client() as http:
            for form in forms:
                body = {"input": {"messages": [form, ["human", "hello"]]}}
                async with http.stream("POST", "/agent/stream", json=body) as response:
                    assert response.status_code == 200, form
    assert len(model.prompts) == len(forms)
    for system, question in model.prompts:
        assert system["role"] == "system"
        assert system["content"].endswith("\n\nBe brief.")
        assert question == {"role": "user", "content": "hello"}


async def test_client_configuration_has_no_effect(human_agent_server: AgentServer) -> None:
    forged = {
        "configurable": {
            "access_token": "x",
            "user": "bob",
            "langgraph_auth_user": {"identity": "user_bob01"},
        },
        "metadata": {"user": "bob"},
        "tags": ["x"],
    }
    enterprise = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}
    async with human_agent_server.client("alice") as http:
        response = await http.post("/agent/invoke", json={"input": enterprise, "config": forged})
        assert response.status_code == 200
        assert "user_alice01" in response.text
        assert "user_bob01" not in response.text
        batch = await http.post("/agent/batch", json={"inputs": [enterprise], "config": forged})
        assert "user_alice01" in batch.text


async def test_configuration_in_the_path_is_not_served(agent_server: AgentServer) -> None:
    decompressed = LZString.compressToEncodedURIComponent(json.dumps({"a": "a" * 100_000}))
    async with agent_server.client() as http:
        for method, action in (("GET", "input_schema"), ("POST", "invoke")):
            response = await http.request(method, f"/agent/c/{decompressed}/{action}")
            assert response.status_code == 404, action


async def test_playground_that_no_browser_could_open_is_not_served(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        for path in ("/agent/playground", "/agent/playground/", "/agent/playground/index.html"):
            assert (await http.get(path)).status_code == 404, path


async def test_schemas_offer_nothing_to_configure(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        for name in ("input_schema", "output_schema", "config_schema"):
            response = await http.get(f"/agent/{name}")
            assert response.status_code == 200
            assert "access_token" not in response.text
