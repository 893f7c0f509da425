"""A chat when all is warm, the model reached over HTTP, beside a one-node agent without identity."""

from collections.abc import Iterable

from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure, at_least


def measure(laboratory: Laboratory) -> Iterable[Figure]:
    """Requests/s, not streamed, under Machine identity."""
    ours = Subject(laboratory.agent("Machine"), PATH, chat(), [laboratory.access_token()])
    peer = Subject(laboratory.peer("bare"), "/chat/completions", chat())
    yield from beside(laboratory.plan, ours, peer, name="bare", target=at_least(1.0))
