"""A chat when all is warm, the model in the process, beside the same graph and surface without identity."""

from collections.abc import Iterable

from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure, at_least


def measure(laboratory: Laboratory) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    agent = laboratory.application("benchmarks.servers.instant_agent")
    ours = Subject(agent, PATH, chat(), [laboratory.access_token()])
    floor = Subject(laboratory.peer("same_graph"), PATH, chat())
    yield from beside(laboratory.plan, ours, floor, name="same graph, no identity", target=at_least(0.97))
