"""What the peak of a working day needs, from assumptions about people and figures of the agent."""

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from benchmarks.scaling.queueing import exponential, servers_needed

_KIB: Final = 1024
_MIB: Final = _KIB**2
_GIB: Final = _KIB**3
_EVENTS_SECONDS: Final = 600


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
    token_bytes: float = 4.5
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

    Those of PostgreSQL and Redis are counted on the wire, in the row `round_trips` of `docs/benchmarks.md`.
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
    rows: float = 6.0
    """Written by a plain turn: the thread and the run twice, and two messages."""
    tool_rows: float = 4.0
    """More for a call of a tool: the thread twice, and two messages."""
    log_bytes: float = 3_200.0
    """Of PostgreSQL's log for a plain turn of few words; each byte of an answer is one more."""
    tool_log_bytes: float = 1_400.0
    """More for a call of a tool."""
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

    @property
    def processor_cores(self) -> float:
        """That work for the agent."""
        return self.turns * turn_seconds(self.people, self.agent)

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
    def postgresql_rows(self) -> float:
        """Inserted or updated."""
        return self._with_tools(self.agent.rows, self.agent.tool_rows)

    @property
    def postgresql_mib(self) -> float:
        """Of its log; the tables themselves are written later, at checkpoints."""
        turn = self.agent.log_bytes + self.people.tokens * self.people.token_bytes
        return self._with_tools(turn, self.agent.tool_log_bytes) / _MIB

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
    """With the assumptions and figures of the document. Simulated once."""
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
