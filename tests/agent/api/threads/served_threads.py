"""The agent behind a real server, with a model that follows a script, and waits if a test wants it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import httpx
import pytest
from click.testing import Result
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr
from typer.testing import CliRunner

from agent.api.app import create_app
from agent.commands.command_line import app as command_line
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.graph.scripted_model import DONE, ScriptedModel
from tests.loopback import NO_TLS
from tests.suite import Sandbox

CHAT = "/openai/v1/chat/completions"


class WaitingModel(ScriptedModel):
    """Sends its first piece, then waits for `go_on` before each further one, if `waits` is set."""

    waits: bool = False
    _go_on: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _waiting: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _once: bool = PrivateAttr(default=False)

    def one_more(self) -> None:
        """Sends one piece, and waits again."""
        self._once = True
        self._go_on.set()

    @property
    def go_on(self) -> asyncio.Event:
        return self._go_on

    @property
    def waiting(self) -> asyncio.Event:
        return self._waiting

    async def _astream(self, *args: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        first = True
        async for chunk in super()._astream(*args, **options):
            if self.waits and not first:
                self._waiting.set()
                await self._go_on.wait()
                if self._once:
                    self._once = False
                    self._go_on.clear()
            first = False
            yield chunk


def _quoted(value: str) -> str:
    """A value, which may have several lines, in the form of a file of variables."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@dataclass
class Threads:
    """A served agent and its users."""

    origin: str
    agent: Agent
    model: WaitingModel
    sandbox: Sandbox
    http: httpx.AsyncClient
    environment: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    def headers(self, user: str = "alice") -> dict[str, str]:
        if user not in self.tokens:
            self.tokens[user] = self.sandbox.access_token(user)
        return {"Authorization": f"Bearer {self.tokens[user]}"}

    async def ask(
        self, method: str, path: str, user: str = "alice", body: Any = None, **headers: str
    ) -> httpx.Response:
        """One request of `user`."""
        return await self.http.request(
            method, self.origin + path, json=body, headers=self.headers(user) | headers
        )

    async def say(
        self, text: str, thread: str = "thread-1", user: str = "alice", **more: Any
    ) -> httpx.Response:
        """One message on a thread, over OpenAI's API."""
        metadata = {"thread_id": thread, **more.pop("metadata", {})}
        messages = [{"role": "user", "content": text}]
        return await self.ask("POST", CHAT, user, {"messages": messages, "metadata": metadata, **more})

    async def command(self, *arguments: str) -> Result:
        """`idaas-agent`, as an operator types it who has the agent's settings."""
        with NamedTemporaryFile("w", suffix=".env") as file:
            file.write("".join(f"{name}={_quoted(value)}\n" for name, value in self.environment.items()))
            file.flush()
            return await asyncio.to_thread(
                CliRunner().invoke, command_line, [*arguments, "--env-file", file.name]
            )

    def stream(self, method: str, path: str, user: str = "alice", body: Any = None, **headers: str) -> Any:
        """A response that is read as it arrives."""
        return self.http.stream(method, self.origin + path, json=body, headers=self.headers(user) | headers)


ThreadsOf = Callable[..., Awaitable[Threads]]


@pytest.fixture
async def threads(
    sandbox: Sandbox, serve: Callable[[Any], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[ThreadsOf]:
    """`await threads(turns, waits=…, VARIABLE=…)`. All agents of a test share one database."""

    async def start(turns: Any = (DONE,), *, waits: bool = False, **variables: str) -> Threads:
        model = WaitingModel(turns=list(turns), waits=waits)
        database = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
        environment = sandbox.environment | database | variables
        settings = read_settings(environment)
        agent = Agent(settings, clock=sandbox.clock, model=ChatModelProvider(model))
        if agent.redis is not None:
            agent.redis.seconds = 30.0  # on a busy machine, a Redis that is late is not away
        origin = await serve(create_app(settings, agent))
        return Threads(origin, agent, model, sandbox, http, environment)

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False, verify=NO_TLS))
        yield start


AppOf = Callable[..., Awaitable[Threads]]


@pytest.fixture
def app(threads: ThreadsOf, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppOf:
    """`await app(graph, turns, VARIABLE=…)`: an agent with that graph, whose model has these turns."""
    from tests.agent.api.threads import app_graphs  # LangChain's agents are loaded for few tests

    app_graphs.put_files(sandbox, tmp_path)
    monkeypatch.chdir(tmp_path)

    async def start(graph: str, turns: Any, **variables: str) -> Threads:
        app_graphs.MODEL.turns = list(turns)
        app_graphs.MODEL.asked.clear()
        return await threads(ACCESS_IDENTITY="Human", GRAPH=graph, **variables)

    return start
