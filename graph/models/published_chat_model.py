"""LangChain's chat models as their packages publish them, each made for one call with the caller's key.

What differs from asking such a model through LangChain: callbacks and tracers see the call of
`PublishedChatModel`, and neither the model that was made nor its exceptions, both of which may show the key.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableBinding
from pydantic import PrivateAttr

from graph.models.arrived import arrived
from graph.models.async_chat_model import AsyncChatModel
from graph.models.model_call import ModelCall, ReaderNotShown
from graph.models.piece import JoinedPieces, Piece
from graph.models.published_response import characters_of, failure_of, in_form_of_the_agent, joined, piece_of
from graph.models.response import MAX_CHARACTERS
from graph.models.shared_clients import keep_callers_apart
from identity.errors import AgentError
from identity.secrets.redaction import Redactor, StreamRedactor
from identity.secrets.secret import Secret
from identity.transport.body import ResponseTooLargeError

if TYPE_CHECKING:
    from graph.models.provider import ResponseReader

MAX_CHUNKS: Final = 50_000
"""The most pieces of a streamed response."""
_PARTS: Final = 256


class PublishedChatModel(ReaderNotShown, AsyncChatModel):
    """One instance serves all callers. Only `ainvoke` can be used, with the option `api_key`, a `Secret`.

    A function makes the chat model of each call with its key; if that has `aclose`, it is closed at the end.
    If the chat model can stream, the response is requested as a stream for the option `reader`, for callbacks
    that show pieces, and where tools are offered: of a whole response, packages repair the calls. The key is
    redacted from the response. Bounded: the pieces of a stream and their characters.
    Raises `ServiceError` (`model_call_failed`) in place of what the chat model raises.
    """

    _make: Callable[[Secret], BaseChatModel] = PrivateAttr()

    @classmethod
    def by(cls, make: Callable[[Secret], BaseChatModel]) -> "PublishedChatModel":
        """The model whose calls are those of the chat models that `make` makes of a key."""
        model = cls()
        model._make = make
        return model

    def made(self, api_key: Secret) -> BaseChatModel:
        """The chat model of one call, by which nothing of this one goes out with another."""
        chat = self._make(api_key)
        keep_callers_apart(chat)
        return chat

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,  # noqa: ANN401 - the model's options
    ) -> ChatResult:
        call = ModelCall.of(options, run_manager)
        key = call.api_key
        try:
            async with self._asked(key, call.options) as asked:
                response: BaseMessage
                if (call.readers or asked.has_tools) and asked.can_stream:
                    pieces = _Pieces(call.readers, key, call.message_id)
                    response = await asked.streamed(messages, stop, pieces)
                else:
                    response = await asked.whole(messages, stop)
                message = _without(key, in_form_of_the_agent(response), call.message_id)
        except AgentError:
            raise
        except Exception as error:  # noqa: BLE001 - a model of somebody else's raises anything
            failure = failure_of(error, "the chat model")
        else:
            return await call.result(message)
        raise failure  # outside of the handler, so that the original is not its `__context__`

    @asynccontextmanager
    async def _asked(self, api_key: Secret, options: Mapping[str, Any]) -> AsyncIterator["_Asked"]:
        """The chat model of one call, with its tools and options. It is made in a thread: some packages read
        the authorities that they trust then.
        """
        chat = await asyncio.to_thread(self.made, api_key)
        try:
            yield _with_tools(chat, options)
        finally:
            close = getattr(chat, "aclose", None)
            if close is not None:
                await close()


class _Asked(NamedTuple):
    """A chat model that is asked without a run of LangChain's, whose callbacks would see its exceptions."""

    chat: BaseChatModel
    options: Mapping[str, Any]
    has_tools: bool = False

    @property
    def can_stream(self) -> bool:
        return self.chat._should_stream(async_api=True, stream=True, tools=self.has_tools)  # noqa: SLF001 - LangChain's own question

    async def whole(self, messages: list[BaseMessage], stop: list[str] | None) -> BaseMessage:
        result = await self.chat._agenerate(messages, stop, **self.options)  # noqa: SLF001 - what a chat model defines
        return _with_metadata(result.generations[0], result.llm_output)

    async def streamed(
        self, messages: list[BaseMessage], stop: list[str] | None, pieces: "_Pieces"
    ) -> AIMessage:
        arriving = self.chat._astream(messages, stop, **self.options)  # noqa: SLF001 - as above
        chunks: list[AIMessageChunk] = []
        async with aclosing(cast(AsyncGenerator[ChatGenerationChunk, None], arriving)) as generations:
            async for generation in generations:
                chunk = cast(AIMessageChunk, _with_metadata(generation))
                chunks.append(chunk)
                if len(chunks) > MAX_CHUNKS:
                    raise ResponseTooLargeError(MAX_CHUNKS, "pieces")
                await pieces.add(chunk)
        await pieces.end()
        return joined(chunks)


