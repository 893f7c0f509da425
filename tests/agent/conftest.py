"""The agent behind a real web server, with the sandbox; databases of conversations; processes with runs.

Every test of the stores runs on each database.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.conversations.database.database import Database
from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption, KeyRegister
from agent.http.web_server import listen, web_server
from agent.settings.settings import read_settings
from graph.models.provider import ModelProvider
from identity.secrets.secret import Secret
from tests.agent.conversations.processes import ProcessOf, SharedDatabase
from tests.loopback import NO_TLS
from tests.suite import Sandbox


@dataclass
class AgentServer:
    """A running agent. `agent` belongs to another thread's event loop: read it, do not await it."""

    url: str
    agent: Agent
    sandbox: Sandbox
    _stop: Callable[[], None] = field(repr=False)

    def headers(self, user: str = "alice") -> dict[str, str]:
        """The headers of a signed-in user."""
        return {"Authorization": f"Bearer {self.sandbox.access_token(user)}"}

    def client(self, user: str | None = "alice") -> httpx.AsyncClient:
        """A client for the agent, signed in as `user`."""
        headers = self.headers(user) if user else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, verify=NO_TLS)

    def stop(self) -> None:
        """Stops the server."""
        self._stop()


@contextlib.contextmanager
def running_agent(
    sandbox: Sandbox,
    model: ModelProvider | None = None,
    around: Callable[[Any], Any] = lambda app: app,
    **variables: str,
) -> Iterator[AgentServer]:
    """An agent that is configured by the sandbox's `agent.env` and by `variables`, in a thread. `model`
    replaces that of the settings; `around` wraps the application.
    """
    settings = read_settings(sandbox.environment | variables)
    listener = listen("127.0.0.1", 0, "the agent", "nothing")
    agent = Agent(settings, clock=sandbox.clock, model=model)
    server = web_server(around(create_app(settings, agent)), shutdown_seconds=1)
    server.graceful_shutdown = agent.shutdown
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        httpx.get(
            f"{url}/health", timeout=60, verify=NO_TLS
        )  # waits in the listener's queue until the server accepts
        yield AgentServer(url, agent, sandbox, stop)
    finally:
        stop()


@pytest.fixture
def agent_server(sandbox: Sandbox) -> Iterator[AgentServer]:
    """The agent in Machine identity."""
    with running_agent(sandbox, ACCESS_IDENTITY="Machine") as server:
        yield server


@pytest.fixture
def human_agent_server(sandbox: Sandbox) -> Iterator[AgentServer]:
    """The agent in Human identity."""
    with running_agent(sandbox, ACCESS_IDENTITY="Human") as server:
        yield server


NewDatabase = Callable[..., Database]
"""Makes another connection to the same data, as another process has it; an `Encryption` is checked."""


@pytest.fixture(params=["sqlite", "postgresql"])
async def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewDatabase]:
    made: list[Database] = []
    url = request.getfixturevalue("postgres").url if request.param == "postgresql" else None

    def make(encryption: Encryption | None = None) -> Database:
        on_open = None if encryption is None else KeyRegister(encryption).enter
        if url is None:
            made.append(SqliteDatabase(tmp_path / "folder" / "conversations.db", on_open))
        else:
            made.append(PostgresDatabase(PostgresConnections(conninfo(Secret(url))), on_open))
        return made[-1]

    yield make
    for database in made:
        await database.aclose()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    return new_database()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ProcessOf]:
    """`process(turns, *services, name=…)`: all that a test makes share one database."""
    shared = SharedDatabase(tmp_path / "conversations.db")
    made = []

    def make(*args, **options):
        made.append(shared.process(*args, **options))
        return made[-1]

    yield make
    for each in made:
        await each.stop()
    for database in shared.opened:
        await database.aclose()
