"""Connections are shared by few and kept warm, and none is lost, however a request ends."""

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


class Held:
    """A service that answers when the test lets it, and knows from which connections it was asked."""

    def __init__(self):
        self.go = asyncio.Event()
        self.ports = []
        self.asked = asyncio.Semaphore(0)

    async def answer(self, request):
        self.ports.append(request.client.port)
        self.asked.release()
        await self.go.wait()
        return PlainTextResponse("answered")

    @property
    def app(self):
        return Starlette(routes=[Route("/", self.answer)])


@pytest.fixture
async def held():
    return Held()


def pools(max_pools):
    limits = httpx.Limits(max_connections=CONNECTIONS_PER_POOL)
    return ShardedTransport(
        lambda: httpx.AsyncHTTPTransport(limits=limits), httpx.AsyncByteStream, max_pools=max_pools
    )


async def test_requests_one_after_another_use_one_connection(serve, held):
    held.go.set()
    async with http_client(None, 10) as client:
        url = await serve(held.app)
        for _ in range(CONNECTIONS_PER_POOL * 3):
            assert (await client.get(url)).text == "answered"
    assert len(set(held.ports)) == 1


async def test_a_connection_is_kept_for_a_visitor_who_comes_a_little_later(serve, held, monkeypatch):
    held.go.set()
    async with http_client(None, 10) as client:
        url = await serve(held.app)
        for seconds in (0, KEEPALIVE_SECONDS - 1, 2 * KEEPALIVE_SECONDS):
            monkeypatch.setattr(http11, "time", SimpleNamespace(monotonic=lambda now=seconds: now))
            assert (await client.get(url)).text == "answered"
    first, kept, anew = held.ports
    assert first == kept != anew


async def test_a_crowd_is_spread_and_each_is_answered(serve, held):
    url = await serve(held.app)
    transport = pools(3)
    async with httpx.AsyncClient(transport=transport) as client:
        crowd = [asyncio.create_task(client.get(url)) for _ in range(CONNECTIONS_PER_POOL * 4)]
        for _ in range(CONNECTIONS_PER_POOL * 3):
            await held.asked.acquire()
        assert len(set(held.ports)) == CONNECTIONS_PER_POOL * 3  # the rest waits for a connection
        held.go.set()
        assert {(await each).text for each in crowd} == {"answered"}
        assert [pool.in_flight for pool in transport._pools] == [0, 0, 0]


async def test_a_request_that_is_given_up_or_fails_leaves_its_place(serve, held):
    url = await serve(held.app)
    transport = pools(1)
    async with httpx.AsyncClient(transport=transport) as client:
        request = asyncio.create_task(client.get(url))
        await held.asked.acquire()
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
        held.go.set()
        async with client.stream("GET", url) as answer:
            assert answer.status_code == 200  # left without reading it
        assert [pool.in_flight for pool in transport._pools] == [0]


async def test_the_environments_proxy_is_used(serve, held, monkeypatch):
    held.go.set()
    proxy = await serve(held.app)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    async with http_client(None, 10) as client:
        assert (await client.get("http://service.example/")).text == "answered"
