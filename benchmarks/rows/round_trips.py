"""What a turn in a conversation costs PostgreSQL and Redis, counted on the wire.

A turn whose number is the highest met a heartbeat of its process.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

import httpx
import psycopg
from anyio.from_thread import start_blocking_portal
from redis import Redis

from benchmarks.bench import Bench
from benchmarks.load import PATH, chat
from benchmarks.processes import ServerProcess
from benchmarks.report import Figure, Series, at_most, series
from tests.databases.counting_proxy import CountingProxy, Exchange, PostgresWire, RedisWire

_TURNS: Final = 7
_WARM: Final = 2
_PAGE_TURNS: Final = 30
_WRITTEN_SECONDS: Final = 0.5
"""After which the events of a run are in Redis."""
_TOKENS: Final = 300
_TOKEN_SECONDS: Final = 0.02


def round_trips(bench: Bench) -> Iterator[Figure]:
    """Medians of turns, with the least and the most."""
    with ExitStack() as parts:
        portal = parts.enter_context(start_blocking_portal())
        to_postgres, to_redis = (
            parts.enter_context(portal.wrap_async_context_manager(CountingProxy(port, wire)))
            for port, wire in ((bench.postgresql.port, PostgresWire), (bench.redis.port, RedisWire))
        )
        url = bench.postgresql.url.replace(f":{bench.postgresql.port}/", f":{to_postgres.port}/")
        agent = bench.replica(
            1, postgresql=f"{url}?sslmode=disable", redis=f"redis://127.0.0.1:{to_redis.port}"
        )
        parts.callback(bench.stop, agent)
        counts = _Counts(bench, agent, to_postgres, to_redis)
        parts.callback(counts.close)
        yield from counts.turns("a turn", "Say something.", 2)
        yield from counts.turns("a turn with a tool call", "What is the weather?", 4)
        yield from counts.slow_stream()
        if not bench.plan.quick:
            yield counts.long_conversation()


class _Counts:
    """Sends turns one after another, and finds what each has cost."""

    def __init__(
        self, bench: Bench, agent: ServerProcess, to_postgres: CountingProxy, to_redis: CountingProxy
    ) -> None:
        self._bench = bench
        self._to_postgres = to_postgres
        self._to_redis = to_redis
        self._database = psycopg.connect(bench.postgresql.url, autocommit=True)
        headers = {"Authorization": f"Bearer {bench.access_token()}"}
        self._http = httpx.Client(base_url=agent.url, headers=headers, trust_env=False, timeout=60)

    def close(self) -> None:
        """Closes its own connections."""
        self._database.close()
        self._http.close()

    def turns(self, name: str, question: str, exchanges: int) -> Iterator[Figure]:
        """Streamed turns of a new conversation."""
        number = 3 if self._bench.plan.quick else _TURNS
        for _ in range(_WARM):
            self._say(question, name)
        positions, turns = [self._log_position()], []
        for _ in range(number):
            turns.append(self._turn(question, name))
            positions.append(self._log_position())
        of_postgres, of_redis = ([turn[server] for turn in turns] for server in (0, 1))
        logged = Series(tuple(after - before for before, after in itertools.pairwise(positions)))
        yield Figure(
            f"{name}: round trips to PostgreSQL", "", _each(of_postgres, len), target=at_most(exchanges)
        )
        yield Figure(f"{name}: rows written", "", _each(of_postgres, _rows))
        yield Figure(f"{name}: bytes of PostgreSQL's log", "B", logged)
        yield Figure(
            f"{name}: round trips to Redis that it waits for", "", _each(of_redis, _waited), target=at_most(2)
        )

    def long_conversation(self) -> Figure:
        """Its messages do not fit into the first page that is read."""
        name = "long"
        for _ in range(_PAGE_TURNS):
            self._say("Say something.", name)
        turns = [self._turn("Say something.", name)[0] for _ in range(_TURNS)]
        return Figure(
            f"a turn after {2 * _PAGE_TURNS} messages: round trips to PostgreSQL", "", _each(turns, len)
        )

    def slow_stream(self) -> Iterator[Figure]:
        """An answer of 300 tokens in six seconds: events are written while it streams."""
        tokens = 20 if self._bench.plan.quick else _TOKENS
        self._say("Say something.", "slow")
        time.sleep(_WRITTEN_SECONDS)
        self._to_redis.exchanges.clear()
        stored = self._stored_bytes()
        began = time.monotonic()
        with self._bench.token_delay(_TOKEN_SECONDS):
            self._say(f"tokens={tokens}", "slow")
        seconds = time.monotonic() - began
        time.sleep(_WRITTEN_SECONDS)
        exchanges = [each.redis_commands for each in self._to_redis.exchanges]
        commands = [name for names in exchanges if "SUBSCRIBE" not in names for name in names]
        writes = commands.count("EVALSHA")
        name = f"an answer of {tokens} tokens in {tokens * _TOKEN_SECONDS:g} s"
        yield Figure(f"{name}: writes of events to Redis", "/s", series(writes / seconds))
        others = len(commands) - 2 * writes - commands.count("PING")  # each loads its script, too
        yield Figure(f"{name}: other commands of Redis", "", series(others))
        yield Figure(f"{name}: events kept in Redis", "B", series(self._stored_bytes() - stored))

    def _turn(self, question: str, thread: str) -> tuple[list[Exchange], list[Exchange]]:
        """The exchanges with PostgreSQL and Redis until the end of its response."""
        before = len(self._to_postgres.exchanges), len(self._to_redis.exchanges)
        self._say(question, thread)
        return self._to_postgres.exchanges[before[0] :], self._to_redis.exchanges[before[1] :]

    def _say(self, question: str, thread: str) -> None:
        body, named = chat(question, stream=True), {"X-Thread-Id": thread.replace(" ", "-")}
        self._http.post(PATH, json=body, headers=named).raise_for_status()

    def _log_position(self) -> float:
        """The bytes that PostgreSQL's write-ahead log has had."""
        row: Any = self._database.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        return float(row[0])

    def _stored_bytes(self) -> float:
        """Of all keys that contain events."""
        with Redis(port=self._bench.redis.port) as client:
            return sum(client.memory_usage(key) or 0 for key in client.scan_iter(_type="stream"))


def _each(turns: Sequence[Sequence[Exchange]], of: Any) -> Series:
    return Series(tuple(of(turn) for turn in turns))


def _rows(exchanges: Sequence[Exchange]) -> int:
    return sum(exchange.rows_written for exchange in exchanges)


def _waited(exchanges: Sequence[Exchange]) -> int:
    """The limits of requests and of runs are scripts; everything else is sent in the background."""
    return sum("EVALSHA" in exchange.redis_commands for exchange in exchanges)
