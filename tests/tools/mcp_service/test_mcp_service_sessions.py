"""Sessions of an MCP service: one for each key, opened once, shared by its callers, reopened when it ends."""

import asyncio
import contextvars
import json

import pytest

from identity.credentials.requirement import ApiKeyRequirement
from tests.tools.mcp_service.mcp_server import Server, failure_of
from tools.mcp_service.service import MCPService

caller = contextvars.ContextVar("caller", default="none")


async def test_no_listening_stream_is_opened_and_the_session_is_ended_on_closing(serve, key_ring):
    server = Server()
    service = MCPService("maps", await serve(server) + "/mcp", ApiKeyRequirement("key"))
    await service.call("weather", {"city": "x"}, key_ring("K1"))
    await service.aclose()
    assert (server.counts["GET"], server.counts["DELETE"]) == (0, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_key_refused_on_opening_is_renewed_once_unless_it_is_young(
    serve, service_at, key_ring, young_access, status
):
    server = Server()
    server.refusal = status
    service = service_at(await serve(server))
    access = key_ring("K0", "K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert len(access.renewals) == 1
    access = key_ring("K0", "K9")
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert (error.status, len(access.renewals)) == (status, 1)
    assert "K9" not in f"{error} {error.detail}"
    server.counts.clear()
    access = young_access("K0")
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert (error.status, server.counts["initialize"], len(access.renewals)) == (status, 1, 1)


async def test_key_refused_in_an_open_session_is_renewed_and_the_call_sent_again(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1", "K2")
    await service.call("weather", {"city": "x"}, access)
    server.keys.remove("K1")
    assert (await service.call("weather", {"city": "y"}, access)).text == "sunny in y"
    sessions = {key: session for _, key, session in server.seen if session}
    assert sessions["K1"] != sessions["K2"]


async def test_session_is_reopened_after_a_restart_of_the_server(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    await service.call("weather", {"city": "x"}, access)
    await server.restart()
    assert (await service.call("weather", {"city": "y"}, access)).text == "sunny in y"
    assert access.renewals == []
    assert server.counts["tools/list"] == 2  # tools may have changed with the restart


async def test_concurrent_first_calls_open_one_session_and_list_the_tools_once(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    calls = [service.call("weather", {"city": str(n)}, key_ring("K1")) for n in range(20)]
    assert [r.text for r in await asyncio.gather(*calls)] == [f"sunny in {n}" for n in range(20)]
    assert (server.counts["initialize"], server.counts["tools/list"]) == (1, 1)


async def test_each_key_has_its_own_session_and_is_sent_in_no_other(serve, service_at, key_ring):
    server = Server()
    server.keys = {f"K{n}" for n in range(8)}
    service = service_at(await serve(server))
    calls = [service.call("weather", {"city": f"{n}"}, key_ring(f"K{n % 8}")) for n in range(32)]
    assert all(result.ok for result in await asyncio.gather(*calls))
    assert server.counts["initialize"] == 8
    by_session = {(session, key) for _, key, session in server.seen if session}
    assert len(by_session) == len({session for session, _ in by_session}) == 8


async def test_least_recently_used_session_ends_and_is_reopened_when_needed(serve, service_at, key_ring):
    server = Server()
    server.keys = {"K1", "K2", "K3"}
    service = service_at(await serve(server), sessions=2)
    waiting = asyncio.create_task(service.call("waits", {}, key_ring("K1")))
    await server.entered.wait()
    for key in ("K2", "K3", "K1"):
        assert (await service.call("weather", {"city": key}, key_ring(key))).ok
    server.gate.set()
    assert (await waiting).text == "done"  # its session was retired, not closed
    assert server.counts["initialize"] == 4


async def test_session_is_opened_without_the_context_variables_of_a_run(serve, service_at, key_ring):
    seen = {}

    async def note(request):
        if request.method == "POST":
            seen[json.loads(request.content)["method"]] = caller.get()

    service = service_at(await serve(Server()))
    service._http.event_hooks["request"] = [note]
    caller.set("alice")
    assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).ok
    assert seen["initialize"] == seen["notifications/initialized"] == "none"
    assert seen["tools/call"] == "alice"
