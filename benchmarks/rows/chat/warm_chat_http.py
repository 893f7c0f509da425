"""A warm chat with the model over HTTP, compared with a one-node agent without identity."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare
from benchmarks.report.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    endpoint = Endpoint(bench.agent("Machine"), PATH, chat(), [bench.access_token()])
    peer = Endpoint(bench.peer("bare"), "/chat/completions", chat())
    yield from compare(bench.plan, endpoint, peer, name="bare", target=at_least(1.0))
