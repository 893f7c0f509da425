"""A chat when all is warm, the model reached over HTTP, beside a one-node agent without identity."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    ours = Subject(bench.agent("Machine"), PATH, chat(), [bench.access_token()])
    peer = Subject(bench.peer("bare"), "/chat/completions", chat())
    yield from beside(bench.plan, ours, peer, name="bare", target=at_least(1.0))
