"""Requests use few connections, which stay open, and every ended request frees its connection."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import httpx
import pytest
from httpcore._async import http11
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from identity.transport.client import http_client
from identity.transport.pool import CONNECTIONS_PER_POOL, KEEPALIVE_SECONDS, ShardedTransport


class GatedService:
    """A service that responds when the test allows it, and records the connections of its requests."""

    def __init__(self):
        self.go = asyncio.Event()
        self.ports = []
        self.received = asyncio.Semaphore(0)

    async def respond(self, request):
        self.ports.append(request.client.port)
        self.received.release()
        await self.go.wait()
        return PlainTextResponse("done")

    @property
    def app(self):
        return Starlette(routes=[Route("/", self.respond)])


@pytest.fixture
async def service():
    return GatedService()


def pools(max_pools):
    limits = httpx.Limits(max_connections=CONNECTIONS_PER_POOL)
    return ShardedTransport(
        lambda: httpx.AsyncHTTPTransport(limits=limits), httpx.AsyncByteStream, max_pools=max_pools
    )


async def test_requests_one_after_another_use_one_connection(serve, service):
    service.go.set()
    async with http_client(None, 10) as client:
        url = await serve(service.app)
        for _ in range(CONNECTIONS_PER_POOL * 3):
            assert (await client.get(url)).text == "done"
    assert len(set(service.ports)) == 1


async def test_idle_connection_is_reused_within_the_keepalive_time(serve, service, monkeypatch):
    service.go.set()
    async with http_client(None, 10) as client:
        url = await serve(service.app)
        for seconds in (0, KEEPALIVE_SECONDS - 1, 2 * KEEPALIVE_SECONDS):
            monkeypatch.setattr(http11, "time", SimpleNamespace(monotonic=lambda now=seconds: now))
            assert (await client.get(url)).text == "done"
    first, kept, anew = service.ports
    assert first == kept != anew


async def test_many_requests_are_spread_over_pools_and_all_complete(serve, service):
    url = await serve(service.app)
    transport = pools(3)
    async with httpx.AsyncClient(transport=transport) as client:
        requests = [asyncio.create_task(client.get(url)) for _ in range(CONNECTIONS_PER_POOL * 4)]
        for _ in range(CONNECTIONS_PER_POOL * 3):
            await service.received.acquire()
        assert len(set(service.ports)) == CONNECTIONS_PER_POOL * 3  # the rest waits for a connection
        service.go.set()
        assert {(await each).text for each in requests} == {"done"}
        assert [pool.in_flight for pool in transport._pools] == [0, 0, 0]


async def test_cancelled_or_failed_request_frees_its_connection(serve, service):
    url = await serve(service.app)
    transport = pools(1)
    async with httpx.AsyncClient(transport=transport) as client:
        request = asyncio.create_task(client.get(url))
        await service.received.acquire()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
        service.go.set()
        async with client.stream("GET", url) as response:
            assert response.status_code == 200  # left without reading it
        assert [pool.in_flight for pool in transport._pools] == [0]


async def test_proxy_of_the_environment_is_used(serve, service, monkeypatch):
    service.go.set()
    proxy = await serve(service.app)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    async with http_client(None, 10) as client:
        assert (await client.get("http://service.example/")).text == "done"
