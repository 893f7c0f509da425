"""Requests are counted for each principal, after authentication and before the body is read.

Agents with one Redis share a user's limit.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.http.rate_limit import LocalWindow, RequestRate, take_in_redis
from agent.redis import SharedRedis
from agent.settings.settings import read_settings
from identity.errors import LimitError
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.agent.http.limited_client import MODELS, client_of, signed_in, until_refused
from tests.agent.http.redis_server import RedisServer, redis_server
from tests.clock import Clock
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")


CHAT = "/openai/v1/chat/completions"
PAGE = "http://localhost:9001"
ACTIONS = ("invoke", "batch", "stream", "stream_events", "stream_log")


async def test_429_contains_retry_after_and_comes_before_the_body_is_read(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="3", MAX_BODY_BYTES="1") as http:
        for _ in range(3):
            assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200
        refused = await until_refused(http, sandbox, within=3)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == AgentCode.RATE_LIMITED
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        for path in (CHAT, "/agent/invoke", "/agent/stream", "/nothing/here"):
            response = await http.post(path, headers=signed_in(sandbox), json={})
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (429, AgentCode.RATE_LIMITED), path
            assert error["retry_after"] == int(response.headers["Retry-After"]), path


async def test_tokens_of_one_user_share_a_limit_and_other_users_have_their_own(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="2") as http:
        await until_refused(http, sandbox, within=2)
        another = {"Authorization": f"Bearer {sandbox.access_token('alice', lifetime=77)}"}
        assert (await http.get(MODELS, headers=another)).status_code == 429
        assert (await http.get(MODELS, headers=signed_in(sandbox, "bob"))).status_code == 200


async def test_bad_token_is_not_counted(sandbox: Sandbox) -> None:
    stale = {"Authorization": f"Bearer {sandbox.access_token('alice', lifetime=-3600)}"}
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="2") as http:
        for headers in [stale] * 5 + [{}] * 5:
            assert (await http.get(MODELS, headers=headers)).status_code == 401
        assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200


async def test_public_routes_are_not_counted(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="1") as http:
        for _ in range(5):
            assert (await http.get("/health", headers=signed_in(sandbox))).status_code == 200
        assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200


async def test_zero_is_no_limit(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="0") as http:
        headers = signed_in(sandbox)
        assert {(await http.get(MODELS, headers=headers)).status_code for _ in range(200)} == {200}


async def test_retry_after_is_exposed_to_pages(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="1") as http:
        http.headers["Origin"] = PAGE
        refused = await until_refused(http, sandbox, within=1)
        assert refused.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


# --- batches and runs ------------------------------------------------------------------------


def batch_of(inputs: int, content: object = "hello") -> dict[str, object]:
    return {"inputs": [{"messages": [{"role": "user", "content": content}]}] * inputs}


async def remaining(http: httpx.AsyncClient, sandbox: Sandbox) -> int:
    """How many requests are admitted before one is refused."""
    headers, admitted = signed_in(sandbox), 0
    while (await http.get(MODELS, headers=headers)).status_code == 200:
        admitted += 1
    return admitted


async def test_each_input_of_a_batch_counts(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="10") as http:
        response = await http.post("/agent/batch", headers=signed_in(sandbox), json=batch_of(4))
        assert response.status_code == 200
        assert [name for name in sandbox.cloud.counters.snapshot() if name.startswith("model_studio")]
        assert await remaining(http, sandbox) == 6


async def test_refused_batch_counts_as_one_request_and_starts_no_run(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="5") as http:
        assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200
        refused = await http.post("/agent/batch", headers=signed_in(sandbox), json=batch_of(5))
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == AgentCode.RATE_LIMITED
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert not [name for name in sandbox.cloud.counters.snapshot() if name.startswith("model_studio")]
        assert await remaining(http, sandbox) == 3


async def test_batch_above_the_limit_is_a_422_with_the_limit(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="5") as http:
        refused = await http.post("/agent/batch", headers=signed_in(sandbox), json=batch_of(6))
        assert refused.status_code == 422
        assert "1 to 5" in refused.json()["error"]["message"]
        assert await remaining(http, sandbox) == 4


async def test_invalid_batch_counts_each_of_its_inputs(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="10") as http:
        refused = await http.post("/agent/batch", headers=signed_in(sandbox), json=batch_of(4, content=1))
        assert refused.status_code == 422
        assert await remaining(http, sandbox) == 6


@contextlib.asynccontextmanager
async def busy_client(sandbox: Sandbox, **variables: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a user who has all the runs that one user may have."""
    settings = read_settings(sandbox.environment | {"MAX_CONCURRENT_RUNS": "1"} | variables)
    agent = Agent(settings, clock=sandbox.clock)
    headers = signed_in(sandbox)
    alice = await agent.admission.admit([headers["Authorization"]])
    ended = agent.runs.limit.count("a run", alice)  # type: ignore[arg-type]  # it only counts
    transport = httpx.ASGITransport(create_app(settings, agent))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as http:
        yield http
    ended()
    await agent.aclose()


