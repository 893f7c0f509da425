"""The agent as a server of MCP 2025-11-25, by the official client of that version."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError
from mcp.types import CallToolResult

from agent.conversations.transcript import PAGE_BYTES
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import LEAVE

PAGE = "https://page.example/agent"


@asynccontextmanager
async def official_client(served: Threads, user: str = "alice") -> AsyncIterator[ClientSession]:
    """The official client after its handshake."""
    async with (
        streamablehttp_client(f"{served.origin}/mcp", headers=served.headers(user)) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        begun = await session.initialize()
        assert (begun.protocolVersion, begun.serverInfo.name) == ("2025-11-25", "idaas-agent")
        yield session


def text(result: CallToolResult) -> str:
    [content] = result.content
    return str(content.text)  # type: ignore[union-attr]  # it answers with text only


async def days_left(client: ClientSession) -> int:
    return int(json.loads(text(await client.call_tool("leave_balance", {})))["days_left"])


async def url_of(client: ClientSession, name: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """The address at which the user decides about a call, and the id of the question."""
    with pytest.raises(McpError) as refused:
        await client.call_tool(name, arguments)
    assert refused.value.error.code == -32042
    [elicitation] = refused.value.error.data["elicitations"]
    assert elicitation["mode"] == "url"
    return elicitation["url"], elicitation["elicitationId"]


async def decide(served: Threads, decision: str = "approve") -> None:
    """alice decides on the page, and the run ends."""
    [thread] = [
        each for each in (await served.ask("GET", "/threads")).json()["threads"] if each["pending_approvals"]
    ]
    path = f"/threads/{thread['id']}"
    [approval] = (await served.ask("GET", path)).json()["approvals"]
    answered = await served.ask("POST", f"{path}/approvals/{approval['id']}", body={"decision": decision})
    assert answered.status_code == 202
    await served.ask("GET", f"{path}/events")


async def test_client_of_the_older_version_lists_asks_and_reads_progress(threads: ThreadsOf) -> None:
    served = await threads([calls(("leave_balance", {}), text="One moment."), DONE], ACCESS_IDENTITY="Human")
    told: list[str | None] = []

    async def progress(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    async with official_client(served) as client:
        await client.send_ping()
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        asked = await client.call_tool("ask", {"question": "How many days?"}, progress_callback=progress)
        unknown = await client.call_tool("leave_balance", {})
        with pytest.raises(McpError) as refused:
            await client.call_tool("no_such_tool", {})

    assert {"ask", "leave_apply"} <= listed.keys()
    assert "leave_balance …" in told
    assert asked.structuredContent is not None
    assert asked.structuredContent["answer"] == "done "
    assert json.loads(text(unknown))["days_left"] == 12
    assert refused.value.error.code == -32602


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("name", ["leave_apply", "ask"])
async def test_call_that_waits_is_made_once_after_its_user_approved_it_on_the_page(
    threads: ThreadsOf, name: str
) -> None:
    long = calls(("leave_apply", LEAVE), text="x" * PAGE_BYTES)  # more than is read of a conversation at once
    served = await threads([long, DONE, APPLY, DONE], ACCESS_IDENTITY="Human", AGENT_PAGE_URL=PAGE)
    arguments = LEAVE if name == "leave_apply" else {"question": "Apply for leave"}
    async with official_client(served) as client, official_client(served, "bob") as bob:
        before = await days_left(client)
        first = await url_of(client, name, arguments)
        again = await url_of(client, name, arguments)
        await decide(served)
        made = await client.call_tool(name, arguments)
        repeated = await client.call_tool(name, arguments)
        after = await days_left(client)
        bobs = await bob.call_tool(name, arguments) if name == "leave_apply" else None
        served.sandbox.clock.advance(1201)
        served.tokens.clear()
    async with official_client(served) as client:
        later = await url_of(client, name, arguments)

    assert first == again
    assert first[0] == PAGE
    assert before - after == 3
    assert not made.isError
    assert made.content == repeated.content
    assert bobs is None or bobs.isError
    assert later[1] != first[1]


async def test_decision_that_did_not_come_in_time_is_asked_for_again(threads: ThreadsOf) -> None:
    served = await threads(ACCESS_IDENTITY="Human")
    async with official_client(served) as client:
        first = await url_of(client, "leave_apply", LEAVE)
        served.sandbox.clock.advance(601)
        served.tokens.clear()
    async with official_client(served) as client:
        second = await url_of(client, "leave_apply", LEAVE)
        await decide(served, "reject")
        refused = await client.call_tool("leave_apply", LEAVE)

    assert first[1] != second[1]
    assert refused.isError


async def test_versions_and_methods_are_those_of_the_specification(threads: ThreadsOf) -> None:
    served = await threads()

    async def ask(method: str, params: Any = None, **headers: str) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await served.ask("POST", "/mcp", body=body, **sent)).json()

    versions = [
        (await ask("initialize", {"protocolVersion": asked}))["result"]["protocolVersion"]
        for asked in ("2025-06-18", "2025-11-25", "1999-01-01", None)
    ]
    assert versions == ["2025-06-18", "2025-11-25", "2025-11-25", "2025-11-25"]
    assert (await ask("server/discover"))["error"]["code"] == -32601
    assert (await ask("ping", MCP_Protocol_Version="2025-06-18"))["result"] == {}
    assert (await ask("ping", MCP_Protocol_Version="1999-01-01"))["error"]["code"] == -32602
    answer = await served.ask("POST", "/mcp", body={"jsonrpc": "2.0", "id": 1, "result": {}})
    assert answer.status_code == 202
    odd = {"io.modelcontextprotocol/clientCapabilities": [7]}
    called = await ask("tools/call", {"name": "no_such_tool", "_meta": odd})
    assert called["error"]["code"] == -32602


async def test_question_and_call_whose_conversation_was_deleted_are_asked_again(threads: ThreadsOf) -> None:
    served = await threads([DONE, DONE], ACCESS_IDENTITY="Human", AGENT_PAGE_URL=PAGE)
    async with official_client(served) as client:
        for _ in range(2):
            answered = await client.call_tool("ask", {"question": "Hello"})
            assert text(answered) == "done "
            assert (await served.ask("DELETE", "/threads")).status_code == 200
        before = await days_left(client)
        await url_of(client, "leave_apply", LEAVE)
        assert (await served.ask("DELETE", "/threads")).status_code == 200
        await url_of(client, "leave_apply", LEAVE)
        await decide(served)
        made = await client.call_tool("leave_apply", LEAVE)
        assert (json.loads(text(made))["days"], before - await days_left(client)) == (3, 3)
