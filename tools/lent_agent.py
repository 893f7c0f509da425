"""The agent that calls a tool, as far as it lends itself, so that the tool can be an agent too.

A parameter of the type `BaseChatModel` gets the agent's model, one of the type `list[BaseTool]` the other
tools of its services. Both work during the call, for its caller; neither has a key or a token.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from tools.service import ToolSchema


class Lent(Protocol):
    """The parts of a graph that are lent to one call of a tool, with the credentials of its caller."""

    async def respond(self, messages: list[Any], tools: Sequence[Any]) -> AIMessage:
        """The response of the model."""

    def tools(self) -> list[ToolSchema]:
        """The tools, as the model sees them."""

    async def made(self, tool: str, arguments: dict[str, Any]) -> str:
        """The result of a call. Raises `ToolException` if it failed, or waits for the user."""


LENT: Final[ContextVar[Lent | None]] = ContextVar("idaas_agent.lent_agent", default=None)


def _lent() -> Lent:
    if (lent := LENT.get()) is None:
        raise RuntimeError("the model is lent for the time of a call, and so are the tools")
    return lent


def lent_tools() -> list[BaseTool]:
    """The tools that are lent to this call; none outside of one. They are called with `ainvoke`."""
    lent = LENT.get()
    return [] if lent is None else [_tool(tool) for tool in lent.tools()]


def _tool(schema: ToolSchema) -> BaseTool:
    async def run(**arguments: Any) -> str:  # noqa: ANN401 - JSON
        return await _lent().made(schema.name, arguments)

    parameters = dict(schema.parameters)
    tool = StructuredTool.from_function(None, run, schema.name, schema.description, args_schema=parameters)
    tool.handle_tool_error = True
    return tool


class LentModel(BaseChatModel):
    """Asked with `ainvoke`, during a call of a tool only. It has neither the key nor a token."""

    @property
    def _llm_type(self) -> str:
        return "idaas-agent"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:  # noqa: ANN401 - LangChain's
        """The model, which may call `tools`."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(self, *_: Any, **__: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        raise NotImplementedError("use ainvoke")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        response = await _lent().respond(messages, options.get("tools", ()))
        return ChatResult(generations=[ChatGeneration(message=response)])
