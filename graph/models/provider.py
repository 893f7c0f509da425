"""The model as the graph requires it, and the provider of any LangChain chat model."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Protocol, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import Runnable, ensure_config
from langchain_core.runnables.config import var_child_runnable_config

from graph.error_codes import GraphCode
from graph.models.piece import Piece
from graph.models.response import parsed_calls
from http1.transport import PoolUse
from identity.errors import ServiceError
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
    """A `ModelProvider` by a LangChain chat model, which gets the key as its option `api_key`.

    LangChain's callbacks and tracers see its calls; of the key they see a `Secret`, which shows a constant.
    The chat model reports the finish reason as `ModelProvider` says. Not bounded: what it keeps of a stream.
    `tool_options` are the options of calls that offer tools. `close` closes the connections, whose use
    `pool_use` shows. `takes_reader`: the chat model streams to its option `reader` itself, and keeps a
    response once.
    """

    chat: BaseChatModel
    _: KW_ONLY
    tool_options: Mapping[str, Any] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    pool_use: PoolUse | None = None
    takes_reader: bool = False

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
        if self.takes_reader:
            return await _answer(self.chat, messages, reader=reader, **options)
        try:
            return await completed(
                self.chat, messages, reader, streams=would_stream(self.chat), options=options
            )
        except _FORM_ERRORS:
            pass
        detail = "the response of the model service has an unexpected form"
        raise ServiceError(GraphCode.MODEL_CALL_FAILED, detail)

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
    chunks: list[AIMessageChunk] = []
    stream = cast(AsyncGenerator[BaseMessage, None], model.astream(list(messages), **bound))
    async with aclosing(stream) as arriving:
        async for chunk in arriving:
            if reader is not None:
                if not chunks:
                    await reader.begin(chunk.id)
                thinking = chunk.additional_kwargs.get("reasoning_content") or ""
                await reader.read(Piece(str(chunk.text), thinking))
            if not isinstance(chunk, AIMessageChunk):
                return chunk  # of a chat model that cannot stream
            chunks.append(chunk)
    return _joined(chunks)


def _joined(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    """The message of `chunks`. The arguments of its calls are parsed from the text that the model sent."""
    whole = chunks[0] + list(chunks[1:])
    calls, others = parsed_calls(
        (call["name"] or "", call["args"] or "", call["id"]) for call in whole.tool_call_chunks
    )
    message = cast(AIMessage, message_chunk_to_message(whole))
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": others})
