"""1, 2 and 4 replicas on PostgreSQL and Redis behind a balancer, and one process without both.

On two cores the rate does not grow with replicas; the processor time of a turn shows what each costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import psutil
from anyio.from_thread import BlockingPortal, start_blocking_portal

from benchmarks.bench import Bench
from benchmarks.load import PATH, Endpoint, Load, chat
from benchmarks.processes import ServerProcess, cpu_seconds
from benchmarks.report import Figure, Plan, Series, interleave, series_of
from cluster.balancer import Balancer

_T = TypeVar("_T")

_NUMBERS: Final = (1, 2, 4)
_MAX_ROUNDS: Final = 4
_THREADS: Final = 256
_USERS: Final = 16
_FLOOR: Final = "1 process without both"
_STREAM: Final = chat(stream=True)


@dataclass(frozen=True, slots=True)
class _Balanced:
    """Replicas behind a balancer, as a `LoadedServer`."""

    port: int
    processes: Sequence[ServerProcess]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        return sum(process.cpu_seconds() for process in self.processes)


@dataclass(frozen=True, slots=True)
class _Cost:
    """A round of load, and milliseconds of the two servers' processor time for each turn."""

    load: Load
    postgresql_ms: float
    redis_ms: float


def replicas(bench: Bench) -> Iterator[Figure]:
    """Streamed turns."""
    numbers = _NUMBERS[:2] if bench.plan.quick else _NUMBERS
    urls = {"postgresql": bench.postgresql.url, "redis": bench.redis.url}
    agents = [bench.replica(number, **urls) for number in range(1, numbers[-1] + 1)]
    floor, tokens = bench.agent("Machine"), bench.new_users(_USERS)
    with start_blocking_portal() as portal:
        yield from _under_load(bench, portal, floor, agents, tokens)
    yield from _alone(bench.plan, floor, agents[0], tokens)
    for agent in agents:
        bench.stop(agent)


def _under_load(
    bench: Bench,
    portal: BlockingPortal,
    floor: ServerProcess,
    agents: Sequence[ServerProcess],
    tokens: Sequence[str],
) -> Iterator[Figure]:
    """Each round through a balancer of its own."""
    databases = [psutil.Process(bench.postgresql.pid), psutil.Process(bench.redis.pid)]

    def cost(processes: Sequence[ServerProcess], threads: int) -> _Cost:
        with portal.wrap_async_context_manager(Balancer([each.port for each in processes])) as balancer:
            before = [cpu_seconds(each) for each in databases]
            balanced = _Balanced(balancer.port, processes)
            load = Endpoint(balanced, PATH, _STREAM, tokens, threads=threads).run_load(bench.plan)
            used = [cpu_seconds(each) - seconds for each, seconds in zip(databases, before, strict=True)]
        postgresql_ms, redis_ms = (seconds * 1000 / load.requests for seconds in used)
        return _Cost(load, postgresql_ms, redis_ms)

    numbers = [number for number in _NUMBERS if number <= len(agents)]
    runs = {_FLOOR: partial(cost, [floor], 0)} | {
        _name(number): partial(cost, agents[:number], _THREADS) for number in numbers
    }
    costs = _in_turns(bench.plan, runs)
    for number in numbers:
        yield from _figures(costs, _name(number), _FLOOR if number == 1 else _name(1))


def _figures(costs: Mapping[str, Sequence[_Cost]], name: str, reference: str) -> Iterator[Figure]:
    of, compared = costs[name], costs[reference]

    def figure(what: str, unit: str, value: Callable[[_Cost], float]) -> Figure:
        return Figure(f"{name}: {what}", unit, series_of(of, value), reference, series_of(compared, value))

    yield figure("turns", "/s", lambda cost: cost.load.per_second)
    yield figure("processor time a turn", "ms", lambda cost: cost.load.cpu_ms)
    for server, value in (
        ("PostgreSQL", lambda cost: cost.postgresql_ms),
        ("Redis", lambda cost: cost.redis_ms),
    ):
        made = figure(f"{server}'s processor time a turn", "ms", value)
        yield replace(made, reference="", reference_value=None) if reference == _FLOOR else made


def _alone(plan: Plan, floor: ServerProcess, agent: ServerProcess, tokens: Sequence[str]) -> Iterator[Figure]:
    """One turn at a time, without a balancer. A chat without a conversation uses Redis for limits only."""

    short = replace(plan, seconds=min(plan.seconds, 1.0))

    def median_ms(server: ServerProcess, threads: int) -> float:
        return Endpoint(server, PATH, _STREAM, tokens, threads=threads, connections=1).run_load(short).p50_ms

    times = _in_turns(
        plan,
        {
            "without both": partial(median_ms, floor, 0),
            "limits": partial(median_ms, agent, 0),
            "turn": partial(median_ms, agent, _THREADS),
        },
    )
    without, limits, turn = (Series(tuple(times[name])) for name in ("without both", "limits", "turn"))
    yield Figure("a turn alone", "ms", turn, _FLOOR, without)
    yield Figure("a turn alone, added by the limits in Redis", "ms", _difference(limits, without))
    yield Figure("a turn alone, added by PostgreSQL and events", "ms", _difference(turn, limits))


def _difference(value: Series, reference: Series) -> Series:
    pairs = zip(value.values, reference.values, strict=True)
    return Series(tuple(each - other for each, other in pairs))


def _in_turns(plan: Plan, runs: Mapping[str, Callable[[], _T]]) -> dict[str, list[_T]]:
    """After one turn that warms up."""
    if not plan.quick:
        interleave(1, runs)
    return interleave(min(plan.rounds, _MAX_ROUNDS), runs)


def _name(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
