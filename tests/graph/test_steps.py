"""The events of nodes and messages, for surfaces that show them."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from graph.context import AgentContext
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, Bench, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import calls
from tools.error_codes import ToolCode

DONE = AIMessage("all is done")


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
    b = bench([calls(("weather", {})), DONE], EchoService("amap", AMAP_KEY, weather="sunny"))
    events, _ = await run(b)

    steps = [(event["type"], event["step"]) for event in events if event["type"].startswith("step")]
    visited = [step for kind, step in steps if kind == "step_started"]
    assert visited == ["authenticate", "credentials", "model", "credentials", "amap", "model"]
    assert steps == [(kind, step) for step in visited for kind in ("step_started", "step_finished")]


async def test_what_a_node_does_is_between_the_events_of_its_step() -> None:
    b = bench([calls(("weather", {}), text="let me"), DONE], EchoService("amap", weather="sunny"))
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
    b = bench([calls(("weather", {}), text=text), DONE], EchoService("amap", weather="sunny"))
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


async def test_steps_are_reported_only_on_request() -> None:
    b = bench([DONE], EchoService("amap", weather="sunny"))

    assert {event["type"] for event in await b.events()} == {"content"}
