"""CopilotKit's runtime, unchanged, between its browser part and the agent."""

from typing import Any

from tests.agent.conftest import AgentServer
from tests.front_ends.node_script import run_node


def run_input(text: str, **members: Any) -> dict[str, Any]:
    messages = [{"id": "u1", "role": "user", "content": text}]
    body = {"threadId": "thread-1", "runId": "run-1", "state": {}, "messages": messages, "tools": []}
    return {**body, "context": [], "forwardedProps": {}, **members}


async def ask(server: AgentServer, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """What the runtime responds to requests, sent as alice if they name no other token."""
    answers: list[dict[str, Any]] = await run_node(
        "copilotkit/runtime.js",
        url=f"{server.url}/ag-ui/agent",
        token=server.sandbox.access_token("alice"),
        requests=list(requests),
    )
    return answers


async def test_run_acts_for_the_user_whose_token_the_browser_sent(server: AgentServer) -> None:
    body = run_input("Call my enterprise service")
    bob = server.sandbox.access_token("bob")
    alices, bobs = await ask(
        server,
        {"path": "/agent/default/run", "body": body},
        {"path": "/agent/default/run", "body": body | {"threadId": "thread-2"}, "as": bob},
    )

    for answer, user in ((alices, "user_alice01"), (bobs, "user_bob01")):
        [result] = [event for event in answer["events"] if event["type"] == "TOOL_CALL_RESULT"]
        assert user in result["content"]
        assert result["metadata"]["idaas-agent"]["access_identity"] == "Human"
        assert answer["events"][-1]["type"] == "RUN_FINISHED"


async def test_refusal_reaches_the_browser_with_the_persons_text(server: AgentServer) -> None:
    [answer] = await ask(
        server, {"path": "/agent/default/run", "body": run_input("Hello!"), "as": "not-a-token"}
    )

    [failure] = answer["events"]
    assert failure["type"] == "RUN_ERROR"
    assert "Your sign-in has expired" in failure["message"]
