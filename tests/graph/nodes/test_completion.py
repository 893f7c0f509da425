"""One request to the model: a refused key is reported only if nothing of a response arrived before."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from graph.error_codes import GraphCode
from graph.models.piece import Piece
from graph.nodes.completion import request_completion
from graph.observed_calls import ObservedCalls
from identity.errors import ServiceError
from identity.secrets.secret import Secret

REFUSED = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 401", status=401)
WHOLE = AIMessage(
    "Sunny",
    additional_kwargs={"reasoning_content": "Hm"},
    response_metadata={"finish_reason": "stop"},
    id="m1",
)


class Provider:
    """Streams `pieces` to its reader, and ends with `end`. One of no pieces does not stream."""

    def __init__(self, end: AIMessage | Exception | None, *pieces: Piece) -> None:
        self.end = end
        self.pieces = pieces

    async def complete(self, *_: Any, reader: Any = None, **__: Any) -> Any:
        if reader is not None and self.pieces:
            await reader.begin("m1")
            for piece in self.pieces:
                await reader.read(piece)
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def aclose(self) -> None: ...


async def request(model: Provider, *, stream: bool) -> tuple[AIMessage | ServiceError, list[Any]]:
    written: list[Any] = []
    writer = written.append if stream else None
    with ObservedCalls().inference_call() as call:
        response = await request_completion(
            model,
            [HumanMessage("hi")],
            [],
            Secret("key"),
            writer=writer,
            seconds=5,
            call=call,
            announced=True,
        )
    return response, written


@pytest.mark.parametrize("stream", [False, True])
async def test_key_refused_before_any_piece_is_returned(stream: bool) -> None:
    assert await request(Provider(REFUSED), stream=stream) == (REFUSED, [])


@pytest.mark.parametrize("first", [Piece("Sun"), Piece()])
async def test_key_refused_after_a_piece_is_raised(first: Piece) -> None:
    with pytest.raises(ServiceError) as caught:
        await request(Provider(REFUSED, first), stream=True)
    assert caught.value is REFUSED


async def test_other_status_is_raised() -> None:
    failed = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 500", status=500)
    with pytest.raises(ServiceError):
        await request(Provider(failed), stream=True)


PIECES = (Piece("", "Hm"), Piece("Sun"), Piece("ny"))


@pytest.mark.parametrize(
    ("pieces", "texts"), [(PIECES, ["Sun", "ny"]), ((), ["Sunny"])], ids=["streamed", "not streamed"]
)
async def test_pieces_are_written(pieces: tuple[Piece, ...], texts: list[str]) -> None:
    response, written = await request(Provider(WHOLE, *pieces), stream=True)
    assert response is WHOLE
    assert written == [
        {"type": "response_started", "message_id": "m1"},
        {"type": "reasoning", "text": "Hm"},
        *({"type": "content", "text": text} for text in texts),
    ]


async def test_provider_without_a_message_is_a_failure() -> None:
    with pytest.raises(ServiceError, match="model_call_failed") as caught:
        await request(Provider(None), stream=True)
    assert caught.value.detail == "the response was empty"


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("stream", [False, True])
async def test_response_of_any_provider_is_whole_or_nothing(stream: bool) -> None:
    call = {"name": "pay", "args": {"amount": 50}, "id": "call_1"}
    for finish in (None, "", "eos", 7, ["stop"], "error"):
        message = AIMessage("x", tool_calls=[call], response_metadata={"finish_reason": finish})
        with pytest.raises(ServiceError) as caught:
            await request(Provider(message), stream=stream)
        assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    for finish in ("length", "content_filter"):
        message = AIMessage("x", tool_calls=[call], response_metadata={"finish_reason": finish}, id="m1")
        response, _ = await request(Provider(message), stream=stream)
        assert isinstance(response, AIMessage)
        assert (response.text, response.tool_calls, response.id) == ("x", [], "m1")
        assert response.response_metadata["finish_reason"] == finish
