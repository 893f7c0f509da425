"""The list of an MCP service's tools: how long it counts, and what is offered while the server is down."""

import asyncio

import pytest
from starlette.responses import Response, StreamingResponse

from tests.tools.mcp_service.mcp_server import Server, failure_of


async def test_the_list_of_tools_is_taken_for_current_only_so_long(serve, service_at, key_ring):
    now = 0.0
    server = Server()
    service = service_at(await serve(server), tools_seconds=300, clock=lambda: now)
    access = key_ring("K1")
    await service.tools(access)
    now = 299
    await service.tools(access)
    assert server.counts["tools/list"] == 1
    now = 301
    server.answer = Response(status_code=500)
    assert await service.tools(access)  # what was listed before stays
    now = 700
    server.answer = None
    await service.tools(access)
    assert server.counts["tools/list"] == 3


async def test_after_a_wait_for_nothing_listing_pauses_for_a_second_but_calls_try(
    serve, service_at, key_ring
):
    now = 0.0
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1, clock=lambda: now)
    access = key_ring("K1")
    await failure_of(service.tools(access))
    await failure_of(service.tools(access))
    assert server.counts["initialize"] == 1
    server.answer = None
    now = 1.0
    assert await service.tools(access)


async def test_pause_ends_with_the_first_success(serve, service_at, key_ring):
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1, clock=lambda: 0.0)
    access = key_ring("K1")
    await failure_of(service.tools(access))
    server.answer = None
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
async def test_first_request_after_a_fault_is_served(serve, service_at, key_ring, fault):
    server = Server()
    service = service_at(await serve(server), clock=lambda: 0.0)
    for _ in range(3):
        server.answer = FAULTS[fault]
        await failure_of(service.tools(key_ring("K1")))
        server.answer = None
        assert await service.tools(key_ring("K1"))
        service._sessions.drop(*session_of(service))
        service._listed.clear()
        service._last_listed.clear()


def session_of(service):
    ((key, opening),) = service._sessions._openings.items()
    return key, opening.result()


async def test_what_was_listed_before_is_offered_while_the_server_is_down(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    tools = await service.tools(access)
    service._sessions.drop(*session_of(service))
    server.answer = Response("x", media_type="text/html")
    assert await service.tools(access) == tools
    renewed = key_ring("K2")
    assert await service.tools(renewed) == tools  # of the same holder
    server.answer = None
    server.keys.clear()
    assert (await failure_of(service.tools(access))).status == 401  # a refused key is offered nothing
    server.answer = Response("x", media_type="text/html")
    await failure_of(service.tools(access))  # nor afterwards


async def test_a_server_that_hangs_delays_the_listing_only_so_long(serve, service_at, key_ring):
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1)
    await failure_of(service.tools(key_ring("K1")))
    started = asyncio.get_running_loop().time()
    await failure_of(service.tools(key_ring("K1")))
    assert asyncio.get_running_loop().time() - started < 0.1


@pytest.mark.promise("heals-by-itself")
async def test_an_opening_that_hangs_does_not_hold_up_calls_once_the_server_is_well(
    serve, service_at, key_ring
):
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1)
    await failure_of(service.call("weather", {"city": "x"}, key_ring("K1")))
    server.answer = None
    assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).ok


async def _never():
    await asyncio.Event().wait()
    yield b""
