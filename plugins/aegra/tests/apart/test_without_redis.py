"""Aegra while Redis is away: a run that is refused is not executed later."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from redis import Redis

from plugins.aegra.tests.apart.aegra_process import Aegra
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("heals-by-itself")

RUN = {"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": "Hello!"}]}}
START = {"id": 1, "method": "run.start", "params": RUN}


@pytest.fixture
async def http(own_aegra: Aegra, sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-Api-Key": sandbox.access_token("alice")}
    async with httpx.AsyncClient(base_url=own_aegra.url, headers=headers, timeout=15) as client:
        yield client


@contextmanager
def hanging(own_aegra: Aegra) -> Iterator[None]:
    """Redis accepts connections, and does not respond."""
    os.kill(own_aegra.redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(own_aegra.redis.pid, signal.SIGCONT)


@contextmanager
def refusing(own_aegra: Aegra) -> Iterator[None]:
    """Redis responds, and queues nothing: as if it went away after the run was stored."""
    with Redis.from_url(own_aegra.redis.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-rpush")
        try:
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+rpush")


def ways_in(thread: str) -> list[tuple[str, Any]]:
    paths = [f"/threads/{thread}/runs", f"/threads/{thread}/runs/stream", f"/threads/{thread}/runs/wait"]
    return [(path, RUN) for path in [*paths, "/runs", "/runs/stream", "/runs/wait"]]


async def thread_of(http: httpx.AsyncClient) -> str:
    return str((await http.post("/threads", json={})).json()["thread_id"])


async def test_run_is_refused_before_it_is_stored_while_redis_hangs(
    own_aegra: Aegra, http: httpx.AsyncClient
) -> None:
    thread = await thread_of(http)
    with hanging(own_aegra):
        for path, body in [*ways_in(thread), (f"/threads/{thread}/commands", START)]:
            refused = await http.post(path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "redis_unavailable"), path
            assert refused.headers["Retry-After"]
    no = RUN | {"assistant_id": "no"}  # which Aegra does not have
    async with asyncio.timeout(60):  # until Redis is used again
        while (await http.post("/runs", json=no)).status_code != 404:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)  # another process: there is no event to wait for
    assert (await http.get(f"/threads/{thread}/runs")).json() == []


async def test_run_that_could_not_be_queued_has_ended(
    own_aegra: Aegra, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    thread = await thread_of(http)
    with refusing(own_aegra):
        for path, body in ways_in(thread):
            refused = await http.post(path, json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "redis_unavailable"), path
        command = (await http.post(f"/threads/{thread}/commands", json=START)).json()
        assert (command["type"], command["error"]) == ("error", "unknown_error")
    runs = (await http.get(f"/threads/{thread}/runs")).json()
    assert [run["status"] for run in runs] == ["interrupted"] * 4
    assert (await http.get(f"/threads/{thread}")).json()["status"] == "idle"
    sandbox.cloud.counters.reset()
    worker = own_aegra.start(workers=1, STUCK_PENDING_THRESHOLD_SECONDS="1")
    try:
        assert (await http.post(f"/threads/{thread}/runs/wait", json=RUN)).status_code == 200
    finally:
        worker.kill()
    assert len([run for run in runs if run["status"] == "interrupted"]) == 4
    state = (await http.get(f"/threads/{thread}/state")).json()
    assert [message["type"] for message in state["values"]["messages"]] == ["human", "ai"]
