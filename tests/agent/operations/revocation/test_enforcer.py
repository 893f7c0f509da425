"""What a process does with revocations, and when their store fails."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from agent.operations.revocation.enforcer import RevocationEnforcer
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, UnreachableError
from identity.observation.metrics import Counter
from identity.principal import Principal
from identity.secrets.secret import Secret

HASH = "ab" * 32
ENDED: Sequence[Revocation] = ("ended",)  # type: ignore[assignment] # a store that was emptied


class MemoryStore:
    """A store whose changes a test sends, and which fails when a test says so."""

    name = "the store"

    def __init__(self, *, lasts: bool = True, shared: bool = True) -> None:
        self.lasts, self.shared = lasts, shared
        self.kept: list[Revocation] = []
        self.sent: asyncio.Queue[Sequence[Revocation] | Exception] = asyncio.Queue()
        self.failure: StoreError | None = None
        self.refusal: StoreError | None = None
        """Of writing alone."""
        self.writable = asyncio.Event()
        self.writable.set()
        self.is_complete = True
        """Whether what is stored is sent at once."""

    async def put(self, revocations: Sequence[Revocation]) -> None:
        await self.writable.wait()
        if (refused := self.refusal or self.failure) is not None:
            raise refused
        self.kept += revocations

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        if self.failure is not None:
            raise self.failure
        yield list(self.kept)
        if self.is_complete:
            yield []
        while True:
            change = await self.sent.get()
            if isinstance(change, Exception):
                raise change
            if change is ENDED:
                return
            yield change

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        self.kept = [each for each in self.kept if each not in revocations]

    async def aclose(self) -> None:
        """Nothing is open."""


class Process:
    """A `RevocationEnforcer` with what it acts upon."""

    def __init__(
        self, *others: MemoryStore, first: MemoryStore | None = None, reach: float = math.inf
    ) -> None:
        self.now = 300.0
        self.list = RevocationList(reach=reach, clock=lambda: self.now)
        self.store = first or MemoryStore()
        self.lost = Counter()
        self.cached = [("f1", Principal("i", "alice")), (HASH, Principal("i", "bob"))]
        self.running = [token("alice"), token("bob", fingerprint=HASH)]
        self.slept: asyncio.Queue[None] = asyncio.Queue()
        self.enforcement = RevocationEnforcer(
            self.list,
            [self.store, *others],
            forget_users=self.forget,
            end_runs=self.end,
            audit=AuditTrail(),
            issuer="i",
            sleep=self.sleep,
            repair_seconds=0.0,
            lost=self.lost,
        )

    async def sleep(self, _: float) -> None:
        await self.slept.get()

    def forget(self, matches: Callable[[str, Principal], bool]) -> int:
        before = len(self.cached)
        self.cached = [entry for entry in self.cached if not matches(*entry)]
        return before - len(self.cached)

    def end(self, matches: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AgentError]) -> int:
        assert reason().code == "access_revoked"
        before = len(self.running)
        self.running = [caller for caller in self.running if not matches(caller)]
        return before - len(self.running)

    async def receives(self, change: Sequence[Revocation] | Exception) -> None:
        """The store sends a change."""
        self.store.sent.put_nowait(change)
        await settled()

    async def retries(self) -> None:
        """The pause after a failure, or between two rounds, is over."""
        self.slept.put_nowait(None)
        await settled()

    @property
    def users(self) -> tuple[list[str], list[str]]:
        """Whose credentials are cached, and whose runs are running."""
        return (
            [principal.subject for _, principal in self.cached],
            [caller.principal.subject for caller in self.running],
        )


def token(subject: str, issued_at: float = 50.0, fingerprint: str = "f1") -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("i", subject),
        audience=("a",),
        scopes=frozenset(),
        expires_at=1000.0,
        fingerprint=fingerprint,
        token=Secret("t"),
        issued_at=issued_at,
    )


def revocation(
    target: Target = Target.USER, name: str = "alice", until: float | None = 100.0, changed_at: float = 100.0
) -> Revocation:
    return Revocation(target, name, Origin.OPERATOR, until, changed_at)


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process()
    yield process
    await process.enforcement.aclose()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("made", "left"),
    [
        (revocation(), ["bob"]),
        (revocation(Target.TOKEN, HASH), ["alice"]),
        (revocation(Target.ALL, ""), []),
        (revocation(name="carol"), ["alice", "bob"]),
        (revocation(until=None), ["alice", "bob"]),
    ],
)
async def test_credentials_and_runs_of_revoked_tokens_end(process, made, left):
    await process.enforcement.put([made])
    assert process.users == (left, left)
    assert process.store.kept == [made]


async def test_run_with_a_newer_token_continues(process: Process) -> None:
    process.running.append(token("alice", issued_at=200.0))
    await process.enforcement.put([revocation()])
    assert [caller.issued_at for caller in process.running] == [50.0, 200.0]


async def test_stored_revocations_are_in_force_after_the_start_and_later_ones_at_once(process):
    process.store.kept = [revocation()]
    await process.enforcement.start()
    assert process.list.refuses("alice", 50.0, "")
    await process.enforcement.check()
    await process.receives([revocation(name="bob")])
    assert process.users == ([], [])


async def test_revocation_that_cannot_be_stored_is_in_force(process: Process) -> None:
    process.store.failure = StoreError("the file cannot be written")
    with pytest.raises(StoreError):
        await process.enforcement.put([revocation()])
    assert process.list.refuses("alice", 50.0, "")
    assert process.users == (["bob"], ["bob"])


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (StoreError("Redis failed (ConnectionError)"), "Redis failed"),
        (RuntimeError("secret text of a library"), "RuntimeError"),
    ],
)
async def test_failing_store_is_reported_and_read_again(process, caplog, failure, logged):
    await process.enforcement.start()
    await process.receives(failure)
    with pytest.raises(UnreachableError, match="revocations_unavailable"):
        await process.enforcement.check()
    assert logged in caplog.text
    assert "secret text" not in caplog.text
    process.store.kept = [revocation()]
    await process.retries()
    await process.enforcement.check()
    assert process.list.refuses("alice", 50.0, "")


async def test_same_failure_is_logged_once(process: Process, caplog: Any) -> None:
    process.store.failure = StoreError("the file cannot be read")
    following = asyncio.create_task(process.enforcement.start())
    for _ in range(5):
        await process.retries()
    assert caplog.text.count("the file cannot be read") == 1
    process.store.failure = None
    process.slept.put_nowait(None)
    await following


async def test_other_tasks_run_while_stored_revocations_are_applied(process: Process) -> None:
    count = 5_000
    process.store.kept = [revocation(name=f"user-{number}") for number in range(count)]
    starting = asyncio.create_task(process.enforcement.start())
    sizes: set[int] = set()
    while not starting.done():
        sizes.add(sum(1 for _ in process.list.entries()))
        await asyncio.sleep(0)
    assert count in sizes
    assert len(sizes) > 5, "they are applied in parts"
    await process.enforcement.check()


async def test_start_waits_until_all_stored_revocations_are_in_force(process: Process) -> None:
    process.store.kept = [revocation()]
    process.store.is_complete = False
    starting = asyncio.create_task(process.enforcement.start())
    await settled()
    assert process.list.refuses("alice", 50.0, "")
    assert not starting.done()
    with pytest.raises(UnreachableError, match="revocations_unavailable"):
        await process.enforcement.check_read()
    process.store.sent.put_nowait([revocation(name="bob")])
    process.store.sent.put_nowait([])
    assert process.list.unread is not None
    await starting
    assert process.list.unread is None
    await process.enforcement.check_read()
    assert process.list.refuses("bob", 50.0, "")


async def test_store_that_was_emptied_gets_back_what_the_process_knows(process: Process, caplog: Any) -> None:
    await process.enforcement.start()
    await process.enforcement.put([revocation(), revocation(name="bob", until=None)])
    kept, process.store.kept, process.store.failure = process.store.kept, [], StoreError("it is full")
    process.store.sent.put_nowait(ENDED)
    await process.retries()
    process.store.failure = None
    process.store.refusal = StoreError("it is full")
    await process.retries()
    for _ in range(2):
        with pytest.raises(UnreachableError, match="revocations_lost"):
            await process.enforcement.check()
        await process.retries()
    process.store.refusal = None
    await process.retries()
    await process.enforcement.check()
    assert set(process.store.kept) == set(kept)
    assert sum(process.lost.values.values()) == 1, "counted once, however often it could not be written"
    [line] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "lacks 2 revocations that are in force" in line.getMessage()


async def test_revocation_that_could_not_be_stored_is_stored_later_and_is_no_loss(process: Process) -> None:
    await process.enforcement.start()
    process.store.refusal = StoreError("it is full")
    with pytest.raises(StoreError):
        await process.enforcement.put([revocation()])
    process.store.refusal = None
    await settled()
    await process.retries()
    assert process.store.kept == [revocation()]
    assert not process.lost.values
    await process.enforcement.check()


async def test_later_revocations_are_received_while_a_store_is_repaired(process: Process) -> None:
    await process.enforcement.start()
    await process.enforcement.put([revocation()])
    process.store.kept = []
    process.store.writable.clear()
    process.store.sent.put_nowait(ENDED)
    await process.retries()
    await process.receives([revocation(name="bob")])
    assert process.list.refuses("bob", 50.0, "")
    with pytest.raises(UnreachableError, match="revocations_lost"):
        await process.enforcement.check()
    process.store.writable.set()
    await settled()
    await process.enforcement.check()
    assert process.store.kept == [revocation()]


async def test_change_that_was_announced_but_not_stored_is_no_loss_beside_the_former_one() -> None:
    announces = MemoryStore(lasts=False)
    process = Process(announces)
    process.store.kept = [revocation()]
    await process.enforcement.start()
    await settled()
    later = revocation(until=200.0, changed_at=200.0)
    announces.sent.put_nowait([later])
    await process.receives(StoreError("PostgreSQL does not respond"))
    await process.retries()
    assert later in process.store.kept
    assert not process.lost.values
    await process.enforcement.aclose()


async def test_announced_revocation_that_the_store_still_lacks_is_written_to_it() -> None:
    announces = MemoryStore(lasts=False)
    process = Process(announces)
    await process.enforcement.start()
    await settled()
    announces.sent.put_nowait([revocation()])
    await settled()
    await process.retries()
    assert process.store.kept == [revocation()]
    assert not process.lost.values
    await process.enforcement.check()
    await process.enforcement.aclose()


async def test_what_another_agent_of_the_process_has_is_no_loss_and_is_written_if_it_does_not(
    process: Process,
) -> None:
    await process.enforcement.start()
    await settled()
    process.enforcement.hear(revocation())
    assert process.list.refuses("alice", 50.0, "")
    process.store.sent.put_nowait(ENDED)
    await process.retries()
    assert process.store.kept == [revocation()]
    assert not process.lost.values
    await process.enforcement.check()


async def test_announced_revocation_that_the_store_has_is_no_reason_to_read_it_again() -> None:
    announces = MemoryStore(lasts=False)
    process = Process(announces)
    await process.enforcement.start()
    await settled()
    process.store.sent.put_nowait([revocation()])
    announces.sent.put_nowait([revocation()])
    await settled()
    process.slept.put_nowait(None)
    await settled()
    assert process.slept.qsize() == 1, "both stores are followed on"
    await process.enforcement.aclose()


async def test_store_that_only_announces_is_filled_without_an_alert_and_its_failure_is_none() -> None:
    announces = MemoryStore(lasts=False)
    process = Process(announces)
    process.store.kept = [revocation()]
    await process.enforcement.start()
    await settled()
    assert announces.kept == [revocation()]
    announces.refusal = StoreError("Redis failed (ConnectionError)")
    await process.enforcement.put([revocation(name="bob")])
    announces.refusal = None
    await settled()
    await process.enforcement.check()
    await process.retries()
    assert announces.kept == [revocation(), revocation(name="bob")]
    assert not process.lost.values
    await process.enforcement.aclose()


async def test_machine_stores_what_others_announce_and_restores_it_after_both_were_restarted() -> None:
    redis, file = MemoryStore(), MemoryStore(shared=False)
    process = Process(redis, first=file)
    redis.kept = [revocation()]
    await process.enforcement.start()
    redis.sent.put_nowait([revocation(name="bob")])
    await settled()
    assert file.kept == [revocation(), revocation(name="bob")]
    await process.enforcement.aclose()
    emptied = MemoryStore()
    restarted = Process(emptied, first=file)
    await restarted.enforcement.start()
    assert restarted.list.refuses("bob", 50.0, "")
    assert set(emptied.kept) == set(file.kept)
    assert sum(restarted.lost.values.values()) == 1
    await restarted.enforcement.aclose()


async def test_what_no_token_can_reach_is_removed_from_store_and_memory_a_day_later() -> None:
    process = Process(reach=50.0)
    process.now = 151.0
    recent = revocation(name="bob", until=120.0, changed_at=120.0)
    process.store.kept = [revocation(), recent]
    await process.enforcement.start()
    assert [*process.list.entries()] == [recent]
    assert process.store.kept == [revocation(), recent]
    process.now = 171.0 + 86_400.0
    process.store.sent.put_nowait(ENDED)
    await process.retries()
    assert not process.store.kept
    assert not [*process.list.entries()]
    assert not process.lost.values
    await process.enforcement.aclose()


async def test_start_needs_the_stores_that_last_and_no_other() -> None:
    announces = MemoryStore(lasts=False)
    announces.failure = StoreError("Redis failed (ConnectionError)")
    process = Process(announces)
    await process.enforcement.start()
    await process.enforcement.check_read()
    await process.enforcement.aclose()
    process = Process(MemoryStore())
    process.store.failure = StoreError("PostgreSQL does not respond")
    await process.enforcement.start()
    with pytest.raises(UnreachableError, match="revocations_unavailable"):
        await process.enforcement.check_read()
    await process.enforcement.aclose()
