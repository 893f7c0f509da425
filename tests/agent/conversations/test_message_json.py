"""Messages as JSON of known members."""

import json

import pytest
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from agent.conversations.message_json import encoded, message_from_json, message_to_json

CALL = {"id": "call_1", "name": "maps_weather", "args": {"city": "杭州"}, "type": "tool_call"}
MESSAGES = [
    HumanMessage("What is the weather?", id="1", name="alice"),
    HumanMessage([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}], id="2"),
    HumanMessage("half of a \ud83d face, which a client may send", id="half"),
    SystemMessage("Be brief.", id="3"),
    AIMessage("", id="4", tool_calls=[CALL]),
    AIMessage(
        "Sunny",
        id="5",
        additional_kwargs={"reasoning_content": "The tool says so."},
        response_metadata={"finish_reason": "stop", "model_name": "qwen-plus"},
        usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    ),
    ToolMessage(
        "Sunny, 21 °C",
        id="6",
        tool_call_id="call_1",
        name="maps_weather",
        status="error",
        artifact={"service": "amap", "access_identity": "Machine", "error": None},
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.type} {message.id}")
def test_message_is_the_same_after_storing(message: AnyMessage) -> None:
    kept = json.loads(encoded(message_to_json(message)))
    assert message_from_json(kept) == message
    assert "langchain" not in json.dumps(kept)


def test_members_that_are_not_known_are_dropped() -> None:
    message = AIMessage("Hello", additional_kwargs={"audio": "x"}, response_metadata={"headers": "x"})
    assert message_to_json(message) == {"type": "ai", "id": None, "content": "Hello"}


def test_message_of_another_kind_is_not_stored() -> None:
    with pytest.raises(ValueError, match="function"):
        message_to_json(FunctionMessage("x", name="f"))


@pytest.mark.parametrize(
    "kept", [{}, {"type": "human"}, {"type": "lc"}, {"type": "ai", "content": 1}, [], None]
)
def test_object_of_another_form_is_no_message(kept) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's is one, too
        message_from_json(kept)
