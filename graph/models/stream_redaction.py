"""Redacts the key from the pieces of a model's response.

A key in a response would be shown to the user, kept in the conversation, and sent to tools as an argument.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Any

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from identity.secrets.redaction import Redactor, StreamRedactor
from identity.secrets.secret import Secret

_PARTS = ("name", "args", "id")


async def without_key(
    chunks: AsyncIterator[ChatGenerationChunk], key: Secret
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """`chunks`, in which no text, thought or call has `key`, not even in several pieces."""
    filters = _Filters(key)
    async for chunk in chunks:
        yield filters.passed(chunk)
    if (rest := filters.rest()) is not None:
        yield rest


class _Filters:
    """One for each text that an answer is made of: content, thinking, and the parts of each tool call."""

    def __init__(self, key: Secret) -> None:
        self._redactor = Redactor([key])
        self._by_place: defaultdict[tuple[str, int | str | None], StreamRedactor] = defaultdict(
            partial(StreamRedactor, key)
        )

    def passed(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        given = chunk.message
        if not isinstance(given, AIMessageChunk):
            return chunk
        content: Any = given.content
        content = self._text("content", None, content) if isinstance(content, str) else self._whole(content)
        thought = given.additional_kwargs.get("reasoning_content")
        additional = self._whole(
            {name: value for name, value in given.additional_kwargs.items() if name != "reasoning_content"}
        )
        if thought:
            additional["reasoning_content"] = self._text("thought", None, thought)
        calls = [self._call(call) for call in given.tool_call_chunks]
        metadata, identifier = self._whole(given.response_metadata), self._whole(given.id)
        if (content, additional, calls, metadata, identifier) == (
            given.content,
            given.additional_kwargs,
            given.tool_call_chunks,
            given.response_metadata,
            given.id,
        ):
            return chunk
        message = AIMessageChunk(
            content=content,
            additional_kwargs=additional,
            tool_call_chunks=calls,
            response_metadata=metadata,
            usage_metadata=given.usage_metadata,
            id=identifier,
            chunk_position=given.chunk_position,
        )
        return ChatGenerationChunk(message=message, generation_info=self._whole(chunk.generation_info))

    def rest(self) -> ChatGenerationChunk | None:
        waiting = {place: text for place, redactor in self._by_place.items() if (text := redactor.flush())}
        if not waiting:
            return None
        thought = waiting.pop(("thought", None), "")
        message = AIMessageChunk(
            content=waiting.pop(("content", None), ""),
            additional_kwargs={"reasoning_content": thought} if thought else {},
            tool_call_chunks=[_call_chunk(index, {part: text}) for (part, index), text in waiting.items()],
        )
        return ChatGenerationChunk(message=message)

    def _call(self, call: ToolCallChunk) -> ToolCallChunk:
        given: dict[str, Any] = dict(call)
        index = given.get("index")
        return _call_chunk(
            index, {part: self._text(part, index, given[part]) for part in _PARTS if given.get(part)}, given
        )

    def _text(self, part: str, index: int | str | None, piece: str) -> str:
        return self._by_place[part, index].feed(piece)

    def _whole(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        return self._redactor.redact(value) if value else value


def _call_chunk(index: Any, parts: dict[str, str], given: dict[str, Any] | None = None) -> ToolCallChunk:  # noqa: ANN401 - as it is given
    chunk = {"name": None, "args": None, "id": None, **(given or {}), **parts}
    return ToolCallChunk(
        name=chunk["name"], args=chunk["args"], id=chunk["id"], index=index, type="tool_call_chunk"
    )
