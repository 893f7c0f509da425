"""Revocation: the cost of the check on a warm request, and the time until every process refuses.

The time begins when the revocation is handed to the store, as `idaas-agent revoke` does, and ends when the
last request that is still accepted was sent. Requests are sent without pause over connections to all workers.
"""

import asyncio
import base64
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import httpx

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.operations.revocation.database_store import DatabaseStore
from benchmarks.bench import Bench
from benchmarks.issuer import Issuer
from benchmarks.micro import RowCases, Timed, micro, timed_async
from benchmarks.processes import ServerProcess
from benchmarks.report import Figure, at_most, series
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.secrets.secret import Secret

_REVOKED: Final = 10_000
_TRIALS: Final = 60
_CONNECTIONS: Final = 4
_QUIET: Final = 20
"""So many refusals in a row on each connection end a trial."""
_SECONDS: Final = 5.0


def _verifier(revocations: RevocationList | None) -> Timed:
    issuer = Issuer()
    verifier, token = issuer.verifier(revocations=revocations), Secret(issuer.access_token())
    return timed_async(lambda: verifier.verify(token))


def _checked() -> Timed:
    revocations = RevocationList()
    for number in range(_REVOKED):
        revocations.apply(Revocation(Target.USER, f"user-{number}", Origin.IDAAS, 1.0, 1.0))
    return _verifier(revocations)


def _unchecked() -> Timed:
    return _verifier(None)


CASES: RowCases = {"revocation": {"checked": _checked, "unchecked": _unchecked}}


def revocation(bench: Bench) -> Iterable[Figure]:
    """The reference of the check is the same verification without revocations."""
    times = micro("revocation", bench.plan)
    yield Figure(
        f"cached verification beside {_REVOKED:,} revoked users",
        "µs",
        times["checked"],
        "without revocations",
        times["unchecked"],
        at_most(1.15),
    )
    trials = 3 if bench.plan.quick else _TRIALS
    for workers in (1,) if bench.plan.quick else (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "revocations.sqlite"
            server = bench.agent("Machine", workers=workers, REVOCATIONS_FILE=str(file))
            seconds = sorted(asyncio.run(_trials(server, file, bench.new_users(trials))))
            bench.stop(server)
        p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))] * 1000
        name = "1 process" if workers == 1 else f"{workers} processes"
        yield Figure(
            f"revoked until refused, {name}: p99 of {trials}",
            "ms",
            series(p99),
            target=at_most(1000, absolute=True),
        )


async def _trials(server: ServerProcess, file: Path, tokens: list[str]) -> list[float]:
    store = DatabaseStore(SqliteDatabase(file), "the file", shared=False)
    try:
        return [await _trial(server, store, token) for token in tokens]
    finally:
        await store.aclose()


async def _trial(server: ServerProcess, store: DatabaseStore, token: str) -> float:
    """Seconds from the revocation to the sending of the last accepted request."""
    last_accepted = [0.0] * _CONNECTIONS
    warm = [asyncio.Event() for _ in range(_CONNECTIONS)]

    async def watch(number: int) -> None:
        refused, end = 0, time.perf_counter() + _SECONDS
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            while refused < _QUIET:
                sent = time.perf_counter()
                if sent > end:
                    raise TimeoutError("the token is still accepted")
                response = await http.get("/openai/v1/models", headers={"Authorization": f"Bearer {token}"})
                if response.status_code == httpx.codes.OK:
                    last_accepted[number], refused = sent, 0
                    warm[number].set()
                else:
                    refused += 1

    watching = [asyncio.create_task(watch(number)) for number in range(_CONNECTIONS)]
    for event in warm:
        await event.wait()
    now, began = time.time(), time.perf_counter()
    await store.put([Revocation(Target.USER, _subject(token), Origin.OPERATOR, now + 30, now)])
    await asyncio.gather(*watching)
    return max(0.0, max(last_accepted) - began)


def _subject(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