class _Pieces:
    """Passes on the pieces of one response, without the key."""

    def __init__(self, readers: Sequence["ResponseReader"], key: Secret, message_id: str) -> None:
        self._readers = readers
        self._message_id = message_id
        self._text = StreamRedactor(key)
        self._thinking = StreamRedactor(key)
        self._pieces = JoinedPieces(_PARTS)
        self._begun = False
        self._characters = 0
        self._arrived = arrived()

    async def add(self, chunk: AIMessageChunk) -> None:
        """Raises `ResponseTooLargeError` past `MAX_CHARACTERS` of text, thinking and arguments."""
        piece = piece_of(chunk)
        characters = characters_of(chunk)
        self._characters += characters
        self._arrived.characters += characters
        if self._characters > MAX_CHARACTERS:
            raise ResponseTooLargeError(MAX_CHARACTERS, "characters")
        if not self._begun:
            self._begun = True
            for reader in self._readers:
                await reader.begin(self._message_id)
        text = self._text.feed(piece.text) if piece.text else ""
        thinking = self._thinking.feed(piece.thinking) if piece.thinking else ""
        await self._pass_on(self._pieces.add(text, thinking))

    async def end(self) -> None:
        """The rest of the text: what might have been the beginning of the key, and what waits."""
        await self._pass_on(self._pieces.add(self._text.flush(), self._thinking.flush()))
        await self._pass_on(self._pieces.rest())

    async def _pass_on(self, piece: Piece | None) -> None:
        if piece is None:
            return
        for reader in self._readers:
            await reader.read(piece)


def _with_tools(chat: BaseChatModel, options: Mapping[str, Any]) -> _Asked:
    """`chat` with what it makes of the option `tools`, which is in the form of OpenAI's functions."""
    others = {name: value for name, value in options.items() if name != "tools"}
    if not (tools := options.get("tools")):
        return _Asked(chat, others)
    bound = chat.bind_tools([dict(tool) for tool in tools], **others)
    if not isinstance(bound, RunnableBinding) or not isinstance(bound.bound, BaseChatModel):
        raise TypeError("bind_tools must return the chat model with options")
    return _Asked(bound.bound, bound.kwargs, has_tools=True)


def _with_metadata(generation: ChatGeneration, output: Mapping[str, Any] | None = None) -> BaseMessage:
    """The message with all that its chat model reports of it, as LangChain puts it together."""
    reported = {**(output or {}), **(generation.generation_info or {})}
    message = generation.message
    message.response_metadata = reported | message.response_metadata
    return message


def _without(key: Secret, message: BaseMessage, message_id: str) -> AIMessage:
    """`message` without `key`. Raises `TypeError` if it is not a response."""
    if not isinstance(message, AIMessage):
        raise TypeError("not a response of a model")
    redact = Redactor([key]).redact
    redacted = {
        name: redact(getattr(message, name))
        for name in ("content", "additional_kwargs", "tool_calls", "invalid_tool_calls", "response_metadata")
    }
    return message.model_copy(update={**redacted, "id": message_id})
