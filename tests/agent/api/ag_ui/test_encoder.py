"""A run's events in AG-UI's form, in the order that its clients verify."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.api.ag_ui.encoder import RunEncoder, encoded
from agent.api.event_stream import server_sent
from agent.runs.run import Finished, Usage
from tests.agent.api.ag_ui.verified import of_type, read_events, text_of, verified
from tests.agent.scripted_run import reader_of

DECLARED = {
    "service": "enterprise",
    "access_identity": "Human",
    "audience": "https://enterprise.example",
    "scope": "service.invoke",
}
STARTED: Any = {
    "type": "tool_started",
    "tool": "call_service",
    "call_id": "c1",
    "arguments": {"城市": "杭州"},
    **DECLARED,
}
FINISHED: Any = {
    "type": "tool_finished",
    "tool": "call_service",
    "call_id": "c1",
    "ok": True,
    "called": True,
    "duration_ms": 12,
    "result": "sunny",
    **DECLARED,
}


def response(message_id: str) -> Any:
    return {"type": "response_started", "message_id": message_id}


def content(text: str) -> Any:
    return {"type": "content", "text": text}


def reasoning(text: str) -> Any:
    return {"type": "reasoning", "text": text}


def step(name: str, event: str = "started") -> Any:
    return {"type": f"step_{event}", "step": name}


def encoder(**options: Any) -> RunEncoder:
    return RunEncoder("t-1", "r-1", model="qwen-plus", new_id=lambda: "new", **options)


def run(*events: Any, end: Finished | None = None, **options: Any) -> list[dict[str, Any]]:
    """The verified events of a successful run."""
    encoding = encoder(**options)
    sent = encoding.started()
    for event in events:
        sent += encoding.event(event)
    return verified([*sent, *encoding.finished(end or Finished())])


def test_run_begins_with_the_version_of_the_protocol() -> None:
    assert run()[0] == {"type": "RUN_STARTED", "threadId": "t-1", "runId": "r-1", "protocolVersion": "1.0"}


def test_text_is_one_message_with_the_id_of_its_response() -> None:
    events = run(response("m1"), content("Sun"), content("ny"))

    assert events[1:5] == [
        {"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "Sun"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": "ny"},
        {"type": "TEXT_MESSAGE_END", "messageId": "m1"},
    ]


def test_reasoning_is_a_message_of_its_own_before_the_text() -> None:
    events = run(response("m1"), reasoning("hm"), content("Sunny"))

    thought = {"messageId": "m1-reasoning"}
    assert events[1:7] == [
        {"type": "REASONING_START", **thought},
        {"type": "REASONING_MESSAGE_START", **thought, "role": "reasoning"},
        {"type": "REASONING_MESSAGE_CONTENT", **thought, "delta": "hm"},
        {"type": "REASONING_MESSAGE_END", **thought},
        {"type": "REASONING_END", **thought},
        {"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"},
    ]


def test_call_is_sent_whole_with_the_rights_it_is_made_under() -> None:
    events = run(response("m1"), content("Let me"), STARTED, FINISHED)

    assert of_type(events, "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT") == [
        {
            "type": "TOOL_CALL_START",
            "toolCallId": "c1",
            "toolCallName": "call_service",
            "parentMessageId": "m1",
            "metadata": {"idaas-agent": DECLARED},
        },
        {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": '{"城市":"杭州"}'},
        {"type": "TOOL_CALL_END", "toolCallId": "c1"},
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": "result-c1",
            "toolCallId": "c1",
            "content": "sunny",
            "role": "tool",
            "metadata": {"idaas-agent": {**DECLARED, "ok": True, "called": True, "duration_ms": 12}},
        },
    ]


def test_failed_call_has_its_code_in_the_metadata() -> None:
    events = run(STARTED, FINISHED | {"ok": False, "called": False, "error": "enterprise_service_failed"})

    [result] = of_type(events, "TOOL_CALL_RESULT")
    outcome = result["metadata"]["idaas-agent"]
    assert (outcome["ok"], outcome["called"], outcome["error"]) == (False, False, "enterprise_service_failed")


def test_call_of_an_unknown_tool_names_no_service() -> None:
    unknown = {"service": None, "access_identity": None}
    events = run({**STARTED, **unknown}, {**FINISHED, **unknown})

    [start] = of_type(events, "TOOL_CALL_START")
    assert start["metadata"]["idaas-agent"]["service"] is None


def test_calls_at_the_same_time_do_not_interleave() -> None:
    other = {"call_id": "c2"}
    events = run(response("m1"), STARTED, STARTED | other, FINISHED | other, FINISHED)

    calls = [event["toolCallId"] for event in events if event["type"].startswith("TOOL_CALL")]
    assert calls == ["c1"] * 3 + ["c2"] * 3 + ["c2", "c1"]


def test_message_without_an_id_gets_one() -> None:
    assert {event["messageId"] for event in run(content("Sunny"))[1:4]} == {"new"}


def test_nodes_are_steps() -> None:
    events = run(step("model"), response("m1"), content("x"), step("model", "finished"), step("a"), step("b"))

    assert [(event["type"], event["stepName"]) for event in events if "stepName" in event] == [
        ("STEP_STARTED", "model"),
        ("STEP_FINISHED", "model"),
        ("STEP_STARTED", "a"),
        ("STEP_STARTED", "b"),
        ("STEP_FINISHED", "b"),  # what a node left open is closed before the end
        ("STEP_FINISHED", "a"),
    ]


def test_end_has_the_outcome_and_the_tokens() -> None:
    end = Finished(finish_reason="length", usage=Usage(10, 5, 2))
    state, finished = run(response("m1"), content("x"), end=end)[-2:]

    assert state == {"type": "STATE_SNAPSHOT", "snapshot": {"thread_id": "t-1", "status": "idle"}}
    assert finished == {
        "type": "RUN_FINISHED",
        "threadId": "t-1",
        "runId": "r-1",
        "outcome": {"type": "success"},
        "usage": [
            {
                "model": "qwen-plus",
                "inputTokens": 10,
                "outputTokens": 5,
                "totalTokens": 15,
                "reasoningTokens": 2,
            }
        ],
        "metadata": {"idaas-agent": {"finish_reason": "length"}},
    }


def test_run_without_known_usage_has_none() -> None:
    assert "usage" not in run()[-1]


def test_events_are_framed_by_line_feeds_only() -> None:
    text = server_sent(run(response("m1"), content("a\r\nb\n\nc\u2028")))

    assert "\r" not in text
    assert text_of(read_events(text)) == "a\r\nb\n\nc\u2028"
    assert json.loads(text.split("\n\n")[0].removeprefix("data: "))["type"] == "RUN_STARTED"


EVENTS = st.one_of(
    st.sampled_from(["m1", "m2", "m3"]).map(response),
    st.text(min_size=1, max_size=3).map(content),
    st.text(min_size=1, max_size=3).map(reasoning),
    st.sampled_from(["c1", "c2"]).flatmap(
        lambda call: st.sampled_from([STARTED | {"call_id": call}, FINISHED | {"call_id": call}])
    ),
)


@given(st.lists(EVENTS, max_size=20))
@example([content("a"), reasoning("b"), content("c"), FINISHED, reasoning("d"), STARTED, response("m1")])
def test_any_order_of_a_models_words_and_calls_is_accepted(events: list[Any]) -> None:
    run(*events)


@pytest.mark.parametrize("end", ["started", "finished"])
def test_step_that_is_visited_again_is_accepted(end: str) -> None:
    run(
        step("model"), step("model", "finished"), step("model"), *([step("model", end)] * (end == "finished"))
    )


async def test_stream_of_events_that_cannot_be_encoded_ends_with_an_error() -> None:
    reader = reader_of(response("m1"), content("Once"), step("model", "finished"), Finished())
    events = read_events("".join([text async for text in encoded(encoder(), reader)]))
    assert text_of(events) == "Once"
    assert (events[-1]["type"], events[-1]["code"]) == ("RUN_ERROR", "internal_error")
