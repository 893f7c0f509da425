"""The agent's models as LangChain's middleware gets them: chat models without a key, asked for the caller.

The provider behind them gets the key of the agent's model, which no hook sees.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.constants import TAG_NOSTREAM
from pydantic import Field, PrivateAttr

from graph.models.async_chat_model import AsyncChatModel

if TYPE_CHECKING:
    from graph.nodes.model_calls import ModelCalls

Ask: TypeAlias = Callable[[Sequence[Any], Sequence[dict[str, Any]], "AgentModel"], Awaitable[AIMessage]]
ASK: Final[ContextVar[Ask | None]] = ContextVar("idaas_agent.ask_model", default=None)
"""Asks a model of the agent for the caller of the visit whose hooks run now."""


class AgentModel(AsyncChatModel):
    """A model of the agent's provider. Put it in by `request.override(model=…)`, or ask it with `ainvoke`
    in a hook around the model: for the caller, with the key of the agent's model, on record.

    Its provider takes tools, and no `tool_choice` or other options. What a hook asks is not shown.
    """

    model: str = ""
    """Its name; empty: the agent's own."""
    tags: list[str] | None = Field(default_factory=lambda: [TAG_NOSTREAM])
    _calls: "ModelCalls | None" = PrivateAttr(default=None)

    @classmethod
    def of(cls, calls: "ModelCalls") -> "AgentModel":
        """The model that `calls` request."""
        model = cls(model=calls.name or "")
        model._calls = calls
        return model

    @property
    def calls(self) -> "ModelCalls | None":
        """The requests of this model; `None`: of the agent's own."""
        return self._calls

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        ask = ASK.get()
        if ask is None:
            raise RuntimeError("a model of the agent is asked by hooks around the model, while they run")
        response = await ask(messages, options.get("tools", ()), self)
        return ChatResult(generations=[ChatGeneration(message=response)])
