"""What is stored of conversations contains no secret, and under a key no text: read from file and tables."""

import asyncio
import base64
import uuid
from collections.abc import Callable
from pathlib import Path

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
STORED_IN_TABLES = [
    "answered",
    "the enterprise service echoes",
    "the model says its key",
    "the connection breaks",
]


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
    conversations = agent.composed.kept.conversations
    assert conversations.relay is not None
    writer = conversations.relay.writer
    while writer._streams:
        await asyncio.gather(writer.write(), asyncio.sleep(0))
    return redis.contents()


@pytest.fixture
def database(request, tmp_path) -> tuple[str, Callable[[], str]]:
    """The address of a SQLite or PostgreSQL, and a function that reads all that is stored there."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/conversations.db", lambda: files(tmp_path)
    postgres: PostgresProcess = request.getfixturevalue("postgres")
    return postgres.url, lambda: stored_in(postgres)


@pytest.mark.parametrize(
    ("database", "outcome"),
    [
        *(("sqlite", outcome) for outcome in STORED),
        *(("postgresql", outcome) for outcome in STORED_IN_TABLES),
    ],
    indirect=["database"],
)
async def test_no_secret_is_in_the_database_or_in_redis(
    start_agent, sandbox, serve, tmp_path, redis: RedisProcess, database, outcome
) -> None:
    token, (url, read) = sandbox.access_token(), database
    canaries = secrets_of(sandbox, token)

    async def start(identity, **variables):
        given = {"CONVERSATIONS_URL": url, "REDIS_URL": redis.url, "MAX_TOOL_ROUNDS": "2"}
        return await start_agent(identity, **given, **variables)

    agent = await OUTCOMES[outcome](start, sandbox, "Human", serve=serve, tmp_path=tmp_path)
    agent.composed.idaas.retries = AT_ONCE
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    await talk(agent, token, ends_well=outcome in ENDS_WELL)
    stored, shared = read(), await in_redis(agent, redis)
    assert ENTERPRISE in stored
    assert '"step_started"' in shared
    assert leaks(canaries, [("the database", stored), ("Redis", shared)]) == []
    if outcome == "answered":
        assert "paused" in stored
        assert "leave_apply" in stored


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_no_text_of_conversations_is_stored_in_clear_under_a_key(
    start_agent, sandbox, tmp_path, redis: RedisProcess, database
) -> None:
    url, read = database
    (tmp_path / "keys").write_text(KEY)
    shared = {"CONVERSATIONS_KEY_FILE": str(tmp_path / "keys"), "REDIS_URL": redis.url}
    agent = await start_agent("Human", CONVERSATIONS_URL=url, MAX_TOOL_ROUNDS="2", **shared)
    token = sandbox.access_token()
    await talk(agent, token, ends_well=True)
    response = await agent.http.get(f"{agent.origin}/threads", headers={"Authorization": f"Bearer {token}"})
    threads = response.json()["threads"]
    assert {thread["title"] for thread in threads} == {ENTERPRISE, APPLY}
    assert {thread["status"] for thread in threads} == {"idle", "paused"}
    stored = read()
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
