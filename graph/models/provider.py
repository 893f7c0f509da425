"""The model as the graph requires it, and the provider of any LangChain chat model."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Protocol, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.runnables import Runnable, ensure_config
from langchain_core.runnables.config import var_child_runnable_config

from graph.call_measures import PROVIDER
from graph.models.arrived import arrived
from graph.models.piece import Piece
from graph.models.published_chat_model import PublishedChatModel
from graph.models.published_response import characters_of, failure_of, joined, piece_of
from graph.models.shared_clients import keep_callers_apart
from http1.transport import PoolUse
from identity.secrets.secret import Secret


class ResponseReader(Protocol):
    """Reads a response as it arrives."""

    async def begin(self, message_id: str | None) -> None:
        """The response begins; `message_id` will be that of its message."""

    async def read(self, piece: Piece) -> None:
        """A piece of its text or thinking."""


class ModelProvider(Protocol):
    """A model that can call tools. One instance serves all callers, at the same time.

    `tools` are in the form of OpenAI's API. `api_key` is the caller's: it is sent with the requests of this
    call, and not kept. Raises `ServiceError` (`model_call_failed`), with status 401 if the key is refused. No
    error contains the key or a text of the provider.
    """

    async def complete(
        self,
        messages: Sequence[AnyMessage],
        tools: Sequence[Mapping[str, Any]],
        *,
        api_key: Secret,
        reader: ResponseReader | None = None,
    ) -> BaseMessage:
        """The whole answer to `messages`. `reader` reads its pieces if the provider can stream.

        `response_metadata["finish_reason"]` is `stop` or `tool_calls` if it is whole, and `length` or
        `content_filter` if it was cut off: then its calls are not run. With another one, or none, the call of
        the model has failed. Thinking is in `additional_kwargs["reasoning_content"]`. The arguments of calls
        are what the model sent, parsed strictly: repaired JSON is another call.
        """

    async def aclose(self) -> None:
        """Closes the connections."""


@dataclass(frozen=True, slots=True)
class ChatModelProvider:
    """A `ModelProvider` by LangChain's chat models.

        ChatModelProvider(lambda key: ChatAnthropic(model="claude-sonnet-4-5", api_key=key.reveal()))

    A function makes the chat model of each call, which has the caller's key, a `Secret`: any that a package
    of LangChain's publishes (`PublishedChatModel` says what is done with it). Or one chat model gets the key
    as its option `api_key`, and reports the finish reason as `ModelProvider` says; what it keeps of a stream
    is not bounded.

    LangChain's callbacks and tracers see the calls; of the key they see a `Secret`, which shows a constant.
    `tool_options` are the options of calls that offer tools. `api` is the provider's name in traces and
    measures. `close` closes the connections, whose use `pool_use` shows. `takes_reader`: the chat model
    streams to its option `reader` itself, and keeps a response once.
    """

    chat: BaseChatModel | Callable[[Secret], BaseChatModel]
    _: KW_ONLY
    api: str = PROVIDER
    tool_options: Mapping[str, Any] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    pool_use: PoolUse | None = None
    takes_reader: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.chat, BaseChatModel):
            keep_callers_apart(self.chat)
        else:
            object.__setattr__(self, "chat", PublishedChatModel.by(self.chat))
            object.__setattr__(self, "takes_reader", True)

    async def complete(
        self,
        messages: Sequence[AnyMessage],
        tools: Sequence[Mapping[str, Any]],
        *,
        api_key: Secret,
        reader: ResponseReader | None = None,
    ) -> BaseMessage:
        """The whole answer to `messages`."""
        options: dict[str, Any] = {"api_key": api_key}
        if tools:
            options |= {"tools": list(tools), **(self.tool_options or {})}
        chat = cast(BaseChatModel, self.chat)
        if self.takes_reader:
            return await _answer(chat, messages, reader=reader, **options)
        try:
            return await completed(chat, messages, reader, streams=would_stream(chat), options=options)
        except _FORM_ERRORS as error:
            failure = failure_of(error, "the chat model")
        raise failure

    async def aclose(self) -> None:
        """Closes the connections."""
        if self.close is not None:
            await self.close()


async def _answer(chat: BaseChatModel, messages: Sequence[AnyMessage], **options: Any) -> BaseMessage:  # noqa: ANN401 - those of the chat model
    """The answer of `chat`, which is asked through LangChain where something may depend on that: a callback
    is registered, or a content is not a text, of which LangChain knows older forms. Otherwise it would make a
    task, a run without readers, and copies of the messages.
    """
    asked: list[BaseMessage] = list(messages)
    if _may_be_watched() or not all(isinstance(message.content, str) for message in asked):
        return await chat.ainvoke(asked, **options)
    result = await chat._agenerate(asked, **options)  # noqa: SLF001 - what a chat model defines
    return result.generations[0].message


def _may_be_watched() -> bool:
    """Whether callbacks may be registered, such as a tracer. Outside of a run that is not known."""
    config = var_child_runnable_config.get()
    registered = None if config is None else config.get("callbacks")
    return not isinstance(registered, BaseCallbackManager) or bool(registered.handlers)


_FORM_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that LangChain raises for a response in an unexpected form, or pieces that cannot be joined."""


def would_stream(chat: BaseChatModel) -> bool:
    """Whether LangChain would stream without being asked to: for callbacks, or by the setting of `chat`. It
    would then complete the JSON of calls that were cut off.
    """
    registered = ensure_config().get("callbacks")
    run: Any = registered if isinstance(registered, BaseCallbackManager) else None
    return chat._should_stream(async_api=True, run_manager=run)  # noqa: SLF001 - LangChain's own question


async def completed(
    model: Runnable[Any, Any],
    messages: Sequence[AnyMessage],
    reader: ResponseReader | None,
    *,
    streams: bool,
    options: Mapping[str, Any] | None = None,
) -> BaseMessage:
    """The whole answer of `model` to `messages`, of which `reader` reads the pieces. What would stream is
    joined here.
    """
    bound = options or {}
    if reader is None and not streams:
        whole: BaseMessage = await model.ainvoke(list(messages), **bound)
        return whole
    so_far = arrived()
    chunks: list[AIMessageChunk] = []
    stream = cast(AsyncGenerator[BaseMessage, None], model.astream(list(messages), **bound))
    async with aclosing(stream) as arriving:
        async for chunk in arriving:
            so_far.characters += characters_of(chunk)
            if reader is not None:
                if not chunks:
                    await reader.begin(chunk.id)
                await reader.read(piece_of(chunk))
            if not isinstance(chunk, AIMessageChunk):
                return chunk  # of a chat model that cannot stream
            chunks.append(chunk)
    return joined(chunks)
