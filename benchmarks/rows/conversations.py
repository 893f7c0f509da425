"""A chat in a stored conversation compared with a stateless one; a long list; and a long conversation."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from benchmarks.bench import Bench
from benchmarks.load import PATH, Endpoint, chat, compare
from benchmarks.processes import ServerProcess
from benchmarks.report import Figure, Series, at_least, at_most, series

_THREADS: Final = 128
"""Conversations of a round of load. Each gets its next message when the others have got theirs."""
_LISTED: Final = 1000
_PAGE: Final = 200
_TURNS: Final = 500
_AT_ONCE: Final = 100
"""Turns at the beginning and at the end that are compared."""


def conversations(bench: Bench) -> Iterator[Figure]:
    """The database is a SQLite file, then a PostgreSQL that syncs its commits to disk."""
    agent = bench.agent("Machine")
    yield from _chats(bench, agent, 0.8)
    yield from _chats(bench, agent, 0.8, "stream, ", stream=True)
    yield _list(bench, agent, bench.new_users(1)[0])
    yield _written(bench, agent, bench.new_users(1)[0])
    agent = bench.agent("Machine", CONVERSATIONS_URL=bench.postgresql.url)
    yield from _chats(bench, agent, 0.6, "PostgreSQL, ")
    yield _list(bench, agent, bench.new_users(1)[0], "PostgreSQL, ")
    bench.stop(agent)


def _chats(
    bench: Bench, agent: ServerProcess, target: float, label: str = "", *, stream: bool = False
) -> Iterator[Figure]:
    body, token = chat(stream=stream), bench.access_token()
    return compare(
        bench.plan,
        Endpoint(agent, PATH, body, [token], threads=_THREADS),
        Endpoint(agent, PATH, body, [token]),
        name="without a conversation",
        target=at_least(target),
        label=label,
    )


def _list(bench: Bench, agent: ServerProcess, token: str, label: str = "") -> Figure:
    """All pages of the list of one user."""
    number = 20 if bench.plan.quick else _LISTED
    times = []
    with _client(agent, token) as http:
        for index in range(number):
            http.post("/threads", json={"title": f"Question {index}"}).raise_for_status()
        for _ in range(bench.plan.rounds + 1):
            began = time.perf_counter()
            listed, before = 0, None
            while listed == 0 or before is not None:
                page = http.get("/threads", params={"limit": _PAGE} | ({"before": before} if before else {}))
                listed, before = listed + len(page.json()["threads"]), page.json()["next"]
            times.append((time.perf_counter() - began) * 1000)
            if listed != number:
                fault = f"{listed} of {number} conversations were listed"
                raise RuntimeError(fault)
    name = f"{label}{number:,} conversations listed"
    return Figure(name, "ms", Series(tuple(times[1:])), target=at_most(50))


def _written(bench: Bench, agent: ServerProcess, token: str) -> Figure:
    """Bytes of the database for each turn of one conversation, at its end and at its beginning."""
    turns, part = (20, 5) if bench.plan.quick else (_TURNS, _AT_ONCE)
    url = bench.agent_environment["CONVERSATIONS_URL"]
    database = Path(url.removeprefix("sqlite:///"))
    sizes = []
    with _client(agent, token) as http:
        for _ in range(turns):
            http.post(PATH, json=chat(), headers={"X-Thread-Id": "long"}).raise_for_status()
            sizes.append(_size(database))
    first, last = (sizes[part] - sizes[0]) / part, (sizes[-1] - sizes[-part - 1]) / part
    name = f"database, a turn after {turns - part:,}"
    return Figure(name, "B", series(last), "a turn after 1", series(first), at_most(1.2))


def _size(database: Path) -> int:
    """Its pages, also those that are in the write-ahead log."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        [(pages,)] = connection.execute("PRAGMA page_count")
        [(size,)] = connection.execute("PRAGMA page_size")
        return int(pages * size)
    finally:
        connection.close()


def _client(agent: ServerProcess, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=agent.url, headers=headers, trust_env=False, timeout=60)
