"""The time that is added to the model's own until the first words of a warm stream reach the caller."""

from collections.abc import Iterable
from functools import partial
from statistics import median

from benchmarks.bench import Bench
from benchmarks.chat import PATH, chat
from benchmarks.client import one_after_another
from benchmarks.measurement import Figure, Series, at_most, in_turns
from benchmarks.servers.process import ServerProcess


def measure(bench: Bench) -> Iterable[Figure]:
    """One caller, one request after the other; medians of a round."""
    requests = 10 if bench.plan.quick else 100
    token = bench.access_token()

    def first(server: ServerProcess, path: str) -> float:
        answers = one_after_another(server, path, chat(stream=True), [token] * requests)
        return 1000 * median(answer.first for answer in answers)

    times = in_turns(
        bench.plan.rounds,
        {
            "model": partial(first, bench.stand_ins, "/v1/chat/completions"),
            "agent": partial(first, bench.agent("Machine"), PATH),
            "bare": partial(first, bench.peer("bare"), "/chat/completions"),
        },
    )

    def added(name: str) -> Series:
        return Series(tuple(time - own for time, own in zip(times[name], times["model"], strict=True)))

    yield Figure("time to the first words", "ms", added("agent"), "bare", added("bare"), at_most(1.0))
