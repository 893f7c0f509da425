"""A chat with one call of an MCP tool, beside an agent with one session that stays open."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed: two answers of the model, one call between them."""
    body = chat("What is the weather in Hangzhou right now?")
    ours = Subject(bench.agent("Machine"), PATH, body, [bench.access_token()])
    peer = Subject(bench.peer("bare"), "/mcp/chat/completions", body)
    yield from beside(bench.plan, ours, peer, name="bare, one session", target=at_least(1.2))
