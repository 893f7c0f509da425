"""The AI SDK, unchanged, in Node: text, calls, structured answers, conversations and approvals."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from plugins.responses.tests.test_text import THINKS, WEATHER, received
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.front_ends.node_script import run_node
from tests.graph.scripted_model import DONE

BOTH = pytest.mark.parametrize("stream", [False, True])


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def sent_back(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The agent's message as an application keeps it: text and calls, each with the provider's metadata."""
    content = []
    for part in parts:
        about = {"providerOptions": part["providerMetadata"]} if part.get("providerMetadata") else {}
        if part["type"] == "text":
            content.append({"type": "text", "text": part["text"], **about})
        elif part["type"] == "tool-call":
            call = {name: part[name] for name in ("toolCallId", "toolName", "providerExecuted")}
            content.append({"type": "tool-call", **call, "input": json.loads(part["input"]), **about})
        elif part["type"] == "tool-result":
            result = {"type": "tool-result", "toolCallId": part["toolCallId"], "toolName": part["toolName"]}
            content.append(result | {"output": {"type": "json", "value": part["result"]}, **about})
    return {"role": "assistant", "content": content}


async def asked(
    served: Threads, *prompt: dict[str, Any], who: str = "alice", stream: bool = False, **more: Any
) -> dict[str, Any]:
    """What the AI SDK makes of the response to `prompt`."""
    token = served.headers(who)["Authorization"].removeprefix("Bearer ")
    arguments = {"url": served.origin, "token": token, "prompt": prompt, "stream": stream}
    made: dict[str, Any] = await run_node("responses/ai_sdk.mjs", **arguments, **more)
    return made


def text_of(made: dict[str, Any]) -> str:
    return "".join(
        part.get("text", part.get("delta", "")) for part in made["parts"] if "text" in part["type"]
    )


@BOTH
async def test_text_and_calls_arrive(threads: ThreadsOf, stream: bool) -> None:
    served = await threads([WEATHER, THINKS])
    made = await asked(served, {"role": "system", "content": "Be kind."}, user("Weather?"), stream=stream)

    assert text_of(made).strip() == "Good morning"
    assert made["finishReason"]["unified"] == "stop"
    [call] = [part for part in made["parts"] if part["type"] == "tool-call"]
    [result] = [part for part in made["parts"] if part["type"] == "tool-result"]
    assert (call["toolName"], call["providerExecuted"]) == ("mcp.maps_weather", True)
    assert "forecasts" in result["result"]["output"]
    assert [part for part in made["parts"] if part["type"] == "error"] == []
    assert "Be kind." in served.model.asked[0][0].text


async def test_conversation_goes_on_from_what_the_application_sends_back(threads: ThreadsOf) -> None:
    served = await threads([WEATHER, DONE])
    first = await asked(served, user("first"))
    history = [user("first"), sent_back(first["parts"])]
    await asked(served, *history, user("second"))
    await asked(served, user("third"), options={"previousResponseId": first["id"]})

    kinds = [kind for kind, _ in received(served, 2)]
    assert kinds == ["human", "ai", "tool", "ai", "human"]
    assert received(served, 2)[-1] == ("human", "second")
    [thread] = (await served.ask("GET", "/threads")).json()["threads"]
    assert thread["title"] == "first"


async def test_history_is_sent_whole_without_storage(threads: ThreadsOf) -> None:
    served = await threads([DONE])
    first = await asked(served, user("first"), options={"store": False})
    history = [user("first"), sent_back(first["parts"])]
    await asked(served, *history, user("second"), options={"store": False})

    assert received(served) == [("human", "first"), ("ai", "done"), ("human", "second")]
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


@BOTH
async def test_structured_answer_arrives(threads: ThreadsOf, stream: bool) -> None:
    served = await threads([AIMessage("Sunny."), AIMessage('{"high": 31}')])
    schema = {
        "type": "object",
        "properties": {"high": {"type": "integer"}},
        "required": ["high"],
        "additionalProperties": False,
    }
    made = await asked(served, user("?"), stream=stream, format={"type": "json", "schema": schema})
    assert json.loads(text_of(made)) == {"high": 31}


@pytest.mark.promise("approval-binds")
@BOTH
async def test_call_is_approved_by_the_application(threads: ThreadsOf, stream: bool) -> None:
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    first = await asked(served, user("Apply for leave"), stream=stream)
    [request] = [part for part in first["parts"] if part["type"] == "tool-approval-request"]
    approval = {"type": "tool-approval-response", "approvalId": request["approvalId"], "approved": True}
    answer = {"role": "tool", "content": [approval]}
    refused = await asked(served, user("Apply for leave"), answer, who="bob")
    made = await asked(served, user("Apply for leave"), answer, stream=stream)

    assert refused["statusCode"] == 404
    [result] = [part for part in made["parts"] if part["type"] == "tool-result"]
    assert "applied" in result["result"]["output"]
    assert text_of(made).strip() == "done"


async def test_refusal_is_an_error_with_the_text_for_the_user(threads: ThreadsOf) -> None:
    served = await threads()
    refused = await asked(served, user("hi"), options={"previousResponseId": "resp_none"})
    assert refused["statusCode"] == 400
    assert refused["data"]["error"]["code"] == "previous_response_not_found"
