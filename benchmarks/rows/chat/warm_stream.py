"""A warm streamed chat, compared with a one-node agent that streams."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare_at_loads
from benchmarks.report.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s under Machine identity; a completion has 20 tokens."""
    endpoint = Endpoint(bench.agent("Machine"), PATH, chat(stream=True), [bench.access_token()])
    peer = Endpoint(bench.peer("bare"), "/chat/completions", chat(stream=True))
    yield from compare_at_loads(bench.plan, endpoint, peer, name="bare", target=at_least(2.0))
