"""What processes share in a Redis, and how its absence is noticed and ends."""

import asyncio
import logging
import os
import signal
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from agent.redis import RedisUnavailableError, SharedRedis
from identity.errors import UnreachableError
from identity.secrets.secret import Secret
from tests.clock import Clock
from tests.databases.redis_process import RedisProcess, redis_process
from tests.loopback import free_port
from tests.until import until

PASSWORD = "redis-password-never-shown"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as server:
        yield server


def shared_redis(redis: RedisProcess, clock: Clock | None = None, audience: str = "agent") -> SharedRedis:
    url = f"redis://default:{PASSWORD}@127.0.0.1:{redis.port}"
    return SharedRedis(Secret(url), audience=audience, monotonic=clock or Clock())


def ping(redis: Any) -> Any:
    return redis.ping()


async def test_stopped_redis_is_away_and_is_used_again_after_its_return(
    redis: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idaas_agent.redis")
    clock = Clock()
    shared = shared_redis(redis, clock)
    assert await shared.check() == "Redis responds"
    redis.stop()
    with pytest.raises(UnreachableError, match="redis_unavailable"):
        await shared.check()
    redis.start()
    with pytest.raises(RedisUnavailableError):  # not asked for five seconds
        await shared.use(ping)
    clock.now += 5
    assert await shared.use(ping)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert PASSWORD not in caplog.text
    assert shared.measures.failures == 1
    await shared.aclose()


async def test_redis_that_was_slow_once_is_used_again_as_soon_as_it_responds(redis: RedisProcess) -> None:
    shared = shared_redis(redis)  # its clock stands still
    await shared.use(ping)
    os.kill(redis.pid, signal.SIGSTOP)
    with pytest.raises(RedisUnavailableError):
        await shared.use(ping, seconds=0.05)
    os.kill(redis.pid, signal.SIGCONT)
    async with asyncio.timeout(60):
        while True:
            try:
                assert await shared.use(ping, seconds=30)
                break
            except RedisUnavailableError:
                await asyncio.wait([shared._watch])  # type: ignore[list-item]  # a task once it is used
    await shared.aclose()


async def test_cancelled_use_is_cancelled_at_every_step(redis: RedisProcess) -> None:
    async def removed(client: Any) -> Any:
        return await client.pipeline(transaction=False).zrem("set", "member").execute()

    shared = shared_redis(redis)
    cancelled = 0
    for turns in range(40):
        using = asyncio.create_task(shared.use(removed, 60.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        if using.cancel():
            cancelled += 1
            with pytest.raises(asyncio.CancelledError):
                await using
    assert cancelled
    await shared.aclose()


async def test_restart_between_two_uses_is_not_noticed(redis: RedisProcess) -> None:
    shared = shared_redis(redis)
    await shared.use(ping)
    redis.stop()
    redis.start()
    assert await shared.use(ping)
    await shared.aclose()


async def test_failure_is_logged_once_in_a_minute(
    redis: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    redis.stop()
    clock = Clock()
    shared = shared_redis(redis, clock)
    for seconds, lines in ((0, 1), (10, 1), (30, 1), (61, 2)):
        clock.now = 1000 + seconds
        with pytest.raises(RedisUnavailableError):
            await shared.use(ping)
        assert len(caplog.records) == lines
    await shared.aclose()


async def test_event_loop_that_was_late_does_not_make_redis_away(redis: RedisProcess) -> None:
    shared, limit = shared_redis(redis), 0.05

    def work(client: Redis) -> None:
        """Holds the event loop until Redis has responded, and the time is over."""
        until = time.monotonic() + limit
        while client.ping() and time.monotonic() < until:
            pass

    async def slow(client: Any) -> Any:
        asyncio.get_running_loop().call_soon(work, other)
        response = await client.ping()
        for _ in range(5):  # as if the response were long: it is read in several turns of the event loop
            await asyncio.sleep(0)
        return response

    await shared.use(ping)
    with Redis(port=redis.port) as other:
        other.ping()
        assert await shared.use(slow, seconds=limit)
    await shared.aclose()


async def test_messages_arrive_at_every_listener_of_their_channel(redis: RedisProcess) -> None:
    one, other = shared_redis(redis), shared_redis(redis)
    channel = one.name("channel")
    assert other.name("channel") == channel
    assert shared_redis(redis, audience="another").name("channel") != channel
    messages = one.messages(channel)
    assert await anext(messages) is None
    assert await other.use(lambda client: client.publish(channel, "text")) == 1
    async with asyncio.timeout(60):
        received = (message async for message in messages if message is not None)
        assert await anext(received) == b"text"
    redis.stop()
    with pytest.raises(RedisUnavailableError):
        await anext(received)
    for shared in (one, other):
        await shared.aclose()


async def test_redis_cluster_is_refused_by_the_check(tmp_path: Path) -> None:
    # By default its bus is 10,000 ports above, where the system gives ports to connections.
    bus = ("--cluster-port", str(free_port()))
    with redis_process(tmp_path, "--cluster-enabled", "yes", *bus) as server:
        with Redis(port=server.port) as operator:
            operator.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            state = partial(operator.execute_command, "CLUSTER", "INFO", NEVER_DECODE=True)
            await until(lambda: b"cluster_state:ok" in state())
        shared = shared_redis(server)
        with pytest.raises(UnreachableError, match="Redis Cluster is not supported"):
            await shared.check()
        await shared.aclose()


@pytest.mark.parametrize(
    ("scheme", "trusted", "reason"),
    [
        ("rediss", False, "its certificate is not trusted, or is for another name"),
        ("redis", True, "it may expect TLS"),
    ],
)
async def test_failure_of_tls_has_its_cause_in_the_log_and_in_the_check(
    sandbox: Any, caplog: pytest.LogCaptureFixture, scheme: str, trusted: bool, reason: str
) -> None:
    certificates = Path(sandbox.environment["SSL_CERT_FILE"]).parent
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "localhost.pem", certificates / "localhost-key.pem")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    cafile = sandbox.environment["SSL_CERT_FILE"] if trusted else None
    url = Secret(f"{scheme}://default:{PASSWORD}@localhost:{port}")
    shared = SharedRedis(url, audience="agent", cafile=cafile)
    with pytest.raises(UnreachableError) as caught:
        await shared.check()
    assert reason in caught.value.detail
    assert (reason in caplog.text, PASSWORD in caplog.text + caught.value.detail) == (True, False)
    await shared.aclose()
    server.close()


async def test_rediss_at_a_redis_without_tls_says_so(redis: RedisProcess) -> None:
    shared = SharedRedis(Secret(f"rediss://localhost:{redis.port}"), audience="agent")
    with pytest.raises(UnreachableError, match="or does not speak TLS"):
        await shared.check()
    await shared.aclose()


async def test_other_causes_are_named_without_the_address(redis: RedisProcess) -> None:
    with Redis(port=redis.port) as operator:
        operator.config_set("requirepass", "another")
    url = f"redis://default:{PASSWORD}@127.0.0.1:{redis.port}"
    for address, reason in (
        (url, "it does not accept the user or the password"),
        ("redis://127.0.0.1:1", "it refuses the connection"),
    ):
        shared = SharedRedis(Secret(address), audience="agent")
        with pytest.raises(UnreachableError) as caught:
            await shared.check()
        assert reason in caught.value.detail
        assert PASSWORD not in caught.value.detail
        await shared.aclose()
