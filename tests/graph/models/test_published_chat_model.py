"""A chat model as its package publishes it, made for each call with the key of its caller."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import set_config_context
from pydantic import PrivateAttr, SecretStr

from graph.error_codes import GraphCode
from graph.models.provider import ChatModelProvider
from graph.models.published_chat_model import MAX_CHUNKS
from graph.models.response import MAX_CHARACTERS
from identity.errors import ServiceError
from identity.secrets.secret import REDACTED, Secret
from tests.graph.models.qwen_wire import Pieces

KEY = "sk-of-alice-canary"
TOOL = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}


class Vendor(BaseChatModel):
    """As packages publish one: the key is a field, and a request is what `respond` makes of it."""

    api_key: SecretStr
    respond: Any
    closed: list[str] = []  # noqa: RUF012 - of pydantic, a copy for each object
    _options: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "vendor"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self.bind(functions=tools, **options)

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        message, info = self.respond(self.api_key.get_secret_value(), options)
        output = {"model_name": "vendor-1"}
        return ChatResult(
            generations=[ChatGeneration(message=message, generation_info=info)], llm_output=output
        )

    async def aclose(self) -> None:
        self.closed.append(self.api_key.get_secret_value())


class StreamingVendor(Vendor):
    """Its response arrives in the chunks that `respond` returns."""

    async def _astream(self, *_: Any, **options: Any) -> Any:
        for chunk in self.respond(self.api_key.get_secret_value(), options):
            yield ChatGenerationChunk(message=chunk, generation_info={"model_name": "vendor-1"})


def provider_of(respond: Any, kind: type[Vendor] = Vendor, **options: Any) -> tuple[Any, list[Vendor]]:
    """The provider, and the chat models that it has made."""
    made: list[Vendor] = []

    def make(key: Secret) -> BaseChatModel:
        made.append(kind(api_key=SecretStr(key.reveal()), respond=respond))
        return made[-1]

    return ChatModelProvider(make, **options), made


async def response_of(provider: Any, *, key: str = KEY, tools: Any = (), reader: Any = None) -> Any:
    return await provider.complete([HumanMessage("hi")], tools, api_key=Secret(key), reader=reader)


async def failure_of(provider: Any, **options: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await response_of(provider, **options)
    assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    return caught.value


async def test_each_caller_is_answered_by_a_model_with_their_key() -> None:
    provider, made = provider_of(lambda key, _: (AIMessage(key[::-1]), {"finish_reason": "stop"}))
    keys = [f"sk-{number}" for number in range(8)]
    answers = await asyncio.gather(*(response_of(provider, key=key) for key in keys))
    assert [answer.text for answer in answers] == [key[::-1] for key in keys]
    assert len(made) == len(keys)
    assert answers[0].response_metadata == {"finish_reason": "stop", "model_name": "vendor-1"}


async def test_tools_are_bound_as_the_model_binds_them() -> None:
    seen: list[dict[str, Any]] = []

    def respond(_: str, options: dict[str, Any]) -> Any:
        seen.append(options)
        call = {"name": "pay", "args": {"sum": 3}, "id": "call_1", "type": "tool_call"}
        return AIMessage("", tool_calls=[call]), {"stop_reason": "tool_use"}

    provider, _ = provider_of(respond, tool_options={"parallel": True})
    response = await response_of(provider, tools=[TOOL])
    assert seen == [{"functions": [TOOL], "parallel": True}]
    assert [call["args"] for call in response.tool_calls] == [{"sum": 3}]
    assert response.response_metadata["finish_reason"] == "tool_calls"


async def test_blocks_are_streamed_as_text_and_thinking_and_calls_are_parsed_strictly() -> None:
    def respond(_: str, __: Any) -> Any:
        yield AIMessageChunk([{"type": "reasoning", "reasoning": "Hm", "index": 0}])
        yield AIMessageChunk([{"type": "text", "text": "Sun", "index": 1}])
        yield AIMessageChunk([{"type": "text", "text": "ny", "index": 1}])
        for index, arguments in enumerate(('{"sum": 3}', '{"sum": 3')):
            named = {"name": "pay", "args": "", "id": f"call_{index}", "index": index + 2}
            yield AIMessageChunk("", tool_call_chunks=[named])
            part = {"name": None, "args": arguments, "id": None, "index": index + 2}
            yield AIMessageChunk("", tool_call_chunks=[part])
        yield AIMessageChunk("", response_metadata={"stop_reason": "tool_use"})

    provider, _ = provider_of(respond, StreamingVendor)
    reader = Pieces()
    response = await response_of(provider, tools=[TOOL], reader=reader)
    assert "".join(piece.thinking for piece in reader.pieces) == "Hm"
    assert "".join(reader.texts) == response.text == "Sunny"
    assert reader.ids == [response.id]
    assert response.additional_kwargs == {"reasoning_content": "Hm"}
    assert [call["id"] for call in response.tool_calls] == ["call_0"]
    assert [call["id"] for call in response.invalid_tool_calls] == ["call_1"]


NO_JSON = '{"sum": 1, "sum": 2}'


@pytest.mark.promise("approval-binds")
async def test_calls_are_parsed_strictly_where_nobody_reads_the_pieces() -> None:
    def respond(_: str, __: Any) -> Any:
        call = {"name": "pay", "args": NO_JSON, "id": "call_1", "index": 0}
        yield AIMessageChunk("", tool_call_chunks=[call], response_metadata={"finish_reason": "stop"})

    provider, _ = provider_of(respond, StreamingVendor)
    response = await response_of(provider, tools=[TOOL])
    assert (response.tool_calls, [call["id"] for call in response.invalid_tool_calls]) == ([], ["call_1"])


class WholeVendor(StreamingVendor):
    """Its operator turned its streams off."""

    disable_streaming: Any = True

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        options["whole"] = True
        return super()._generate(**options)


@pytest.mark.parametrize(("setting", "streams"), [(True, False), ("tool_calling", False), (False, True)])
async def test_setting_of_the_chat_model_turns_its_streams_off(setting: Any, streams: bool) -> None:
    def respond(_: str, options: dict[str, Any]) -> Any:
        if options.get("whole"):
            return AIMessage("whole"), {"finish_reason": "stop"}
        return [AIMessageChunk("pieces", response_metadata={"finish_reason": "stop"})]

    def make(key: Secret) -> BaseChatModel:
        options: dict[str, Any] = {"disable_streaming": setting}
        return WholeVendor(api_key=SecretStr(key.reveal()), respond=respond, **options)

    response = await response_of(ChatModelProvider(make), tools=[TOOL])
    assert response.text == ("pieces" if streams else "whole")


@pytest.mark.promise("approval-binds")
async def test_call_of_a_whole_response_whose_arguments_are_no_strict_json_is_invalid() -> None:
    deep: Any = {}
    for _ in range(40):
        deep = {"deeper": deep}
    arguments: list[Any] = [{"sum": float("nan")}, deep, {"sum": 2**70}, {"to": "\ud800"}, {"sum": 3}]
    named = [{"name": "pay", "args": args, "id": str(number)} for number, args in enumerate(arguments)]
    repaired = {"name": "pay", "args": "{sum: 3}", "id": "5", "error": "canary", "type": "invalid_tool_call"}

    def respond(*_: Any) -> Any:
        message = AIMessage("", tool_calls=named, invalid_tool_calls=[repaired])
        return message, {"finish_reason": "tool_calls"}

    response = await response_of(provider_of(respond)[0], tools=[TOOL])
    assert [call["id"] for call in response.tool_calls] == ["4"]
    assert [call["id"] for call in response.invalid_tool_calls] == ["0", "1", "2", "3", "5"]
    assert {call["args"] for call in response.invalid_tool_calls} == {""}


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("kind", [Vendor, StreamingVendor], ids=["whole", "in pieces"])
async def test_key_that_the_model_repeats_is_redacted(kind: type[Vendor]) -> None:
    def whole(key: str, _: Any) -> Any:
        call = {"name": "pay", "args": {"to": key}, "id": "call_1", "type": "tool_call"}
        return AIMessage(f"It is {key}.", tool_calls=[call]), {"finish_reason": "stop"}

    def pieces(key: str, _: Any) -> Any:
        for part in ("It is ", key[:5], key[5:], "."):
            yield AIMessageChunk(part)
        call = {"name": "pay", "args": f'{{"to": "{key}"}}', "id": "call_1", "index": 0}
        yield AIMessageChunk("", tool_call_chunks=[call], response_metadata={"finish_reason": "stop"})

    provider, _ = provider_of(whole if kind is Vendor else pieces, kind)
    reader = Pieces()
    response = await response_of(provider, tools=[TOOL], reader=reader)
    assert "canary" not in f"{response!r} {reader.texts}"
    assert response.text == f"It is {REDACTED}."
    assert response.tool_calls[0]["args"] == {"to": REDACTED}
    if kind is StreamingVendor:
        assert "".join(reader.texts) == response.text


class RefusedError(Exception):
    """As a package's own, from that of its client."""


