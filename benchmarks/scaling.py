"""The tables of `docs/performance.md`: what a number of employees needs, by arithmetic and simulated queues.

`python -m benchmarks.scaling` replaces the tables; a test fails while they differ. Imports nothing of the
project, and reads no clock.
"""

import heapq
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

_KIB: Final = 1024
_MIB: Final = _KIB**2
_GIB: Final = _KIB**3
_EVENTS_SECONDS: Final = 600
ServiceTime: TypeAlias = Callable[[Random], float]
"""The seconds of work of one request."""
PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
EMPLOYEES: Final = (1_000, 20_000, 1_000_000)
_BLOCK: Final = re.compile(r"<!-- scaling: (?P<name>\w+) -->\n(?:\n?\|[^\n]*\n)*")
_NEEDS: Final = {
    "turns": "turns/s at the peak",
    "open_runs": "open runs",
    "replicas": "replicas (processes)",
    "memory_gib": "memory of all replicas, GiB",
    "postgresql_transactions": "PostgreSQL, write transactions/s",
    "redis_commands": "Redis, commands/s",
    "redis_gib": "Redis, memory of events, GiB",
    "exchanges_with_affinity": "IDaaS, exchanges/s, a user's requests at one replica",
    "exchanges_without": "IDaaS, exchanges/s, at any replica",
}
_LIMITS: Final = (
    ("IDaaS, requests at any replica", "exchanges_without", 100.0, "exchanges/s"),
    ("IDaaS, a user's requests at one replica", "exchanges_with_affinity", 100.0, "exchanges/s"),
    ("one Redis", "redis_commands", 80_000.0, "commands/s"),
    ("one PostgreSQL", "postgresql_transactions", 5_000.0, "write transactions/s"),
    ("the model service", "open_runs", 1_000.0, "open responses"),
)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How people use the agent. A turn is a question with its answer."""

    turns_a_day: float = 8
    hours_a_day: float = 8
    peak_factor: float = 3
    """The busiest minutes, compared with the mean of the day."""
    tool_share: float = 0.4
    """Of turns, with one call of a tool."""
    session_turns: float = 4
    """Of one user within the validity of a credential (20 minutes)."""
    first_token_seconds: float = 0.8
    """Of each response of the model; a turn with a tool has two."""
    tokens: float = 300
    tokens_a_second: float = 50
    tool_seconds: float = 0.3
    wait_p99_seconds: float = 0.05
    """How long a turn may wait for its process."""

    @property
    def streaming_seconds(self) -> float:
        """From the first to the last token of a turn."""
        return self.tokens / self.tokens_a_second

    @property
    def run_seconds(self) -> float:
        """From a question to the end of its answer."""
        responses = self.first_token_seconds * (1 + self.tool_share)
        return responses + self.tool_share * self.tool_seconds + self.streaming_seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one process, measured. Times are milliseconds of its processor.

    Those of PostgreSQL and Redis are counted on the wire, in the row `round_trips` of `benchmarks/README.md`.
    """

    turn_ms: float = 6.0
    """A streamed turn in a conversation in PostgreSQL, without its tokens."""
    tool_ms: float = 4.0
    """More for a call of a tool: a second response of the model, and the call."""
    token_ms: float = 0.12
    """A token that arrives alone."""
    resident_mib: float = 180.0
    run_kib: float = 180.0
    """An open run with a TLS connection to the model."""
    transactions: float = 2.0
    """Of PostgreSQL for a plain turn."""
    tool_transactions: float = 2.0
    """More for a response with calls, and their results."""
    redis_turn: float = 15.0
    """Commands of Redis: the limit of requests, the place of a run, and the keys of its events."""
    redis_writes: float = 10.0
    """Of a run's events a second, while it streams."""
    redis_run_bytes: float = 25_000.0
    """Of the events of one run, kept for ten minutes."""
    credentials: float = 3.0
    """That a user needs for a turn under Human: for the credential store, the model and a service."""


@dataclass(frozen=True)
class Needs:
    """What a number of employees needs at the peak. Rates are per second."""

    employees: int
    people: Assumptions = Assumptions()
    agent: Figures = Figures()

    @property
    def turns(self) -> float:
        """Questions that are asked."""
        people = self.people
        return self.employees * people.turns_a_day / (people.hours_a_day * 3600) * people.peak_factor

    @property
    def open_runs(self) -> float:
        """By Little's law."""
        return self.turns * self.people.run_seconds

    @cached_property
    def replicas(self) -> int:
        """A replica is one process: it uses one core. There are two at least, so that one may fail."""
        work = turn_seconds(self.people, self.agent)
        return max(2, servers_needed(self.turns, exponential(work), work, self.people.wait_p99_seconds))

    @property
    def memory_gib(self) -> float:
        """Of all replicas."""
        resident = self.replicas * self.agent.resident_mib * _MIB
        return (resident + self.open_runs * self.agent.run_kib * _KIB) / _GIB

    @property
    def postgresql_transactions(self) -> float:
        """That write."""
        return self._with_tools(self.agent.transactions, self.agent.tool_transactions)

    @property
    def redis_commands(self) -> float:
        """Those inside of scripts do not count."""
        return self.turns * (self.agent.redis_turn + self.agent.redis_writes * self.people.streaming_seconds)

    @property
    def redis_gib(self) -> float:
        """Of the events of the last ten minutes."""
        return self.turns * _EVENTS_SECONDS * self.agent.redis_run_bytes / _GIB

    @property
    def exchanges_with_affinity(self) -> float:
        """Credentials from IDaaS, if a user's requests go to one replica."""
        return self.turns / self.people.session_turns * self.agent.credentials

    @property
    def exchanges_without(self) -> float:
        """The same, if each request goes to any replica."""
        return self.turns * _cold_share(self.replicas, self.people.session_turns) * self.agent.credentials

    def _with_tools(self, turn: float, tool_call: float) -> float:
        return self.turns * (turn + self.people.tool_share * tool_call)


