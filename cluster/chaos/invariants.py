"""What must be true after each round, whatever was killed, and when."""

from collections.abc import Iterator

from cluster.chaos.chaos_run import ChaosRound


def violations(played: ChaosRound) -> list[str]:
    """What is not as it must be, with all that the person concerned has seen; empty if all is.

    Each conversation has one question, an answer, and a result for each call. The leave service is called at
    most once for each approval that a person gave. A service is called only with a record of it. Undisturbed,
    a person is asked for approval: else the rounds would show nothing of approvals.
    """
    return [*_lost_or_doubled(played), *_unasked(played), *_unrecorded(played), *played.findings]


def _lost_or_doubled(played: ChaosRound) -> Iterator[str]:
    for run in played.runs:
        faults = [*run.faults, *(["not answered in time"] if run.seconds is None else [])]
        if faults:
            yield f"{run.person} ({run.asked}; {run.step}): {', '.join(faults)}; saw: {'; '.join(run.seen)}"


def _unasked(played: ChaosRound) -> Iterator[str]:
    approvals = sum(run.approvals for run in played.runs)
    if not approvals and played.disturbance is None:
        yield "no person was asked for approval"
    if played.applications > approvals:
        seen = " | ".join(f"{run.person}: {'; '.join(run.seen)}" for run in played.runs if run.approvals)
        yield f"{played.applications} applications for leave, {approvals} approvals; {seen}"


def _unrecorded(played: ChaosRound) -> Iterator[str]:
    for service, number in played.requests.items():
        if number > (recorded := played.recorded.get(service, 0)):
            yield f"{service}: {number} calls, {recorded} of them in the audit logs"
