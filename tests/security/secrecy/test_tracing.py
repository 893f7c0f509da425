"""No part of a conversation is sent to a tracing service, unless the agent's own setting enables it.

Each test runs the agent in a process of its own, with a collector in place of LangSmith.
"""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent.api.langgraph.langgraph_process import langgraph_dev, own_parts
from tests.agent.operations.test_otlp import Collector as OtlpCollector
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.security.secrecy.langsmith_collector import Collector, variables_of
from tests.security.secrecy.watched_process import watched_process

pytestmark = pytest.mark.promise("no-secret-leaves")

ASKED_FOR = dict.fromkeys(
    (
        # Each of these alone starts a trace.
        "LANGSMITH_TRACING",
        "LANGCHAIN_TRACING_V2",
        "LANGSMITH_TRACING_V2",
        # Each of these alone fails every run while nothing is traced.
        "LANGCHAIN_TRACING",
        "LANGCHAIN_HANDLER",
    ),
    "true",
)


async def conversations(origin: str, token: str) -> list[int]:
    """A chat on every route, and the statuses."""
    given = {"messages": [{"role": "user", "content": ENTERPRISE}]}
    statuses = []
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for stream in (False, True):
            chat = {"messages": [{"role": "user", "content": WEATHER}], "stream": stream}
            statuses.append(
                (await client.post(f"{origin}/openai/v1/chat/completions", json=chat)).status_code
            )
        for route in ("invoke", "batch", "stream", "stream_log", "stream_events"):
            body: dict[str, Any] = {"inputs": [given, given]} if route == "batch" else {"input": given}
            statuses.append((await client.post(f"{origin}/agent/{route}", json=body)).status_code)
    return statuses


async def served(sandbox, collector_origin: str, folder: Path, variables: dict[str, str]) -> list[int]:
    """Has conversations with an agent in a process, and waits until the process has ended."""
    async with watched_process(folder, collector_origin, sandbox.environment | variables) as (_, origin):
        return await conversations(origin, sandbox.access_token())


async def test_the_variables_of_langchain_and_langsmith_start_no_trace(sandbox, serve, tmp_path):
    collector = Collector()
    statuses = await served(sandbox, await serve(collector), tmp_path, ASKED_FOR)
    assert statuses == [200] * 7
    assert collector.sent == []


@pytest.mark.parametrize("asked", [False, True])
async def test_on_langgraph_server_only_the_setting_enables_tracing(sandbox, serve, tmp_path, asked):
    collector, spans = Collector(), OtlpCollector()
    token = sandbox.access_token()
    variables = {
        **variables_of(await serve(collector)),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{await serve(spans.app)}/v1/traces",
        "LANGSMITH_TRACING": "true",
        "LANGCHAIN_TRACING": "true",
        **own_parts(sandbox.running, tmp_path, "longer, signed"),
    }
    if asked:
        variables["AGENT_TRACING"] = "langsmith"
    server = langgraph_dev(sandbox.running, tmp_path, **variables)
    running = await asyncio.to_thread(server.__enter__)
    try:
        client = running.client(token)
        thread = await client.threads.create()
        question = {"messages": [{"role": "user", "content": ENTERPRISE}]}
        traced = {"configurable": {"langsmith-trace": "20251125T000000000000Z" + "0" * 8}}
        for config in ({}, traced):
            values = await client.runs.wait(thread["thread_id"], "agent", input=question, config=config)
            assert values["messages"][-1]["content"].endswith(" (user_alice01)")  # by the middleware
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
    assert bool([text for text in collector.sent if ENTERPRISE in text]) is asked
    if not asked:
        assert collector.sent == []
    names = [span.name for span in spans.spans()]
    assert names.count("invoke_agent idaas-agent") == 2
    assert {name.partition(" ")[0] for name in names} >= {"chat", "execute_tool", "issue"}
    for span in spans.spans():
        assert {"user.hash", "gen_ai.conversation.id"} <= {each.key for each in span.attributes}
    sent = [("a span", body.decode("latin-1")) for body in spans.received["/v1/traces"]]
    assert not any(ENTERPRISE in text for _, text in sent)
    assert leaks(secrets_of(sandbox, token), sent) == []
