"""The whole system for tests: the real agent, over HTTP, against the sandbox, on the sandbox's clock."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.operations.traces.tracer import tracer
from agent.settings.settings import read_settings
from identity.observation.span import SpanSink
from identity.transport.retry import RetryPolicy
from tests.loopback import NO_TLS

WEATHER = "What is the weather in Hangzhou right now?"
ENTERPRISE = "Call my enterprise service"
LEAVE = "How many days of leave do I have left?"
GREETING = "Hello!"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of the chat route: status, whole body, and the parts that a client reads."""

    status: int
    body: str
    headers: httpx.Headers

    @property
    def parsed(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.parsed["choices"][0]["message"]["content"]

    @property
    def code(self) -> str:
        """The error's code."""
        return self.parsed["error"]["code"]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        lines = [line.removeprefix("data: ") for line in self.body.splitlines() if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def streamed_text(self) -> str:
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def tool_events(self) -> list[dict[str, Any]]:
        return [chunk["agent_event"] for chunk in self.chunks if "agent_event" in chunk]


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """The agent, served on loopback."""

    origin: str
    composed: Agent
    http: httpx.AsyncClient

    async def ask(self, question: str, access_token: str, *, stream: bool = False) -> Answer:
        """Sends one question with `access_token`."""
        response = await self.http.post(
            f"{self.origin}/openai/v1/chat/completions",
            json={"messages": [{"role": "user", "content": question}], "stream": stream},
            headers={"Authorization": f"Bearer {access_token}"},
        )
        return Answer(response.status_code, response.text, response.headers)

    async def ready(self) -> httpx.Response:
        return await self.http.get(f"{self.origin}/ready")

    async def warm(self) -> None:
        """Waits until the warm-up has ended."""
        warm_up = self.composed._warm_up
        assert warm_up is not None
        await warm_up


def retry_at_once(composed: Agent) -> None:
    """Requests to IDaaS and the model are repeated as often as ever, without the pauses between."""
    composed.idaas.retries = RetryPolicy(sleep=lambda _: asyncio.sleep(0))
    composed.model.chat.root_async_client._calculate_retry_timeout = lambda *_: 0.0


StartAgent = Callable[..., Awaitable[RunningAgent]]


@pytest.fixture
async def start_agent(sandbox, serve) -> StartAgent:
    """Starts an agent: `await start_agent("Human", LLM_MODEL="…")`; variables override the sandbox's, which
    `environment` replaces. `spans` receives the spans of its traces.
    """

    async def start(
        access_identity: str = "Machine",
        environment: Mapping[str, str] | None = None,
        spans: SpanSink | None = None,
        **variables: str,
    ) -> RunningAgent:
        given = sandbox.environment if environment is None else environment
        environment = {**given, "ACCESS_IDENTITY": access_identity, **variables}
        settings = read_settings(environment)
        traced = None if spans is None else tracer(settings, spans)
        composed = Agent(settings, clock=sandbox.clock, tracer=traced)
        origin = await serve(create_app(composed.settings, composed))
        return RunningAgent(origin, composed, clients)

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False, verify=NO_TLS) as clients:
        yield start
