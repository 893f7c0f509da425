"""The records of rounds, as values: what people saw and services counted, and which steps were struck."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.chaos.stage import Disturbance
from cluster.person import Step


@dataclass(frozen=True)
class ChaosRun:
    """One person's chat in a round."""

    person: str
    asked: str
    step: Step
    """At the strike."""
    seconds: float | None
    """From the strike to the answer, 0 if that came before; `None` if none came in time."""
    approvals: int
    """How many the person gave."""
    seen: Sequence[str]
    faults: Sequence[str]
    """What is lost or doubled in the stored conversation."""
    struck: bool = True
    """False for a run of a process that was not killed: it went on undisturbed."""


@dataclass(frozen=True)
class ChaosRound:
    """All chats of a round. `requests` and `recorded` are by service."""

    number: int
    seed: int
    disturbance: Disturbance | None
    struck_after: float
    """Seconds from the first chat's begin."""
    runs: Sequence[ChaosRun]
    requests: Mapping[str, int]
    """Calls of tools that reached the service."""
    recorded: Mapping[str, int]
    """Calls of tools that began, by the audit logs."""
    applications: int
    """Requests to the leave service for an application, refused ones included."""
    findings: Sequence[str] = ()
    """Of the verification of each audit log, and processes that do not respond."""


@dataclass(frozen=True)
class Coverage:
    """Each of `strikes` is to meet each of `steps` as often as `times`, in `rounds`, or in `most` of them."""

    strikes: Sequence[Disturbance]
    steps: Sequence[Step]
    """From the first of a chat to the last."""
    rounds: int
    most: int
    times: int

    def next(self, played: Sequence[ChaosRound]) -> Disturbance | None:
        """Each strike in turn, and then those that have met a step too seldom; `None`: it is enough."""
        if len(played) < self.rounds:
            return self.strikes[len(played) % len(self.strikes)]
        lacks = self.missing(played) if len(played) < self.most else []
        return lacks[0][0] if lacks else None

    def aim(self, played: Iterable[ChaosRound], strike: Disturbance) -> Step:
        """The step that was struck least often; the last of them, since others are at earlier ones then."""
        counted = _struck(played, strike)
        return min(reversed(self.steps), key=lambda step: counted[step])

    def missing(self, played: Sequence[ChaosRound]) -> list[tuple[Disturbance, Step]]:
        """What was struck too seldom."""
        return [
            (strike, step)
            for strike in self.strikes
            for counted in [_struck(played, strike)]
            for step in self.steps
            if counted[step] < self.times
        ]


def _struck(played: Iterable[ChaosRound], strike: Disturbance) -> Counter[Step]:
    """How many chats were at each step."""
    return Counter(
        run.step for each in played if each.disturbance is strike for run in each.runs if run.struck
    )
