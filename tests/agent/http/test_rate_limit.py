"""Requests are counted for each principal, after authentication and before the body is read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from agent.api.a2a.rpc_error import RpcCode
from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.errors.error_codes import AgentCode
from agent.settings.settings import read_settings
from tests.agent.http.limited_client import MODELS, client_of, signed_in, until_refused
from tests.conftest import Sandbox

pytestmark = pytest.mark.promise("bounded")

CHAT = "/openai/v1/chat/completions"
PAGE = "http://localhost:9001"


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
    running = asyncio.create_task(asyncio.Event().wait())
    agent.runs.limit.count(alice.principal, running)
    transport = httpx.ASGITransport(create_app(settings, agent))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as http:
        yield http
    running.cancel()
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
            for path in (CHAT, "/agent/invoke", "/agent/batch", "/agent/stream", "/agent/stream_log"):
                refused = await http.post(path, content=body())
                assert refused.status_code == 429, path
                assert refused.json()["error"]["code"] == AgentCode.TOO_MANY_RUNS, path
        assert read == []
        assert await remaining(http, sandbox) == 3


async def test_request_refused_after_its_body_was_read_is_counted(sandbox: Sandbox) -> None:
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    sent = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    async with busy_client(sandbox, MAX_REQUESTS_PER_MINUTE="3") as http:
        http.headers["A2A-Version"] = "1.0"
        bodies = [json.dumps(sent), "{", "{}", "{}"]
        codes = [(await http.post("/a2a", content=body)).json()["error"]["code"] for body in bodies]
    assert codes == [
        AgentCode.TOO_MANY_RUNS,
        RpcCode.JSON_PARSE_ERROR,
        RpcCode.INVALID_REQUEST,
        AgentCode.RATE_LIMITED,
    ]
