"""CopilotKit's runtime, unchanged, between its browser part and the agent."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.agent.conftest import AgentServer
from tests.front_ends.node_script import run_node
from tests.leave_application import FIRST_DAY

RUN, CONNECT = "/agent/default/run", "/agent/default/connect"
APPLY = f"Apply for three days of leave from {FIRST_DAY}"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    return {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}


def run_input(*texts: str, thread: str = "thread-1", **members: Any) -> dict[str, Any]:
    messages = [{"id": text, "role": "user", "content": text} for text in texts]
    body = {"threadId": thread, "runId": uuid.uuid4().hex, "state": {}, "messages": messages, "tools": []}
    return {**body, "context": [], "forwardedProps": {}, **members}


async def ask(server: AgentServer, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """What the runtime responds to requests, sent as alice if they name no other token."""
    token = server.sandbox.access_token("alice")
    answers: list[dict[str, Any]] = await run_node(
        "copilotkit/runtime.js", agent=server.url, token=token, requests=list(requests)
    )
    return answers


def of_type(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [event for event in answer["events"] if event["type"] == kind]


async def test_run_acts_for_the_user_whose_token_the_browser_sent(server: AgentServer) -> None:
    body, bob = run_input("Call my enterprise service"), server.sandbox.access_token("bob")
    answers = await ask(server, {"path": RUN, "body": body}, {"path": RUN, "body": body, "as": bob})

    for answer, user in zip(answers, ("user_alice01", "user_bob01"), strict=True):
        [result] = of_type(answer, "TOOL_CALL_RESULT")
        assert user in result["content"]
        assert answer["events"][-1]["type"] == "RUN_FINISHED"


async def test_refusal_reaches_the_browser_with_the_persons_text(server: AgentServer) -> None:
    [answer] = await ask(server, {"path": RUN, "body": run_input("Hello!"), "as": "not-a-token"})

    [failure] = answer["events"]
    assert failure["type"] == "RUN_ERROR"
    assert failure["message"].startswith("Your sign-in has expired")
    assert failure["code"] == "access_token_invalid"


async def test_conversation_is_shown_again_to_its_owner_only(server: AgentServer) -> None:
    bob = server.sandbox.access_token("bob")
    _, again, bobs = await ask(
        server,
        {"path": RUN, "body": run_input("Hello!")},
        {"path": CONNECT, "body": run_input()},
        {"path": CONNECT, "body": run_input(), "as": bob},
    )

    [snapshot] = of_type(again, "MESSAGES_SNAPSHOT")
    assert [message["role"] for message in snapshot["messages"]] == ["user", "assistant"]
    assert bobs["events"] == []


async def test_approval_is_answered_as_use_interrupt_does(server: AgentServer) -> None:
    first, *_ = await ask(server, {"path": RUN, "body": run_input(APPLY, runId="run-1")})
    [finished] = of_type(first, "RUN_FINISHED")
    [interrupt] = finished["outcome"]["interrupts"]
    made_up = {"id": "made-up", "role": "tool", "toolCallId": interrupt["toolCallId"], "content": "{}"}
    answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}
    body = run_input(APPLY, runId="run-1", resume=[answer])
    body["messages"].append(made_up)
    [approved] = await ask(server, {"path": RUN, "body": body})

    [result] = of_type(approved, "TOOL_CALL_RESULT")
    assert result["metadata"]["idaas-agent"]["ok"] is True
    assert of_type(approved, "RUN_FINISHED")[0]["outcome"] == {"type": "success"}


async def test_approval_is_answered_as_use_langgraph_interrupt_does(server: AgentServer) -> None:
    [first] = await ask(server, {"path": RUN, "body": run_input(APPLY)})
    [custom] = of_type(first, "CUSTOM")
    command = {"resume": {"decisions": [{"type": "reject"}]}, "interruptEvent": custom["value"]}
    body = run_input(APPLY, forwardedProps={"command": command})
    [rejected] = await ask(server, {"path": RUN, "body": body})

    [result] = of_type(rejected, "TOOL_CALL_RESULT")
    assert result["metadata"]["idaas-agent"]["called"] is False


async def test_stop_withdraws_the_open_approval(server: AgentServer) -> None:
    _, stopped, again = await ask(
        server,
        {"path": RUN, "body": run_input(APPLY)},
        {"path": "/agent/default/stop/thread-1", "body": {}},
        {"path": CONNECT, "body": run_input()},
    )

    assert stopped["status"] == 200
    [finished] = of_type(again, "RUN_FINISHED")
    assert finished["outcome"] == {"type": "success"}