async def test_request_refused_for_too_many_runs_is_not_counted_and_its_body_not_read(
    sandbox: Sandbox,
) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("body")
        yield b"{}"

    async with busy_client(sandbox, MAX_REQUESTS_PER_MINUTE="3") as http:
        for _ in range(5):
            for path in (CHAT, *(f"/agent/{action}" for action in ACTIONS)):
                refused = await http.post(path, content=body())
                assert refused.status_code == 429, path
                assert refused.json()["error"]["code"] == AgentCode.TOO_MANY_RUNS, path
                assert int(refused.headers["Retry-After"]) >= 1, path
        assert read == []
        assert await remaining(http, sandbox) == 3


ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
PASSWORD = "redis-password-never-shown"


async def spent(rate: RequestRate, principal: Principal, *, within: int) -> LimitError:
    """The error of the first request above the limit."""
    for _ in range(within + 1):
        try:
            await rate.count(principal)
        except LimitError as error:
            return error
    pytest.fail("nothing was refused")


async def test_request_after_retry_after_succeeds() -> None:
    clock = Clock()
    rate = RequestRate(10, audience="agent", monotonic=clock)
    waiting = dict.fromkeys(range(50), 0.0)  # when each asks next
    while waiting:
        clock.now = max(clock.now, min(waiting.values()))
        for client in [client for client, at in waiting.items() if at <= clock.now]:
            try:
                await rate.count(ALICE)
            except LimitError as error:
                waiting[client] = clock.now + math.ceil(error.retry_after or 0)
            else:
                del waiting[client]
    assert clock.now <= 1000 + 4 * 60 + 1


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "idaas_agent.redis")
    return caplog


def url_of(port: int) -> str:
    return f"redis://default:{PASSWORD}@127.0.0.1:{port}"


async def test_agents_with_one_redis_share_a_users_limit(sandbox: Sandbox, redis: RedisServer) -> None:
    limit = {"MAX_REQUESTS_PER_MINUTE": "4", "REDIS_URL": f"redis://127.0.0.1:{redis.port}"}
    async with client_of(sandbox, **limit) as one, client_of(sandbox, **limit) as other:
        assert (await other.get(MODELS, headers=signed_in(sandbox))).status_code == 200
        await until_refused(one, sandbox, within=4)
        refused = await other.get(MODELS, headers=signed_in(sandbox))
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, AgentCode.RATE_LIMITED)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert (await other.get(MODELS, headers=signed_in(sandbox, "bob"))).status_code == 200


async def test_audiences_are_counted_separately_and_redis_receives_no_names(redis: RedisServer) -> None:
    shared = SharedRedis(Secret(f"redis://127.0.0.1:{redis.port}"), audience="agent")
    one, other = (RequestRate(2, audience=audience, redis=shared) for audience in ("one", "other"))
    await spent(one, ALICE, within=2)
    await other.count(ALICE)
    keys = await shared.use(lambda redis: redis.keys())
    assert len(keys) >= 2
    assert not [key for key in keys if b"alice" in key or b"example" in key]
    await shared.aclose()


async def test_without_redis_requests_are_admitted_and_limited_locally(
    redis: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    shared = SharedRedis(Secret(url_of(redis.port)), audience="agent", monotonic=clock)
    rate = RequestRate(3, audience="agent", redis=shared, monotonic=clock)
    await rate.count(ALICE)
    assert not log.records
    redis.leave()
    await rate.count(ALICE)
    await rate.count(BOB)
    assert (await spent(rate, ALICE, within=3)).code is AgentCode.RATE_LIMITED
    [record] = log.records
    assert "REDIS_URL" in record.message
    assert PASSWORD not in log.text
    await shared.aclose()


async def test_hanging_redis_delays_one_request_only(log: pytest.LogCaptureFixture) -> None:
    connections = []

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    shared = SharedRedis(Secret(url_of(port)), audience="agent", monotonic=Clock())
    rate = RequestRate(2, audience="agent", redis=shared, monotonic=Clock())
    await spent(rate, ALICE, within=2)
    assert len(connections) == len(log.records) == 1
    await shared.aclose()
    server.close()


LIMIT = 5


@dataclass
class InRedis:
    """The window in Redis, in the form of the local one."""

    take: Callable[..., Awaitable[float]]


@dataclass
class Windows:
    """Makes windows of one kind that count together, and moves their time."""

    make: Callable[[int], Any]
    passes: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["local", "redis"])
