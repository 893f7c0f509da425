"""A real Redis on a free port of loopback, with its files in a temporary folder."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from tests.loopback import free_port

_READ: dict[bytes, Callable[[Any, bytes], bytes]] = {
    b"none": lambda *_: b"",  # it has ended since it was found
    b"string": lambda client, key: client.get(key) or b"",
    b"hash": lambda client, key: b"\n".join(b"\n".join(pair) for pair in client.hgetall(key).items()),
    b"set": lambda client, key: b"\n".join(client.smembers(key)),
    b"zset": lambda client, key: b"\n".join(client.zrange(key, 0, -1)),
    b"stream": lambda client, key: b"\n".join(
        value for _, fields in client.xrange(key) for value in fields.values()
    ),
}
"""By type: the bytes of a key's value."""


@dataclass
class RedisProcess:
    """`stop` ends the server and keeps its data; `start` starts it again on the same port."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it accepts commands."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        kept = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]  # outlasts the process
        self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
            ["redis-server", *options, *kept, *self.options],  # noqa: S607 - Debian's
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        waiting = Retry(ConstantBackoff(0.02), 500, supported_errors=(RedisConnectionError,))
        with contextlib.closing(Redis(port=self.port, retry=waiting)) as client:
            client.ping()

    def empty(self) -> None:
        """Removes all keys."""
        with contextlib.closing(Redis(port=self.port)) as client:
            client.flushall()

    def forget(self) -> None:
        """Restarts the server without its data, as one that does not persist."""
        self.stop()
        shutil.rmtree(self.folder / "appendonlydir")
        self.start()

    def contents(self) -> str:
        """All keys and values, with bytes as text."""
        with contextlib.closing(Redis(port=self.port)) as client:
            found: list[bytes] = []
            for key in client.scan_iter():
                kind = client.type(key)
                assert kind in _READ, kind
                found += [key, _READ[kind](client, key)]
        return "\n".join(each.decode("latin-1") for each in found)

    def stop(self) -> None:
        """The server is gone, and its connections with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def redis_process(folder: Path, *options: str) -> Iterator[RedisProcess]:
    server = RedisProcess(folder, free_port(), options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
