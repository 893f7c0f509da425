"""The list of an MCP service's tools: how long it is current, and its use while the server is down."""

import asyncio
import sys
import threading

import pytest
from starlette.responses import Response, StreamingResponse

import tools.mcp_service
from identity.secrets.secret import Secret
from tests.tools.mcp_service.mcp_server import Server, failure_of, limited
from tools.approval_policy import Effect, ToolPolicy
from tools.mcp_service.tool import usable_tools


def nested(levels):
    """A list within so many others."""
    return [nested(levels - 1)] if levels else []


async def test_list_of_tools_is_current_for_a_limited_time(serve, service_at, key_ring):
    now = 0.0
    server = Server()
    service = service_at(await serve(server), tools_seconds=300, clock=lambda: now)
    access = key_ring("K1")
    await service.tools(access)
    now = 299
    await service.tools(access)
    assert server.counts["tools/list"] == 1
    now = 301
    server.response = Response(status_code=500)
    assert await service.tools(access)  # the last list
    now = 700
    server.response = None
    await service.tools(access)
    assert server.counts["tools/list"] == 3


async def test_listing_of_a_hanging_server_times_out_and_pauses_for_a_second(serve, service_at, key_ring):
    now = 0.0
    server = Server()
    server.response = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), clock=lambda: now)
    access = key_ring("K1")
    with limited(service, 0.5):
        assert "no response within 0.5 s" in (await failure_of(service.tools(access))).detail
        await failure_of(service.tools(access))
    assert server.counts == {"tools/list of 2026-07-28": 1}
    server.response = None
    now = 1.0
    assert await service.tools(access)


async def test_time_for_importing_the_older_version_is_not_the_servers(
    serve, service_at, key_ring, monkeypatch
):
    name = "tools.mcp_service.legacy"
    imported = threading.Event()

    class SlowImport:
        @staticmethod
        def find_spec(module, *_):
            if module == name:
                imported.wait()

    monkeypatch.setattr(tools.mcp_service, "legacy", sys.modules[name])
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [SlowImport, *sys.meta_path])
    service = service_at(await serve(Server()))
    with limited(service, 2):
        listing = asyncio.create_task(service.tools(key_ring("K1")))
        asyncio.get_running_loop().call_later(2.2, imported.set)
        assert await listing


async def test_pause_ends_with_the_first_successful_call(serve, service_at, key_ring):
    server = Server()
    server.response = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), clock=lambda: 0.0)
    access = key_ring("K1")
    with limited(service, 0.5):
        await failure_of(service.tools(access))
    server.response = None
    assert (await service.call("weather", {"city": "x"}, access)).ok
    server.keys.add("K3")
    assert await service.tools(key_ring("K3"))


FAULTS = {
    "cut": Response(headers={"content-length": "9"}),
    "refused": Response(status_code=401),
    "no right": Response(status_code=403),
    "500": Response(status_code=500),
    "503": Response(status_code=503),
    "html": Response("x", media_type="text/html"),
}


@pytest.mark.promise("heals-by-itself")
@pytest.mark.parametrize("fault", FAULTS)
async def test_first_request_after_a_fault_succeeds(serve, service_at, key_ring, fault):
    server = Server()
    service = service_at(await serve(server), clock=lambda: 0.0)
    for _ in range(3):
        server.response = FAULTS[fault]
        await failure_of(service.tools(key_ring("K1")))
        server.response = None
        assert await service.tools(key_ring("K1"))
        service._sessions.drop(*service._sessions._sessions.values())
        service._last_listed.clear()


async def test_last_list_is_offered_while_the_server_is_down(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    tools = await service.tools(access)
    service._sessions.drop(*service._sessions._sessions.values())
    server.response = Response("x", media_type="text/html")
    assert await service.tools(access) == tools
    renewed = key_ring("K2")
    assert await service.tools(renewed) == tools  # of the same principal
    server.response = None
    server.keys.clear()
    assert (await failure_of(service.tools(access))).status == 401  # no tools for a refused key
    server.response = Response("x", media_type="text/html")
    await failure_of(service.tools(access))  # nor after it


async def test_names_of_tools_are_known_while_the_server_lists_others(serve, service_at, key_ring):
    """A server lists for each credential what it may call; a name stays with the server."""
    server = Server()
    service = service_at(await serve(server), allowed_tools={"weather", "waits"})
    assert await service.tools(key_ring("K1"))
    server.mcp._tool_manager._tools.pop("weather")
    assert [tool.name for tool in await service.tools(key_ring("K2"))] == ["waits"]
    server.keys.clear()
    await failure_of(service.tools(key_ring("K3")))
    assert service.tool_names == {"weather", "waits"}


async def test_policy_of_a_tool_that_is_not_listed_is_reported_once(serve, service_at, key_ring, caplog):
    policies = {"weather": ToolPolicy(Effect.WRITE), "wether": ToolPolicy(Effect.WRITE)}
    service = service_at(await serve(Server()), policies=policies)
    await service.tools(key_ring("K1"))
    await service.tools(key_ring("K1"))
    (warning,) = [record.message for record in caplog.records if "policy" in record.message]
    assert '"wether"' in warning


async def _never():
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize(
    ("further", "faulty"),
    [
        ({}, True),
        ({"unevaluatedProperties": False}, True),
        ({"additionalProperties": True}, False),
        ({"required": ["b"]}, False),
        ({"allOf": [{"properties": {"b": {}}}]}, False),
    ],
)
async def test_argument_that_a_schema_neither_lists_nor_permits_is_a_fault(further, faulty):
    given = {"name": "t", "inputSchema": {"type": "object", "properties": {"a": {}}, **further}}
    listed = await usable_tools([{"tools": [given]}], Secret("K1"))
    assert [fault.argument for fault in listed["t"].validator.faults({"b": None})] == ["b"] * faulty


async def test_arguments_that_are_listed_again_share_what_checks_them_and_others_do_not():
    async def validator(default: int, key: str) -> object:
        schema = {"type": "object", "properties": {"a": {"default": default, "title": "K1"}}}
        listed = await usable_tools([{"tools": [{"name": "t", "inputSchema": schema}]}], Secret(key))
        return listed["t"].validator

    shared = await validator(1, "K2")
    assert await validator(1, "K3") is shared
    assert await validator(2, "K2") is not shared
    assert await validator(1, "K1") is not shared  # the credential was removed first


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize(
    ("default", "offered"), [(2**64, False), (-(2**63) - 1, False), (nested(40), False), (2**64 - 1, True)]
)
async def test_tool_with_a_default_that_no_call_can_have_is_not_offered(default, offered):
    given = {"name": "t", "inputSchema": {"type": "object", "properties": {"a": {"default": default}}}}
    listed = await usable_tools([{"tools": [given]}], Secret("K1"))
    assert bool(listed) is offered
