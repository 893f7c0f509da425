"""Replicas as real processes, on a real PostgreSQL and a real Redis that stop and return."""

import asyncio
import json
import re
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Origin, Revocation, Target
from sandbox.faults.faults import Fault
from tests.agent.api.threads.test_run_routes import Events
from tests.command import Command, forked
from tests.databases.counting_proxy import CountingProxy, PostgresWire
from tests.databases.postgres_process import PostgresProcess
from tests.databases.postgres_server import stored_in
from tests.databases.redis_process import RedisProcess
from tests.running_agent import ENTERPRISE, GREETING, RunningAgent, StartAgent
from tests.suite import Sandbox
from tests.until import until

CHAT = "/openai/v1/chat/completions"


def chat(question: str, **metadata: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}], "stream": True, "metadata": metadata}


def http_of(command: Command) -> httpx.AsyncClient:
    (port,) = re.findall(r"listening on 127.0.0.1, port (\d+)", command.printed)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)


@pytest.mark.promise("heals-by-itself")
async def test_run_of_a_killed_replica_is_interrupted_and_continued_at_another_one(
    sandbox: Sandbox, postgres: PostgresProcess, redis: RedisProcess, tmp_path: Path
) -> None:
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Human",
        "AGENT_PORT": "0",
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
        "CONVERSATIONS_URL": postgres.url,
        "REDIS_URL": redis.url,
    }
    alice = {"Authorization": f"Bearer {sandbox.access_token()}"}
    fresh = {"Authorization": f"Bearer {sandbox.access_token(lifetime=77)}"}
    async with (
        forked("serve", folder=tmp_path, **variables) as killed,
        forked("serve", folder=tmp_path, **variables) as living,
    ):
        await asyncio.gather(killed.says("startup complete"), living.says("startup complete"))
        async with http_of(killed) as a, http_of(living) as b:
            sandbox.cloud.faults.set("function_compute", Fault(hang=True))
            asked = chat(ENTERPRISE, thread_id="t", on_disconnect="continue")
            async with a.stream("POST", CHAT, json=asked, headers=alice) as response:
                async for line in response.aiter_lines():
                    if "tool_started" in line:
                        break
            shown = await shown_for_a_while(sandbox, postgres, a, fresh)
            async with b.stream("GET", "/threads/t/events", headers=alice) as following:
                events = Events(following)
                assert (await events.until("TOOL_CALL_START"))["toolCallName"]
                killed.send_signal(signal.SIGKILL)
                assert (await events.rest())[-1]["code"] == "run_interrupted"
            thread = (await b.get("/threads/t", headers=fresh)).json()
            assert thread["status"] == "interrupted"
            assert "may already have taken effect" in thread["messages"][-1]["content"]
            [*_, cut] = (await b.get("/threads/tale", headers=fresh)).json()["messages"]
            assert cut["role"] == "assistant"
            assert cut["content"].startswith(shown)
            sandbox.cloud.faults.clear()
            assert (await b.post("/threads/t/continue", headers=fresh)).status_code == 202
            async with b.stream("GET", "/threads/t/events", headers=fresh) as following:
                assert (await Events(following).rest())[-1]["type"] == "RUN_FINISHED"
        living.send_signal(signal.SIGTERM)
        assert await living.ends() == 0
    # A replica that is killed while it writes may leave an empty line before that of another one.
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines if line]
    assert next(each["outcome"] for each in records if each["event"] == "tool_call") == "started"


async def shown_for_a_while(
    sandbox: Sandbox, postgres: PostgresProcess, http: httpx.AsyncClient, headers: dict[str, str]
) -> str:
    """The first words of a slow response, once they are written. The client leaves, the run goes on."""
    sandbox.cloud.settings.model_token_delay = 0.3
    asked = chat(GREETING, thread_id="tale", on_disconnect="continue")
    async with http.stream("POST", CHAT, json=asked, headers=headers) as response:
        async for line in response.aiter_lines():
            chunk = json.loads(line.removeprefix("data: ")) if line.startswith("data: {") else {}
            if words := "".join(each["delta"].get("content") or "" for each in chunk.get("choices", ())):
                break
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        written = "SELECT count(*) FROM idaas_agent.drafts"
        await until(lambda: connection.execute(written).fetchone() != (0,))
    return words


async def status_of(agent: RunningAgent) -> tuple[int, str, set[str]]:
    """The status of `/ready`, and the codes of the parts that fail."""
    agent.composed.readiness.remembered_seconds = 0
    response = await agent.ready()
    body = response.json()
    codes = {check["code"] for check in body["checks"].values() if not check["ok"]}
    return response.status_code, body["status"], codes


