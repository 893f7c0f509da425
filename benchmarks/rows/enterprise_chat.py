"""A chat with one call of the enterprise service, beside an agent with one HTTP client that stays open."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed: two answers of the model, one call between them."""
    body = chat("Call my enterprise service.")
    ours = Subject(bench.agent("Machine"), PATH, body, [bench.access_token()])
    peer = Subject(bench.peer("bare"), "/enterprise/chat/completions", body)
    yield from beside(bench.plan, ours, peer, name="bare, one client", target=at_least(1.2))
