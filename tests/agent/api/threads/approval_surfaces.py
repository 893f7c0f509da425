"""How a person decides about an approval on each surface, for tests of all of them."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import httpx

from tests.agent.api.threads.served_threads import Threads

Decision = Literal["approve", "edit", "reject"]
Edit = dict[str, Any] | None


@dataclass(frozen=True)
class Request:
    """A POST."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    async def sent(self, served: Threads) -> httpx.Response:
        return await served.ask("POST", self.path, body=self.body, **self.headers)


class Decide(Protocol):
    """Makes the request of a decision."""

    def __call__(self, decision: Decision, edit: Edit = None) -> Request: ...


@dataclass(frozen=True)
class ApprovalSurface:
    """A surface on which alice decides about the only approval of the conversation `thread-1`."""

    name: str
    of: Callable[[Threads, dict[str, Any]], Awaitable[Decide]]
    """What decides about an approval. It is made while her access token is valid."""
    refused_edit: Callable[[httpx.Response], tuple[str, str]]
    """The code, and the argument that is named, of a refused edit."""
    ambiguous: tuple[int, Any] = (400, "invalid_request")
    """Status and code of the refusal of a body that names a member twice."""


async def _on_threads(_: Threads, approval: dict[str, Any]) -> Decide:
    def decide(decision: Decision, edit: Edit = None) -> Request:
        edited = {} if edit is None else {"arguments": edit}
        return Request(f"/threads/thread-1/approvals/{approval['id']}", {"decision": decision, **edited})

    return decide


async def _on_ag_ui(_: Threads, approval: dict[str, Any]) -> Decide:
    def decide(decision: Decision, edit: Edit = None) -> Request:
        payload: dict[str, Any] = {"approved": decision != "reject"}
        if edit is not None:
            payload["editedArgs"] = edit
        resume = [{"interruptId": approval["id"], "status": "resolved", "payload": payload}]
        return Request(
            "/ag-ui/agent", {"threadId": "thread-1", "runId": "r", "messages": [], "resume": resume}
        )

    return decide


def refused_edit(response: httpx.Response) -> tuple[str, str]:
    assert response.status_code == 409
    error = response.json()["error"]
    assert json.dumps(error["param"].removeprefix("arguments.")) in error["message"]
    return error["code"], error["param"]


OF_THE_CORE = [
    ApprovalSurface("threads", _on_threads, refused_edit),
    ApprovalSurface("AG-UI", _on_ag_ui, refused_edit),
]
"""Those of the plug-ins are `of_plugins("DECISIONS")`."""
