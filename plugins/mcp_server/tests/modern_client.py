"""A client of MCP 2026-07-28, written from the specification: each request says all that it needs."""

import json
from itertools import count
from typing import Any

import httpx

VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
_IDS = count(1)
APPROVE = {"answer": {"action": "accept", "content": {"approve": True}}}


def request(method: str, params: Any = None, *, elicitation: Any = None, **meta: Any) -> dict[str, Any]:
    """The body. `elicitation` is the declared capability; by default both modes."""
    asks = {"form": {}, "url": {}} if elicitation is None else elicitation
    capabilities = {"elicitation": asks} if asks is not False else {}
    about = {
        f"{META}protocolVersion": VERSION,
        f"{META}clientCapabilities": capabilities,
        f"{META}clientInfo": {"name": "test", "version": "1"},
    }
    given = {**(params or {}), "_meta": about | meta}
    return {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": given}


def headers_of(body: dict[str, Any]) -> dict[str, str]:
    """The headers that repeat the body."""
    headers = {
        "MCP-Protocol-Version": body["params"]["_meta"].get(f"{META}protocolVersion", VERSION),
        "Mcp-Method": body["method"],
        "Accept": "application/json, text/event-stream",
    }
    name = body["params"].get("name")
    return headers if name is None else headers | {"Mcp-Name": name}


async def post(served: Any, body: dict[str, Any], user: str = "alice", **headers: str) -> httpx.Response:
    sent = headers_of(body) | {name.replace("_", "-"): value for name, value in headers.items()}
    response: httpx.Response = await served.ask("POST", "/mcp", user, body, **sent)
    return response


async def result(served: Any, method: str, user: str = "alice", **options: Any) -> dict[str, Any]:
    """The result of a request of `user`. `options` are those of `request`."""
    response = await post(served, request(method, **options), user)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["result"]
    return found


async def call(
    served: Any, name: str, arguments: Any, user: str = "alice", *, elicitation: Any = None, **again: Any
) -> dict[str, Any]:
    """`tools/call`; `again` are `requestState` and `inputResponses`."""
    params = {"name": name, "arguments": arguments, **again}
    return await result(served, "tools/call", user, params=params, elicitation=elicitation)


async def refusal(served: Any, body: dict[str, Any], user: str = "alice", **headers: str) -> tuple[int, int]:
    """The status and the code of an error."""
    response = await post(served, body, user, **headers)
    return response.status_code, response.json()["error"]["code"]


def events(text: str) -> list[dict[str, Any]]:
    """The messages of a stream."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
