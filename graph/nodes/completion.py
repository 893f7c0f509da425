"""One request to the model, whole or in pieces, within its time limit."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.types import StreamWriter

from graph.error_codes import GraphCode
from graph.events import ResponseStarted, TextEvent
from graph.models.piece import Piece
from graph.models.provider import ModelProvider
from graph.models.response import checked
from graph.observed_calls import InferenceCall
from identity.errors import ServiceError
from identity.secrets.secret import Secret


async def request_completion(
    model: ModelProvider,
    prompt: Sequence[AnyMessage],
    tools: Sequence[dict[str, Any]],
    key: Secret,
    *,
    writer: StreamWriter | None,
    seconds: float,
    call: InferenceCall,
    announced: bool = False,
) -> AIMessage | ServiceError:
    """The response of the model; or the error, if the key was refused (401) before any piece arrived.

    With a `writer`, the response is requested in pieces, and text and thinking are written as they arrive;
    if `announced`, after the identifier of their message.
    Any other failure raises `ServiceError`, also a response that takes more than `seconds` or is not whole
    (`graph.models.response.checked`). `call` observes it.
    """
    reader = None if writer is None else _Reader(writer, call, announced=announced)
    fault = "the response was empty"
    response = None
    try:
        async with asyncio.timeout(seconds):
            response = await model.complete(prompt, tools, api_key=key, reader=reader)
    except ServiceError as error:
        if error.status == 401 and (reader is None or not reader.begun):
            return error
        raise
    except TimeoutError:
        fault = f"no complete response within {seconds:g} s"
    if not isinstance(response, AIMessage):
        raise ServiceError(GraphCode.MODEL_CALL_FAILED, fault)
    response = checked(response)
    if reader is not None and not reader.begun:  # of a provider that does not stream
        await reader.begin(response.id)
        thinking = response.additional_kwargs.get("reasoning_content") or ""
        await reader.read(Piece(str(response.text), thinking))
    return response


class _Reader:
    """Writes the pieces of a response as events."""

    def __init__(self, writer: StreamWriter, call: InferenceCall, *, announced: bool) -> None:
        self._writer = writer
        self._call = call
        self._announced = announced
        self.begun = False
        """Whether any of the response has arrived."""

    async def begin(self, message_id: str | None) -> None:
        self.begun = True
        self._call.first_chunk()
        if self._announced and message_id:
            self._writer(ResponseStarted(type="response_started", message_id=message_id))

    async def read(self, piece: Piece) -> None:
        if piece.thinking:
            self._writer(TextEvent(type="reasoning", text=piece.thinking))
        if piece.text:
            self._writer(TextEvent(type="content", text=piece.text))
