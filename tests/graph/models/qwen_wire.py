"""Model Studio's wire format, and a chat model for servers that speak it."""

import pytest
from langchain_core.messages import HumanMessage

from graph.error_codes import GraphCode
from identity.errors import ServiceError

USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 120,
    "total_tokens": 140,
    "completion_tokens_details": {"reasoning_tokens": 80},
    "prompt_tokens_details": {"cached_tokens": 0},
}


def chunk(delta, **choice):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1795526961,
        "model": "qwen-plus",
        "system_fingerprint": None,
        "usage": None,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, **choice}],
    }


def usage_chunk():
    return {**chunk({}), "choices": [], "usage": USAGE}


def answer(message, finish_reason="stop"):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795526961,
        "model": "qwen-plus",
        "choices": [
            {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
        ],
        "usage": USAGE,
    }


class Pieces:
    """Keeps the pieces of a response."""

    def __init__(self):
        self.ids = []
        self.pieces = []

    async def begin(self, message_id):
        self.ids.append(message_id)

    async def read(self, piece):
        self.pieces.append(piece)

    @property
    def texts(self):
        return [piece.text for piece in self.pieces if piece.text]


async def streamed(model, **options):
    """The pieces of a response, and its message."""
    reader = Pieces()
    whole = await model.ainvoke([HumanMessage("hi")], reader=reader, **options)
    assert reader.ids == [whole.id]
    return reader, whole


async def failure_of(call) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    error = caught.value
    assert error.code is GraphCode.MODEL_CALL_FAILED
    assert "canary" not in f"{error} {error.detail}"
    assert error.__cause__ is None
    assert error.__context__ is None, "the client's error has the service's text"
    return error
