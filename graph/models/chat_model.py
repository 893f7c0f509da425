"""A LangChain chat model for OpenAI-compatible endpoints, with the API key as an argument of the call.

What differs from `ChatOpenAI`: the thinking (`reasoning_content`) is kept, chunks of tool calls are
normalized where a service deviates from OpenAI's form, the client has no API key, and errors contain only
the status and the code word of the response: the text of a 401 may contain the key. The text goes to the
operator's log, without the key.
"""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, cast

import httpx2
import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from openai import AsyncStream

from graph.call_arguments import parse_arguments
from graph.error_codes import GraphCode
from graph.models.client import MAX_BYTES
from graph.models.events import ModelEvents
from graph.models.stream_redaction import without_key
from identity.errors import ServiceError
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from identity.tracing.current_span import CURRENT_SPAN
from identity.tracing.trace import Receiver
from identity.tracing.traceparent import HEADER
from identity.transport.body import EncodedResponseError, ResponseTooLargeError, decode_utf8
from identity.transport.json_size import check_size, read_json
from identity.transport.retry_after import retry_after

logger = logging.getLogger(__name__)

MAX_VALUES: Final = 20_000
MAX_LEVELS: Final = 64
"""Of the JSON of a response that is not streamed."""


class ChatModel(ChatOpenAI):
    """One instance serves all callers. Only the asynchronous methods can be used, with the option `api_key`:

        chat.astream(messages, api_key=Secret("sk-…"))

    The key is sent with the requests of that call, redacted from the response, and not kept. Callbacks and
    tracers see a `Secret`. Raises `ServiceError` (`model_call_failed`) in place of the client's own errors.
    """

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - the model's options
    ) -> AsyncIterator[ChatGenerationChunk]:
        api_key = cast(Secret, kwargs.pop("api_key"))
        failure: ServiceError | None = ServiceError(GraphCode.MODEL_CALL_FAILED, "the response was empty")
        try:
            if self.stream_usage:
                kwargs["stream_options"] = {"include_usage": True}
            response = await self._post(messages, stop, api_key, **kwargs, stream=True)
            async with (
                cast(AsyncStream[Any], response) as events,
                aclosing(self._chunks(events)) as chunks,
                aclosing(without_key(chunks, api_key)) as passed,
            ):
                async for chunk in passed:
                    failure = None
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        except _FAILURES as error:
            failure = _to_service_error(error, api_key)
        if failure is not None:  # outside of the handler, so that the original is not its `__context__`
            raise failure

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the base class's shape
        **kwargs: Any,  # noqa: ANN401 - the model's options
    ) -> ChatResult:
        api_key = cast(Secret, kwargs.pop("api_key"))
        try:
            response = await self._post(messages, stop, api_key, **kwargs)
            completion = read_json(decode_utf8(cast(httpx2.Response, response).content))
            check_size(completion, nodes=MAX_VALUES, depth=MAX_LEVELS, characters=MAX_BYTES)
            return self._create_chat_result(redact(completion, [api_key]))
        except _FAILURES as error:
            failure = _to_service_error(error, api_key)
        raise failure

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
        return await self.root_async_client.post(
            "/chat/completions",
            cast_to=object if options.get("stream") else httpx2.Response,
            body=payload | more,
            options={"headers": {"Authorization": f"Bearer {api_key.reveal()}", **_trace_context()}},
            stream=bool(options.get("stream")),
            stream_cls=ModelEvents,
        )

    async def _chunks(self, events: AsyncStream[Any]) -> AsyncGenerator[ChatGenerationChunk, None]:
        async for event in events:
            chunk = self._convert_chunk_to_generation_chunk(event, AIMessageChunk, None)
            if chunk is not None:
                yield chunk

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        delta: dict[str, Any] = {}
        if choices := chunk.get("choices"):
            delta = _normalize_tool_calls(choices[0].get("delta") or {})
            chunk = {**chunk, "choices": [{**choices[0], "delta": delta}]}
        converted = super()._convert_chunk_to_generation_chunk(
            chunk, default_chunk_class, base_generation_info
        )
        if converted is not None and (thought := delta.get("reasoning_content")):
            converted.message.additional_kwargs["reasoning_content"] = thought
        return converted

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        whole = response if isinstance(response, dict) else response.model_dump()
        _invalidate_other_arguments(whole)
        result = super()._create_chat_result(response, generation_info)
        if not result.generations:
            raise ValueError("no choice")
        for generation, choice in zip(result.generations, whole.get("choices") or [], strict=False):
            if thought := choice["message"].get("reasoning_content"):
                generation.message.additional_kwargs["reasoning_content"] = thought
        return result


def _trace_context() -> dict[str, str]:
    """The header for the model service, if it may know of the trace."""
    context = CURRENT_SPAN.get().traceparent(Receiver.MODEL)
    return {} if context is None else {HEADER: context}


async def no_key() -> str:
    """The client requires a key. This one is never sent.

    A function, because LangChain makes no synchronous client, with its own connections, for one that is
    asynchronous.
    """
    return "an argument of each call"


def _normalize_tool_calls(delta: dict[str, Any]) -> dict[str, Any]:
    """`delta` with its tool calls in OpenAI's form: Model Studio repeats an empty `id`, or omits parts."""
    if not (calls := delta.get("tool_calls")):
        return delta
    return {
        **delta,
        "tool_calls": [
            {
                "index": position if call.get("index") is None else call["index"],
                "id": call.get("id") or None,
                "function": {
                    "name": (function := call.get("function") or {}).get("name") or None,
                    "arguments": function.get("arguments") or "",
                },
            }
            for position, call in enumerate(calls)
        ],
    }


def _invalidate_other_arguments(response: dict[str, Any]) -> None:
    """LangChain fails on arguments that are JSON but not an object. They are replaced by invalid JSON."""
    for choice in response.get("choices") or ():
        for call in choice["message"].get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            if arguments and parse_arguments(arguments) is None:
                call["function"]["arguments"] = "]"


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
"""The client's errors, a connection lost during a response, and LangChain's for an unexpected form."""

_CODE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def _to_service_error(error: Exception, api_key: Secret) -> ServiceError:
    """The failure by its status and the code word of the response. Its message goes to the log only."""
    status, wait = None, None
    if isinstance(error, openai.APIStatusError):
        status, wait = error.status_code, retry_after(error.response.headers)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        detail = "the model service did not respond in time"
    elif isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        detail = "the connection to the model service failed"
    elif isinstance(error, openai.APIError):
        code = error.code if isinstance(error.code, str) and _CODE_WORD.fullmatch(error.code) else None
        if code and redact(code, [api_key]) != code:
            code = None  # a key has the form of a word
        detail = "the model service responded with an error" if status is None else f"status {status}"
        detail += f' "{code}"' if code else ""
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
    return line if len(line) <= _MAX_MESSAGE else f"{line[:_MAX_MESSAGE]}…"
