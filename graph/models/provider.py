"""What the graph requires of a model, and the provider of any LangChain chat model."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, BaseMessageChunk

from identity.secrets.secret import Secret
from identity.transport.pool_use import PoolUse


class ModelProvider(Protocol):
    """A model that can call tools. One instance serves all callers, at the same time.

    `tools` are in the form of OpenAI's API. `api_key` is the caller's: it is sent with the requests of this
    call, and not kept. Raises `ServiceError` (`model_call_failed`), with status 401 if the key is refused. No
    error contains the key or a text of the provider.
    """

    async def complete(
        self, messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]], *, api_key: Secret
    ) -> BaseMessage:
        """The whole answer to `messages`."""
        ...

    def astream(
        self, messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]], *, api_key: Secret
    ) -> AsyncGenerator[BaseMessageChunk, None]:
        """The answer in pieces. Thinking is in `additional_kwargs["reasoning_content"]`."""
        ...

    async def aclose(self) -> None:
        """Closes the connections."""
        ...


class ChatModelProvider:
    """A `ModelProvider` by a LangChain chat model, which gets the key as its option `api_key`.

    LangChain's callbacks and tracers see its calls; of the key they see a `Secret`, which shows a constant.
    """

    def __init__(
        self,
        chat: BaseChatModel,
        *,
        tool_options: Mapping[str, Any] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        pool_use: PoolUse | None = None,
    ) -> None:
        """`tool_options` are the options of calls that offer tools. `close` closes the connections, whose use
        `pool_use` shows.
        """
        self.chat: Final = chat
        self._tool_options: Final = dict(tool_options or {})
        self._close: Final = close
        self.pool_use: Final = pool_use

    async def complete(
        self, messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]], *, api_key: Secret
    ) -> BaseMessage:
        """The whole answer to `messages`."""
        return await self.chat.ainvoke(list(messages), api_key=api_key, **self._options(tools))

    async def astream(
        self, messages: Sequence[AnyMessage], tools: Sequence[Mapping[str, Any]], *, api_key: Secret
    ) -> AsyncGenerator[BaseMessageChunk, None]:
        """The answer in pieces."""
        stream = self.chat.astream(list(messages), api_key=api_key, **self._options(tools))
        async with aclosing(cast(AsyncGenerator[BaseMessageChunk, None], stream)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._close is not None:
            await self._close()

    def _options(self, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"tools": list(tools), **self._tool_options} if tools else {}
