"""What a warm chat costs in calls of functions, which no other work on the machine changes."""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.calls import CHATS, OWN, parts
from benchmarks.calls import calls as counted
from benchmarks.report import Figure, series


def calls(bench: Bench) -> Iterable[Figure]:
    """Calls of all functions, and of the agent's own, beside those of the bare agent. `benchmarks.calls`
    prints the parts.
    """
    for name in ["chat"] if bench.plan.quick else CHATS:
        agent, bare = parts(bench, name)
        of_bare = series(counted(bare))
        yield Figure(f"{name}: calls of functions", "", series(counted(agent)), "bare", of_bare)
        yield Figure(f"{name}: of the agent's own", "", series(counted(agent, OWN)), "bare", of_bare)
