"""The commands of the event-streaming protocol that a client may send."""

from typing import Any

import pytest
from langgraph.types import Command

from agent.api.langgraph.run_request_guard import (
    CommandRefusal,
    ProtocolCommand,
    command_body,
    refusal_of,
    run_of,
)
from agent.errors.error_response import RequestError

pytestmark = pytest.mark.promise("model-cannot-steer")

INTERRUPT = "9f0c5ee5c9f84b0f9d5b1f0d6c1a2b3c"
RUN: dict[str, Any] = {
    "assistant_id": "agent",
    "input": {"messages": [{"type": "human", "content": "Hello"}]},
    "config": {"configurable": {"thread_id": "0190", "checkpoint_id": "0191"}},
    "metadata": {"title": "x"},
    "multitaskStrategy": "interrupt",
    "multitask_strategy": "interrupt",
}
ANSWER: dict[str, Any] = {"interrupt_id": INTERRUPT, "namespace": [], "response": {"decisions": []}}


def refusal(method: str, params: dict[str, Any]) -> CommandRefusal:
    with pytest.raises((CommandRefusal, RequestError)) as refused:
        run_of(ProtocolCommand(1, method, params))
    return refusal_of(refused.value)


def test_start_is_reduced_to_what_a_client_may_give() -> None:
    command = ProtocolCommand(1, "run.start", RUN)
    run = run_of(command)
    assert (run.input, run.command, run.checkpoint_id) == (RUN["input"], None, "0191")
    assert command_body(command, run, RUN["input"])["params"] == {
        "assistant_id": "agent",
        "input": RUN["input"],
        "config": {"configurable": {"checkpoint_id": "0191"}},
        "context": {"kept": True},
        "metadata": {"title": "x"},
        "multitaskStrategy": "interrupt",
    }


def test_parameters_that_are_null_are_taken_for_absent() -> None:
    given = {
        "assistant_id": "agent",
        "input": None,
        "metadata": None,
        "forkFrom": None,
        "multitaskStrategy": None,
    }
    run = run_of(ProtocolCommand(1, "run.start", given))
    assert (run.input, run.checkpoint_id) == (None, None)


@pytest.mark.parametrize(
    "params", [ANSWER, {"responses": [ANSWER], "config": None, "update": None, "goto": None}]
)
def test_one_answer_is_taken_in_both_forms(params: dict[str, Any]) -> None:
    command = ProtocolCommand(7, "input.respond", params)
    run = run_of(command)
    assert run.command == {"resume": {INTERRUPT: ANSWER["response"]}}
    content = command_body(command, run, Command(resume={INTERRUPT: ANSWER["response"]}))
    assert (content["id"], content["method"]) == (7, "input.respond")
    assert content["params"] == ANSWER | {"context": {"kept": True}, "metadata": {}}


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("run.start", RUN | {"langsmith_tracer": {"project_name": "theirs"}}, "langsmith_tracer"),
        ("run.start", RUN | {"command": {"goto": "__end__"}}, "command"),
        ("run.start", RUN | {"update": {"messages": []}}, "update"),
        ("run.start", RUN | {"webhook": "https://hook.example"}, "webhook"),
        ("run.start", RUN | {"config": {"configurable": {"__pregel_resume_map": {}}}}, "__pregel_resume_map"),
        (
            "run.start",
            RUN | {"config": {"configurable": {"__langsmith_project__": "theirs"}}},
            "__langsmith_project__",
        ),
        ("run.start", RUN | {"multitaskStrategy": "rollback"}, "multitask_strategy"),
        ("input.respond", ANSWER | {"update": {"messages": []}}, "update"),
        ("input.respond", ANSWER | {"goto": "__end__"}, "goto"),
        ("input.respond", ANSWER | {"config": {"configurable": {}}}, "config"),
        ("input.respond", ANSWER | {"metadata": {"owner": "user_bob01"}}, "metadata"),
    ],
)
def test_parameters_that_write_are_refused_by_name(method: str, params: dict[str, Any], named: str) -> None:
    refused = refusal(method, params)
    assert (refused.error, named in refused.message) == ("permission_denied", True)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"response": True}, "invalid_argument"),
        ({"responses": []}, "invalid_argument"),
        ({"responses": [ANSWER, ANSWER]}, "invalid_argument"),
        ({"responses": ["x"]}, "invalid_argument"),
        (ANSWER | {"interrupt_id": "9f0c"}, "no_such_interrupt"),
    ],
)
def test_answer_without_its_one_interrupt_is_refused(params: dict[str, Any], error: str) -> None:
    assert refusal("input.respond", params).error == error


@pytest.mark.parametrize("method", ["state.fork", "state.get", "input.inject", "run.cancel", "", "x" * 5000])
def test_other_commands_are_unknown(method: str) -> None:
    refused = refusal(method, {})
    assert refused.error == "unknown_command"
    assert len(refused.message) < 100
