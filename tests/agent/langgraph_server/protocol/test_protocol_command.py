"""The commands of the event-streaming protocol that a client may send."""

from typing import Any

import pytest

from agent.langgraph_server.protocol.protocol_command import command_refusal

pytestmark = pytest.mark.promise("model-cannot-steer")

RUN: dict[str, Any] = {
    "assistant_id": "agent",
    "input": {"messages": [{"type": "human", "content": "Hello"}]},
    "config": {"configurable": {"thread_id": "0190", "checkpoint_id": "0191"}},
    "metadata": {"title": "x"},
    "multitaskStrategy": "interrupt",
    "multitask_strategy": "interrupt",
}
ANSWER: dict[str, Any] = {"interrupt_id": "9f0c", "namespace": [], "response": {"decisions": []}}


def test_parameters_of_the_published_clients_are_taken() -> None:
    for method, params in [
        ("run.start", RUN),
        ("run.start", {"assistant_id": "agent", "input": None, "metadata": None, "forkFrom": None}),
        ("input.respond", ANSWER),
        ("input.respond", {"responses": [ANSWER], "config": None, "update": None, "goto": None}),
        ("agent.getTree", {}),
        ("subscription.subscribe", {"channels": ["values"]}),
    ]:
        assert command_refusal(method, params) is None, (method, params)


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
        ("input.respond", ANSWER | {"update": {"messages": []}}, "update"),
        ("input.respond", ANSWER | {"goto": "__end__"}, "goto"),
        ("input.respond", ANSWER | {"config": {"configurable": {}}}, "config"),
        ("input.respond", ANSWER | {"metadata": {"owner": "user_bob01"}}, "metadata"),
    ],
)
def test_parameters_that_write_are_refused_by_name(method: str, params: dict[str, Any], named: str) -> None:
    refusal = command_refusal(method, params)
    assert refusal is not None
    assert (refusal.error, named in refusal.message) == ("permission_denied", True)


@pytest.mark.parametrize("method", ["state.fork", "state.get", "input.inject", "run.cancel", "", "x" * 5000])
def test_other_commands_are_unknown(method: str) -> None:
    refusal = command_refusal(method, {})
    assert refusal is not None
    assert refusal.error == "unknown_command"
    assert len(refusal.message) < 100