async def becomes(agent: RunningAgent, word: str, *codes: str) -> None:
    """Waits until the agent is in service with this status: a part that is late is away for a moment."""

    async def has_become() -> bool:
        status, shown, failed = await status_of(agent)
        assert status == 200 or (shown, failed) == (word, set(codes))
        return (shown, failed) == (word, set(codes))

    await until(has_become)


@pytest.mark.promise("heals-by-itself")
async def test_what_needs_no_missing_part_goes_on_and_the_rest_returns_without_a_restart(
    sandbox: Sandbox, start_agent: StartAgent, postgres: PostgresProcess, redis: RedisProcess
) -> None:
    token = sandbox.access_token()
    alice = {"Authorization": f"Bearer {token}"}
    agent = await start_agent("Machine", CONVERSATIONS_URL=postgres.url, REDIS_URL=redis.url)
    await agent.warm()

    async def sent(thread: str) -> httpx.Response:
        body = chat(GREETING, thread_id=thread) | {"stream": False}
        return await agent.http.post(agent.origin + CHAT, json=body, headers=alice)

    assert (await sent("before")).status_code == 200
    await becomes(agent, "ready")
    redis.stop()
    try:
        assert (await agent.ask(GREETING, token)).status == 200
        assert (await sent("without-redis")).status_code == 200
        await becomes(agent, "degraded", "redis_unavailable")
        postgres.stop()
        try:
            assert (await agent.ask(GREETING, token)).status == 200
            for refused in (
                await sent("without-both"),
                await agent.http.get(f"{agent.origin}/threads", headers=alice),
                await agent.http.get(f"{agent.origin}/threads/before/events", headers=alice),
                await agent.http.post(f"{agent.origin}/threads/before/cancel", headers=alice),
            ):
                code = refused.json()["error"]["code"]
                assert (refused.status_code, code) == (503, "conversations_unavailable")
            await becomes(
                agent, "degraded", "redis_unavailable", "conversations_unavailable", "revocations_unavailable"
            )
        finally:
            postgres.start()
    finally:
        redis.start()
    assert (await sent("after")).status_code == 200
    listed = (await agent.http.get(f"{agent.origin}/threads", headers=alice)).json()["threads"]
    assert {each["id"] for each in listed} == {"before", "without-redis", "after"}
    await becomes(agent, "ready")


async def test_replicas_that_start_at_once_request_no_more_than_each_alone(
    sandbox: Sandbox, start_agent: StartAgent, redis: RedisProcess
) -> None:
    def requests() -> dict[str, int]:
        found: dict[str, int] = sandbox.cloud.counters.snapshot()
        return {name: number for name, number in found.items() if name.startswith(("idaas", "developer"))}

    first = await start_agent("Machine", REDIS_URL=redis.url)
    await first.warm()
    alone = requests()
    assert alone
    replicas = await asyncio.gather(*(start_agent("Machine", REDIS_URL=redis.url) for _ in range(4)))
    await asyncio.gather(*(replica.warm() for replica in replicas))
    assert requests() == {name: number * 5 for name, number in alone.items()}
    sandbox.cloud.counters.reset()
    people = await asyncio.gather(*(start_agent("Human", REDIS_URL=redis.url) for _ in range(4)))
    await asyncio.gather(*(replica.warm() for replica in people))
    assert set(requests()) == {"idaas:jwks"}  # users' credentials wait for their users


@pytest.mark.promise("heals-by-itself")
async def test_database_that_hangs_delays_no_stateless_chat_and_takes_no_replica_out_of_service(
    sandbox: Sandbox, start_agent: StartAgent, postgres: PostgresProcess
) -> None:
    token = sandbox.access_token()
    alice = {"Authorization": f"Bearer {token}"}
    async with CountingProxy(postgres.port, PostgresWire) as proxy:
        url = postgres.url.replace(str(postgres.port), str(proxy.port))
        agent = await start_agent("Machine", CONVERSATIONS_URL=url)
        await agent.warm()

        async def asked(method: str, path: str, body: Any = None) -> tuple[int, str | None]:
            response = await agent.http.request(method, agent.origin + path, json=body, headers=alice)
            return response.status_code, response.json().get("error", {}).get("code")

        def kept(thread: str) -> Any:
            return asked("POST", CHAT, chat(GREETING, thread_id=thread) | {"stream": False})

        assert (await kept("before"))[0] == 200
        storage = agent.composed.kept.storage
        storage.database._seconds = 60.0  # type: ignore[attr-defined]  # `/ready` does not wait for it
        revocations: Any = agent.composed.revocation._followed[0].store
        revocations.database._seconds = 0.5
        proxy.hang()
        assert (await agent.ask(GREETING, token)).status == 200
        assert "conversations_unavailable" in (await status_of(agent))[2]
        storage.database._seconds = 0.5  # type: ignore[attr-defined]  # of the implementation that runs here
        await becomes(agent, "degraded", "conversations_unavailable", "revocations_unavailable")
        paths = ("/threads", "/threads/before", "/threads/before/events")
        refused = await asyncio.gather(
            *(asked("GET", path) for path in paths for _ in range(10)), kept("before"), kept("meanwhile")
        )
        assert set(refused) == {(503, "conversations_unavailable")}
        assert (await agent.ask(GREETING, token)).status == 200
        proxy.go_on()
        storage.database._seconds = 30.0  # type: ignore[attr-defined]  # of the implementation that runs here
        revocations.database._seconds = 30.0
        assert (await kept("afterwards"))[0] == 200
        await becomes(agent, "ready")


