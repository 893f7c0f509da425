"""A chat that is streamed when all is warm, beside a one-node agent that streams."""

from collections.abc import Iterable

from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.laboratory import Laboratory
from benchmarks.measurement import Figure, at_least


def measure(laboratory: Laboratory) -> Iterable[Figure]:
    """Requests/s under Machine identity; an answer has 20 tokens."""
    ours = Subject(laboratory.agent("Machine"), PATH, chat(stream=True), [laboratory.access_token()])
    peer = Subject(laboratory.peer("bare"), "/chat/completions", chat(stream=True))
    yield from beside(laboratory.plan, ours, peer, name="bare", target=at_least(1.5))
