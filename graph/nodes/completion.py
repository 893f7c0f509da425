"""One request to the model, whole or in pieces, within its time limit."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    BaseMessageChunk,
    message_chunk_to_message,
)
from langgraph.types import StreamWriter

from graph.error_codes import GraphCode
from graph.events import ResponseStarted, TextEvent
from graph.models.provider import ModelProvider
from graph.observed_calls import InferenceCall
from identity.errors import ServiceError
from identity.secrets.secret import Secret

_PIECES_PER_TURN: Final = 8
_JOIN_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What LangChain raises for pieces that are well-formed each and cannot be joined."""


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
    Any other failure raises `ServiceError`, also a response that takes more than `seconds`, is empty, or has
    pieces that cannot be joined. `call` observes it.
    """
    pieces: list[BaseMessageChunk] = []
    response: BaseMessage | None = None
    fault = "the response was empty"
    try:
        async with asyncio.timeout(seconds):
            if writer is None:
                response = await model.complete(prompt, tools, api_key=key)
            else:
                async with aclosing(model.astream(prompt, tools, api_key=key)) as chunks:
                    async for chunk in chunks:
                        if not pieces:
                            call.first_chunk()
                        if announced and not pieces and chunk.id:
                            writer(ResponseStarted(type="response_started", message_id=chunk.id))
                        _write(chunk, writer)
                        pieces.append(chunk)
                        if len(pieces) % _PIECES_PER_TURN == 1:
                            await asyncio.sleep(0)  # a burst of pieces must not delay other tasks
        # Joined once: adding each piece to the response so far would copy it for every piece.
        if pieces:
            response = message_chunk_to_message(pieces[0] + pieces[1:])
    except ServiceError as error:
        if error.status == 401 and not pieces:
            return error
        raise
    except TimeoutError:
        fault = f"no complete response within {seconds:g} s"
    except _JOIN_ERRORS:
        response, fault = None, "the response of the model service has an unexpected form"
    if not isinstance(response, AIMessage):
        raise ServiceError(GraphCode.MODEL_CALL_FAILED, fault)
    return response


def _write(chunk: BaseMessageChunk, writer: StreamWriter) -> None:
    if thought := chunk.additional_kwargs.get("reasoning_content"):
        writer(TextEvent(type="reasoning", text=thought))
    if text := str(chunk.text):
        writer(TextEvent(type="content", text=text))
