"""Aegra in processes of its own: a server without workers, and workers, over a real PostgreSQL and Redis."""

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess
from tests.loopback import answers, free_port

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

ROOT = Path(__file__).resolve().parents[4]
PYTHON = ROOT / ".venv-aegra" / "bin" / "python"
_FAST = {"LEASE_DURATION_SECONDS": "3", "HEARTBEAT_INTERVAL_SECONDS": "1", "REAPER_INTERVAL_SECONDS": "1"}
"""So that a run whose worker was killed is taken over in seconds."""


@dataclass
class AegraProcess:
    """One process. `kill` ends it at once; `start` starts it, also again on the same port."""

    folder: Path
    port: int
    environment: Mapping[str, str]
    live: str = "/ok"
    """The path that anyone may read."""
    application: str = "aegra_api.main:app"
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / f"log-{self.port}").read_text(errors="replace")

    def start(self) -> None:
        command = [str(PYTHON), "-m", "uvicorn", self.application, "--host", "127.0.0.1"]
        with (self.folder / f"log-{self.port}").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        """Returns when it responds. Raises `RuntimeError` with the end of its log after two minutes."""
        deadline = time.monotonic() + 120
        while not answers(self.url, self.live):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log[-4000:])
            time.sleep(0.1)  # another process: there is no event to wait for

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Aegra:
    """A server, and the workers that execute its runs."""

    folder: Path
    postgres: PostgresProcess
    redis: RedisProcess
    database_name: str
    environment: dict[str, str]
    live: str = "/ok"
    application: str = "aegra_api.main:app"
    processes: list[AegraProcess] = field(default_factory=list)

    @property
    def server(self) -> AegraProcess:
        return self.processes[0]

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def database(self) -> str:
        return self.postgres.url_of(self.database_name)

    @property
    def protected_routes(self) -> list[str]:
        """The routes that the register protects."""
        register = json.loads((ROOT / "plugins" / "aegra" / "tests" / "aegra_routes.json").read_text())
        routes: list[str] = register["protected"]
        return routes

    @property
    def seal_key(self) -> Path:
        return Path(self.environment["SEAL_KEY_FILE"])

    def client(self, token: str) -> "LangGraphClient":
        """The SDK's client, with `token`."""
        from langgraph_sdk import get_client

        return get_client(url=self.url, headers={"Authorization": f"Bearer {token}"}, api_key=None)

    def start(self, *, workers: int = 0, wait: bool = True, **variables: str) -> AegraProcess:
        """Another process, with `workers`."""
        port = free_port()
        given = self.environment | {"WORKER_COUNT": str(workers), "PORT": str(port)} | variables
        started = AegraProcess(self.folder, port, given, self.live, self.application)
        started.start()
        self.processes.append(started)
        if wait:
            started.wait()
        return started

    def stop(self) -> None:
        for each in self.processes:
            if each.process.poll() is None:
                each.process.terminate()
        for each in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.process.wait(10)
            if each.process.poll() is None:
                each.kill()


def seal_key(folder: Path, name: str = "seal-key") -> Path:
    """A file with a new key."""
    file = folder / name
    file.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return file


@contextlib.contextmanager
def aegra(
    sandbox: Any,
    folder: Path,
    postgres: PostgresProcess,
    redis: RedisProcess,
    variables: Mapping[str, str],
    live: str = "/ok",
    application: str = "aegra_api.main:app",
) -> Iterator[Aegra]:
    """A server without workers, under Human identity, with files in `folder`. `live` is Aegra's own path, if
    it serves another application than the agent's. `application` is what uvicorn serves.
    """
    assert PYTHON.exists(), "Aegra is not installed: make aegra-test installs it"
    name = f"aegra_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "PYTHON", "OTEL_"))
    }
    environment |= sandbox.environment | {
        "ACCESS_IDENTITY": "Human",
        "AEGRA_CONFIG": str(ROOT / "aegra.json"),
        "AUDIT_LOG_FILE": str(folder / "audit.log"),
        "CONVERSATIONS_URL": postgres.url,
        "CRON_ENABLED": "false",
        "DATABASE_URL": postgres.url_of(name),
        "LANGGRAPH_STRICT_MSGPACK": "true",
        "MAX_REQUESTS_PER_MINUTE": "10000",
        "REDIS_BROKER_ENABLED": "true",
        "REDIS_URL": redis.url,
        "REDIS_CHANNEL_PREFIX": f"{name}:run:",
        "SEAL_KEY_FILE": str(seal_key(folder)),
        "SQLALCHEMY_POOL_SIZE": "3",
        "LANGGRAPH_MIN_POOL_SIZE": "1",
        "LANGGRAPH_MAX_POOL_SIZE": "5",
        "WORKER_QUEUE_KEY": f"{name}:jobs",
        **_FAST,
        **variables,
    }
    running = Aegra(folder, postgres, redis, name, environment, live, application)
    try:
        running.start()
        yield running
    finally:
        running.stop()
