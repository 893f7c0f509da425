"""How often a turn in a conversation waits for PostgreSQL and Redis: counted on the wire of real servers."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.databases.counting_proxy import CountingProxy, Exchange, PostgresWire, RedisWire
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.running_agent import GREETING, WEATHER, RunningAgent, StartAgent
from tests.suite import Sandbox

CHAT = "/openai/v1/chat/completions"
BACKGROUND = {"CLIENT", "HELLO", "PING", "SUBSCRIBE", "ZREM"}
"""Commands of Redis that no turn waits for: places of ended runs, connections."""


class Counted:
    """An agent whose connections to both servers are counted. It has no heartbeat and reads no revocation."""

    def __init__(
        self, agent: RunningAgent, postgres: CountingProxy, redis: CountingProxy, token: str
    ) -> None:
        self._agent = agent
        self._postgres = postgres.exchanges
        self._redis = redis.exchanges
        self._headers = {"Authorization": f"Bearer {token}"}

    async def warm(self) -> None:
        await self._agent.warm()
        await self._say(WEATHER, "first", stream=False)
        conversations = self._agent.composed.kept.conversations
        await conversations.heartbeat.aclose()
        await self._agent.composed.revocation.aclose()
        await conversations.drafts.aclose()  # on a busy machine a response may take a second

    async def first_turn(self, thread: str, *, stream: bool) -> list[Exchange]:
        """The exchanges with PostgreSQL of a conversation's first turn."""
        self._postgres.clear()
        await self._say(GREETING, thread, stream=stream)
        return [*self._postgres]

    async def warm_turn(self, question: str, *, stream: bool) -> tuple[list[Exchange], list[list[str]]]:
        """The exchanges with PostgreSQL, and the commands of those with Redis, of a second turn.

        On a busy machine Redis may count as away for seconds, so this waits for a turn that used it.
        """
        shared = self._agent.composed.redis
        assert shared is not None
        measures = shared.measures
        async with asyncio.timeout(60):
            for number in itertools.count():
                thread = f"{question[0]}-{stream}-{number}"
                await self.first_turn(thread, stream=stream)
                self._postgres.clear()
                self._redis.clear()
                failures = measures.failures
                await self._say(question, thread, stream=stream)
                commands = [exchange.redis_commands for exchange in self._redis]
                if ["EVALSHA"] in commands and ["SCRIPT"] not in commands and measures.failures == failures:
                    return [*self._postgres], commands
        raise AssertionError

    async def _say(self, question: str, thread: str, *, stream: bool) -> None:
        body = {"messages": [{"role": "user", "content": question}], "stream": stream}
        headers = self._headers | {"X-Thread-Id": thread}
        response = await self._agent.http.post(self._agent.origin + CHAT, json=body, headers=headers)
        assert response.status_code == 200, response.text


@pytest.fixture
async def counted(
    sandbox: Sandbox, start_agent: StartAgent, postgres: PostgresProcess, redis: RedisProcess
) -> AsyncIterator[Counted]:
    async with AsyncExitStack() as stack:
        before_postgres = await stack.enter_async_context(CountingProxy(postgres.port, PostgresWire))
        before_redis = await stack.enter_async_context(CountingProxy(redis.port, RedisWire))
        url = postgres.url.replace(f":{postgres.port}/", f":{before_postgres.port}/")
        agent = await start_agent(
            CONVERSATIONS_URL=f"{url}?sslmode=disable",
            MAX_REQUESTS_PER_MINUTE="100000",
            REDIS_URL=f"redis://127.0.0.1:{before_redis.port}",
        )
        counted = Counted(agent, before_postgres, before_redis, sandbox.access_token())
        await counted.warm()
        yield counted


@pytest.mark.parametrize("stream", [False, True])
async def test_warm_turn_waits_twice_for_each_server_and_a_tool_call_twice_more_for_postgresql(
    counted: Counted, stream: bool
) -> None:
    for question, exchanges, rows in ((GREETING, 2, 6), (WEATHER, 4, 10)):
        await counted.warm_turn(question, stream=stream)  # new words are rows, too
        of_postgres, of_redis = await counted.warm_turn(question, stream=stream)

        assert len(of_postgres) == exchanges
        assert sum(exchange.rows_written for exchange in of_postgres) == rows
        assert of_redis.count(["EVALSHA"]) == 2, of_redis
        # an exchange that begins with the script has the events of runs
        others = {n for names in of_redis if names != ["EVALSHA"] and names[0] != "SCRIPT" for n in names}
        assert others <= BACKGROUND


async def test_first_turn_of_a_conversation_waits_once_more_for_postgresql(counted: Counted) -> None:
    assert len(await counted.first_turn("new", stream=True)) == 3
