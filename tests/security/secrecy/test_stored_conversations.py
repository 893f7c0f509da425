"""What is stored of conversations contains no secret, and under a key no text: read from file and tables."""

import asyncio
import base64
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.databases.postgres_process import PostgresProcess
from tests.databases.postgres_server import stored_in
from tests.databases.redis_process import RedisProcess
from tests.running_agent import ENTERPRISE, WEATHER, RunningAgent
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.security.secrecy.test_canaries import AT_ONCE, ENDS_WELL, OUTCOMES

pytestmark = pytest.mark.promise("no-secret-leaves")

APPLY = "Apply for three days of leave from Monday"
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()

STORED = [
    "answered",
    "the enterprise service echoes",
    "the enterprise service echoes with 401",
    "the MCP server echoes",
    "the model says its key",
    "the model refuses with the key",
    "IDaaS refuses with the token",
    "the Developer API refuses with the token",
]
"""The outcomes of the other canaries in which something is stored that a secret was near to."""


def files(folder: Path) -> str:
    """The bytes of the database and of its log of writes."""
    found = sorted(folder.glob("conversations.db*"))
    assert found
    return "\n".join(file.read_bytes().decode("latin-1") for file in found)


async def say(agent: RunningAgent, question: str, token: str, thread: str | None = None) -> str:
    """A message on a conversation; its identifier."""
    thread = thread or uuid.uuid4().hex
    body = {
        "messages": [{"role": "user", "content": question}],
        "metadata": {"thread_id": thread},
        "stream": True,
    }
    url = f"{agent.origin}/openai/v1/chat/completions"
    await agent.http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
    return thread


async def talk(agent: RunningAgent, token: str, *, ends_well: bool) -> None:
    """Two conversations with calls of services, and one that waits for an approval."""
    thread = await say(agent, ENTERPRISE, token)
    await say(agent, WEATHER if ends_well else ENTERPRISE, token, thread)
    await say(agent, APPLY, token)


async def in_redis(agent: RunningAgent, redis: RedisProcess) -> str:
    """All keys and values, after the latest events were written."""
    conversations = agent.composed.conversations
    assert conversations is not None
    assert conversations.relay is not None
    writer = conversations.relay.writer
    while writer._streams:
        await asyncio.gather(writer.write(), asyncio.sleep(0))
    return redis.contents()


async def started(start, sandbox, outcome: str, **parts: Any):
    """An agent whose surroundings behave as `outcome` of the other canaries has it."""
    agent = await OUTCOMES[outcome](start, sandbox, "Human", **parts)
    agent.composed.idaas._retries = AT_ONCE
    return agent


@pytest.mark.parametrize("outcome", STORED)
async def test_no_secret_is_in_the_file_or_in_redis(
    start_agent, sandbox, serve, tmp_path, redis: RedisProcess, outcome
) -> None:
    token = sandbox.access_token()
    canaries = secrets_of(sandbox, token)

    async def start(identity, **variables):
        url = f"sqlite:///{tmp_path}/conversations.db"
        given = {"CONVERSATIONS_URL": url, "REDIS_URL": redis.url, "MAX_TOOL_ROUNDS": "2"}
        return await start_agent(identity, **given, **variables)

    agent = await started(start, sandbox, outcome, serve=serve, tmp_path=tmp_path)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    await talk(agent, token, ends_well=outcome in ENDS_WELL)
    stored, shared = files(tmp_path), await in_redis(agent, redis)
    assert ENTERPRISE in stored
    assert '"step_started"' in shared
    assert leaks(canaries, [("the file", stored), ("Redis", shared)]) == []


@pytest.mark.parametrize(
    "outcome",
    ["answered", "the enterprise service echoes", "the model says its key", "the connection breaks"],
)
async def test_no_secret_is_in_the_tables(
    start_agent, sandbox, serve, tmp_path, postgres: PostgresProcess, outcome
) -> None:
    token = sandbox.access_token()
    canaries = secrets_of(sandbox, token)

    async def start(identity, **variables):
        return await start_agent(identity, CONVERSATIONS_URL=postgres.url, MAX_TOOL_ROUNDS="2", **variables)

    agent = await started(start, sandbox, outcome, serve=serve, tmp_path=tmp_path)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    await talk(agent, token, ends_well=outcome in ENDS_WELL)
    stored = stored_in(postgres)
    assert ENTERPRISE in stored
    assert leaks(canaries, [("the tables", stored)]) == []
    if outcome == "answered":
        assert "paused" in stored
        assert "leave_apply" in stored


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_no_text_of_conversations_is_stored_in_clear_under_a_key(
    start_agent, sandbox, tmp_path, request, redis: RedisProcess, database
) -> None:
    (tmp_path / "keys").write_text(KEY)
    url = f"sqlite:///{tmp_path}/conversations.db"
    if database == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = postgres.url
    shared = {"CONVERSATIONS_KEY_FILE": str(tmp_path / "keys"), "REDIS_URL": redis.url}
    agent = await start_agent("Human", CONVERSATIONS_URL=url, MAX_TOOL_ROUNDS="2", **shared)
    token = sandbox.access_token()
    await talk(agent, token, ends_well=True)
    response = await agent.http.get(f"{agent.origin}/threads", headers={"Authorization": f"Bearer {token}"})
    threads = response.json()["threads"]
    assert {thread["title"] for thread in threads} == {ENTERPRISE, APPLY}
    assert {thread["status"] for thread in threads} == {"idle", "paused"}
    stored = files(tmp_path) if database == "sqlite" else stored_in(postgres)
    assert "paused" in stored
    stored += await in_redis(agent, redis)
    assert ":events:" in stored
    for text in (
        ENTERPRISE,
        APPLY,
        "Hangzhou",
        "leave_apply",
        "enterprise",
        "Call my",
        "three days",
        "user_",
    ):
        assert text not in stored, text
        assert text.encode().hex() not in stored, text