class ClientError(Exception):
    status_code = 401


@pytest.mark.promise("no-secret-leaves")
async def test_failure_has_the_types_the_place_and_the_status_and_no_text() -> None:
    def respond(key: str, _: Any) -> Any:
        raise RefusedError(f"{key} is refused") from ClientError(f"{key} is refused")

    provider, made = provider_of(respond)
    failure = await failure_of(provider)
    assert failure.status == 401
    assert failure.detail.startswith("the chat model raised RefusedError from ClientError at ")
    assert failure.detail.endswith(", status 401")
    assert "canary" not in f"{failure} {failure.detail}"
    assert failure.__context__ is None
    assert made[0].closed == [KEY]


async def test_wait_that_the_service_asks_for_is_that_of_the_failure() -> None:
    class BusyError(Exception):
        status_code = 429

        class response:  # noqa: N801 - as the clients have it
            headers = {"retry-after": "7"}  # noqa: RUF012

    def respond(*_: Any) -> Any:
        raise BusyError

    failure = await failure_of(provider_of(respond)[0])
    assert (failure.status, failure.retry_after) == (429, 7)


async def test_model_that_cannot_be_made_is_a_failure_without_its_text() -> None:
    def make(key: Secret) -> BaseChatModel:
        raise ValueError(key.reveal())

    failure = await failure_of(ChatModelProvider(make))
    assert failure.detail.startswith("the chat model raised ValueError at test_published_chat_model.py:")


