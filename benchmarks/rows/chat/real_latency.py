"""Time to the first words with the delays of real services.

IDaaS takes 30 ms a request, MCP 40 ms, the model 300 ms to the first token and 10 ms for each further one.
The references are the model alone and the vendor's demo, which obtains every credential for each request.
"""

from collections.abc import Callable, Iterable
from functools import partial
from statistics import mean

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.client import send_sequentially
from benchmarks.report.measurement import Figure, Series, at_most, interleave
from benchmarks.servers.processes.process import ServerProcess

_BODY = chat("Say little: tokens=3", stream=True)
_REQUESTS = 3


def measure(bench: Bench) -> Iterable[Figure]:
    """Means of rounds in which one caller sends requests one after another."""
    known = bench.access_token()
    requests = 1 if bench.plan.quick else _REQUESTS
    machine, human, demo = bench.agent("Machine"), bench.agent("Human"), bench.peer("demo")
    demo_paths = ("/machine/chat/completions", "/human/chat/completions")
    for server, path in ((machine, PATH), (human, PATH), *((demo, path) for path in demo_paths)):
        send_sequentially(server, path, _BODY, [known])

    def first(server: ServerProcess, path: str, tokens: Callable[[], list[str]]) -> float:
        return 1000 * mean(response.first for response in send_sequentially(server, path, _BODY, tokens()))

    def again() -> list[str]:
        return [known] * requests

    with bench.realistic_latency():
        times = interleave(
            bench.plan.rounds,
            {
                "model": partial(first, bench.stand_ins, "/v1/chat/completions", again),
                "Machine": partial(first, machine, PATH, again),
                "Human, known user": partial(first, human, PATH, again),
                "Human, new user": partial(first, human, PATH, lambda: bench.new_users(requests)),
                "demo, Machine": partial(first, demo, demo_paths[0], again),
                "demo, Human": partial(first, demo, demo_paths[1], again),
            },
        )

    of = {name: Series(tuple(values)) for name, values in times.items()}
    for name, limit in (("Machine", 1.03), ("Human, known user", 1.03), ("Human, new user", 1.25)):
        yield Figure(name, "ms", of[name], "the model alone", of["model"], at_most(limit))
    yield Figure("Machine", "ms", of["Machine"], "demo", of["demo, Machine"])
    yield Figure("Human, known user", "ms", of["Human, known user"], "demo", of["demo, Human"])
    yield Figure("Human, new user", "ms", of["Human, new user"], "demo", of["demo, Human"])
