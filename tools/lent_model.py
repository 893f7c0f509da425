"""The agent's model, for a tool that is an agent itself: a parameter of the type `BaseChatModel` gets it."""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

LENT: Final[ContextVar[Callable[[list[Any], Sequence[Any]], Awaitable[AIMessage]] | None]] = ContextVar(
    "idaas_agent.lent_model", default=None
)
"""Gives the response to messages and tools, with the key of the caller for whom a tool is called."""


class LentModel(BaseChatModel):
    """Asked with `ainvoke`, during a call of a tool only. It has neither the key nor a token."""

    @property
    def _llm_type(self) -> str:
        return "idaas-agent"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:  # noqa: ANN401 - LangChain's
        """The model, which may call `tools`."""
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools])

    def _generate(self, *_: Any, **__: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        raise NotImplementedError("use ainvoke")

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        if (respond := LENT.get()) is None:
            raise RuntimeError("the model is lent for the time of a call")
        return ChatResult(
            generations=[ChatGeneration(message=await respond(messages, options.get("tools", ())))]
        )
