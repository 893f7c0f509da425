"""The part of the Responses API in the tests of all surfaces: `tests/every_surface.py`."""

from typing import Any

import httpx

from tests.agent.api.threads.approval_surfaces import (
    ApprovalSurface,
    Decide,
    Decision,
    Edit,
    Request,
    refused_edit,
)
from tests.agent.api.threads.served_threads import Threads

PATH = "/openai/v1/responses"


async def responses(agent: Any, question: str, headers: dict[str, str]) -> httpx.Response:
    response: httpx.Response = await agent.http.post(
        agent.origin + PATH, json={"input": question}, headers=headers
    )
    return response


async def responses_stream(agent: Any, question: str, headers: dict[str, str]) -> httpx.Response:
    body = {"input": question, "stream": True}
    response: httpx.Response = await agent.http.post(agent.origin + PATH, json=body, headers=headers)
    return response


async def on_responses(_: Threads, approval: dict[str, Any]) -> Decide:
    """The decisions about `approval`, for which the conversation `thread-1` waits."""

    def decide(decision: Decision, edit: Edit = None) -> Request:
        item = {
            "type": "mcp_approval_response",
            "approval_request_id": approval["id"],
            "approve": decision != "reject",
        }
        edited = {} if edit is None else {"arguments": edit}
        return Request(PATH, {"conversation": "thread-1", "input": [item | edited]})

    return decide


SURFACES = [responses, responses_stream]
PROGRESS = [(responses_stream, "idaas-agent:tool_progress")]
ROUTES = [("POST", PATH)]
MEMBERS_TWICE = [(PATH, '{"input": "first", "input": "second"}')]
DECISIONS = [ApprovalSurface("Responses", on_responses, refused_edit)]
