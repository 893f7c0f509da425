"""A simulation of requests that wait for a processor, and the formulas that it is checked against.

Deterministic: the same arguments give the same result.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

ServiceTime: TypeAlias = Callable[[Random], float]
"""The seconds of work of one request."""


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
