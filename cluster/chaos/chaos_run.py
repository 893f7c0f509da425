"""The records of rounds: what people saw, and what services and audit logs counted meanwhile. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.chaos.disturbance import Disturbance
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
