"""A chat with one call of an MCP tool, beside an agent with one session that stays open."""

from collections.abc import Iterable

from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure, at_least


def measure(laboratory: Laboratory) -> Iterable[Figure]:
    """Requests/s, not streamed: two answers of the model, one call between them."""
    body = chat("What is the weather in Hangzhou right now?")
    ours = Subject(laboratory.agent("Machine"), PATH, body, [laboratory.access_token()])
    peer = Subject(laboratory.peer("bare"), "/mcp/chat/completions", body)
    yield from beside(laboratory.plan, ours, peer, name="bare, one session", target=at_least(1.2))
