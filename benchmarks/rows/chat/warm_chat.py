"""A warm chat with the model in the process, compared with the same graph and surface without identity."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare
from benchmarks.report.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    agent = bench.application("benchmarks.servers.agents.instant_agent")
    endpoint = Endpoint(agent, PATH, chat(), [bench.access_token()])
    floor = Endpoint(bench.peer("same_graph"), PATH, chat())
    yield from compare(bench.plan, endpoint, floor, name="same graph, no identity", target=at_least(0.97))
