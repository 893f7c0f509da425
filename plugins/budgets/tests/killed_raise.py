"""A decision whose process is killed: `python -m … DATABASE SECONDS QUESTION OUTCOME`, when a record of this
outcome would be written.
"""

import asyncio
import os
import signal
import sys

from identity.audit.event import AuditEvent
from identity.audit.trail import AuditTrail
from plugins.budgets.tests.killed_run import opened
from plugins.budgets.tests.raising import LEAD, Replica
from tests.clock import Clock


class KilledAt:
    """Kills the process instead of writing the record of an outcome."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome

    async def record(self, event: AuditEvent) -> None:
        if event.outcome == self.outcome:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(address: str, now: float, question: str, outcome: str) -> None:
    replica = Replica(opened(address), Clock(now))
    replica.raises.audit = AuditTrail(KilledAt(outcome))
    await replica.raises.decide(question, LEAD, approved=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]))
