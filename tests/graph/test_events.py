"""The events of nodes, messages and tools, and the content of LangGraph's own stream modes."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from starlette.responses import JSONResponse

from graph.context import AgentContext
from graph.models.openai_compatible import model_studio
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, Bench, bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.models.wire_model import WireModel
from tests.graph.scripted_model import calls
from tools.error_codes import ToolCode

DONE = AIMessage("all is done", additional_kwargs={"reasoning_content": "hm"})


def piece(**delta):
    return {"id": "chatcmpl-1", "model": "qwen-plus", "choices": [{"index": 0, "delta": delta}]}


async def test_events_of_tools_and_text_are_in_order() -> None:
    asked = calls(("weather", {"city": "Hangzhou"}), text="let me see")
    b = bench([asked, DONE], EchoService("amap", AMAP_KEY, weather="sunny"))
    events = await b.events()
    about = {"tool": "weather", "service": "amap", "access_identity": "Machine", "call_id": "call_1"}
    about |= {"credential": AMAP_KEY.identifier, "credential_kind": "api_key"}
    assert events == [
        *({"type": "content", "text": f"{word} "} for word in ("let", "me", "see")),
        {"type": "tool_started", **about, "arguments": {"city": "Hangzhou"}},
        {
            "type": "tool_finished",
            **about,
            "ok": True,
            "called": True,
            "duration_ms": events[4]["duration_ms"],
            "result": "sunny",
        },
        {"type": "reasoning", "text": "hm"},
        *({"type": "content", "text": f"{word} "} for word in ("all", "is", "done")),
    ]
    assert isinstance(events[4]["duration_ms"], int)


@pytest.mark.parametrize(
    ("requirement", "declared"),
    [
        (
            AccessTokenRequirement("https://a.example|a.read"),
            {"audience": "https://a.example", "scope": "a.read"},
        ),
        (AccessTokenRequirement("a.read"), {"scope": "a.read"}),
        (ApiKeyRequirement("amap_api_key"), {"credential": "amap_api_key"}),
        (None, {}),
    ],
)
async def test_both_events_of_a_call_name_its_credential_without_the_secret(
    requirement: Any, declared: Any
) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", requirement, weather="sunny"))
    tools = [event for event in await b.events() if event["type"].startswith("tool")]
    members = ("audience", "scope", "credential")
    assert [{name: event[name] for name in members if name in event} for event in tools] == [
        declared,
        declared,
    ]
    assert "-of-machine-" not in str(tools)


async def test_without_streaming_only_tools_have_events() -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    stream = b.graph.astream(
        {"messages": [("user", "hi")]}, context=AgentContext(Secret("alice-at")), stream_mode="custom"
    )
    assert [event["type"] async for event in stream] == ["tool_started", "tool_finished"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_langgraphs_messages_mode_always_shows_pieces(streaming: bool) -> None:
    b = bench([AIMessage("all is done")], EchoService("amap", weather="sunny"))
    context = AgentContext(Secret("alice-at"), streaming=streaming)
    stream = b.graph.astream({"messages": [("user", "hi")]}, context=context, stream_mode="messages")
    pieces = [part.text async for part, _ in stream if isinstance(part, AIMessageChunk)]
    assert [piece for piece in pieces if piece] == ["all ", "is ", "done "]


@pytest.mark.parametrize("turns", range(8))
async def test_cancelled_run_stops_the_model_call(turns: int, serve: Serve) -> None:
    wire_model = WireModel([piece(role="assistant", content="Sun"), "hang"])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    task = asyncio.create_task(bench(model, EchoService("amap", weather="x")).events())
    await wire_model.streaming.wait()
    assert not wire_model.left.is_set()
    for _ in range(turns):  # while the chunk is on its way, and after it
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    await asyncio.wait_for(wire_model.left.wait(), 5)
    await model.aclose()


async def test_key_refused_by_the_model_service_is_renewed_before_any_text(serve: Serve) -> None:
    refused = JSONResponse({"error": {"message": "bad key", "code": "invalid_api_key"}}, 401)
    wire_model = WireModel(refused, [piece(role="assistant", content="Sunny")])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    b = bench(model, EchoService("amap", weather="x"))
    assert await b.events() == [{"type": "content", "text": "Sunny"}]
    assert wire_model.keys == ["llm_api_key-of-machine-0", "llm_api_key-of-machine-1"]
    assert [c.secret.reveal() for c in b.vault.invalidated] == ["llm_api_key-of-machine-0"]
    await model.aclose()


async def test_stream_that_fails_after_text_is_not_restarted(serve: Serve) -> None:
    error = {"error": {"message": "canary", "code": "invalid_api_key"}}
    wire_model = WireModel([piece(role="assistant", content="Sun"), error])
    model = model_studio(base_url=await serve(wire_model), model="qwen-plus", max_retries=0)
    with pytest.raises(ServiceError) as caught:
        await bench(model, EchoService("amap", weather="x")).events()
    assert "canary" not in str(caught.value)
    assert len(wire_model.requests) == 1
    await model.aclose()


ANSWER = AIMessage("all is done")


async def run(
    bench: Bench, events: list[dict[str, Any]] | None = None
) -> tuple[list[dict[str, Any]], list[str | None]]:
    """The events of a run with steps, and the ids of the model's messages."""
    events = [] if events is None else events
    context = AgentContext(Secret("alice-at"), streaming=True, steps=True)
    stream = bench.graph.astream(
        {"messages": [("user", "hi")]}, context=context, stream_mode=["custom", "updates"]
    )
    ids = []
    async for mode, part in stream:
        if mode == "custom":
            events.append(part)
        else:
            produced = [message for update in part.values() for message in update.get("messages", ())]
            ids += [message.id for message in produced if isinstance(message, AIMessage)]
    return events, ids


