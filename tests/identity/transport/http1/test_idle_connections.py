"""Idle connections are kept for half a minute, the latest is used first, and the rest are closed."""

import asyncio

import pytest

from identity.transport.http1.dial import dial
from identity.transport.http1.transport import KEEPALIVE_SECONDS, IdleConnections
from tests.identity.transport.http1.raw_server import RawServer


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def origin():
    async with RawServer() as running:
        yield (False, "127.0.0.1", running.port)


async def connected(origin):
    return await dial(origin[1], origin[2], None)


async def test_latest_connection_is_used_first_and_only_for_its_origin(origin):
    idle = IdleConnections(10)
    first, second = await connected(origin), await connected(origin)
    idle.keep(first, origin)
    idle.keep(second, origin)
    assert idle.take((True, *origin[1:])) is None
    assert [idle.take(origin), idle.take(origin), idle.take(origin)] == [second, first, None]
    first.abort()
    second.abort()


async def test_connection_is_used_until_it_expires(origin):
    clock = Clock()
    idle, connection = IdleConnections(10, clock), await connected(origin)
    idle.keep(connection, origin)
    clock.now += KEEPALIVE_SECONDS - 1
    assert idle.take(origin) is connection
    idle.keep(connection, origin)
    clock.now += KEEPALIVE_SECONDS
    assert idle.take(origin) is None
    assert not connection.reusable


async def test_connections_over_the_limit_are_closed(origin):
    idle = IdleConnections(1)
    first, second = await connected(origin), await connected(origin)
    idle.keep(first, origin)
    idle.keep(second, origin)
    assert (first.reusable, second.reusable) == (True, False)
    idle.close()
    assert not first.reusable


async def test_connection_of_another_event_loop_is_not_used(origin):
    idle, connection = IdleConnections(10), await connected(origin)
    idle.keep(connection, origin)

    async def take():
        return idle.take(origin)

    assert await asyncio.to_thread(asyncio.run, take()) is None
    connection.abort()
