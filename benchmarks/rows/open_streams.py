"""Many streams that wait for a slow model over TLS, and then receive all their tokens at the same moment.

Their memory, and what other requests notice of them, while they wait and while they are answered.
`python -m benchmarks.rows.open_streams STREAMS` opens more than `make bench`.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from agent.http.web_server import raise_open_files_limit
from benchmarks.bench import Bench
from benchmarks.load import PATH, Connection, chat
from benchmarks.processes import ServerProcess
from benchmarks.report import FULL, HEADER, Figure, Target, at_most, row_lines, series

MODEL_SECONDS: Final = 20.0
"""To the first token of requests that reach the model only when it has begun to respond to the others."""
_BARE_CONNECTIONS: Final = 1000
"""Of the OpenAI client; further runs wait for one."""
_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 600.0
"""A busy machine takes several times as long."""
_NEW_CHATS: Final = 50
_PAUSE_SECONDS: Final = 0.02
"""Between two requests of the same kind."""
AT_ONCE: Final = "Respond at once."
"""A question for which the stand-in of the model has no delay."""


@dataclass(frozen=True, slots=True)
class Streams:
    """What was measured of one server. Times are seconds; of requests, all of them."""

    kib_each: float
    drained: float
    new_chats: list[float]
    """To the first words, while the streams wait; empty if no chat could reach the model."""
    new_chats_at_rest: list[float]
    """Of a server without streams, in turns with the others."""
    health: list[float]
    """While the streams wait."""
    new_chats_at_once: list[float]
    """While all streams are answered."""
    health_at_once: list[float]


def open_streams(bench: Bench) -> Iterator[Figure]:
    """2,000 streams, one round, compared with those of the bare agent."""
    yield from figures(bench, 10 if bench.plan.quick else 2000, stored=True)


def figures(bench: Bench, number: int, *, stored: bool) -> Iterator[Figure]:
    """One round; with `stored`, also of streams in conversations."""
    raise_open_files_limit()
    quick, model = bench.plan.quick, bench.tls_model
    agents = {"": _patient_agent(bench, "90")}
    if stored:
        # A process of its own: memory that was freed would be used again.
        agents[", in conversations"] = agents[""] if quick else _patient_agent(bench, "91")
    bare, token = bench.peer("bare", LLM_BASE_URL=model.tls_url), bench.access_token()

    def measured(
        server: ServerProcess,
        path: str,
        token: str,
        rest: ServerProcess | None,
        *,
        most: int,
        named: bool = False,
    ) -> Streams:
        def begin(connection: Connection, index: object, question: str = "Say something.") -> None:
            thread = f"open-{server.port}-{index}" if named else None
            connection.begin(path, chat(question, stream=True), token, thread=thread)

        return asyncio.run(_Run(bench, server, number, begin, most).measure(rest if most >= number else None))

    peer = measured(bare, "/chat/completions", "static", None, most=_BARE_CONNECTIONS)
    bench.stop(bare)
    for label, server in agents.items():
        rest = agents[""] if quick else _patient_agent(bench, "92")
        agent = measured(server, PATH, token, rest, most=number, named=bool(label))
        name = f"{number:,} streams{label}"

        limit = None if quick else at_most(0.4)
        yield _beside(f"memory of each of {name}", "KiB", agent.kib_each, peer.kib_each)
        yield _beside(f"{name}: until all are answered", "s", agent.drained, peer.drained, limit)
        yield Figure(
            f"{name}: first words of a new chat while they wait",
            "ms",
            series(median(agent.new_chats) * 1000),
            "at rest",
            series(median(agent.new_chats_at_rest) * 1000),
            None if quick else at_most(1.2),
        )
        for what, of in (
            ("p99 of /health while they wait", lambda streams: _p99(streams.health)),
            ("p99 of /health while all are answered at once", lambda streams: _p99(streams.health_at_once)),
            (
                "slowest first words of a new chat while all are answered at once",
                lambda streams: max(streams.new_chats_at_once),
            ),
        ):
            yield _beside(f"{name}: {what}", "ms", of(agent) * 1000, of(peer) * 1000)


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


def _beside(what: str, unit: str, value: float, bare: float, target: Target | None = None) -> Figure:
    return Figure(what, unit, series(value), "bare", series(bare), target)


def _patient_agent(bench: Bench, conversation_days: str) -> ServerProcess:
    """An agent for any number of runs; another one for other `conversation_days`."""
    return bench.agent(
        "Machine",
        MAX_RUNS="0",
        RUN_TIMEOUT_SECONDS="900",
        MODEL_TIMEOUT_SECONDS="900",
        CONVERSATION_DAYS=conversation_days,
        LLM_BASE_URL=bench.tls_model.tls_url,
    )


class _Run:
    """One measurement of one server, of whose streams `most` reach the model at once."""

    def __init__(
        self, bench: Bench, server: ServerProcess, number: int, begin: Callable[..., None], most: int
    ) -> None:
        self._model = bench.tls_model
        self._settle = 0.0 if bench.plan.quick else 5.0
        self._seconds = 0.5 if bench.plan.quick else MODEL_SECONDS
        self._server = server
        self._number = number
        self._begin = begin
        self._most = most

    async def measure(self, rest: ServerProcess | None) -> Streams:
        """`rest` is a server without streams; `None` if no new chat reaches the model while they wait."""
        self._model.delay(first_token=600.0)
        await self._waits_for(0, exactly=True)
        warm = await self._opened(self._number)
        await self._waits_for(1, exactly=True)
        before, connections = self._server.memory_bytes(), [warm]
        for first in range(0, self._number, _AT_ONCE):
            more = range(first, min(first + _AT_ONCE, self._number))
            connections += [await self._opened(index) for index in more]
            await self._waits_for(min(len(connections), self._most))
        await asyncio.sleep(self._settle)
        used = self._server.memory_bytes() - before
        new_chats, at_rest = await self._new_chats(rest) if rest is not None else ([], [])
        async with self._repeated(self._health) as health:
            await asyncio.sleep(self._settle)
        async with self._repeated(self._health) as health_at_once, self._repeated(self._new_chat) as at_once:
            began = time.perf_counter()
            self._model.delay(first_token=self._seconds)
            self._model.release(seconds=0.0)
            await asyncio.gather(*(connection.complete(_PATIENCE_SECONDS) for connection in connections))
            drained = time.perf_counter() - began
        self._model.delay(first_token=0.0)
        for connection in connections:
            connection.close()
        kib_each = max(used, 1) / 1024 / self._number
        return Streams(kib_each, drained, new_chats, at_rest, health, at_once, health_at_once)

    async def _new_chats(self, rest: ServerProcess) -> tuple[list[float], list[float]]:
        """In turns, because the speed of the machine changes."""
        chats, at_rest = list[float](), list[float]()
        for _ in range(_NEW_CHATS if self._settle else 2):
            chats.append(await self._new_chat())
            at_rest.append(await self._new_chat(rest))
        return chats, at_rest

    @asynccontextmanager
    async def _repeated(self, request: Callable[[], Awaitable[float]]) -> AsyncIterator[list[float]]:
        """The times of `request`, sent again and again while the block runs, and completed at its end."""
        times, ended = list[float](), asyncio.Event()

        async def repeat() -> None:
            while not (times and ended.is_set()):
                times.append(await request())
                await asyncio.sleep(_PAUSE_SECONDS)

        task = asyncio.create_task(repeat())
        try:
            yield times
        finally:
            ended.set()
            await task

    async def _opened(self, index: int) -> Connection:
        connection = await Connection.open(self._server)
        self._begin(connection, index)
        return connection

    async def _new_chat(self, server: ServerProcess | None = None) -> float:
        """The time to the first words of a chat that the model answers at once."""
        connection = await Connection.open(server or self._server)
        began = time.perf_counter()
        self._begin(connection, secrets.token_hex(8), AT_ONCE)
        first = await connection.complete(_PATIENCE_SECONDS) - began
        connection.close()
        return first

    async def _health(self) -> float:
        began, connection = time.perf_counter(), await Connection.open(self._server)
        await connection.get("/health")
        connection.close()
        return time.perf_counter() - began

    async def _waits_for(self, number: int, *, exactly: bool = False) -> None:
        """Until so many streams wait for the model, or more."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (waiting := self._model.waiting()) < number or (exactly and waiting > number):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.02)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rows.open_streams")
    parser.add_argument("streams", type=int, nargs="?", default=5000)
    with Bench(FULL) as bench:
        found = list(figures(bench, parser.parse_args().streams, stored=False))
        print(HEADER, *row_lines("open_streams", found), sep="\n")


if __name__ == "__main__":
    main()
