"""The agent behind a real web server, with the sandbox, for tests over HTTP."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.http.web_server import listen, web_server
from agent.settings.settings import read_settings
from tests.conftest import Sandbox


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
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60)

    def stop(self) -> None:
        """Stops the server."""
        self._stop()


@contextlib.contextmanager
def running_agent(sandbox: Sandbox, **variables: str) -> Iterator[AgentServer]:
    """An agent that is configured by the sandbox's `agent.env` and by `variables`, in a thread."""
    settings = read_settings(sandbox.environment | variables)
    listener = listen("127.0.0.1", 0, "the agent", "nothing")
    agent = Agent(settings, clock=sandbox.clock)
    server = web_server(create_app(settings, agent), shutdown_seconds=1, graceful_shutdown=agent.shutdown)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        httpx.get(f"{url}/health", timeout=60)  # waits in the listener's queue until the server accepts
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
