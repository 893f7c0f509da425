"""`Identity.tool_node`: LangGraph's `ToolNode`, which asks about all calls of one step at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolCallRequest, ToolNode
from langgraph.types import Command

from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.open_calls import OpenIdentity
from idaas_agent.library.place import Place
from idaas_agent.library.step_questions import StepQuestions


def tool_node_of(
    identity: OpenIdentity,
    tools: Sequence[BaseTool | Callable[..., Any]],
    **options: Any,  # noqa: ANN401 - of `ToolNode`
) -> ToolNode:
    """The node of `tools`, all of which it governs. `options` are those of `ToolNode`."""
    governed = [governed_tool(identity, tool) for tool in tools]
    questions = StepQuestions(identity, {tool.name: tool for tool in governed})
    messages_key = options.get("messages_key", "messages")
    outer = options.pop("awrap_tool_call", None)

    async def asked_together(
        request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        calls = _calls_of_step(request, messages_key)
        await questions.ask(calls, Place.of(_config_of(request)))
        execution = execute(request) if outer is None else outer(request, execute)
        return await execution

    return ToolNode(governed, awrap_tool_call=asked_together, **options)


def _config_of(request: ToolCallRequest) -> RunnableConfig:
    config: RunnableConfig = request.runtime.config
    return config


def _calls_of_step(request: ToolCallRequest, key: str) -> Sequence[ToolCall]:
    """The calls that the node makes beside this one: those of the message that has it."""
    state: Any = request.state
    messages: Sequence[AnyMessage] = state if isinstance(state, list) else _member(state, key)
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            is_here = any(call["id"] == request.tool_call["id"] for call in message.tool_calls)
            return message.tool_calls if is_here else [request.tool_call]
    return [request.tool_call]


def _member(state: Any, key: str) -> Sequence[AnyMessage]:  # noqa: ANN401 - of any form
    found = state.get(key, ()) if isinstance(state, dict) else getattr(state, key, ())
    return found if isinstance(found, list) else ()