@cache
def needs(employees: int) -> Needs:
    """With the assumptions and figures above. Simulated once."""
    return Needs(employees)


def turn_seconds(people: Assumptions, agent: Figures) -> float:
    """The processor time of the mean turn."""
    return (agent.turn_ms + people.tool_share * agent.tool_ms + people.tokens * agent.token_ms) / 1000


def _cold_share(replicas: int, turns: float) -> float:
    """The share of turns at a replica that has not seen the user before, if each is chosen at random."""
    return replicas * (1 - math.pow(1 - 1 / replicas, turns)) / turns


def largest(limit: float, value_of: str) -> int:
    """The number of employees at which a need reaches `limit`, by proportion."""
    sample = needs(20_000)
    return math.floor(limit / float(getattr(sample, value_of)) * sample.employees)


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that requests waited before their work began, and the share of time that servers worked."""

    mean: float
    p99: float
    utilization: float


def exponential(mean: float) -> ServiceTime:
    """Work that is usually short and sometimes long: its standard deviation is its mean."""
    return lambda random: random.expovariate(1 / mean)


def simulate(
    arrivals: float,
    service: ServiceTime,
    servers: int,
    *,
    requests: int = 20_000,
    shared_queue: bool = False,
    seed: int = 1,
) -> Waits:
    """`arrivals` requests a second, independent of each other (Poisson), at `servers` with one worker each.

    A request goes to the server with the fewest requests, as with a balancer by least connections, and waits
    there; with a `shared_queue`, at the first free server. The first tenth of the requests warms up.
    """
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    free_at = [0.0] * servers
    ends: list[tuple[float, int]] = []
    waiting = [0] * servers
    now, busy, waits = 0.0, 0.0, list[float]()
    for number in range(requests):
        now += random.expovariate(arrivals)
        while ends and ends[0][0] <= now:
            waiting[heapq.heappop(ends)[1]] -= 1
        loads = free_at if shared_queue else waiting
        chosen = min(range(servers), key=loads.__getitem__)
        began = max(now, free_at[chosen])
        work = service(random)
        free_at[chosen] = began + work
        waiting[chosen] += 1
        heapq.heappush(ends, (began + work, chosen))
        if number >= requests // 10:
            waits.append(began - now)
        busy += work
    waits.sort()
    return Waits(
        sum(waits) / len(waits), waits[math.ceil(len(waits) * 0.99) - 1], busy / (servers * max(free_at))
    )


def erlang_c(servers: int, load: float) -> float:
    """The probability that a request waits in a queue M/M/c; `load` is arrivals times the mean work.

    Raises `ValueError` unless `load` is below `servers`: the queue would grow without bound.
    """
    if not 0 <= load < servers:
        raise ValueError("the load must be below the number of servers")
    blocking = 1.0
    for number in range(1, servers + 1):
        blocking = load * blocking / (number + load * blocking)
    return blocking / (1 - load / servers * (1 - blocking))


def mean_wait(arrivals: float, mean_work: float, servers: int) -> float:
    """The mean wait of M/M/c, in seconds."""
    load = arrivals * mean_work
    return erlang_c(servers, load) * mean_work / (servers - load)


def servers_needed(arrivals: float, service: ServiceTime, mean_work: float, p99: float) -> int:
    """The smallest number of servers at which the 99th percentile of waits is at most `p99` seconds."""
    servers = math.floor(arrivals * mean_work) + 1
    while simulate(arrivals, service, servers).p99 > p99:
        servers += max(1, servers // 50)
    return servers


def written(page: str) -> str:
    """`page` with its tables replaced."""
    tables = {"needs": _needs([needs(number) for number in EMPLOYEES]), "limits": _limits()}
    return _BLOCK.sub(
        lambda match: f"<!-- scaling: {match['name']} -->\n\n" + "\n".join(tables[match["name"]]) + "\n", page
    )


def _needs(of: Sequence[Needs]) -> Iterator[str]:
    yield "| employees | " + " | ".join(f"{each.employees:,}" for each in of) + " |"
    yield "|---|" + "---:|" * len(of)
    for name, label in _NEEDS.items():
        yield f"| {label} | " + " | ".join(_number(getattr(each, name)) for each in of) + " |"


def _limits() -> Iterator[str]:
    yield from ("| part | assumed limit | reached with employees |", "|---|---:|---:|")
    reached = [(largest(limit, name), part, limit, unit) for part, name, limit, unit in _LIMITS]
    for number, part, limit, unit in sorted(reached):
        yield f"| {part} | {_number(limit)} {unit} | {_number(_round(number))} |"


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.1f}"


def _round(value: float) -> int:
    """Two digits are all that such an estimate has."""
    digits = len(str(int(value))) - 2
    return int(round(value, -digits)) if digits > 0 else int(value)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
