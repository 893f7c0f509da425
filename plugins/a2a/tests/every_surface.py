"""The part of A2A in the tests of all surfaces: `tests/every_surface.py`."""

from typing import Any

import httpx

from tests.agent.api.threads.approval_surfaces import ApprovalSurface, Decide, Decision, Edit, Request
from tests.agent.api.threads.served_threads import Threads
from tools import VERSION

NEWEST = {"A2A-Version": "1.0"}


def call(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def a2a(agent: Any, question: str, headers: dict[str, str]) -> httpx.Response:
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": question}]}
    body = call("SendStreamingMessage", message=message)
    response: httpx.Response = await agent.http.post(
        f"{agent.origin}/a2a", json=body, headers=headers | NEWEST
    )
    return response


async def on_a2a(served: Threads, approval: dict[str, Any]) -> Decide:
    """The decisions about `approval`, for which the only task of alice waits."""
    listed = await served.ask("POST", "/a2a", body=call("ListTasks"), **NEWEST)
    [task] = listed.json()["result"]["tasks"]

    def decide(decision: Decision, edit: Edit = None) -> Request:
        edited = {} if edit is None else {"arguments": edit}
        part = {"data": {"approval": approval["id"], "decision": decision, **edited}}
        message = {"messageId": "m", "role": "ROLE_USER", "taskId": task["id"], "parts": [part]}
        return Request("/a2a", call("SendMessage", message=message), NEWEST)

    return decide


def refused_edit(response: httpx.Response) -> tuple[str, str]:
    error = response.json()["error"]
    assert error["code"] == -32602
    found = error["data"][0]["metadata"]
    return found["code"], found["field"]


SURFACES = [a2a]
PROGRESS = [(a2a, "tool_progress")]
ROUTES = [("POST", "/a2a")]
SHIPPED = [("/.well-known/agent-card.json", "version", VERSION)]
ADDRESSES = ["/.well-known/agent-card.json"]
DECISIONS = [ApprovalSurface("A2A", on_a2a, refused_edit, ambiguous=(200, -32700))]
