"""Everything that Aegra and the agent store, queue and log, as text."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.types.json import set_json_loads
from redis import Redis

from plugins.aegra.tests.apart.aegra_process import Aegra


def stored(aegra: Aegra, *, files: bool = True) -> Iterator[tuple[str, str]]:
    """Each table, each key, each log, and with `files` those of both servers, with its name."""
    for url in (aegra.database, aegra.postgres.url):
        yield from _tables(url)
    if files:
        yield from _files(aegra)
    with contextlib.closing(Redis.from_url(aegra.redis.url)) as client:
        for key in client.scan_iter():
            yield f"Redis key {key!r}", _value(client, key)
    for process in aegra.processes:
        yield f"log of {process.port}", process.log
    yield "audit log", (aegra.folder / "audit.log").read_text()


def _files(aegra: Aegra) -> Iterator[tuple[str, str]]:
    with psycopg.connect(aegra.postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    for file in sorted(aegra.postgres.folder.rglob("*")):
        if file.is_file() and ("base" in file.parts or "pg_wal" in file.parts):
            yield f"file {file.name} of PostgreSQL", file.read_bytes().decode("latin-1")
    for file in sorted(aegra.redis.folder.rglob("*.aof")):
        yield f"file {file.name} of Redis", file.read_bytes().decode("latin-1")


def _tables(url: str) -> Iterator[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        set_json_loads(lambda text: text, connection)
        sql = """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
                 WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""
        for [table] in connection.execute(sql).fetchall():
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - its own names
            yield f"table {table}", "\n".join(_text(value) for row in rows for value in row)


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value)


def _value(client: Any, key: bytes) -> str:
    kind = client.type(key).decode()
    reads = {
        "string": client.get,
        "list": lambda name: client.lrange(name, 0, -1),
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda name: client.zrange(name, 0, -1),
        "stream": client.xrange,
    }
    return _decoded(reads[kind](key))


def _decoded(value: Any) -> str:
    """The text of a reply, without the escapes of `repr`."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return "\n".join(f"{_decoded(name)} {_decoded(each)}" for name, each in value.items())
    if isinstance(value, list | set | tuple):
        return "\n".join(map(_decoded, value))
    return str(value)


class Commands(threading.Thread):
    """Every command that Redis receives, also what is only published. A context manager."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._client: Any = Redis.from_url(url, socket_timeout=None)  # minutes may pass without a command
        self._begun = threading.Event()
        self._ended = False
        self.received: list[str] = []

    def run(self) -> None:
        try:
            with self._client.monitor() as monitor:
                self._begun.set()
                for command in monitor.listen():
                    self.received.append(str(command["command"]))
        except Exception:
            if not self._ended:
                raise

    def __enter__(self) -> "Commands":
        self.start()
        assert self._begun.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._client.connection_pool.disconnect()
