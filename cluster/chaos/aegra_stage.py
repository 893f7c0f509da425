"""Aegra as the stage of rounds: a server without workers, two workers, PostgreSQL and Redis."""

import asyncio
import random
import secrets
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
from langgraph_sdk import get_client

from cluster.chaos.langgraph_person import LangGraphPerson
from cluster.chaos.stage import Disturbance, restart
from cluster.cluster import USERS
from plugins.aegra.tests.apart.aegra_process import Aegra, AegraProcess, aegra
from plugins.aegra.tests.apart.stored import stored
from sandbox.server.server import RunningSandbox, SandboxOptions, start_sandbox
from tests.databases.postgres_process import postgres_process
from tests.databases.redis_process import redis_process

STRIKES: Final = (Disturbance.WORKER, Disturbance.SERVER, Disturbance.POSTGRES, Disturbance.REDIS)
_VARIABLES: Final = {
    "AUDIT_REQUIRED": "true",  # else a killed process loses the records of its last moment
    "ENV_MODE": "PRODUCTION",  # lines of JSON: its formatted tracebacks take a process's time
    "LOG_LEVEL": "WARNING",
    "N_JOBS_PER_WORKER": "2",  # so that some runs wait in the queue
    "STUCK_PENDING_THRESHOLD_SECONDS": "15",  # in place of two minutes: a run that was lost by the queue
}
_WORKERS: Final = 2
_LEFT: Final = {
    "runs are not over": "SELECT count(*) FROM runs WHERE status IN ('pending', 'running')",
    "runs are claimed": "SELECT count(*) FROM runs WHERE claimed_by IS NOT NULL",
}
_OPEN: Final = "SELECT count(*) FROM idaas_agent.approvals WHERE status = 'open'"


class AegraStage:
    """See `Stage`."""

    def __init__(self, sandbox: RunningSandbox, running: Aegra, workers: Sequence[AegraProcess]) -> None:
        self.sandbox: Final = sandbox
        self._aegra = running
        self._workers = workers

    def audit_logs(self) -> Sequence[Path]:
        """One, to which all processes write."""
        return [self._aegra.folder / "audit.log"]

    @asynccontextmanager
    async def people(self, names: Sequence[str]) -> AsyncIterator[Sequence[LangGraphPerson]]:
        """With one client of the server, and tokens of their own."""
        async with get_client(url=self._aegra.url, api_key=None, timeout=30) as client:
            yield [LangGraphPerson(name, client, partial(self._token, name)) for name in names]

    async def strike(
        self, disturbance: Disturbance, seed: int, aimed: Collection[str]
    ) -> Collection[str] | None:
        """Of the workers, one is killed; the threads are those of the runs that it executed."""
        await restart(self._aegra, disturbance)
        if disturbance is Disturbance.SERVER:
            await asyncio.to_thread(self._aegra.server.kill)
            self._aegra.server.start()
        if disturbance is Disturbance.WORKER:
            executing = Counter(pid for pid, thread in self._claims() if thread in aimed)
            chance = random.Random(seed)  # noqa: S311 - the same again
            worker = max(self._workers, key=lambda each: (executing[each.process.pid], chance.random()))
            killed = worker.process.pid
            await asyncio.to_thread(worker.kill)
            cut_off = [thread for pid, thread in self._claims() if pid == killed]
            worker.start()
            return cut_off
        return None

    async def recovered(self) -> list[str]:
        """What the processes that do not respond have logged."""
        found = []
        for process in (self._aegra.server, *self._workers):
            try:
                await asyncio.to_thread(process.wait)
            except RuntimeError as error:
                found.append(str(error))
        return found

    def left_over(self) -> list[str]:
        """What the databases show as going on, although everybody has their answer."""
        with psycopg.connect(self._aegra.database) as connection:
            counted = {what: connection.execute(query).fetchone() for what, query in _LEFT.items()}
        with psycopg.connect(self._aegra.postgres.url) as connection:
            counted["approvals are open"] = connection.execute(_OPEN).fetchone()
        return [f"{row[0]} {what} in the database" for what, row in counted.items() if row and row[0]]

    def stored(self) -> Iterator[tuple[str, str]]:
        """All that outlasts a run, by its place. The files of both servers are searched by the tests."""
        return stored(self._aegra, files=False)

    def secrets(self) -> dict[str, str]:
        """The key under which callers are sealed."""
        return {"the key that seals": self._aegra.seal_key.read_text()}

    def _token(self, name: str) -> str:
        return self.sandbox.cloud.user_token(name, claims={"jti": secrets.token_hex(8)})

    def _claims(self) -> list[tuple[int, str]]:
        """Process and thread of each run that is executed. The name of a worker ends `-<pid>-worker-<n>`."""
        query = "SELECT claimed_by, thread_id FROM runs WHERE status = 'running' AND claimed_by IS NOT NULL"
        with psycopg.connect(self._aegra.database) as connection:
            rows = connection.execute(query).fetchall()
        return [(int(worker.split("-")[-3]), str(thread)) for worker, thread in rows]


@asynccontextmanager
async def aegra_stage() -> AsyncIterator[AegraStage]:
    """One server and two workers, until the end."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="idaas-agent-aegra-")))
        (configuration := folder / "sandbox.toml").write_text(USERS)
        options = SandboxOptions(
            folder=folder / "sandbox",
            config=configuration,
            idaas_port=0,
            idaas_plain_port=0,
            model_studio_port=0,
            function_compute_port=0,
        )
        sandbox = parts.enter_context(start_sandbox(options))
        postgres = parts.enter_context(postgres_process("postgres-password"))
        (folder / "redis").mkdir()
        redis = parts.enter_context(redis_process(folder / "redis"))
        running = parts.enter_context(aegra(sandbox, folder, postgres, redis, _VARIABLES))
        workers = [running.start(workers=1, wait=False) for _ in range(_WORKERS)]
        for worker in workers:
            await asyncio.to_thread(worker.wait)
        yield AegraStage(sandbox, running, workers)