async def windows(request: pytest.FixtureRequest) -> AsyncIterator[Windows]:
    if request.param == "local":
        clock = Clock()

        async def later(seconds: float) -> None:
            clock.now += seconds

        yield Windows(lambda limit: LocalWindow(limit, monotonic=clock), later)
        return
    with redis_server() as server:
        redis = Redis(port=server.port)

        async def aged(seconds: float) -> None:
            for key in await redis.keys():
                units = await redis.zrange(key, 0, -1, withscores=True)
                await redis.zadd(key, {unit: score - seconds * 1000 for unit, score in units})

        yield Windows(lambda limit: InRedis(partial(take_in_redis, redis, limit)), aged)
        await redis.aclose()


async def test_each_caller_may_take_the_limit(windows: Windows) -> None:
    window = windows.make(LIMIT)
    waits = [await window.take("alice", f"a{number}", 1, "") for number in range(LIMIT + 1)]
    assert waits[:LIMIT] == [0] * LIMIT
    assert 50 < waits[LIMIT] <= 60  # Redis's clock advances by itself
    assert await window.take("bob", "b", LIMIT, "") == 0


async def test_refused_request_is_not_counted(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "first", LIMIT, "") == 0
    for second in range(50):
        assert await window.take("alice", f"again{second}", 1, ""), second
        await windows.passes(1)
    await windows.passes(10)
    assert await window.take("alice", "last", LIMIT, "") == 0


async def test_retry_after_suffices_and_is_at_most_a_minute(windows: Windows) -> None:
    window, refused = windows.make(LIMIT), 0
    for step in range(200):
        amount = 1 + step * 7 % 11 % LIMIT
        wait = await window.take("alice", f"s{step}", amount, "")
        if wait:
            refused += 1
            assert wait <= 60
            await windows.passes(math.ceil(wait))
            assert await window.take("alice", f"t{step}", amount, "") == 0
        await windows.passes(step * 13 % 41 / 2)
    assert refused > 20


async def test_no_minute_has_more_than_the_limit(windows: Windows) -> None:
    window, passed = windows.make(LIMIT), 0.0
    admitted: list[tuple[float, float]] = []
    """The time before and after each. Redis's clock advances by itself, too."""
    for step in range(300):
        before = passed + time.monotonic()
        if not await window.take("alice", f"s{step}", 1, ""):
            admitted.append((before, passed + time.monotonic()))
        seconds = step * 13 % 41 / 5
        await windows.passes(seconds)
        passed += seconds
    pairs = zip(admitted, admitted[LIMIT:], strict=False)
    assert all(later - first > 59.9 for (first, _), (_, later) in pairs)
    assert len(admitted) > 50


async def test_amount_in_place_of_a_unit_is_taken_whole_or_not_at_all(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "one", 1, "") == 0
    assert await window.take("alice", "all", LIMIT, "one.0") == 0
    assert await window.take("alice", "more", 1, "") > 0
    await windows.passes(60)
    assert await window.take("alice", "two", 2, "") == 0
    assert await window.take("alice", "one", 1, "") == 0
    assert await window.take("alice", "all", LIMIT, "one.0") > 0
    assert await window.take("alice", "rest", LIMIT - 2, "") > 0  # the refused one keeps its unit
    assert await window.take("alice", "rest", LIMIT - 3, "") == 0


async def test_refused_amount_fits_after_its_retry_after(windows: Windows) -> None:
    window = windows.make(LIMIT)
    assert await window.take("alice", "two", 2, "") == 0
    await windows.passes(20)
    assert await window.take("alice", "one", 1, "") == 0
    wait = await window.take("alice", "most", LIMIT - 1, "one.0")
    assert 39 < wait <= 40
    await windows.passes(math.ceil(wait))
    assert await window.take("alice", "again", 1, "") == 0
    assert await window.take("alice", "most", LIMIT - 1, "again.0") == 0


async def test_concurrent_takes_stay_within_the_limit(windows: Windows) -> None:
    window = windows.make(LIMIT)
    waits = await asyncio.gather(*(window.take("alice", f"a{number}", 1, "") for number in range(40)))
    assert waits.count(0) == LIMIT


async def test_callers_without_recent_requests_are_removed() -> None:
    clock = Clock()
    window = LocalWindow(LIMIT, monotonic=clock)
    for number in range(100):
        await window.take(f"caller{number}", "a", 1)
    clock.now += 61
    await window.take("alice", "a", 1)
    assert len(window._callers) == 1


async def test_redis_keys_expire() -> None:
    with redis_server() as server:
        redis = Redis(port=server.port)
        await take_in_redis(redis, 1, "alice", "a", 1)
        [key] = await redis.keys()
        life = await redis.pttl(key)
        assert 0 < life <= 60_000
        await redis.pexpire(key, 30_000)
        assert await take_in_redis(redis, 1, "alice", "b", 1) > 0
        assert await redis.pttl(key) <= 30_000
        await redis.aclose()
