"""Two hundred simultaneous first requests under Human identity, from as many users and from one.

The reference is the vendor's demo, which exchanges the user's token for each request. IDaaS counts the
exchanges.
"""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.client import send_concurrently
from benchmarks.report.measurement import Figure, Series, at_most, interleave
from benchmarks.servers.processes.process import ServerProcess

_REQUESTS = 200
_EXCHANGES = "idaas:token.token_exchange"


def measure(bench: Bench) -> Iterable[Figure]:
    """Seconds until the last response; the model responds immediately."""
    requests = 8 if bench.plan.quick else _REQUESTS
    agent, demo = bench.agent("Human"), bench.peer("demo")
    for server, path in ((agent, PATH), (demo, "/human/chat/completions")):
        send_concurrently(server, path, chat(), [bench.access_token()])

    def run(server: ServerProcess, path: str, tokens: Sequence[str]) -> tuple[float, int]:
        bench.idaas_requests()
        seconds = send_concurrently(server, path, chat(), tokens)
        return seconds, bench.idaas_requests().get(_EXCHANGES, 0)

    for users, limit, exchanges in ((requests, 1.5, 2 * requests), (1, 1.2, 2)):

        def timed(
            server: ServerProcess, path: str = PATH, users: int = users
        ) -> Callable[[], tuple[float, float]]:
            return lambda: run(server, path, bench.new_users(users) * (requests // users))

        results = interleave(
            1 if bench.plan.quick else 2,
            {
                "agent": timed(agent),
                "demo": timed(demo, "/human/chat/completions"),
            },
        )
        source = f"of {users} users" if users > 1 else "of one user"
        for member, name, unit, target in (
            (0, "all answered", "s", at_most(limit, absolute=True)),
            (1, "exchanges", "", at_most(exchanges, absolute=True)),
        ):
            value, reference = (
                Series(tuple(float(r[member]) for r in results[n])) for n in ("agent", "demo")
            )
            yield Figure(
                f"{requests} first requests {source}: {name}", unit, value, "demo", reference, target
            )
