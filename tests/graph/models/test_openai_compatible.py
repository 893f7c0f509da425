"""A strict endpoint, which refuses members that OpenAI's first chat API does not know."""

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.config import set_config_context
from starlette.responses import JSONResponse

from graph.models.openai_compatible import openai_compatible, with_stream_usage
from graph.models.provider import ModelProvider
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.models.qwen_wire import Pieces, chunk
from tests.graph.models.strict_endpoint import strict
from tests.graph.models.wire_model import WireModel

KEY = Secret("sk-canary")
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CALL = {"name": "weather", "args": {}, "id": "call_1"}
CONVERSATION = [
    SystemMessage("You are an assistant."),
    HumanMessage("Weather?"),
    AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_content": "Hm"}),
    ToolMessage("sunny", tool_call_id="call_1", name="weather", status="error"),
]


@pytest.fixture
async def provider(serve, wire_model):
    provider = openai_compatible(base_url=await serve(wire_model), model="a-model", max_retries=0)
    yield provider
    await provider.aclose()


@pytest.mark.parametrize("tools", [[], TOOLS], ids=["no tools", "tools"])
async def test_strict_endpoint_knows_all_that_is_sent(
    provider: ModelProvider, wire_model: WireModel, tools: list[dict[str, Any]]
) -> None:
    wire_model.answers = [strict]
    whole = await provider.complete(CONVERSATION, tools, api_key=KEY)
    reader = Pieces()
    streamed = await provider.complete(CONVERSATION, tools, api_key=KEY, reader=reader)
    assert (whole.text, streamed.text, reader.texts) == ("Sunny", "Sunny", ["Sunny"])
    assert [request.get("tools", []) for request in wire_model.requests] == [tools, tools]


async def test_error_message_reaches_the_log_bounded_and_without_the_key(
    provider: ModelProvider, wire_model: WireModel, caplog: pytest.LogCaptureFixture
) -> None:
    message = f"no model\nfor {KEY.reveal()} " + "x" * 10_000
    wire_model.answers = [JSONResponse({"error": {"message": message, "code": "not_found"}}, 404)]
    with pytest.raises(ServiceError) as caught:
        await provider.complete([HumanMessage("hi")], [], api_key=KEY)
    assert "no model" not in f"{caught.value} {caught.value.detail}"
    [line] = [record.getMessage() for record in caplog.records if "no model" in record.getMessage()]
    assert "canary" not in line
    assert "\n" not in line
    assert len(line) < 700


async def test_no_synchronous_client_is_made(provider: ModelProvider) -> None:
    chat = provider.chat
    assert chat.root_async_client is not None
    assert (chat.root_client, chat.client, chat.http_client) == (None, None, None)


@pytest.mark.promise("bounded")
async def test_token_counts_of_streams_are_requested_where_they_are_needed(
    provider: ModelProvider, wire_model: WireModel
) -> None:
    wire_model.answers = [[chunk({"content": "Sunny"})]]
    await with_stream_usage(provider).complete([HumanMessage("hi")], [], api_key=KEY, reader=Pieces())
    [request] = wire_model.requests
    assert request["stream_options"] == {"include_usage": True}


@pytest.mark.promise("users-never-cross")
async def test_global_cache_answers_no_caller_with_the_response_of_another(
    provider: ModelProvider, wire_model: WireModel
) -> None:
    wire_model.answers = [strict]
    set_llm_cache(InMemoryCache())
    try:
        for key in ("sk-of-alice", "sk-of-bob"):
            with set_config_context({"callbacks": [AsyncCallbackHandler()]}):
                await provider.complete([HumanMessage("Who am I?")], [], api_key=Secret(key))
    finally:
        set_llm_cache(None)
    assert len(wire_model.requests) == 2
