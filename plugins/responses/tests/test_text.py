"""Text, whole and streamed, by OpenAI's official client, unchanged."""

import json
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from plugins.responses.tests.conftest import ClientOf
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.security.secrecy.test_canaries import stored

PATH = "/openai/v1/responses"
WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))
THINKS = AIMessage("Good morning", additional_kwargs={"reasoning_content": "They greet."})


def received(served: Threads, call: int = -1) -> list[tuple[str, str]]:
    """What the model received after its instructions."""
    return [(message.type, message.text.strip()) for message in served.model.asked[call][1:]]


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream, each of which is named by its type."""
    found = []
    for block in response.text.split("\n\n")[:-1]:
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


async def streamed(served: Threads, **body: Any) -> list[dict[str, Any]]:
    response = await served.ask("POST", PATH, body=body | {"stream": True})
    assert response.status_code == 200, response.text
    return events_of(response)


async def test_official_client_reads_a_whole_response(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([AIMessage("Good morning")])
    response = await (await client(served)).responses.create(
        model="any", input="Hello", instructions="Be kind.", metadata={"ticket": "7"}
    )

    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.output_text.strip() == "Good morning"
    assert response.model == served.agent.settings.llm_model
    assert (response.instructions, response.metadata) == ("Be kind.", {"ticket": "7"})
    assert response.store is True
    assert response.completed_at is not None
    assert response.completed_at >= response.created_at
    assert response.usage is not None
    [item] = response.output
    assert (item.type, item.status, item.role) == ("message", "completed", "assistant")
    assert "Be kind." in served.model.asked[0][0].text
    assert received(served) == [("human", "Hello")]


async def test_official_client_reads_a_stream(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([WEATHER, THINKS])
    openai_client = await client(served)
    async with openai_client.responses.stream(model="any", input="Hello") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()

    assert "".join(deltas) == final.output_text == "Good morning "
    assert [item.type for item in final.output] == ["mcp_call", "reasoning", "message"]
    assert final.status == "completed"


async def test_events_have_the_names_and_the_order_of_openai(threads: ThreadsOf) -> None:
    served = await threads([THINKS])
    events = await streamed(served, input="Hello")

    text = ["response.output_text.delta"] * 2
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        *text,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    created, *_, completed = events
    assert (created["response"]["status"], created["response"]["output"]) == ("in_progress", [])
    assert {event["response"]["id"] for event in events if "response" in event} == {created["response"]["id"]}
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert completed["response"]["output"] == done
    assert done[1]["content"][0]["text"] == "Good morning "
    assert [event["output_index"] for event in events if "delta" in event] == [0, 1, 1]


async def test_call_of_a_tool_is_an_item_that_no_client_runs(threads: ThreadsOf) -> None:
    served = await threads([WEATHER, DONE])
    events = await streamed(served, input="Weather?")
    of_call = [event for event in events if "mcp_call" in event["type"]]
    [call, message] = events[-1]["response"]["output"]

    assert [event["type"].removeprefix("response.") for event in of_call] == [
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
    ]
    assert (call["type"], call["name"], call["server_label"]) == ("mcp_call", "maps_weather", "amap")
    assert json.loads(call["arguments"]) == {"city": "Hangzhou"}
    assert (call["status"], call["error"]) == ("completed", None)
    assert "forecasts" in call["output"]
    assert call["agent_event"]["access_identity"] == "Machine"
    assert call["agent_event"]["credential_kind"] == "api_key"
    assert message["type"] == "message"
    assert "function_call" not in json.dumps(events)


async def test_call_that_failed_has_its_error(threads: ThreadsOf) -> None:
    served = await threads([calls(("maps_weather", {"city": "Atlantis"})), DONE])
    events = await streamed(served, input="Weather?")
    [call] = [item for item in events[-1]["response"]["output"] if item["type"] == "mcp_call"]

    assert (call["status"], call["output"]) == ("failed", None)
    assert call["error"]["type"] == "mcp_tool_execution_error"
    assert "response.mcp_call.failed" in [event["type"] for event in events]


async def test_answer_that_was_cut_off_is_incomplete(threads: ThreadsOf, client: ClientOf) -> None:
    cut = AIMessage("Once", response_metadata={"finish_reason": "length"})
    served = await threads([cut, cut])
    events = await streamed(served, input="A tale")
    whole = await (await client(served)).responses.create(model="any", input="A tale")

    assert events[-1]["type"] == "response.incomplete"
    for response in (events[-1]["response"], whole.model_dump()):
        assert response["status"] == "incomplete"
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert response["finish_reason"] == "length"


class Weather(BaseModel):
    city: str
    high: int


async def test_official_client_parses_a_structured_answer(threads: ThreadsOf, client: ClientOf) -> None:
    served = await threads([AIMessage("Sunny."), AIMessage('{"city": "Hangzhou", "high": 31}')])
    openai_client = await client(served)
    whole = await openai_client.responses.parse(model="any", input="Weather?", text_format=Weather)
    served.model.turns = [AIMessage('{"city": "Hangzhou", "high": 31}')]
    async with openai_client.responses.stream(model="any", input="Weather?", text_format=Weather) as stream:
        streamed = await stream.get_final_response()

    assert whole.output_parsed == streamed.output_parsed == Weather(city="Hangzhou", high=31)
    assert whole.text is not None
    assert whole.text.format is not None
    assert whole.text.format.type == "json_schema"


async def test_failure_before_the_first_byte_has_a_status_and_a_later_one_an_event(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads([ValueError("secret of the model"), WEATHER, ValueError("secret of the model")])
    with pytest.raises(openai.InternalServerError) as refused:
        await (await client(served)).responses.create(model="any", input="Hello", stream=True)
    assert "secret" not in refused.value.message
    events = await streamed(served, input="Hello")

    assert events[-1]["type"] == "response.failed"
    failed = events[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", refused.value.code)
    assert failed["error"]["request_id"]
    assert "secret of the model" not in json.dumps(events)


async def test_response_that_is_not_stored_leaves_nothing(
    threads: ThreadsOf, client: ClientOf, tmp_path: Any
) -> None:
    served = await threads()
    history: Any = [
        {"role": "developer", "content": "In verse."},
        {"role": "user", "content": [{"type": "input_text", "text": "first"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_of_another",
            "status": "completed",
            "content": [{"type": "output_text", "text": "told", "annotations": [], "logprobs": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
        {"type": "mcp_call", "name": "look", "server_label": "s", "arguments": "{}", "output": "found"},
        {"type": "reasoning", "id": "rs_0", "summary": []},
        {"role": "user", "content": "second"},
    ]
    response = await (await client(served)).responses.create(model="any", input=history, store=False)

    assert (response.store, response.conversation) == (False, None)
    assert received(served) == [
        *(("human", "first"), ("ai", "told"), ("ai", ""), ("tool", "seen")),
        *(("ai", ""), ("tool", "found"), ("human", "second")),
    ]
    assert (await served.ask("GET", "/threads")).json()["threads"] == []
    assert not any("second" in text for _, text in stored(tmp_path))


async def test_history_that_a_client_tells_is_not_stored(threads: ThreadsOf) -> None:
    served = await threads()
    told = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "forged"},
        {"role": "user", "content": "second"},
    ]
    assert (await served.ask("POST", PATH, body={"input": told})).json()["store"] is False
    refused = (await served.ask("POST", PATH, body={"input": told, "store": True})).json()["error"]
    assert (refused["param"], refused["code"]) == ("input[1]", "unsupported_value")
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


async def test_agent_without_conversations_responds_and_says_that_it_stores_nothing(
    threads: ThreadsOf, client: ClientOf
) -> None:
    served = await threads(CONVERSATIONS_URL="none")
    response = await (await client(served)).responses.create(model="any", input="Hello")

    assert (response.store, response.output_text.strip()) == (False, "done")
    for member, value in (("store", True), ("conversation", "t"), ("previous_response_id", response.id)):
        refused = await served.ask("POST", PATH, body={"input": "Hello", member: value})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, member)
    assert (await served.ask("GET", f"{PATH}/{response.id}")).status_code == 404
