"""Model Studio over the wire: the form of its streams, the vendor's refusals, and interrupted streams."""

import json

import httpx
import pytest

from sandbox.faults.faults import Fault
from tests.sandbox.model_studio.client import WEATHER, deltas, request, stream


async def test_tool_call_is_streamed_with_the_vendors_quirks(http, url):
    events = await stream(http, url, request(tools=[WEATHER]))
    assert events[-1] == "[DONE]"
    first, *middle, last = deltas(events)
    opening = first["tool_calls"][0]
    assert (first["role"], first["content"]) == ("assistant", None)
    assert opening["id"].startswith("call_")
    assert opening["function"]["name"] == "city_weather"
    later = [delta["tool_calls"][0] for delta in middle]
    assert {call["id"] for call in later} == {""}
    assert {call["type"] for call in later} == {"function"}
    assert later[-1]["function"] == {}
    assert last == {}
    arguments = opening["function"]["arguments"] + "".join(c["function"].get("arguments", "") for c in later)
    assert json.loads(arguments) == {"city": "Hangzhou"}
    choices = [event["choices"][0] for event in events[:-1]]
    assert any("finish_reason" not in choice for choice in choices[1:-1])
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert all(event["usage"] is None for event in events[:-1])


async def test_text_is_streamed_with_an_empty_last_delta_and_usage_only_when_asked_for(http, url):
    events = await stream(http, url, request("hello"))
    first, *middle, last = deltas(events)
    assert first == {"role": "assistant", "content": ""}
    assert "stand-in" in "".join(delta["content"] for delta in middle)
    assert last == {"content": ""}
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    with_usage = await stream(http, url, request("hello", stream_options={"include_usage": True}))
    assert with_usage[-2]["choices"] == []
    assert with_usage[-2]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("authorization", [None, "Bearer sk-wrong", "Basic YTpi"])
async def test_request_without_the_key_is_refused(sandbox, url, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(verify=sandbox.ssl_context) as http:
        answer = await http.post(url, json=request(), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert sandbox.cloud.counters.snapshot()["model_studio:refused_credential"] == 1


async def test_unknown_model_and_rate_limit_have_the_vendors_codes(sandbox, http, url):
    unknown = await http.post(url, json=request() | {"model": "gpt-x"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    sandbox.cloud.faults.set("model_studio", Fault(status=429, times=1))
    limited = await http.post(url, json=request())
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "limit_requests")


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "members",
    [
        {"model": None},
        {"messages": None},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": ["hi"]},
        {"messages": [USER, {"role": "tool", "tool_call_id": "c1", "content": ""}]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}, USER]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [{"id": "c1"}]}]},
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": "{"}}]},
            ]
        },
        {"n": 2},
        {"stream": "yes"},
        {"stream_options": {"include_usage": True}},
        {"max_tokens": 0},
        {"tools": {"type": "function"}},
        {"tools": [{"type": "function"}]},
        {"tools": [{"type": "function", "function": {"name": "a b"}}]},
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "string"}}}]},
        {"tool_choice": "required"},
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}},
        {"tools": [WEATHER], "tool_choice": "required", "enable_thinking": True},
        {"model": "qwen3-32b", "enable_thinking": True},
        {"model": "qwen3-32b"},
    ],
)
async def test_bad_request_is_refused_in_the_vendors_shape(http, url, members):
    answer = await http.post(url, json={k: v for k, v in (request() | members).items() if v is not None})
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"]["code"] == "invalid_parameter_error"
    assert body["error"]["type"] == "invalid_request_error"
    assert body["request_id"]


@pytest.mark.parametrize(
    "leak",
    [
        "Authorization: Bearer abcdefghijklmnop1234",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
        "sk-0123456789abcdef0123456789abcdef",
    ],
)
async def test_credential_in_a_prompt_is_counted(sandbox, http, url, leak):
    await http.post(url, json=request(f"remember {leak}"))
    assert sandbox.cloud.counters.snapshot()["model_studio:credential_in_prompt"] == 1


async def test_own_secrets_of_the_sandbox_are_recognized_anywhere_and_ordinary_prompts_are_not(
    sandbox, http, url
):
    await http.post(url, json=request("Explain what a Bearer token is, and the sk-prefix.", tools=[WEATHER]))
    assert "model_studio:credential_in_prompt" not in sandbox.cloud.counters.snapshot()
    tool = json.loads(json.dumps(WEATHER))
    tool["function"]["description"] += sandbox.cloud.secrets.agent_client_secret
    await http.post(url, json=request(tools=[tool]))
    assert sandbox.cloud.counters.snapshot()["model_studio:credential_in_prompt"] == 1


async def test_stream_can_break_off_with_an_error_event(sandbox, http, url):
    sandbox.cloud.faults.set("model_studio.stream", Fault(status=500, times=1))
    events = await stream(http, url, request("hello"))
    assert events[-1]["error"]["code"] == "internal_error"
    assert deltas(events[:-1])
