"""A chat with one call of the enterprise service, beside an agent with one HTTP client that stays open."""

from collections.abc import Iterable

from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure, at_least


def measure(laboratory: Laboratory) -> Iterable[Figure]:
    """Requests/s, not streamed: two answers of the model, one call between them."""
    body = chat("Call my enterprise service.")
    ours = Subject(laboratory.agent("Machine"), PATH, body, [laboratory.access_token()])
    peer = Subject(laboratory.peer("bare"), "/enterprise/chat/completions", body)
    yield from beside(laboratory.plan, ours, peer, name="bare, one client", target=at_least(1.2))