async def test_model_that_takes_no_key_as_an_option_says_which_error_it_raised() -> None:
    class Strict(Vendor):
        def _generate(self, *_: Any, **options: Any) -> ChatResult:
            raise TypeError(f"unexpected {options}")

    chat = Strict(api_key=SecretStr("own"), respond=None)
    failure = await failure_of(ChatModelProvider(chat))
    assert failure.detail.startswith("the chat model raised TypeError at ")


@pytest.mark.parametrize("respond", [lambda _, __: (AIMessage("x"), {}), None], ids=["response", "failure"])
async def test_model_that_can_be_closed_is_closed_after_its_call(respond: Callable[..., Any] | None) -> None:
    provider, made = provider_of(respond)
    await asyncio.gather(response_of(provider), return_exceptions=True)
    assert made[0].closed == [KEY]


@pytest.mark.parametrize(
    "chunks",
    [
        lambda: (AIMessageChunk("x" * (MAX_CHARACTERS // 4)) for _ in range(5)),
        lambda: (AIMessageChunk("") for _ in range(MAX_CHUNKS + 1)),
    ],
    ids=["characters", "pieces"],
)
async def test_streamed_response_is_bounded(chunks: Callable[[], Any]) -> None:
    provider, _ = provider_of(lambda *_: chunks(), StreamingVendor)
    failure = await failure_of(provider, reader=Pieces())
    assert "raised ResponseTooLargeError" in failure.detail


class Heard(AsyncCallbackHandler):
    """Keeps all that callbacks get."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_chat_model_start(self, *given: Any, **options: Any) -> None:
        self.heard.append(f"start {given} {options}")

    async def on_llm_end(self, *given: Any, **options: Any) -> None:
        self.heard.append(f"end {given} {options}")

    async def on_llm_error(self, *given: Any, **options: Any) -> None:
        self.heard.append(f"error {given} {options}")


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("fails", [False, True])
async def test_callbacks_see_one_call_and_neither_the_key_nor_the_text_of_a_failure(fails: bool) -> None:
    def respond(key: str, _: Any) -> Any:
        if fails:
            raise RefusedError(key)
        return AIMessage("Sunny"), {"finish_reason": "stop"}

    handler = Heard()
    with set_config_context({"callbacks": AsyncCallbackManager([handler])}) as context:
        asking = response_of(provider_of(respond)[0])
        await asyncio.gather(asyncio.create_task(asking, context=context), return_exceptions=True)
    assert [text.split()[0] for text in handler.heard] == ["start", "error" if fails else "end"]
    assert "canary" not in "".join(handler.heard)


@pytest.mark.promise("users-never-cross")
async def test_global_cache_answers_no_caller_with_the_response_of_another() -> None:
    asked: list[str] = []

    def respond(key: str, _: Any) -> tuple[AIMessage, dict[str, Any]]:
        asked.append(key)
        return AIMessage("hello"), {}

    provider = ChatModelProvider(lambda key: Vendor(api_key=SecretStr(key.reveal()), respond=respond))
    set_llm_cache(InMemoryCache())
    try:
        for key in ("key-of-alice", "key-of-bob"):
            with set_config_context({"callbacks": [AsyncCallbackHandler()]}):
                await provider.complete([HumanMessage("Who am I?")], [], api_key=Secret(key))
    finally:
        set_llm_cache(None)
    assert asked == ["key-of-alice", "key-of-bob"]
