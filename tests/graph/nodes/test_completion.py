"""One request to the model: a refused key is reported only if nothing of a response arrived before."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk, HumanMessage

from graph.error_codes import GraphCode
from graph.nodes.completion import request_completion
from graph.observed_calls import ObservedCalls
from identity.errors import ServiceError
from identity.secrets.secret import Secret

REFUSED = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 401", status=401)


class Pieces:
    """A model provider that streams `pieces`, raising those that are errors; whole, only the first."""

    def __init__(self, *pieces: BaseMessageChunk | Exception) -> None:
        self.pieces = pieces

    async def complete(self, *_: Any, **__: Any) -> BaseMessageChunk:
        if isinstance(self.pieces[0], Exception):
            raise self.pieces[0]
        return self.pieces[0]

    async def astream(self, *_: Any, **__: Any) -> AsyncGenerator[BaseMessageChunk, None]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None: ...


async def request(model: Pieces, *, stream: bool) -> tuple[AIMessage | ServiceError, list[Any]]:
    written: list[Any] = []
    writer = written.append if stream else None
    with ObservedCalls().inference_call() as call:
        response = await request_completion(
            model, [HumanMessage("hi")], [], Secret("key"), writer=writer, seconds=5, call=call
        )
    return response, written


@pytest.mark.parametrize("stream", [False, True])
async def test_key_refused_before_any_piece_is_returned(stream: bool) -> None:
    assert await request(Pieces(REFUSED), stream=stream) == (REFUSED, [])


@pytest.mark.parametrize("first", [AIMessageChunk("Sun"), AIMessageChunk("")])
async def test_key_refused_after_a_piece_is_raised(first: AIMessageChunk) -> None:
    with pytest.raises(ServiceError) as caught:
        await request(Pieces(first, REFUSED), stream=True)
    assert caught.value is REFUSED


async def test_other_status_is_raised() -> None:
    failed = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 500", status=500)
    with pytest.raises(ServiceError):
        await request(Pieces(failed), stream=True)


async def test_pieces_are_written_and_joined() -> None:
    thought = AIMessageChunk("", additional_kwargs={"reasoning_content": "Hm"})
    response, written = await request(
        Pieces(thought, AIMessageChunk("Sun"), AIMessageChunk("ny")), stream=True
    )
    assert isinstance(response, AIMessage)
    assert response.text == "Sunny"
    assert written == [
        {"type": "reasoning", "text": "Hm"},
        {"type": "content", "text": "Sun"},
        {"type": "content", "text": "ny"},
    ]


async def test_response_without_pieces_is_a_failure() -> None:
    with pytest.raises(ServiceError, match="model_call_failed") as caught:
        await request(Pieces(), stream=True)
    assert caught.value.detail == "the response was empty"
