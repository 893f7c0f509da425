"""A chat model in the process that replies immediately."""

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

_WORDS = ["word "] * 20
_END = {"finish_reason": "stop"}
_USAGE: Any = {"input_tokens": 20, "output_tokens": 20, "total_tokens": 40}


class InstantModel(BaseChatModel):
    """Replies with the same twenty words to every prompt."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ARG002 - the base class's shape
        message = AIMessage("".join(_WORDS), usage_metadata=_USAGE, response_metadata=_END)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ARG002 - the base's signature
        for word in _WORDS:
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=_END))
