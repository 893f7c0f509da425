"""No secret is visible to an observer of the process, or in a representation of its objects."""

import asyncio
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import MethodType, ModuleType

import httpx
import pytest

from sandbox.faults.faults import Fault
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import leaks, secrets_of
from tests.security.secrecy.langsmith_collector import Collector
from tests.security.secrecy.test_tracing import conversations
from tests.security.secrecy.watched_process import watched_process

pytestmark = pytest.mark.promise("no-secret-leaves")

CORE = ("agent.", "graph.", "identity.", "tools.", "httpx", "openai", "langchain", "langgraph", "mcp.")


def arguments_of(process) -> str:
    """The information about the process that every user of the machine may read."""
    address_file = Path(f"/proc/{process.pid}/cmdline")
    return address_file.read_text() if address_file.exists() else " ".join(map(str, process.args))


async def test_observers_of_the_process_see_no_secret(sandbox, serve, tmp_path):
    collector = Collector()
    variables = {"AGENT_TRACING": "langsmith", "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl")}
    token, origin = sandbox.access_token(), await serve(collector)
    async with watched_process(tmp_path, origin, sandbox.environment | variables) as (process, address):
        assert await conversations(address, token) == [200] * 7
        await refused_conversation(address, token, sandbox)
        shown = arguments_of(process)
    canaries = secrets_of(sandbox, token)
    files = {name: (tmp_path / name).read_text() for name in ("out", "err", "audit.jsonl")}
    assert "openai._base_client" in files["err"], "libraries were heard"
    assert files["out"].count('"trace_id":') > 2, "spans were seen: the MCP library makes some"
    seen = [*files.items(), ("arguments", shown), *(("LangSmith", text) for text in collector.sent)]
    assert leaks(canaries, seen) == []
    traced = "\n".join(collector.sent)
    assert ENTERPRISE in traced
    assert '"credentials"' in traced, "the nodes are in it"


async def refused_conversation(origin, token, sandbox) -> None:
    """Requests that fail."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        for service in ("function_compute", "amap"):
            sandbox.cloud.faults.set(service, Fault(status=401))
        for question in (ENTERPRISE, WEATHER):
            messages = [{"role": "user", "content": question}]
            await client.post(f"{origin}/openai/v1/chat/completions", json={"messages": messages})
            await client.post(f"{origin}/agent/invoke", json={"input": {"messages": messages}})
        await client.post(f"{origin}/agent/invoke", headers={"Authorization": f"Bearer {token}x"})
        sandbox.cloud.faults.set("model_studio", Fault(status=401))
        await client.post(f"{origin}/agent/stream", json={"input": {"messages": messages}})


def parts(value: object) -> Iterator[object]:
    """An object's attributes and items, and a function's closure."""
    if isinstance(value, dict):
        yield from [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from list(value)
    elif isinstance(value, asyncio.Future):
        if value.done() and not value.cancelled() and value.exception() is None:
            yield value.result()
    elif isinstance(value, MethodType):
        yield value.__self__
    elif callable(value) and getattr(value, "__closure__", None):
        for cell in value.__closure__:
            try:
                yield cell.cell_contents
            except ValueError:  # empty
                continue
    else:
        yield from list(getattr(value, "__dict__", {}).values())
        for kind in type(value).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                try:
                    yield object.__getattribute__(value, name)
                except AttributeError:
                    continue


def reached(start: object, most: int = 200_000) -> list[object]:
    """Objects that can be reached, modules and classes aside; each once."""
    found, seen, waiting = [], set(), deque([start])
    while waiting and len(found) < most:
        value = waiting.popleft()
        if id(value) in seen or isinstance(value, ModuleType | type):
            continue
        seen.add(id(value))
        found.append(value)
        waiting.extend(parts(value))
    return found


async def test_no_object_of_a_warm_agent_shows_a_secret(start_agent, sandbox):
    agent = await start_agent("Human")
    token = sandbox.access_token()
    canaries = secrets_of(sandbox, token)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    for question in (WEATHER, ENTERPRISE):
        assert (await agent.ask(question, token)).status == 200
    agent.composed.http.event_hooks = {}
    everything = reached(agent.composed)
    ours = [value for value in everything if type(value).__module__.startswith(CORE)]
    kinds = {f"{type(value).__module__}.{type(value).__qualname__}" for value in ours}
    assert {
        "identity.secrets.secret.Secret",
        "graph.models.chat_model.ChatModel",
        "tools.mcp_service.legacy.LegacySession",
    } <= kinds
    texts = [(type(value).__qualname__, f"{value!r} {value}") for value in ours]
    # And what hangs on an object in clear, even if its repr is silent.
    texts += [(f"text of {len(value)}", value) for value in everything if isinstance(value, str)]
    assert leaks(canaries, texts) == []
