"""The OpenAI-compatible API, with the official client and over plain HTTP."""

import json
from typing import Any

import openai
import pytest

from agent.api.response_models import CompletionChunk
from sandbox.faults.faults import Fault
from tests.agent.conftest import AgentServer, running_agent
from tests.running_agent import retry_at_once
from tests.suite import Sandbox

CHAT = "/openai/v1/chat/completions"
WEATHER = [{"role": "user", "content": "What is the weather in Hangzhou right now?"}]
ENTERPRISE = [{"role": "user", "content": "Call my enterprise service"}]


def client(server: AgentServer, user: str = "alice") -> openai.AsyncOpenAI:
    token = server.sandbox.access_token(user)
    return openai.AsyncOpenAI(base_url=f"{server.url}/openai/v1", api_key=token, max_retries=0)


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


async def test_official_client_receives_a_completion(agent_server: AgentServer) -> None:
    async with client(agent_server) as official:
        response = await official.chat.completions.create(model="any", messages=WEATHER)  # type: ignore[arg-type]  # a dict, which the client accepts
    assert "Hangzhou" in (response.choices[0].message.content or "")
    assert response.choices[0].finish_reason == "stop"
    assert response.choices[0].message.tool_calls is None
    assert response.model == "qwen-plus"
    assert response.usage
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens > 0


async def test_official_client_receives_a_stream(agent_server: AgentServer) -> None:
    text, usage = "", None
    async with client(agent_server) as official:
        stream = await official.chat.completions.create(
            model="qwen-plus",
            messages=WEATHER,  # type: ignore[arg-type]  # a dict, which the client accepts
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                assert choice.delta.tool_calls is None
    assert "Hangzhou" in text
    assert usage
    assert usage.total_tokens > 0


async def test_stream_has_the_documented_form(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        response = await http.post(CHAT, json={"messages": WEATHER, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = events(response.text)
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"][0]["finish_reason"]] == ["stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert not [chunk for chunk in chunks if "usage" in chunk]
    assert [CompletionChunk.model_validate(chunk) for chunk in chunks]
    started, finished = (chunk for chunk in chunks if "agent_event" in chunk)
    assert started["choices"][0]["delta"] == finished["choices"][0]["delta"] == {}
    activity = finished["agent_event"]
    assert activity["duration_ms"] >= 0
    assert "杭州" in activity["result"]
    assert started["agent_event"]["arguments"]
    members = ("type", "tool", "service", "access_identity", "ok", "called", "credential")
    assert {name: activity[name] for name in members} == {
        "type": "tool_finished",
        "tool": "maps_weather",
        "service": "amap",
        "access_identity": "Machine",
        "ok": True,
        "called": True,
        "credential": "amap_api_key",
    }


async def test_thinking_is_sent_as_reasoning_content(sandbox: Sandbox) -> None:
    with running_agent(sandbox, LLM_ENABLE_THINKING="true") as server:
        async with server.client() as http:
            response = await http.post(CHAT, json={"messages": WEATHER, "stream": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in events(response.text)[:-1]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert "Hangzhou" in "".join(delta.get("content", "") for delta in deltas)


async def test_only_the_configured_model_is_listed(agent_server: AgentServer) -> None:
    async with client(agent_server) as official:
        assert [model.id async for model in official.models.list()] == ["qwen-plus"]
        assert (await official.models.retrieve("qwen-plus")).id == "qwen-plus"
        with pytest.raises(openai.NotFoundError):
            await official.models.retrieve("gpt-9")


async def test_official_client_raises_its_own_errors(agent_server: AgentServer) -> None:
    async with client(agent_server) as official:
        with pytest.raises(openai.BadRequestError) as bad:
            await official.chat.completions.create(model="any", messages=WEATHER, n=2)  # type: ignore[arg-type]  # a dict, which the client accepts
        assert (bad.value.param, bad.value.code) == ("n", "unsupported_value")
    async with openai.AsyncOpenAI(
        base_url=f"{agent_server.url}/openai/v1", api_key="sk-x", max_retries=0
    ) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.models.list()
        assert refused.value.code == "access_token_invalid"


@pytest.mark.parametrize(
    ("service", "fault", "status", "code"),
    [
        ("idaas.token", Fault(status=500), 503, "idaas_unreachable"),
        ("idaas.token", Fault(drop=True), 503, "idaas_unreachable"),
        ("developer_api", Fault(status=500), 503, "idaas_unreachable"),
        ("model_studio", Fault(status=500), 502, "model_call_failed"),
        ("model_studio", Fault(status=400), 502, "model_call_failed"),
        ("model_studio", Fault(status=429), 429, "model_call_failed"),
        ("model_studio", Fault(drop=True), 503, "model_call_failed"),
    ],
)
async def test_downstream_failure_has_a_status_before_the_stream(
    human_agent_server: AgentServer, service: str, fault: Fault, status: int, code: str
) -> None:
    retry_at_once(human_agent_server.agent)
    human_agent_server.sandbox.cloud.faults.set(service, fault)
    async with human_agent_server.client() as http:
        for stream in (True, False):
            response = await http.post(CHAT, json={"messages": WEATHER, "stream": stream})
            assert response.status_code == status
            assert response.headers["content-type"] == "application/json"
            error = response.json()["error"]
            assert error["code"] == code
            assert error["request_id"] == response.headers["x-request-id"]
            assert error["service"] == "model"
            members = {"message", "type", "code", "param", "request_id", "service"}
            waits = status in (429, 503)
            assert set(error) == members | ({"retry_after"} if waits else set())
            assert ("retry-after" in response.headers) == waits
            assert str(error.get("retry_after")) == response.headers.get("retry-after", "None")


async def test_error_after_the_first_byte_is_one_event_and_ends_the_stream(agent_server: AgentServer) -> None:
    agent_server.sandbox.cloud.faults.set("model_studio.stream", Fault(drop=True))
    body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    async with agent_server.client() as http:
        response = await http.post(CHAT, json=body)
    assert response.status_code == 200
    *chunks, last = events(response.text)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert last["error"]["code"] == "model_call_failed"
    assert last["error"]["request_id"] == response.headers["x-request-id"]
    assert last["error"]["retry_after"] == 5


async def test_official_client_raises_an_error_after_the_first_byte(agent_server: AgentServer) -> None:
    agent_server.sandbox.cloud.faults.set("model_studio.stream", Fault(drop=True))
    async with client(agent_server) as official:
        stream = await official.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        with pytest.raises(openai.APIError) as failed:
            async for _ in stream:
                pass
    assert failed.value.code == "model_call_failed"


@pytest.mark.promise("bounded")
async def test_run_above_its_time_limit_is_a_504(sandbox: Sandbox) -> None:
    sandbox.cloud.settings.model_first_token_delay = 60
    with running_agent(sandbox, RUN_TIMEOUT_SECONDS="0.2") as server:
        async with server.client() as http:
            for path, body in (
                *((CHAT, {"messages": WEATHER, "stream": stream}) for stream in (False, True)),
                *((f"/agent/{way}", {"input": {"messages": WEATHER}}) for way in ("invoke", "stream")),
                ("/agent/batch", {"inputs": [{"messages": WEATHER}]}),
            ):
                response = await http.post(path, json=body)
                assert response.status_code == 504, path
                assert response.json()["error"]["code"] == "run_timed_out", path


async def test_each_response_has_its_request_id(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        ids = [(await http.get("/openai/v1/models")).headers["x-request-id"] for _ in range(2)]
    assert ids[0] != ids[1]
