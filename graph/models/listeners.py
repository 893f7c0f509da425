"""LangChain's callbacks that show a response as it arrives: LangGraph's stream mode `messages`, in both of
its forms, and `astream_events`.

They show the calls of a response once, at its end, and as they will be run: pieces of one would be parsed by
each listener, who completes JSON that was cut off.
"""

from collections.abc import Iterable
from typing import Any, Final, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler

from graph.models.piece import JoinedPieces, Piece, thinking_kwargs

_PARTS: Final = 16
"""Servers show the whole message so far with each piece, and keep what they have shown."""


class Listeners:
    """A `ResponseReader` for the callbacks of one call of the model. `end` is called with its message."""

    def __init__(self, run: AsyncCallbackManagerForLLMRun | None) -> None:
        self._run = cast(AsyncCallbackManagerForLLMRun, run)
        handlers = run.handlers if run is not None else []
        protocol = [isinstance(handler, _V2StreamingCallbackHandler) for handler in handlers]
        self._protocol = _ProtocolEvents() if any(protocol) else None
        self._chunks = any(
            isinstance(handler, _StreamingCallbackHandler) and not of_protocol
            for handler, of_protocol in zip(handlers, protocol, strict=True)
        )
        self._id: str | None = None
        self._pieces = JoinedPieces(_PARTS)

    def __bool__(self) -> bool:
        """Whether there is one."""
        return self._chunks or self._protocol is not None

    async def begin(self, message_id: str | None) -> None:
        self._id = message_id
        if self._protocol is not None:
            await self._send([self._protocol.started(message_id)])

    async def read(self, piece: Piece) -> None:
        if joined := self._pieces.add(*piece):
            await self._show(joined)

    async def _show(self, piece: Piece) -> None:
        if self._chunks:
            thinking = thinking_kwargs(piece.thinking)
            await self._token(AIMessageChunk(content=piece.text, additional_kwargs=thinking, id=self._id))
        if self._protocol is not None:
            await self._send(self._protocol.deltas(piece))

    async def end(self, message: AIMessage) -> None:
        """The response has ended, and is whole."""
        if rest := self._pieces.rest():
            await self._show(rest)
        if self._chunks:
            last = AIMessageChunk(
                content="",
                tool_calls=message.tool_calls,
                invalid_tool_calls=message.invalid_tool_calls,
                response_metadata=message.response_metadata,
                usage_metadata=message.usage_metadata,
                id=self._id,
                chunk_position="last",
            )
            await self._token(last)
        if self._protocol is not None:
            await self._send(self._protocol.ended(message))

    async def _token(self, chunk: AIMessageChunk) -> None:
        await self._run.on_llm_new_token(str(chunk.text), chunk=ChatGenerationChunk(message=chunk))

    async def _send(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            await self._run.on_stream_event(cast(Any, event))


class _ProtocolEvents:
    """The events of LangChain's event-streaming protocol for one message."""

    def __init__(self) -> None:
        self._blocks: dict[str, int] = {}
        """The indexes of the blocks that have begun, by type."""

    def started(self, message_id: str | None) -> dict[str, Any]:
        return {"event": "message-start", "role": "ai", "id": message_id or ""}

    def deltas(self, piece: Piece) -> Iterable[dict[str, Any]]:
        for block, text in (("reasoning", piece.thinking), ("text", piece.text)):
            if not text:
                continue
            if block not in self._blocks:
                self._blocks[block] = len(self._blocks)
                yield self._event("start", self._blocks[block], content={"type": block, block: ""})
            delta = {"type": f"{block}-delta", block: text}
            yield self._event("delta", self._blocks[block], delta=delta)

    def ended(self, message: AIMessage) -> Iterable[dict[str, Any]]:
        whole = {"reasoning": message.additional_kwargs.get("reasoning_content"), "text": str(message.text)}
        for block, index in self._blocks.items():
            yield self._event("finish", index, content={"type": block, block: whole[block]})
        first = len(self._blocks)
        for index, call in enumerate([*message.tool_calls, *message.invalid_tool_calls], first):
            no_arguments: object = {} if call["type"] == "tool_call" else ""
            yield self._event("start", index, content={**call, "args": no_arguments})
            yield self._event("finish", index, content=dict(call))
        end: dict[str, Any] = {"event": "message-finish", "metadata": dict(message.response_metadata)}
        if message.usage_metadata is not None:
            end["usage"] = dict(message.usage_metadata)
        yield end

    def _event(self, kind: str, index: int, **members: object) -> dict[str, Any]:
        return {"event": f"content-block-{kind}", "index": index, **members}
