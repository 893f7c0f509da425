"""A LangChain chat model for OpenAI-compatible endpoints, with the API key as an argument of the call.

What differs from `ChatOpenAI`: the response is assembled by `graph.models.response`, the client has no API
key, and errors contain only the status and the code word of the response: the text of a 401 may contain the
key. The text goes to the operator's log, without the key.
"""

import asyncio
import logging
import re
from typing import Any, Final, Literal, cast

import httpx2
import openai
from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from openai import AsyncStream

from graph.error_codes import GraphCode
from graph.models.arrived import arrived
from graph.models.client import MAX_BYTES, ModelEvents
from graph.models.model_call import ModelCall, ReaderNotShown
from graph.models.response import ModelResponse
from identity.errors import ServiceError
from identity.observation.span import CURRENT_SPAN
from identity.observation.traceparent import HEADER, Receiver
from identity.printable import cut
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.transport.body import EncodedResponseError, ResponseTooLargeError, decode_utf8
from identity.transport.json_size import check_size, read_json
from identity.transport.retry import retry_after

logger = logging.getLogger(__name__)

MAX_VALUES: Final = 20_000
MAX_LEVELS: Final = 64
"""The most values and levels of JSON in a response that is not streamed."""
_EVENTS_PER_TURN: Final = 8
"""Events of a burst after which other tasks run."""


class ChatModel(ReaderNotShown, ChatOpenAI):
    """One instance serves all callers. Only `ainvoke` can be used, with the option `api_key`:

        chat.ainvoke(messages, api_key=Secret("sk-…"))

    The key is sent with the requests of that call, redacted from the response, and not kept. Callbacks and
    tracers see a `Secret`. The response is requested as a stream for the option `reader`, and for callbacks
    that show pieces. LangChain's own streams are off: they keep each chunk, and complete the JSON of calls
    that were cut off.
    Raises `ServiceError` (`model_call_failed`) in place of the client's own errors.
    """

    disable_streaming: bool | Literal["tool_calling"] = True
    cache: BaseCache | bool | None = False
    """LangChain's global cache would answer one caller with another's response."""

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,  # noqa: ANN401 - the model's options
    ) -> ChatResult:
        call = ModelCall.of(options, run_manager)
        response = ModelResponse(call.api_key)
        try:
            if call.readers:
                await self._stream_to(call, response, messages, stop)
            else:
                sent = await self._post(messages, stop, call.api_key, **call.options)
                body = read_json(decode_utf8(cast(httpx2.Response, sent).content))
                check_size(body, nodes=MAX_VALUES, depth=MAX_LEVELS, characters=MAX_BYTES)
                response.add(body)
                response.rest()
            message = response.message(call.message_id)
        except _FAILURES as error:
            arrived().failed_by(error)
            failure = _to_service_error(error, call.api_key)
        else:
            return await call.result(message)
        raise failure  # outside of the handler, so that the original is not its `__context__`

    async def _stream_to(
        self, call: ModelCall, response: ModelResponse, messages: list[BaseMessage], stop: list[str] | None
    ) -> None:
        options = dict(call.options)
        if self.stream_usage:
            options["stream_options"] = {"include_usage": True}
        sent = await self._post(messages, stop, call.api_key, **options, stream=True)
        number = 0
        async with cast(AsyncStream[dict[str, Any]], sent) as events:
            async for event in events:
                if number == 0:
                    for reader in call.readers:
                        await reader.begin(call.message_id)
                number += 1
                if piece := response.add(event):
                    for reader in call.readers:
                        await reader.read(piece)
                if response.has_too_many_calls:
                    break
                if number % _EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)
        if piece := response.rest():
            for reader in call.readers:
                await reader.read(piece)

    async def _post(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        api_key: Secret,
        **options: Any,  # noqa: ANN401 - the model's options
    ) -> object:
        """The events of the response as plain JSON, or the response itself if it is not streamed.

        The client's typed method would walk every message and tool schema by its types, and build models of
        each piece of the response, which LangChain converts back: half of the cost of a chat.
        """
        payload = self._get_request_payload(messages, stop=stop, **options)
        more = payload.pop("extra_body", None) or {}
        context = CURRENT_SPAN.get().traceparent(Receiver.MODEL)
        headers = {"Authorization": f"Bearer {api_key.reveal()}"}
        if context is not None:
            headers[HEADER] = context
        streams = bool(options.get("stream"))
        response_type = object if streams else httpx2.Response
        return await self.root_async_client.post(
            "/chat/completions",
            cast_to=response_type,
            body=payload | more,
            options={"headers": headers},
            stream=streams,
            stream_cls=ModelEvents,
        )


async def no_key() -> str:
    """The client requires a key. This one is never sent.

    A function, because LangChain makes no synchronous client, with its own connections, for one that is
    asynchronous.
    """
    return "an argument of each call"


_FAILURES = (
    openai.OpenAIError,
    httpx2.HTTPError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    ResponseTooLargeError,
    EncodedResponseError,
)
"""The client's errors, a connection lost during a response, and those for an unexpected form."""

_CODE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def _to_service_error(error: Exception, api_key: Secret) -> ServiceError:
    """The failure by its status and the code word of the response. Its message goes to the log only."""
    status: int | None = None
    wait: float | None = None
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        wait = retry_after(error.response.headers)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        detail = "the model service did not respond in time"
    elif isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        detail = "the connection to the model service failed"
    elif isinstance(error, openai.APIError):
        detail = "the model service responded with an error" if status is None else f"status {status}"
        code = error.code
        is_word = isinstance(code, str) and _CODE_WORD.fullmatch(code)
        if code and is_word and redact(code, [api_key]) == code:  # a key has the form of a word
            detail += f' "{code}"'
        if message := _message_of(error, api_key):
            logger.warning("the model service responded with an error (%s): %s", detail, message)
    elif isinstance(error, ResponseTooLargeError | EncodedResponseError):
        detail = f"of the model service, {error}"
    else:
        detail = "the response of the model service has an unexpected form"
    return ServiceError(GraphCode.MODEL_CALL_FAILED, detail, status=status, retry_after=wait)


_MAX_MESSAGE: Final = 500
"""Characters of a response's error message that are logged."""


def _message_of(error: openai.APIError, api_key: Secret) -> str:
    """The message of the response, on one line and without the key; empty if it has none."""
    message = error.body.get("message") if isinstance(error.body, dict) else None
    if not isinstance(message, str):
        return ""
    line = "".join(character if character.isprintable() else " " for character in redact(message, [api_key]))
    return cut(line, _MAX_MESSAGE)
