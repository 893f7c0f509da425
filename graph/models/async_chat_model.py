"""The base of the agent's models as LangChain sees them: chat models that are awaited, and take tools."""

from collections.abc import Sequence
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool


class AsyncChatModel(BaseChatModel):
    """A chat model that gets tools as an option, `tools`, in the form of OpenAI's functions.

    A subclass has `_agenerate`. `tool_choice` and the other options of `bind_tools` are ignored. LangChain's
    global cache, which would answer one caller with another's response, is not used.
    """

    cache: BaseCache | bool | None = False

    @property
    def _llm_type(self) -> str:
        return "idaas-agent"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:  # noqa: ANN401 - LangChain's
        """The model, which may call `tools`."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(self, *_: Any, **__: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        raise NotImplementedError("use ainvoke")
