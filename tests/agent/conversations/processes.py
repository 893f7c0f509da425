"""Conversations over a database in a temporary folder, with the graph's seams in memory."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from langchain_core.messages import AnyMessage, HumanMessage

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.checkpoints import Checkpoints
from agent.conversations.database.database import query
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.owned_thread import OwnedThread
from agent.conversations.run_fence import SqlRunFence
from agent.conversations.storage_limits import UNLIMITED
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.conversation_runs import Conversations
from agent.runs.run_limits import RunLimit
from agent.runs.run_parts import RunParts
from agent.runs.runs import Runs
from graph.approvals.answer import AnswerReader
from graph.limits import Limits
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.errors import UnavailableError
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.graph.bench import Bench
from tests.graph.echo_service import EchoService
from tools.service import Access

THREAD = "thread-1"


def caller(subject: str, token: str = "at") -> VerifiedAccessToken:
    value = f"{subject}-{token}"
    return assume_verified(
        principal=Principal("https://idaas.example", subject),
        audience=("agent",),
        scopes=frozenset({"agent.access"}),
        expires_at=2e9,
        fingerprint=hashlib.sha256(value.encode()).hexdigest(),
        token=Secret(value),
        issued_at=time.time(),
    )


ALICE, BOB = caller("alice"), caller("bob")


@dataclass
class Process:
    """The conversations of one process. Several may share a database, as processes do."""

    bench: Bench
    conversations: Conversations
    runs: Runs
    threads: ThreadStore
    approvals: SqlApprovalStore
    database: SqliteDatabase
    now: list[float]

    async def say(
        self, text: str, who: VerifiedAccessToken = ALICE, thread: str = THREAD, *, streaming: bool = True
    ) -> list[Any]:
        """The events of a run that begins with one message."""
        run = await self.conversations.start(who, thread, [human(text)], streaming=streaming)
        return [event async for event in run.events()]

    async def transcript(self, who: VerifiedAccessToken = ALICE, thread: str = THREAD) -> list[AnyMessage]:
        stored = await self.threads.messages(OwnedThread.of(who, thread), limit=100)
        return [each.message for each in stored]

    async def status(self, who: VerifiedAccessToken = ALICE, thread: str = THREAD) -> str:
        return (await self.threads.get(OwnedThread.of(who, thread))).status

    async def checkpoints(self) -> int:
        """How many are stored."""
        [[found]] = await self.database.read(lambda: query("SELECT count(*) FROM checkpoints"))
        return int(found)

    async def stop(self) -> None:
        """Ends its runs, as a shutdown whose time is over does."""
        self.runs.end(lambda: UnavailableError(AgentCode.SHUTTING_DOWN, "test"))
        await self.runs.ended()
        await self.conversations.aclose()

    async def end(self, run_id: str) -> tuple[str, str | None]:
        """The recorded state and reason of alice's run."""
        record = await self.threads.runs.get(OwnedThread.of(ALICE, THREAD), run_id)
        assert record is not None
        return record.state, record.reason


def human(text: str) -> HumanMessage:
    return HumanMessage(text, id=f"m-{text[:20]}")


def in_brief(messages: Sequence[AnyMessage]) -> list[tuple[str, str]]:
    return [(message.type, str(message.text).strip()) for message in messages]


@dataclass
class SharedDatabase:
    """What the processes share."""

    path: Path
    now: list[float] = field(default_factory=lambda: [time.time()])
    opened: list[SqliteDatabase] = field(default_factory=list)

    def process(
        self, turns: Any, *services: EchoService, name: str = "process-1", seconds: float = 30, **options: Any
    ) -> Process:
        def clock() -> float:
            return self.now[0]

        database = options.get("database") or SqliteDatabase(self.path)
        self.opened.append(database)
        encryption = options.get("encryption") or Encryption()
        fence = SqlRunFence(database, name, clock)
        approvals = SqlApprovalStore(database, encryption, fence)
        asks = {"store": approvals, "fence": fence, **options.get("asks", {})}
        limits = Limits(images=options.get("images", 4))
        bench = Bench(turns, list(services), options={"clock": clock, "limits": limits, **asks})
        kept = options.get("limits", UNLIMITED)
        threads = ThreadStore(database, encryption, limits=kept, clock=clock)

        parts = RunParts(
            graph=bench.graph,
            threads=threads,
            approvals=approvals,
            answers=AnswerReader({each.name: each for each in services}, lambda _, __: cast(Access, None)),
            checkpoints=Checkpoints(database, encryption),
            process_id=name,
            window_tokens=options.get("window_tokens", 1000),
            clock=clock,
        )
        runs = Runs(bench.graph, timeout=seconds, limit=RunLimit(per_caller=2))
        conversations = Conversations(parts, runs)
        return Process(bench, conversations, runs, threads, approvals, database, self.now)


ProcessOf = Callable[..., Process]


class HangingService(EchoService):
    """Its calls end when the test ends them."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("slow", **answers)
        self.called = asyncio.Event()
        self.release = asyncio.Event()

    async def call(self, *args: Any, **options: Any) -> Any:
        self.called.set()
        await self.release.wait()
        return await super().call(*args, **options)
