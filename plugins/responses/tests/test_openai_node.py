"""OpenAI's client for Node, unchanged: text, calls, conversations and approvals, whole and streamed."""

import json
from typing import Any

import pytest

from plugins.responses.tests.test_text import THINKS, WEATHER, received
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.front_ends.node_script import run_node
from tests.graph.scripted_model import DONE

BOTH = pytest.mark.parametrize("stream", [False, True])


async def called(served: Threads, who: str = "alice", **asked: Any) -> dict[str, Any]:
    """What the client makes of one request."""
    token = served.headers(who)["Authorization"].removeprefix("Bearer ")
    made: dict[str, Any] = await run_node(
        "responses/openai_node.mjs", url=served.origin, token=token, **asked
    )
    return made


async def made(served: Threads, *, stream: bool = False, **body: Any) -> dict[str, Any]:
    """The response to a request that is accepted."""
    answer = await called(served, stream=stream, body=body)
    response: dict[str, Any] = answer["response"]
    return response


@BOTH
async def test_text_and_calls_arrive(threads: ThreadsOf, stream: bool) -> None:
    served = await threads([WEATHER, THINKS])
    response = await made(served, stream=stream, input="Weather?", instructions="Be kind.")

    assert [item["type"] for item in response["output"]] == ["mcp_call", "reasoning", "message"]
    assert response["output_text"].strip() == "Good morning"
    assert response["status"] == "completed"
    assert "forecasts" in response["output"][0]["output"]
    assert "Be kind." in served.model.asked[0][0].text


async def test_events_arrive_with_their_types(threads: ThreadsOf) -> None:
    served = await threads([WEATHER, THINKS])
    streamed = await called(served, stream=True, body={"input": "Weather?"})
    assert streamed["types"][0] == "response.created"
    assert streamed["types"][-1] == "response.completed"
    assert {"response.mcp_call.completed", "response.output_text.delta"} <= set(streamed["types"])


@BOTH
async def test_previous_response_is_continued(threads: ThreadsOf, stream: bool) -> None:
    served = await threads()
    first = await made(served, stream=stream, input="first")
    second = await made(served, stream=stream, input="second", previous_response_id=first["id"])

    assert received(served) == [("human", "first"), ("ai", "done"), ("human", "second")]
    assert second["conversation"] == first["conversation"]
    read = await called(served, method="retrieve", id=second["id"])
    assert read["response"]["output_text"] == second["output_text"]
    refused = await called(served, "bob", body={"input": "third", "previous_response_id": second["id"]})
    assert (refused["status"], refused["code"]) == (400, "previous_response_not_found")


@pytest.mark.promise("approval-binds")
@BOTH
async def test_call_waits_for_its_approval(threads: ThreadsOf, stream: bool) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    waits = await made(served, stream=stream, input="Apply for leave")
    [request] = [item for item in waits["output"] if item["type"] == "mcp_approval_request"]
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    refused = await called(served, "bob", body={"input": [answer]})
    goes_on = await made(served, stream=stream, input=[answer], previous_response_id=waits["id"])

    assert refused["status"] == 404
    assert json.loads(request["arguments"])
    [call, message] = goes_on["output"]
    assert "applied" in call["output"]
    assert (call["approval_request_id"], message["type"]) == (request["id"], "message")
