"""Many streams that wait for a slow model over TLS: their memory, a new chat meanwhile, and their end."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Final

from agent.server.open_files import raise_open_files_limit
from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.client import Connection
from benchmarks.report.measurement import Figure, Target, at_most, series
from benchmarks.servers.processes.process import ServerProcess

MODEL_SECONDS: Final = 20.0
"""To the first token of requests that reach the model only when it has begun to respond to the others."""
_BARE_CONNECTIONS: Final = 1000
"""Of the OpenAI client; further runs wait for one."""
_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 600.0
"""A busy machine takes several times as long."""
_NEW_CHATS: Final = 20
_PING_SECONDS: Final = 0.02
AT_ONCE: Final = "Respond at once."
"""A question for which the stand-in of the model has no delay."""


@dataclass(frozen=True, slots=True)
class Streams:
    """What was measured of one server. Times are seconds."""

    kib_each: float
    first_token_at_rest: float
    first_token_meanwhile: float
    drained: float
    health_p99: float


def figures(bench: Bench, number: int, *, stored: bool) -> Iterator[Figure]:
    """One round; with `stored`, also of streams in conversations."""
    raise_open_files_limit()
    quick, model = bench.plan.quick, bench.tls_model
    agents = {"": _patient_agent(bench, "90")}
    if stored:
        # A process of its own: memory that was freed would be used again.
        agents[", in conversations"] = agents[""] if quick else _patient_agent(bench, "91")
    bare, token = bench.peer("bare", LLM_BASE_URL=model.tls_url), bench.access_token()

    def measured(server: ServerProcess, path: str, token: str, *, most: int, named: bool = False) -> Streams:
        def begin(connection: Connection, index: int, question: str = "Say something.") -> None:
            thread = f"open-{server.port}-{index}" if named else None
            connection.begin(path, chat(question, stream=True), token, thread=thread)

        return asyncio.run(_Run(bench, server, number, begin, most).measure(new_chats=most >= number))

    peer = measured(bare, "/chat/completions", "static", most=_BARE_CONNECTIONS)
    bench.stop(bare)
    for label, server in agents.items():
        agent = measured(server, PATH, token, most=number, named=bool(label))
        name = f"{number:,} streams{label}"

        limit = None if quick else at_most(0.4)
        yield _beside(f"memory of each of {name}", "KiB", agent.kib_each, peer.kib_each)
        yield _beside(f"{name}: until all are answered", "s", agent.drained, peer.drained, limit)
        yield Figure(
            f"{name}: first words of a new chat meanwhile",
            "ms",
            series(agent.first_token_meanwhile * 1000),
            "at rest",
            series(agent.first_token_at_rest * 1000),
            None if quick else at_most(1.2),
        )
        what = f"{name}: p99 of /health while they are answered"
        yield _beside(what, "ms", agent.health_p99 * 1000, peer.health_p99 * 1000)


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

    async def measure(self, *, new_chats: bool) -> Streams:
        """`new_chats`: a chat can reach the model while the streams wait."""
        at_rest = await self._first_token() if new_chats else 0.0
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
        meanwhile = await self._first_token() if new_chats else 0.0
        pings: list[float] = []
        pinging = asyncio.create_task(self._ping(pings))
        began = time.perf_counter()
        self._model.delay(first_token=self._seconds)
        self._model.release()
        await asyncio.gather(*(connection.complete(_PATIENCE_SECONDS) for connection in connections))
        drained = time.perf_counter() - began
        pinging.cancel()
        with suppress(asyncio.CancelledError):
            await pinging
        self._model.delay(first_token=0.0)
        for connection in connections:
            connection.close()
        slowest = sorted(pings or [0.0])
        return Streams(
            max(used, 1) / 1024 / self._number, at_rest, meanwhile, drained, slowest[int(len(slowest) * 0.99)]
        )

    async def _opened(self, index: int) -> Connection:
        connection = await Connection.open(self._server)
        self._begin(connection, index)
        return connection

    async def _first_token(self) -> float:
        """The median time to the first words of chats that the model answers at once."""
        times = []
        for number in range(_NEW_CHATS if self._settle else 2):
            connection = await Connection.open(self._server)
            began = time.perf_counter()
            self._begin(connection, f"new-{number}-{began}".replace(".", ""), AT_ONCE)
            times.append(await connection.complete(_PATIENCE_SECONDS) - began)
            connection.close()
        return median(times)

    async def _ping(self, times: list[float]) -> None:
        while True:
            connection, began = await Connection.open(self._server), time.perf_counter()
            await connection.get("/health")
            times.append(time.perf_counter() - began)
            connection.close()
            await asyncio.sleep(_PING_SECONDS)

    async def _waits_for(self, number: int, *, exactly: bool = False) -> None:
        """Until so many streams wait for the model, or more."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (waiting := self._model.waiting()) < number or (exactly and waiting > number):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.02)
