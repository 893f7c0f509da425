"""The time that an agent adds to the model's until the first words of a warm stream reach the caller."""

from collections.abc import Iterable
from functools import partial
from statistics import median

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.client import send_sequentially
from benchmarks.report.measurement import Figure, Series, at_most, interleave
from benchmarks.servers.processes.process import ServerProcess


def measure(bench: Bench) -> Iterable[Figure]:
    """Medians of rounds in which one caller sends requests one after another."""
    requests = 10 if bench.plan.quick else 100
    token = bench.access_token()

    def first(server: ServerProcess, path: str) -> float:
        responses = send_sequentially(server, path, chat(stream=True), [token] * requests)
        return 1000 * median(response.first for response in responses)

    times = interleave(
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
