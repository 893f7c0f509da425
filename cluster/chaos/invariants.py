"""What must be true after each round, whatever was killed; and at the end: no secret is stored anywhere."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from cluster.chaos.chaos_run import ChaosRound
from sandbox.server.server import RunningSandbox
from tests.databases.postgres_process import PostgresProcess, programs
from tests.security.secrecy.canaries import leaks, secrets_of

_BYTES: Final = re.compile(r"\\\\x([0-9a-f]+)")
_ENCODED: Final = 40
"""How many tokens are searched for in each encoding, at most."""


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


def found_leaks(
    sandbox: RunningSandbox,
    tokens: Sequence[str],
    secrets: Mapping[str, str],
    places: Iterable[tuple[str, str]],
    known: str,
) -> list[str]:
    """Where a credential of `sandbox`, a token or one of `secrets` is stored; empty if nowhere.

    Any signed token is found, and some of `tokens` in each encoding: the search takes its time for each.
    `places` are texts with their names. `known` is text that people have sent: if it is in none of them,
    they are not what was stored.
    """
    canaries = secrets_of(sandbox, *tokens[:: len(tokens) // _ENCODED + 1])
    for name, secret in secrets.items():
        canaries.add(name, secret)
    texts = list(places)
    found = [f"{place} contains {name}" for place, names in leaks(canaries, texts) for name in names]
    if not any(known in text for _, text in texts):
        found.append("nothing was searched: no place contains what people asked")
    return found


def dumped(postgres: PostgresProcess) -> str:
    """The whole database as `pg_dump` writes it, with bytes as text."""
    dump = subprocess.run(  # noqa: S603 - fixed arguments
        [str(programs() / "pg_dump"), "--dbname", postgres.url], capture_output=True, text=True, check=True
    ).stdout
    return _BYTES.sub(lambda match: bytes.fromhex(match[1]).decode("utf-8", "replace"), dump)