async def test_each_visited_node_is_a_step() -> None:
    b = bench([calls(("weather", {})), ANSWER], EchoService("amap", AMAP_KEY, weather="sunny"))
    events, _ = await run(b)

    steps = [(event["type"], event["step"]) for event in events if event["type"].startswith("step")]
    visited = [step for kind, step in steps if kind == "step_started"]
    assert visited == ["authenticate", "credentials", "model", "credentials", "amap", "model"]
    assert steps == [(kind, step) for step in visited for kind in ("step_started", "step_finished")]


async def test_what_a_node_does_is_between_the_events_of_its_step() -> None:
    b = bench([calls(("weather", {}), text="let me"), ANSWER], EchoService("amap", weather="sunny"))
    events, _ = await run(b)

    inside: list[tuple[str, str]] = []
    step = ""
    for event in events:
        if event["type"] == "step_started":
            step = event["step"]
        elif event["type"] != "step_finished":
            inside.append((step, event["type"]))
    assert ("model", "content") in inside
    assert [each for each in inside if each[1].startswith("tool")] == [
        ("amap", "tool_started"),
        ("amap", "tool_finished"),
    ]


@pytest.mark.parametrize("text", ["let me see", ""])
async def test_each_response_begins_with_the_id_of_its_message(text: str) -> None:
    b = bench([calls(("weather", {}), text=text), ANSWER], EchoService("amap", weather="sunny"))
    events, ids = await run(b)

    begun = [event["message_id"] for event in events if event["type"] == "response_started"]
    assert begun == ids
    assert len(set(begun)) == 2
    before_model = [event["type"] for event in events].index("response_started")
    assert not [event for event in events[:before_model] if event["type"] in ("content", "tool_started")]


async def test_failed_node_is_not_left() -> None:
    b = bench([ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, "down")], EchoService("amap", weather="sunny"))
    seen: list[dict[str, Any]] = []
    with pytest.raises(ServiceError):
        await run(b, seen)

    assert seen[-1] == {"type": "step_started", "step": "model"}
