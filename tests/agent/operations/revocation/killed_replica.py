"""A replica that is killed when it hears of a stop: `python -m … PLACE`, a file or a PostgreSQL's URL."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.operations.revocation.database_store import database_store
from agent.operations.revocation.enforcer import RevocationEnforcer
from graph.call_steps.stops import Stops
from identity.access_token.revocation_list import RevocationList
from identity.audit.trail import AuditTrail
from identity.secrets.secret import Secret


def replica(place: str, revocations: RevocationList) -> RevocationEnforcer:
    """A process of an agent that keeps revocations at `place`."""
    is_url = place.startswith("postgresql:")
    file, url = (None, Secret(place)) if is_url else (Path(place), None)
    return RevocationEnforcer(
        revocations,
        [database_store(file, url, None)],
        forget_users=lambda _: 0,
        end_runs=lambda *_: 0,
        audit=AuditTrail(),
        issuer="https://idaas.example",
    )


async def main(place: str) -> None:
    revocations = RevocationList()
    revocations.listeners.append(
        lambda _: os.kill(os.getpid(), signal.SIGKILL)
    )  # before the stop is enforced
    Stops(revocations, lambda: 0.0)
    await replica(place, revocations).start()
    sys.stdout.write("follows")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
