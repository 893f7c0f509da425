"""Conversations of clients are validated and converted to the graph's messages."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agent.api.messages import langchain_conversation
from agent.api.openai.request import ChatRequest, read_chat_request
from agent.errors.error_response import RequestError

ASK = {"role": "user", "content": "hello"}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "maps_weather", "arguments": '{"city": "杭州"}'},
}


def read(**body: Any) -> ChatRequest:
    return read_chat_request(json.dumps(body).encode(), max_messages=10)


def refused(**body: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(**body)
    assert caught.value.status == 400
    return caught.value


def test_all_roles_are_accepted() -> None:
    request = read(
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "developer",
                "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "kind."}],
            },
            {"role": "user", "content": "Weather?", "name": "alice"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "assistant", "content": "Sunny.", "reasoning_content": "I looked."},
            {"role": "user", "content": "And tomorrow?"},
        ],
        stream=True,
        stream_options={"include_usage": True},
    )
    assert request.stream
    assert request.include_usage
    assert [type(message) for message in request.messages] == [
        SystemMessage,
        SystemMessage,
        HumanMessage,
        AIMessage,
        ToolMessage,
        AIMessage,
        HumanMessage,
    ]
    assert request.messages[1].content == "Be kind."
    called = request.messages[3]
    assert isinstance(called, AIMessage)
    assert called.tool_calls[0]["args"] == {"city": "杭州"}


def test_unknown_members_of_a_message_are_dropped() -> None:
    message = {**ASK, "id": "m1", "additional_kwargs": {"tool_calls": [CALL]}, "response_metadata": {"x": 1}}
    (read_back,) = read(messages=[message]).messages
    assert read_back.id is None
    assert read_back.additional_kwargs == {}
    assert read_back.response_metadata == {}


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("messages[1]", {"messages": [ASK, {"role": "tool", "tool_call_id": "call_1", "content": "x"}]}),
        ("messages[0]", {"messages": [{"role": "assistant", "tool_calls": [CALL]}]}),
        ("messages[1]", {"messages": [{"role": "assistant", "tool_calls": [CALL]}, ASK]}),
        ("messages[1].content", {"messages": [ASK, {"role": "assistant"}, ASK]}),
        ("messages[0].content", {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}),
    ],
)
def test_message_that_fits_no_conversation_is_named(param: str, body: dict[str, Any]) -> None:
    assert refused(**body).param == param


@pytest.mark.parametrize(
    "arguments",
    ["[1]", "{", "[" * 100_000, '{"a":' * 100_000, '{"a": NaN}', '{"a": "\\ud800"}', "9" * 10_000],
)
def test_tool_arguments_must_be_a_json_object(arguments: str) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
    error = refused(messages=[{"role": "assistant", "tool_calls": [call]}, result])
    assert error.param == "messages[0].tool_calls"


def test_langchain_messages_are_accepted() -> None:
    messages = langchain_conversation(
        [
            HumanMessage("one").model_dump(),
            AIMessage(
                "", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
            ).model_dump(),
            ToolMessage("two", tool_call_id="c1").model_dump(),
            ("human", "three"),
            ["ai", "four"],
            {"role": "user", "content": "five"},
            {"role": "ai", "content": "", "tool_calls": [{"name": "f", "args": {"a": 2}, "id": "c2"}]},
            {"role": "tool", "content": "six", "tool_call_id": "c2"},
            {"role": "human", "content": "seven"},
        ]
    )
    texts = [message.content for message in messages]
    assert texts == ["one", "", "two", "three", "four", "five", "", "six", "seven"]
    assert isinstance(messages[6], AIMessage)
    assert messages[6].tool_calls[0]["args"] == {"a": 2}
    assert isinstance(messages[8], HumanMessage)
