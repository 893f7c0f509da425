"""What a tool returns or raises becomes a result for the model."""

from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import (
    ToolException,
    tool,
)

from tools.http_service.service import HTTPService
from tools.service import ToolResult


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ("", ""),
        ([{"type": "text", "text": ""}], ""),
        (["a", "b"], '["a","b"]'),
        ([], "[]"),
        ({"a": "晴"}, '{"a": "晴"}'),
        (None, "null"),
    ],
)
async def test_result_is_text_as_it_is_or_json(key_ring, content, text):
    @tool
    async def value() -> Any:
        """Returns a value."""
        return content

    service = HTTPService("x", "https://service.example", tools=[value])
    assert await service.call("value", {}, key_ring("K1")) == ToolResult(text)
    await service.aclose()


async def test_result_that_only_a_graph_can_use_is_a_type_error(key_ring):
    @tool
    async def messages() -> Any:
        """Returns messages."""
        return [ToolMessage("a", tool_call_id="1")]

    service = HTTPService("x", "https://service.example", tools=[messages])
    with pytest.raises(TypeError, match="messages"):
        await service.call("messages", {}, key_ring("K1"))
    await service.aclose()


@pytest.mark.parametrize(("handler", "text"), [(False, "no such order"), ("try later", "try later")])
async def test_tool_exception_is_a_failed_result(key_ring, handler, text):
    @tool
    async def fail() -> str:
        """Fails."""
        raise ToolException("no such order")

    fail.handle_tool_error = handler
    service = HTTPService("x", "https://service.example", tools=[fail])
    assert await service.call("fail", {}, key_ring("K1")) == ToolResult(text, ok=False)
    await service.aclose()
