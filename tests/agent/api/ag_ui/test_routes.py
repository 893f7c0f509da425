"""`POST /ag-ui/agent` over plain HTTP, of an agent that stores no conversations."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.agent.api.ag_ui.verified import of_type, read_events, text_of, verified
from tests.agent.conftest import AgentServer, running_agent
from tests.suite import Sandbox

ROUTE = "/ag-ui/agent"
PAGE = "http://localhost:9001"


def body(text: str = "Hello!", **members: Any) -> dict[str, Any]:
    return {
        "threadId": "t",
        "runId": "r",
        "messages": [{"id": "u", "role": "user", "content": text}],
        **members,
    }


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[AgentServer]:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", CONVERSATIONS_URL="none") as server:
        yield server


async def test_stream_is_accepted_by_the_official_models(server: AgentServer) -> None:
    async with server.client() as http:
        response = await http.post(ROUTE, json=body("What is the weather in Hangzhou right now?"))

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    events = verified(read_events(response.text))
    assert "Hangzhou" in text_of(events)
    [result] = of_type(events, "TOOL_CALL_RESULT")
    assert "杭州" in result["content"]


@pytest.mark.parametrize(
    "members",
    [
        {"resume": [{"interruptId": "i", "status": "resolved", "payload": {"approved": True}}]},
        {"forwardedProps": {"command": {"resume": {"approved": True}}}},
        {"forwardedProps": {"command": {"resume": None}}},
    ],
)
async def test_answer_without_an_open_approval_is_refused(
    server: AgentServer, members: dict[str, Any]
) -> None:
    async with server.client() as http:
        response = await http.post(ROUTE, json=body(**members))

    assert response.status_code == 400
    assert "resume" in response.json()["error"]["param"]
