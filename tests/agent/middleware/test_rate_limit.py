"""Requests are counted for each principal, after authentication; several processes count in one Redis."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from redis.asyncio import Redis

from agent.api.app import create_app
from agent.composition import Agent
from agent.error_codes import AgentCode
from agent.middleware.rate_limit import RequestRate
from agent.settings.variables import read_settings
from identity.errors import LimitError
from identity.principal import Principal
from identity.secret import Secret
from tests.agent.middleware.redis_server import RedisServer, redis_server
from tests.conftest import Sandbox

pytestmark = pytest.mark.promise("bounded")

CHAT = "/openai/v1/chat/completions"
MODELS = "/openai/v1/models"
PAGE = "http://localhost:9001"
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")
PASSWORD = "redis-password-never-shown"


@contextlib.asynccontextmanager
async def client_of(sandbox: Sandbox, **variables: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new application, without an access token."""
    settings = read_settings(sandbox.environment | variables)
    agent = Agent(settings, clock=sandbox.clock)
    transport = httpx.ASGITransport(create_app(settings, agent))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as http:
        yield http
    await agent.aclose()


def signed_in(sandbox: Sandbox, user: str = "alice") -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.access_token(user)}"}


async def until_refused(
    http: httpx.AsyncClient, sandbox: Sandbox, user: str = "alice", *, within: int
) -> httpx.Response:
    """The first response with another status than 200."""
    headers = signed_in(sandbox, user)
    for _ in range(within + 1):
        response = await http.get(MODELS, headers=headers)
        if response.status_code != 200:
            return response
    pytest.fail("nothing was refused")


async def spent(rate: RequestRate, principal: Principal, *, within: int) -> LimitError:
    """The error of the first request above the limit."""
    for _ in range(within + 1):
        try:
            await rate.count(principal)
        except LimitError as error:
            return error
    pytest.fail("nothing was refused")


async def test_429_contains_retry_after(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="3") as http:
        for _ in range(3):
            assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200
        refused = await until_refused(http, sandbox, within=3)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == AgentCode.RATE_LIMITED
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        for path in (CHAT, "/agent/invoke", "/agent/stream", "/agent/playground/", "/nothing/here"):
            response = await http.post(path, headers=signed_in(sandbox), json={})
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (429, AgentCode.RATE_LIMITED), path
            assert error["retry_after"] == int(response.headers["Retry-After"]), path


async def test_users_are_limited_separately(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="2") as http:
        await until_refused(http, sandbox, "alice", within=2)
        assert (await http.get(MODELS, headers=signed_in(sandbox, "bob"))).status_code == 200


async def test_tokens_of_one_user_share_a_limit(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="2") as http:
        await until_refused(http, sandbox, within=2)
        another = {"Authorization": f"Bearer {sandbox.access_token('alice', lifetime=77)}"}
        assert (await http.get(MODELS, headers=another)).status_code == 429


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


async def test_429_comes_before_the_body_is_read(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="1", MAX_BODY_BYTES="10") as http:
        await until_refused(http, sandbox, within=1)
        refused = await http.post(CHAT, headers=signed_in(sandbox), content=b" " * 11)
        assert refused.status_code == 429


# --- batches and runs ------------------------------------------------------------------------


def batch_of(inputs: int, content: object = "hello") -> dict[str, object]:
    return {"inputs": [{"messages": [{"role": "user", "content": content}]}] * inputs}


async def remaining(http: httpx.AsyncClient, sandbox: Sandbox) -> int:
    """How many requests are admitted before one is refused."""
    headers, admitted = signed_in(sandbox), 0
    while (await http.get(MODELS, headers=headers)).status_code == 200:
        admitted += 1
    return admitted


@pytest.mark.parametrize("path", ["/agent/batch", "/agent/c/N4XyA/batch"])
async def test_each_input_of_a_batch_counts(sandbox: Sandbox, path: str) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="10") as http:
        response = await http.post(path, headers=signed_in(sandbox), json=batch_of(4))
        assert response.status_code == 200
        assert [name for name in sandbox.cloud.counters.snapshot() if name.startswith("model_studio")]
        assert await remaining(http, sandbox) == 6


