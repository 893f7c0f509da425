"""Model Studio's refusals in the vendor's form, and its interrupted streams."""

import httpx
import openai
import pytest

from sandbox.faults.faults import Fault
from tests.sandbox.model_studio.client import WEATHER, deltas, request, stream


@pytest.mark.parametrize("authorization", [None, "Bearer sk-wrong", "Bearer", "Basic YTpi"])
async def test_request_without_the_key_is_refused(sandbox, url, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    async with httpx.AsyncClient(verify=sandbox.ssl_context) as http:
        answer = await http.post(url, json=request(), headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert sandbox.cloud.counters.snapshot()["model_studio:refused_credential"] == 1


async def test_rotated_key_is_refused_and_counted(sandbox, http, url):
    sandbox.cloud.vault.rotate("llm_api_key", now=sandbox.clock())
    assert (await http.post(url, json=request())).status_code == 401
    assert sandbox.cloud.counters.snapshot()["model_studio:revoked_credential"] == 1


async def test_official_client_raises_its_own_errors(sandbox, official):
    with pytest.raises(openai.NotFoundError) as unknown:
        await official.chat.completions.create(**request() | {"model": "gpt-x"})
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        await official.chat.completions.create(**request() | {"messages": []})
    assert bad.value.code == "invalid_parameter_error"
    sandbox.cloud.faults.set("model_studio", Fault(status=429, times=1))
    with pytest.raises(openai.RateLimitError) as limited:
        await official.chat.completions.create(**request())
    assert limited.value.code == "limit_requests"
    sandbox.cloud.faults.set("model_studio", Fault(status=503, times=1))
    with pytest.raises(openai.InternalServerError):
        await official.chat.completions.create(**request())
    with pytest.raises(openai.AuthenticationError) as refused:
        await official.with_options(api_key="sk-wrong").chat.completions.create(**request())
    assert refused.value.code == "invalid_api_key"


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "members",
    [
        {"model": None},
        {"messages": None},
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


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"hi"', b"\xff"])
async def test_body_that_is_no_json_object_is_refused(http, url, content):
    assert (await http.post(url, content=content)).status_code == 400


async def test_stream_can_break_off_with_an_error_event(sandbox, http, url):
    sandbox.cloud.faults.set("model_studio.stream", Fault(status=500, times=1))
    events = await stream(http, url, request("hello"))
    assert events[-1]["error"]["code"] == "internal_error"
    assert deltas(events[:-1])


async def test_official_client_raises_at_an_error_event(sandbox, official):
    sandbox.cloud.faults.set("model_studio.stream", Fault(status=500, times=1))
    opened = await official.chat.completions.create(**request("hello"), stream=True)
    with pytest.raises(openai.APIError):
        async for _ in opened:
            pass


async def test_stream_can_be_cut_in_the_middle(sandbox, http, url):
    sandbox.cloud.faults.set("model_studio.stream", Fault(drop=True, times=1))
    with pytest.raises(httpx.HTTPError):
        await stream(http, url, request("hello"))


async def test_stream_can_hang_in_the_middle(sandbox, http, url):
    sandbox.cloud.faults.set("model_studio.stream", Fault(hang=True, times=1))
    async with http.stream("POST", url, json=request("hello", stream=True), timeout=0.3) as answer:
        with pytest.raises(httpx.ReadTimeout):
            await answer.aread()
    assert (await http.post(url, json=request("hello"))).status_code == 200
