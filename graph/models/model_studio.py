"""The model: Qwen by Model Studio's OpenAI-compatible API, as a LangChain chat model.

What differs from `ChatOpenAI`: the thinking (`reasoning_content`) is kept, chunks of tool calls are mended
where Model Studio's form deviates, the API key is that of the caller, and errors carry nothing of what the
service said but its status and code word: the text of a 401 may contain the key.
"""

import re
import ssl
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
from pydantic import SecretStr

from graph.api_key import api_key
from graph.call_arguments import arguments_in
from graph.models.client import MAX_BYTES, model_client
from graph.models.events import ModelEvents
from graph.models.stream_redaction import without_key
from identity.error_table import ErrorCode
from identity.errors import ServiceError
from identity.redaction import redact
from identity.transport.body import AnswerTooLargeError, EncodedAnswerError, text_of
from identity.transport.json_size import check_size, read_json
from identity.transport.retry import retry_after

MAX_VALUES: Final = 20_000
MAX_LEVELS: Final = 64
"""Of the JSON of an answer that comes whole."""


class QwenChat(ChatOpenAI):
    """One instance serves all callers. Only the asynchronous methods can be used.

    Raises `ServiceError` (`model_call_failed`) in place of the client's own errors.
    """

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - the model's options
    ) -> AsyncIterator[ChatGenerationChunk]:
        failure: ServiceError | None = ServiceError(ErrorCode.MODEL_CALL_FAILED, "the answer was empty")
        try:
            answer = await self._post(
                messages, stop, **kwargs, stream=True, stream_options={"include_usage": True}
            )
            async with (
                cast(AsyncStream[Any], answer) as events,
                aclosing(self._chunks(events)) as chunks,
                aclosing(without_key(chunks, api_key.get())) as passed,
            ):
                async for chunk in passed:
                    failure = None
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        except _FAILURES as error:
            failure = _scrubbed(error)
        if failure is not None:  # outside of the handler: the original must not hang on as `__context__`
            raise failure

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the base class's shape
        **kwargs: Any,  # noqa: ANN401 - the model's options
    ) -> ChatResult:
        try:
            answer = await self._post(messages, stop, **kwargs)
            whole = read_json(text_of(cast(httpx2.Response, answer).content))
            check_size(whole, nodes=MAX_VALUES, depth=MAX_LEVELS, characters=MAX_BYTES)
            return self._create_chat_result(whole)
        except _FAILURES as error:
            failure = _scrubbed(error)
        raise failure

    async def _post(self, messages: list[BaseMessage], stop: list[str] | None, **options: Any) -> object:  # noqa: ANN401 - the model's options
        """The answer's events as plain JSON, or the answer itself if it is not streamed.

        The client's typed method would walk every message and tool schema by its types, and build models of
        each piece of the answer that LangChain then takes apart again: half of what a chat costs.
        """
        payload = self._get_request_payload(messages, stop=stop, **options)
        more = payload.pop("extra_body", None) or {}
        return await self.root_async_client.post(
            "/chat/completions",
            cast_to=object if options.get("stream") else httpx2.Response,
            body=payload | more,
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
            delta = _mended(choices[0].get("delta") or {})
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
        if (said := redact(whole, [api_key.get()])) != whole:
            response = whole = said
        _refuse_other_arguments(whole)
        result = super()._create_chat_result(response, generation_info)
        if not result.generations:
            raise ValueError("no choice")
        for generation, choice in zip(result.generations, whole.get("choices") or [], strict=False):
            if thought := choice["message"].get("reasoning_content"):
                generation.message.additional_kwargs["reasoning_content"] = thought
        return result


def qwen_chat(
    *,
    base_url: str,
    model: str,
    enable_thinking: bool = False,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 120.0,
    max_retries: int = 1,
) -> QwenChat:
    """The model `model` at `base_url`, without a key: `graph.api_key` has the caller's at each call.

    `timeout` (seconds) bounds the wait for each piece of an answer; the whole answer is bounded by the graph.
    Connect errors, 429 and 5xx are sent again up to `max_retries` times, before anything was streamed, unless
    the service asks for a wait (`Retry-After`) of more than 5 seconds: the caller is told it instead.
    """
    return QwenChat(
        model=model,
        base_url=base_url,
        api_key=_NO_KEY,
        http_async_client=model_client(ssl_context, timeout),
        timeout=timeout,
        max_retries=max_retries,
        stream_usage=True,
        # Before Python 3.12 `asyncio.wait_for`, by which LangChain measures this, can swallow a cancellation:
        # a caller who leaves as a chunk arrives would leave the call running.
        stream_chunk_timeout=None,
        use_responses_api=False,
        extra_body={"enable_thinking": enable_thinking},
    )


_NO_KEY = SecretStr("the caller's, attached to each request")


def _mended(delta: dict[str, Any]) -> dict[str, Any]:
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


def _refuse_other_arguments(answer: dict[str, Any]) -> None:
    """LangChain fails on arguments that are JSON, but no object. They become what it takes for no JSON."""
    for choice in answer.get("choices") or ():
        for call in choice["message"].get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            if arguments and arguments_in(arguments) is None:
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
    AnswerTooLargeError,
    EncodedAnswerError,
)
"""The client's errors, a connection lost in mid-answer, and what LangChain raises for an odd answer."""

_CODE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def _scrubbed(error: Exception) -> ServiceError:
    """The failure by its status and the service's code word, never its text."""
    status, wait = None, None
    if isinstance(error, openai.APIStatusError):
        status, wait = error.status_code, retry_after(error.response.headers)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        detail = "the model service did not answer in time"
    elif isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        detail = "the connection to the model service failed"
    elif isinstance(error, openai.APIError):
        code = error.code if isinstance(error.code, str) and _CODE_WORD.fullmatch(error.code) else None
        if code and redact(code, [api_key.get()]) != code:
            code = None  # a key has the form of a word
        detail = "the model service answered with an error" if status is None else f"status {status}"
        detail += f' "{code}"' if code else ""
    elif isinstance(error, AnswerTooLargeError | EncodedAnswerError):
        detail = f"of the model service, {error}"
    else:
        detail = "the answer of the model service has an unexpected form"
    return ServiceError(ErrorCode.MODEL_CALL_FAILED, detail, status=status, retry_after=wait)
