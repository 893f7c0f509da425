"""Model Studio's answers over the wire, whole and streamed, with thinking and with tools."""

import json

import pytest

from tests.sandbox.model_studio.client import BOTH, SERVICE, WEATHER, deltas, request, stream


async def test_answer_is_a_chat_completion(http, url):
    answer = (await http.post(url, json=request("hello"))).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "stand-in" in answer["choices"][0]["message"]["content"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert min(usage["prompt_tokens"], usage["completion_tokens"]) > 0


async def test_tool_call_is_streamed_with_the_vendors_quirks(http, url):
    events = await stream(http, url, request(tools=[WEATHER]))
    assert events[-1] == "[DONE]"
    first, *middle, last = deltas(events)
    opening = first["tool_calls"][0]
    assert (first["role"], first["content"]) == ("assistant", None)
    assert opening["id"].startswith("call_")
    assert opening["function"]["name"] == "city_weather"
    later = [delta["tool_calls"][0] for delta in middle]
    assert later
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


async def test_text_is_streamed_and_ends_with_an_empty_delta_and_a_reason(http, url):
    events = await stream(http, url, request("hello"))
    first, *middle, last = deltas(events)
    assert first == {"role": "assistant", "content": ""}
    assert "stand-in" in "".join(delta["content"] for delta in middle)
    assert last == {"content": ""}
    assert events[-2]["choices"][0]["finish_reason"] == "stop"


async def test_thinking_comes_before_the_content(http, url):
    events = await stream(http, url, request("hello", enable_thinking=True))
    found = deltas(events)
    assert found[0] == {"role": "assistant", "content": None, "reasoning_content": ""}
    thinking = [delta["content"] is None for delta in found]
    assert thinking == sorted(thinking, reverse=True)
    assert "hello" in "".join(delta["reasoning_content"] or "" for delta in found)


async def test_thinking_keeps_to_its_budget(http, url):
    answer = (await http.post(url, json=request("hello", enable_thinking=True, thinking_budget=3))).json()
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert answer["choices"][0]["message"]["reasoning_content"]


async def test_usage_is_streamed_only_when_asked_for(http, url):
    without = await stream(http, url, request("hello"))
    with_usage = await stream(http, url, request("hello", stream_options={"include_usage": True}))
    assert all(event["choices"] for event in without[:-1])
    assert with_usage[-2]["choices"] == []
    assert with_usage[-2]["usage"]["total_tokens"] > 0


async def test_answer_is_cut_at_the_token_limit(http, url):
    answer = (await http.post(url, json=request("hello", max_tokens=5))).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize(("parallel", "expected"), [(True, 2), (False, 1), (None, 1)])
async def test_parallel_calls_come_only_when_allowed(http, url, parallel, expected):
    members = {} if parallel is None else {"parallel_tool_calls": parallel}
    body = request(BOTH, tools=[WEATHER, SERVICE], **members)
    answer = (await http.post(url, json=body)).json()
    assert len(answer["choices"][0]["message"]["tool_calls"]) == expected


async def test_official_client_streams_two_tool_calls_and_the_answer(official):
    messages = [{"role": "user", "content": BOTH}]
    options = {"model": "qwen-plus", "tools": [WEATHER, SERVICE], "parallel_tool_calls": True, "stream": True}
    calls = {}
    async for chunk in await official.chat.completions.create(messages=messages, **options):
        for part in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
            call["id"] = part.id or call["id"]
            call["name"] = (part.function and part.function.name) or call["name"]
            call["arguments"] += (part.function and part.function.arguments) or ""
    assert [call["name"] for call in calls.values()] == ["city_weather", "company_service"]
    assert len({call["id"] for call in calls.values()}) == 2
    messages.append(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for call in calls.values()
            ],
        }
    )
    results = {"city_weather": '{"sky": "clear"}', "company_service": '{"greeting": "Hello, alice"}'}
    messages += [
        {"role": "tool", "tool_call_id": call["id"], "content": results[call["name"]]}
        for call in calls.values()
    ]
    text = ""
    async for chunk in await official.chat.completions.create(messages=messages, **options):
        text += chunk.choices[0].delta.content or ""
    assert "clear" in text
    assert "Hello, alice" in text


async def test_official_client_receives_the_call_of_a_tool_that_the_message_names(official):
    sentence = 'call city_weather with {"city": "杭州", "days": [1, 2]}'
    answer = await official.chat.completions.create(**request(sentence, tools=[SERVICE, WEATHER]))
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "city_weather"
    assert json.loads(call.function.arguments) == {"city": "杭州", "days": [1, 2]}


async def test_official_client_calls_a_tool_without_streaming(official):
    answer = await official.chat.completions.create(**request("杭州现在天气怎么样？", tools=[WEATHER]))
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "杭州"}


async def test_models_are_listed_as_stand_ins(official):
    models = [model async for model in official.models.list()]
    assert "qwen-plus" in [model.id for model in models]
    assert all("stand-in" in model.owned_by for model in models)


async def test_model_that_thinks_in_streams_only_streams(http, url):
    found = deltas(await stream(http, url, request("hello") | {"model": "qwen3-32b"}))
    assert found[0]["reasoning_content"] == ""


async def test_forced_and_forbidden_tools(http, url):
    async def calls(**members):
        answer = (await http.post(url, json=request("hello", tools=[WEATHER, SERVICE], **members))).json()
        return [c["function"]["name"] for c in answer["choices"][0]["message"].get("tool_calls", [])]

    forced = {"type": "function", "function": {"name": "company_service"}}
    assert await calls(tool_choice=forced) == ["company_service"]
    assert len(await calls(tool_choice="required")) == 1
    none = (await http.post(url, json=request(tools=[WEATHER], tool_choice="none"))).json()
    assert "tool_calls" not in none["choices"][0]["message"]


async def test_content_in_parts_is_read(http, url):
    parts = [{"type": "text", "text": "What is the weather"}, {"type": "text", "text": "in Hangzhou?"}]
    answer = (await http.post(url, json=request(parts, tools=[WEATHER]))).json()
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