async def test_refused_batch_is_not_counted_and_starts_no_run(sandbox: Sandbox) -> None:
    async with client_of(sandbox, MAX_REQUESTS_PER_MINUTE="5") as http:
        assert (await http.get(MODELS, headers=signed_in(sandbox))).status_code == 200
        for _ in range(10):
            refused = await http.post("/agent/batch", headers=signed_in(sandbox), json=batch_of(5))
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == AgentCode.RATE_LIMITED
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert not [name for name in sandbox.cloud.counters.snapshot() if name.startswith("model_studio")]
        assert await remaining(http, sandbox) == 4


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


async def test_request_refused_for_too_many_runs_is_not_counted_and_its_body_not_read(
    sandbox: Sandbox,
) -> None:
    settings = read_settings(
        sandbox.environment | {"MAX_REQUESTS_PER_MINUTE": "3", "MAX_CONCURRENT_RUNS": "1"}
    )
    agent = Agent(settings, clock=sandbox.clock)
    headers = signed_in(sandbox)
    alice = await agent.admission.admit([headers["Authorization"]])
    running = asyncio.create_task(asyncio.Event().wait())
    agent.runs._limit.count(alice.principal, running)
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("body")
        yield b"{}"

    transport = httpx.ASGITransport(create_app(settings, agent))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as http:
        for _ in range(5):
            for path in (CHAT, "/agent/invoke", "/agent/batch", "/agent/stream", "/agent/stream_log"):
                refused = await http.post(path, content=body())
                assert refused.status_code == 429, path
                assert refused.json()["error"]["code"] == AgentCode.TOO_MANY_RUNS, path
        assert read == []
        assert await remaining(http, sandbox) == 3
    running.cancel()
    await agent.aclose()


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


# --- Redis -------------------------------------------------------------------------------------


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "idaas_agent.rate_limit")
    return caplog


def url_of(port: int) -> str:
    return f"redis://default:{PASSWORD}@127.0.0.1:{port}"


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


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
    url = Secret(f"redis://127.0.0.1:{redis.port}")
    one, other = (RequestRate(2, audience=audience, redis_url=url) for audience in ("one", "other"))
    await spent(one, ALICE, within=2)
    await other.count(ALICE)
    assert one._redis is not None
    keys = await Redis(connection_pool=one._redis).keys()
    assert len(keys) >= 2
    assert not [key for key in keys if b"alice" in key or b"example" in key]
    await one.aclose()
    await other.aclose()


async def test_without_redis_requests_are_admitted_and_limited_locally(
    redis: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    rate = RequestRate(3, audience="agent", redis_url=Secret(url_of(redis.port)), monotonic=clock)
    await rate.count(ALICE)
    assert not log.records
    redis.leave()
    await rate.count(ALICE)
    await rate.count(BOB)
    assert (await spent(rate, ALICE, within=3)).code is AgentCode.RATE_LIMITED
    [record] = log.records
    assert "REDIS_URL" in record.message
    assert PASSWORD not in log.text
    for seconds, lines in ((10, 1), (30, 1), (61, 2)):  # repeated failures, one warning in a minute
        clock.now = 1000 + seconds
        with contextlib.suppress(LimitError):
            await rate.count(BOB)
        assert len(log.records) == lines
    await rate.aclose()


async def test_redis_is_used_again_after_it_recovers() -> None:
    clock = Clock()
    with redis_server() as redis:
        async with asyncio.timeout(20):
            rate = RequestRate(
                1, audience="agent", redis_url=Secret(f"redis://127.0.0.1:{redis.port}"), monotonic=clock
            )
            rate._redis_failed(ConnectionError())
            await rate.count(ALICE)
            assert redis.connections == 0
            clock.now += 6
            assert (await spent(rate, ALICE, within=1)).retry_after
            assert redis.connections == 1
        await rate.aclose()


async def test_hanging_redis_delays_one_request_only(log: pytest.LogCaptureFixture) -> None:
    connections = []

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rate = RequestRate(2, audience="agent", redis_url=Secret(url_of(port)), monotonic=Clock())
    await spent(rate, ALICE, within=2)
    assert len(connections) == len(log.records) == 1
    await rate.aclose()
    server.close()
