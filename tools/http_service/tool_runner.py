"""Runs a LangChain tool and reads its result."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from pydantic_core import to_json

from tools.service import ToolResult


async def run_tool(tool: BaseTool, arguments: Mapping[str, Any]) -> ToolResult:
    """The result of `tool` as text: of content blocks the texts, of other kinds only the name.

    A `ToolException`, and what the tool's own `handle_tool_error` makes of one, is a failed result. The run's
    callbacks are not passed on: the graph records the call. Raises what the tool raises, and `TypeError` for
    a result that only a node of LangGraph can use, such as a `Command`. Not checked: `arguments`.
    """
    call = {"type": "tool_call", "id": tool.name, "name": tool.name, "args": dict(arguments)}
    try:
        result = await tool.ainvoke(call, config={"callbacks": []})
    except ToolException as error:
        return ToolResult(str(error), ok=False)
    if isinstance(result, ToolResult):
        return result
    if not isinstance(result, ToolMessage):
        raise TypeError(f'tool "{tool.name}" returned a {type(result).__name__}')
    return ToolResult(_text(tool, result), ok=result.status != "error")


def _text(tool: BaseTool, message: ToolMessage) -> str:
    content, artifact = message.content, message.artifact
    if isinstance(content, str):
        return content
    if tool.response_format == "content" and all(isinstance(part, str) for part in content):
        return to_json(content).decode()  # a list of texts is a value, not one text in pieces
    if not content and isinstance(artifact, Mapping) and "structured_content" in artifact:
        return to_json(artifact["structured_content"]).decode()  # of an MCP server
    return "\n".join(map(_block_text, content))


def _block_text(block: str | Mapping[Any, Any]) -> str:
    if isinstance(block, str):
        return block
    return str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type')}, not shown]"