def revoked(agent: RunningAgent, clock: Callable[[], float]) -> Awaitable[object]:
    """An operator revokes alice's tokens at this replica."""
    now = clock()
    return agent.composed.revocation.put(
        [Revocation(Target.USER, "user_alice01", Origin.OPERATOR, now + 30, now)]
    )


@pytest.mark.promise("revoked-refused")
@pytest.mark.parametrize("kept_in", ["postgresql", "file"])
async def test_revocation_outlasts_a_redis_that_forgets_and_every_replica_that_knew_it(
    kept_in: str,
    sandbox: Sandbox,
    start_agent: StartAgent,
    postgres: PostgresProcess,
    redis: RedisProcess,
    tmp_path: Path,
) -> None:
    variables = {"REDIS_URL": redis.url, "REVOCATIONS_FILE": str(tmp_path / "revocations.sqlite")}
    if kept_in == "postgresql":
        variables |= {"CONVERSATIONS_URL": postgres.url, "REVOCATIONS_FILE": str(tmp_path / "none")}
    token = sandbox.access_token()
    first = await start_agent("Machine", **variables)
    assert (await first.ask(GREETING, token)).status == 200
    await revoked(first, sandbox.clock)
    await first.composed.revocation.aclose()
    redis.empty()
    second = await start_agent("Machine", **variables)
    assert (await second.ask(GREETING, token)).code == "access_revoked"


@pytest.mark.promise("revoked-refused")
async def test_replica_writes_back_what_redis_forgets_and_reports_the_loss(
    sandbox: Sandbox, start_agent: StartAgent, redis: RedisProcess, tmp_path: Path, caplog: Any
) -> None:
    machines = ({"REDIS_URL": redis.url, "REVOCATIONS_FILE": str(tmp_path / name)} for name in "ab")
    first = await start_agent("Machine", **next(machines))
    await revoked(first, sandbox.clock)
    redis.empty()
    await until(lambda: "user_alice01" in redis.contents())
    assert any(first.composed.measures.revocations.lost.values.values())
    await becomes(first, "ready")
    assert "it has lost data" in caplog.text
    second = await start_agent("Machine", **next(machines))
    assert (await second.ask(GREETING, sandbox.access_token())).code == "access_revoked"


async def is_refused(replica: RunningAgent, token: str) -> bool:
    return (await replica.ask(GREETING, token)).status != 200


@pytest.mark.promise("revoked-refused")
async def test_revocation_reaches_other_replicas_while_the_database_hangs_and_is_stored_afterwards(
    sandbox: Sandbox, start_agent: StartAgent, postgres: PostgresProcess, redis: RedisProcess
) -> None:
    token = sandbox.access_token()
    async with CountingProxy(postgres.port, PostgresWire) as proxy:
        url = postgres.url.replace(str(postgres.port), str(proxy.port))
        one, other = [
            await start_agent("Machine", CONVERSATIONS_URL=url, REDIS_URL=redis.url) for _ in range(2)
        ]
        assert (await other.ask(GREETING, token)).status == 200
        one.composed.revocation._followed[0].store.database._seconds = 0.5  # type: ignore[attr-defined]  # of the implementation that runs here
        proxy.hang()
        with pytest.raises(StoreError):
            await revoked(one, sandbox.clock)
        for replica in (one, other):
            await until(partial(is_refused, replica, token))
        proxy.go_on()
        await until(lambda: "user_alice01" in stored_in(postgres))
        assert not any(one.composed.measures.revocations.lost.values.values())
