"""Memory of streams that wait for a slow model, compared with the bare agent's."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.client import Connection
from benchmarks.report.measurement import Figure, series
from benchmarks.servers.process import ServerProcess

_STREAMS: Final = 2000
_MODEL_SECONDS: Final = 600.0
"""Longer than it takes to open them."""
_MODEL_CONNECTIONS: Final = 1000
"""Of each agent's client of the model; further runs wait for one."""
_SETTLE_SECONDS: Final = 5.0
_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 120.0


def measure(bench: Bench) -> Iterator[Figure]:
    """One round. Memory is read while all streams wait for the model, or for a connection to it."""
    quick, bare, token = bench.plan.quick, bench.peer("bare"), bench.access_token()
    number = 10 if quick else _STREAMS
    agent = bench.agent("Machine") if quick else _patient_agent(bench, "90")
    # A process of its own: memory that was freed would be used again.
    storing = agent if quick else _patient_agent(bench, "91")

    def kib_each(server: ServerProcess, path: str, token: str, *, named: bool = False) -> float:
        def begin(connection: Connection, index: int) -> None:
            thread = f"open-{server.port}-{index}" if named else None
            connection.begin(path, chat(stream=True), token, thread=thread)

        with bench.slow_model(2.0 if quick else _MODEL_SECONDS):
            return asyncio.run(_kib_each(server, number, begin, bench.waiting_streams))

    peer = series(kib_each(bare, "/chat/completions", "static"))
    if not quick:
        bench.stop(bare)  # it does not cancel the model's streams of clients that have disconnected
    for label, server in (("", agent), (", in conversations", storing)):
        value = series(kib_each(server, PATH, token, named=bool(label)))
        yield Figure(f"memory of each of {number:,} streams{label}", "KiB", value, "bare", peer)


def _patient_agent(bench: Bench, conversation_days: str) -> ServerProcess:
    """An agent for any number of runs; another one for other `conversation_days`."""
    return bench.agent(
        "Machine",
        MAX_RUNS="0",
        RUN_TIMEOUT_SECONDS="900",
        MODEL_TIMEOUT_SECONDS="900",
        CONVERSATION_DAYS=conversation_days,
    )


async def _kib_each(
    server: ServerProcess,
    number: int,
    begin: Callable[[Connection, int], None],
    waiting: Callable[[], int],
) -> float:
    """Resident KiB of the server for each open stream."""
    await _until(lambda: waiting() == 0)
    warm = await Connection.open(server)
    begin(warm, number)
    await _until(lambda: waiting() == 1)
    before, connections = server.memory_bytes(), [warm]

    def all_wait() -> bool:
        return waiting() >= min(len(connections), _MODEL_CONNECTIONS)

    for first in range(0, number, _AT_ONCE):
        for index in range(first, min(first + _AT_ONCE, number)):
            connections.append(await Connection.open(server))
            begin(connections[-1], index)
        await _until(all_wait)
    await asyncio.sleep(_SETTLE_SECONDS if number > _MODEL_CONNECTIONS else 0)
    used = server.memory_bytes() - before
    for connection in connections:
        connection.close()
    return max(used, 1) / 1024 / number


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.02)
