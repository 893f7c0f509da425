"""Messages of the graph as AG-UI's clients show them."""

from typing import Any

from ag_ui.core import MessagesSnapshotEvent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from agent.api.ag_ui.messages import Event, to_ag_ui
from graph.events import MAX_CHARACTERS


def shown(*messages: AnyMessage) -> list[Event]:
    """The messages, if the official models accept them as a snapshot."""
    sent = to_ag_ui(messages)
    MessagesSnapshotEvent.model_validate({"type": "MESSAGES_SNAPSHOT", "messages": sent})
    return sent


def calling(**arguments: Any) -> AIMessage:
    return AIMessage("", id="a1", tool_calls=[{"name": "weather", "args": arguments, "id": "c1"}])


def test_conversation_has_the_ids_of_its_events() -> None:
    about = {
        "service": "amap",
        "access_identity": "Machine",
        "credential": "key",
        "called": True,
        "duration_ms": 3,
    }
    artifact = {**about, "error": None}
    thought = {"reasoning_content": "hm"}

    assert shown(
        HumanMessage("hello", id="u1"),
        calling(city="杭州"),
        ToolMessage("sunny", tool_call_id="c1", id="x", artifact=artifact),
        AIMessage("Sunny", id="a2", additional_kwargs=thought),
    ) == [
        {"id": "u1", "role": "user", "content": "hello"},
        {
            "id": "a1",
            "role": "assistant",
            "toolCalls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"杭州"}'},
                }
            ],
        },
        {
            "id": "result-c1",
            "role": "tool",
            "toolCallId": "c1",
            "content": "sunny",
            "metadata": {"idaas-agent": {"ok": True, **about}},
        },
        {"id": "a2-reasoning", "role": "reasoning", "content": "hm"},
        {"id": "a2", "role": "assistant", "content": "Sunny"},
    ]


def test_instructions_of_the_agent_are_not_shown() -> None:
    assert shown(SystemMessage("the system prompt", id="s")) == []


def test_failed_call_has_its_code() -> None:
    artifact = {"service": "amap", "access_identity": "Machine", "error": "external_service_failed"}
    [result] = shown(ToolMessage("down", tool_call_id="c1", status="error", artifact=artifact))

    about = result["metadata"]["idaas-agent"]
    assert (about["ok"], about["error"]) == (False, "external_service_failed")


def test_long_arguments_and_results_are_cut_as_in_events() -> None:
    long = "x" * (MAX_CHARACTERS + 1)
    call, result = shown(calling(text=long), ToolMessage(long, tool_call_id="c1"))

    assert call["toolCalls"][0]["function"]["arguments"] == '{"…":"too long to show"}'
    assert result["content"] == "x" * MAX_CHARACTERS + "…"


def test_edited_call_is_shown_in_its_last_form_at_its_first_place() -> None:
    first, last = shown(calling(days=3), HumanMessage("hello", id="u1"), calling(days=2))

    assert first["toolCalls"][0]["function"]["arguments"] == '{"days":2}'
    assert last["id"] == "u1"
