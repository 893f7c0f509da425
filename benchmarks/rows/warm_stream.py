"""A chat that is streamed when all is warm, beside a one-node agent that streams."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s under Machine identity; an answer has 20 tokens."""
    ours = Subject(bench.agent("Machine"), PATH, chat(stream=True), [bench.access_token()])
    peer = Subject(bench.peer("bare"), "/chat/completions", chat(stream=True))
    yield from beside(bench.plan, ours, peer, name="bare", target=at_least(1.5))
