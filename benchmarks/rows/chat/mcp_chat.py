"""A chat with one call of an MCP tool, compared with an agent with one persistent session."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare_at_loads
from benchmarks.report.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed: two completions with one call between them."""
    body = chat("What is the weather in Hangzhou right now?")
    endpoint = Endpoint(bench.agent("Machine"), PATH, body, [bench.access_token()])
    peer = Endpoint(bench.peer("bare"), "/mcp/chat/completions", body)
    yield from compare_at_loads(bench.plan, endpoint, peer, name="bare, one session", target=at_least(2.0))
