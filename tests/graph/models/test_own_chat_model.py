"""A chat model with a key of its own: its response has the form that the agent's provider gives it."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from graph.error_codes import GraphCode
from graph.models.own_chat_model import OwnChatModel
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.models.qwen_wire import Pieces

AGENTS_KEY = Secret("agents-key-canary")


class Vendor(BaseChatModel):
    """Responds with one message, and keeps its options."""

    message: Any
    model: str = "vendor-1"
    options: dict[str, Any] = {}  # noqa: RUF012 - of pydantic, a copy for each object

    @property
    def _llm_type(self) -> str:
        return "vendor"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self.bind(tools=tools, **options)

    def _generate(self, *_: Any, **options: Any) -> ChatResult:
        self.options.update(options)
        return ChatResult(generations=[ChatGeneration(message=self.message)])


async def response_of(vendor: BaseChatModel, reader: Any = None, tools: Any = (), **options: Any) -> Any:
    own = OwnChatModel(vendor, **options)
    return await own.complete([HumanMessage("hi")], tools, api_key=AGENTS_KEY, reader=reader)


async def test_blocks_become_a_text_and_thinking() -> None:
    used = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    message = AIMessage(
        [
            {"type": "reasoning", "reasoning": "Hm"},
            {"type": "text", "text": "Sun"},
            {"type": "text", "text": "ny"},
        ],
        response_metadata={"stop_reason": "end_turn", "model": "vendor-1-large", "secret": "x"},
        usage_metadata=used,
        id="msg_1",
    )
    response = await response_of(Vendor(message=message))
    assert (response.content, response.id, response.usage_metadata) == ("Sunny", "msg_1", used)
    assert response.additional_kwargs == {"reasoning_content": "Hm"}
    assert response.response_metadata == {"finish_reason": "stop", "model_name": "vendor-1-large"}


@pytest.mark.parametrize(
    ("reported", "finish"),
    [
        ({"finish_reason": "stop"}, "stop"),
        ({"finish_reason": "STOP"}, "stop"),
        ({"finish_reason": "tool_calls"}, "tool_calls"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"stop_reason": "tool_use"}, "tool_calls"),
        ({"stop_reason": "refusal"}, "content_filter"),
        ({"stopReason": "end_turn"}, "stop"),
        ({"stopReason": "guardrail_intervened"}, "content_filter"),
        ({"done_reason": "length"}, "length"),
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete"}, "length"),
        ({"status": "failed"}, "failed"),
        ({"finish_reason": 7}, ""),
        ({}, ""),
    ],
)
async def test_end_of_a_response_is_reported_as_the_agents_provider_does(
    reported: dict[str, Any], finish: str
) -> None:
    response = await response_of(Vendor(message=AIMessage("x", response_metadata=reported)))
    assert response.response_metadata["finish_reason"] == finish


@pytest.mark.promise("no-secret-leaves")
async def test_tools_and_options_are_bound_and_the_agents_key_is_not_passed_on() -> None:
    vendor, tool = Vendor(message=AIMessage("x")), {"type": "function", "function": {"name": "pay"}}
    given = {"options": {"temperature": 0}, "tool_options": {"tool_choice": "any"}}
    await response_of(vendor, tools=[tool], **given)
    assert vendor.options == {"tools": [tool], "temperature": 0, "tool_choice": "any"}
    vendor.options.clear()
    await response_of(vendor, **given)
    assert vendor.options == {"temperature": 0}


@pytest.mark.promise("approval-binds")
async def test_calls_are_what_the_model_sent_and_nothing_that_its_package_repaired() -> None:
    class Streaming(Vendor):
        def _stream(self, *_: Any, **__: Any) -> Any:
            call = {"name": "pay", "args": '{"sum": 1, "sum": 2}', "id": "call_1", "index": 0}
            yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[call]))

    tool = {"type": "function", "function": {"name": "pay"}}
    response = await response_of(Streaming(message=AIMessage("whole")), tools=[tool])
    assert (response.tool_calls, [call["id"] for call in response.invalid_tool_calls]) == ([], ["call_1"])


async def test_model_that_cannot_stream_is_read_whole() -> None:
    reader = Pieces()
    await response_of(Vendor(message=AIMessage("Sunny", id="m1")), reader)
    assert [piece.text for piece in reader.pieces] == ["Sunny"]


async def test_model_is_named_as_traces_name_it() -> None:
    vendor = OwnChatModel(Vendor(message=AIMessage("x")))
    assert (vendor.name, vendor.api) == ("vendor-1", "vendor")
    of_openai = OwnChatModel(ChatOpenAI(model="gpt-5-mini", api_key="own"))  # type: ignore[arg-type]  # a text is accepted
    assert (of_openai.name, of_openai.api) == ("gpt-5-mini", "openai")


async def test_error_is_one_of_the_model_without_its_text() -> None:
    class BrokenError(Exception):
        status_code = 429

    class Broken(Vendor):
        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            raise BrokenError("canary")

    with pytest.raises(ServiceError) as caught:
        await response_of(Broken(message=None))
    assert (caught.value.code, caught.value.status) == (GraphCode.MODEL_CALL_FAILED, 429)
    assert "canary" not in f"{caught.value.detail} {caught.value.__context__!r} {caught.value.__cause__!r}"
