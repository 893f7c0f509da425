"""A chat when all is warm, the model in the process, beside the same graph and surface without identity."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    agent = bench.application("benchmarks.servers.instant_agent")
    ours = Subject(agent, PATH, chat(), [bench.access_token()])
    floor = Subject(bench.peer("same_graph"), PATH, chat())
    yield from beside(bench.plan, ours, floor, name="same graph, no identity", target=at_least(0.97))
