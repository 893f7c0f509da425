"""Two hundred first requests at once under Human identity: of as many users, and of one.

Beside the vendor's demo, which exchanges the user's token for each request. Exchanges are counted at IDaaS.
"""

from collections.abc import Iterable, Sequence

from benchmarks.bench import Bench
from benchmarks.chat import PATH, chat
from benchmarks.client import all_at_once
from benchmarks.measurement import Figure, Series, at_most, in_turns
from benchmarks.servers.process import ServerProcess

_REQUESTS = 200
_EXCHANGES = "idaas:token.token_exchange"


def measure(bench: Bench) -> Iterable[Figure]:
    """Seconds until the last of them is answered; the model answers at once."""
    requests = 8 if bench.plan.quick else _REQUESTS
    agent, demo = bench.agent("Human"), bench.peer("demo")
    for server, path in ((agent, PATH), (demo, "/human/chat/completions")):
        all_at_once(server, path, chat(), [bench.access_token()])

    def together(server: ServerProcess, path: str, tokens: Sequence[str]) -> tuple[float, int]:
        bench.idaas_requests()
        seconds = all_at_once(server, path, chat(), tokens)
        return seconds, bench.idaas_requests().get(_EXCHANGES, 0)

    for users, limit, exchanges in ((requests, 1.5, 2 * requests), (1, 1.2, 2)):

        def tokens(users: int = users) -> list[str]:
            return bench.new_users(users) * (requests // users)

        results = in_turns(
            1 if bench.plan.quick else 2,
            {
                "agent": lambda tokens=tokens: together(agent, PATH, tokens()),
                "demo": lambda tokens=tokens: together(demo, "/human/chat/completions", tokens()),
            },
        )
        whose = f"of {users} users" if users > 1 else "of one user"
        for member, name, unit, target in (
            (0, "all answered", "s", at_most(limit, absolute=True)),
            (1, "exchanges", "", at_most(exchanges, absolute=True)),
        ):
            ours, theirs = (Series(tuple(float(r[member]) for r in results[n])) for n in ("agent", "demo"))
            yield Figure(f"{requests} first requests {whose}: {name}", unit, ours, "demo", theirs, target)
