"""What the peak of a working day needs, from assumptions about people and figures of the agent."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

from benchmarks.scaling.queueing import exponential, servers_needed

_KIB: Final = 1024
_GIB: Final = _KIB**3


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
    write_ahead: float = 2.0
    """Bytes that PostgreSQL writes for one byte of a row, with its log and indexes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one process, measured. Times are milliseconds of its processor."""

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
    """Of PostgreSQL for a plain turn; each response with calls and its results are two more."""
    rows: float = 5.0
    """Written by a plain turn: the thread twice, its run, two messages. A call of a tool: two messages."""
    row_bytes: float = 700.0
    redis_turn: float = 3.0
    """Commands of Redis: the limit of requests, the place of a run, and its return."""
    redis_flushes: float = 10.0
    """Writes of a run's events a second, while it streams."""
    redis_run_bytes: float = 60_000.0
    """Of the events of one run, kept for ten minutes."""
    credentials: float = 3.0
    """That a user needs for a turn under Human: for the credential store, the model and a service."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a number of employees needs at the peak. Rates are per second."""

    employees: int
    turns: float
    open_runs: float
    processor_cores: float
    replicas: int
    memory_gib: float
    postgresql_transactions: float
    postgresql_rows: float
    postgresql_mib: float
    redis_commands: float
    redis_gib: float
    exchanges_with_affinity: float
    exchanges_without: float


@cache
def needs(employees: int, people: Assumptions = Assumptions(), agent: Figures = Figures()) -> Needs:
    """A replica is one process: it uses one core. There are two at least, so that one may fail."""
    turns = employees * people.turns_a_day / (people.hours_a_day * 3600) * people.peak_factor
    work = turn_seconds(people, agent)
    replicas = max(2, servers_needed(turns, exponential(work), work, people.wait_p99_seconds))
    duration = (
        people.first_token_seconds * (1 + people.tool_share)
        + people.tool_share * people.tool_seconds
        + people.tokens / people.tokens_a_second
    )
    open_runs = turns * duration
    rows = agent.rows + 2 * people.tool_share
    streaming = people.tokens / people.tokens_a_second
    return Needs(
        employees,
        turns,
        open_runs,
        turns * work,
        replicas,
        (replicas * agent.resident_mib * _KIB + open_runs * agent.run_kib) * _KIB / _GIB,
        turns * (agent.transactions + 2 * people.tool_share),
        turns * rows,
        turns * rows * agent.row_bytes * people.write_ahead / _KIB**2,
        turns * (agent.redis_turn + agent.redis_flushes * streaming),
        turns * 600 * agent.redis_run_bytes / _GIB,
        turns / people.session_turns * agent.credentials,
        turns * _cold_share(replicas, people.session_turns) * agent.credentials,
    )


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
