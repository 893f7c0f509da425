"""Enforces revocations in this process: refuses tokens, removes credentials, ends runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from agent.background import end_tasks
from agent.errors.error_codes import AgentCode
from agent.operations.revocation.store import RevocationStore, StoreError
from identity.access_token.revocation import Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList, Unfound
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, UnreachableError
from identity.observation.metrics import Counter, Metrics
from identity.principal import Principal

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_PART_SECONDS: Final = 10.0
"""For how long the start waits for the next part of what is stored."""
_RETRY_SECONDS: Final = 0.5
_WHOLE_SECONDS: Final = 6 * 3_600.0
"""How often each store is read as a whole, so that nothing is lost or kept there unnoticed."""
_REPAIR_SECONDS: Final = 5.0
"""After a store could not be written, or should have had something, until it is read as a whole again, and
receives what it lacks.
"""
_KEPT_LONGER_SECONDS: Final = 86_400.0
"""How much longer than this process's memory a store keeps a revocation: clocks may be set wrong."""
_AT_ONCE: Final = 500
"""How many received revocations are applied before other tasks run: about two milliseconds."""


def revoked_error() -> AccessTokenError:
    """The error of a run that ends because the token of its caller was revoked."""
    return AccessTokenError(IdentityCode.ACCESS_REVOKED, "the token was revoked during the run")


class RevocationMeasures:
    """Counts of the revocations that came into force in this process, and of the losses of stores."""

    def __init__(self, metrics: Metrics) -> None:
        self.applied: Final = metrics.counter(
            "idaas_agent.revocations",
            "Revocations that came into force in each process, by their target",
            unit="{revocation}",
            labels=("idaas_agent.revocation.target",),
            zeros=[(target.value,) for target in Target],
        )
        self.lost: Final = metrics.counter(
            "idaas_agent.revocations.losses",
            "How often a store that must keep revocations lacked some that were in force",
            unit="{loss}",
        )


@dataclass(slots=True)
class RevocationEnforcer:
    """Applies what the stores contain, and what `put` adds, to `revocations`, which the verifier consults.

    Guaranteed when `put` returns or raises: this process refuses the tokens, has removed the users' cached
    credentials and has ended their runs. Other processes follow when a store notifies them. A store that
    fails is read again twice a second; `check` raises until it was read. What a store contains is applied in
    parts, between which other tasks run. `stores` are read in their order at first.

    Each store that was read as a whole receives what this process knows and the store lacks. It is read as a
    whole when its changes end, because it was replaced; `repair_seconds` after it could not be written; and
    if by then it lacks what another store has announced. If it had that before, the store has lost data: an
    error in the log, `lost` counts it, and `check` raises until it is restored. What no valid token can reach
    is removed from each. `applied` counts the revocations that came into force, by target.
    """

    revocations: RevocationList
    stores: Sequence[RevocationStore]
    _: KW_ONLY
    forget_users: Callable[[Callable[[str, Principal], bool]], int]
    end_runs: Callable[[Callable[[VerifiedAccessToken], bool], Callable[[], AccessTokenError]], int]
    audit: AuditTrail
    issuer: str
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    repair_seconds: float = _REPAIR_SECONDS
    applied: Counter = field(default_factory=Counter)
    lost: Counter = field(default_factory=Counter)
    _followed: list["_Followed"] = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(init=False, default_factory=list)
    _received: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._followed = [_Followed(store) for store in self.stores]

    async def start(self) -> None:
        """Reads the stores, and follows them from then on. Returns when each lasting store was read, or one
        of them fails: until they were read, `revocations` accept no token.

        A large store delays the start; one that sends nothing for ten seconds does not delay it further.
        """
        unread = "the revocations were not read since the start"
        self.revocations.unread = UnreachableError(AgentCode.REVOCATIONS_UNAVAILABLE, unread)
        follows = [self._follow(followed) for followed in self._followed]
        self._tasks = [asyncio.create_task(follow, name="revocations") for follow in follows]
        with suppress(TimeoutError):
            while not (self._is_read or self._has_failed):
                self._received.clear()
                async with asyncio.timeout(_PART_SECONDS):
                    await self._received.wait()
        if not self._is_read:
            _LOG.warning("the revocations could not be read; until they are, no access token is accepted")

    @property
    def _has_failed(self) -> bool:
        """Whether a store that lasts was tried, and not read."""
        return any(followed.tried.is_set() and not followed.read for followed in self._lasting)

    async def aclose(self) -> None:
        """Stops following the stores, and closes them."""
        await end_tasks(*self._tasks)
        for followed in self._followed:
            await followed.store.aclose()

    @property
    def shared(self) -> bool:
        """Whether several machines have the same revocations: a failure would concern all of them at once."""
        return any(followed.store.shared for followed in self._followed)

    async def check(self) -> None:
        """Raises `UnreachableError` if a store that lasts was not read yet, fails, or has lost data now."""
        for followed in self._lasting:
            if self._tasks and followed.failure is not None:
                raise followed.failure.with_traceback(None)

    async def check_read(self) -> None:
        """Raises `UnreachableError` until each store that lasts was read once. From then on, what is known is
        in force.
        """
        if not self._is_read:
            await self.check()

    async def put(self, revocations: Sequence[Revocation]) -> Collection[Revocation]:
        """Enforces, stores and records them, in this order: here they are in force even if the rest fails.

        Returns those that later ones supersede, which are neither stored nor recorded.
        Raises `StoreError` if they could not be stored, and `AuditError` if they could not be recorded.
        """
        self._apply(revocations)
        superseded = frozenset(filter(self.revocations.supersedes, revocations))
        in_force = [revocation for revocation in revocations if revocation not in superseded]
        outcome = AuditOutcome.FAILED
        try:
            await self._store(in_force)
            outcome = AuditOutcome.SUCCEEDED
        finally:
            for revocation in in_force:
                await self.audit.revocation(revocation, self.issuer).ended(outcome)
        return superseded

    def hear(self, revocation: Revocation) -> None:
        """Enforces what another agent of this process has in force, and is about to store or has read. That a
        store lacks it for a while is no loss.
        """
        new = self._apply([revocation])
        for followed in self._followed:
            followed.awaits(new)
            if new and followed.store.shared:
                followed.look_for(new, self.repair_seconds)

    @property
    def _lasting(self) -> list["_Followed"]:
        return [followed for followed in self._followed if followed.store.lasts]

    @property
    def _is_read(self) -> bool:
        return all(followed.read for followed in self._lasting)

    async def _store(self, revocations: Sequence[Revocation]) -> None:
        for followed in self._followed:
            followed.awaits(revocations)
        results = await asyncio.gather(
            *(self._write(followed, revocations) for followed in self._followed), return_exceptions=True
        )
        for followed, result in zip(self._followed, results, strict=True):
            if result is not None and (followed.store.lasts or not isinstance(result, StoreError)):
                raise result

    async def _write(self, followed: "_Followed", revocations: Sequence[Revocation]) -> None:
        try:
            await followed.store.put(revocations)
        except StoreError:
            followed.read_again(self.repair_seconds)
            raise
        followed.has(revocations)

    def _apply(self, revocations: Sequence[Revocation]) -> list[Revocation]:
        """Enforces `revocations`. Returns the ones that this process did not know."""
        in_force = self.revocations
        new = [
            revocation
            for revocation in revocations
            if not in_force.has(revocation) and in_force.reaches(revocation)
        ]
        changed: list[Revocation] = []
        for revocation in revocations:
            has_changed = in_force.apply(revocation)
            if has_changed and revocation.until is not None:
                changed.append(revocation)
                self.applied.add(revocation.target.value)
        if not changed:
            return new
        users = {revocation.name for revocation in changed if revocation.target is Target.USER}
        tokens = {revocation.name for revocation in changed if revocation.target is Target.TOKEN}
        all_tokens = any(revocation.target is Target.ALL for revocation in changed)
        forgotten = self.forget_users(
            lambda fingerprint, principal: all_tokens or principal.subject in users or fingerprint in tokens
        )
        ended = self.end_runs(self._is_revoked, revoked_error)
        if forgotten or ended or self._is_read:
            _LOG.info(
                "%d revocations in force: credentials of %d access tokens removed, %d runs ended",
                *(len(changed), forgotten, ended),
            )
        return new

    def _is_revoked(self, caller: VerifiedAccessToken) -> bool:
        return self.revocations.refuses(caller.principal.subject, caller.issued_at, caller.fingerprint)

    async def _follow(self, followed: "_Followed") -> None:
        for earlier in self._followed[: self._followed.index(followed)]:
            await earlier.tried.wait()
        while True:
            try:
                async with asyncio.timeout(_WHOLE_SECONDS) as followed.limit:
                    await self._read(followed)
            except TimeoutError:
                pass
            except Exception as error:  # noqa: BLE001 - else the task would end, and revocations with it, unnoticed
                followed.failed(error)
            self._received.set()
            await self.sleep(_RETRY_SECONDS)

    async def _read(self, followed: "_Followed") -> None:
        """Reads one store as a whole, and follows it until it ends. It is repaired meanwhile."""
        while self.revocations.drop(_AT_ONCE):  # noqa: ASYNC110 - in parts, between which other tasks run
            await asyncio.sleep(0)
        followed.is_followed = False
        unfound: Unfound | None = self.revocations.unfound()
        expired: list[Revocation] = []
        async with aclosing(followed.store.changes()) as changes, AsyncExitStack() as repairing:
            async for revocations in changes:
                for start in range(0, len(revocations), _AT_ONCE):
                    part = revocations[start : start + _AT_ONCE]
                    await self._learn(followed, part)
                    if unfound is not None:
                        for revocation in part:
                            unfound.found(revocation)
                        reaches = self.revocations.reaches
                        later = _KEPT_LONGER_SECONDS
                        expired += (revocation for revocation in part if not reaches(revocation, later))
                    await asyncio.sleep(0)
                if unfound is not None and not revocations:
                    lacking = list(filter(self.revocations.reaches, unfound.entries()))
                    unfound = None
                    self._judge(followed, lacking)
                    repair = asyncio.create_task(self._repair(followed, lacking, expired))
                    repairing.push_async_callback(end_tasks, repair)
                self._received.set()

    async def _learn(self, source: "_Followed", revocations: Sequence[Revocation]) -> None:
        """Applies what a store has sent, and stores on this machine what others have announced."""
        new = self._apply(revocations)
        if source.awaited:
            supersedes = self.revocations.supersedes
            source.has([revocation for revocation in revocations if not supersedes(revocation)])
        for other in self._followed:
            if new and other is not source:
                other.awaits(new)
                if other.store.shared:
                    other.look_for(new, self.repair_seconds)
                else:
                    try:
                        await self._write(other, new)
                    except StoreError as error:
                        other.failed(error)

    def _judge(self, followed: "_Followed", lacking: Sequence[Revocation]) -> None:
        """Decides if a store that was read has lost the lacking revocations, or did not receive them yet."""
        lost = [revocation for revocation in lacking if revocation.key not in followed.awaited]
        followed.is_whole()
        if self._is_read:
            self.revocations.unread = None
        if not lacking:
            followed.succeeded()
        elif lost and followed.store.lasts and not followed.has_lost:
            followed.lost(len(lost))
            self.lost.add()

    async def _repair(
        self, followed: "_Followed", lacking: Sequence[Revocation], expired: Sequence[Revocation]
    ) -> None:
        """Writes what the store lacks, and removes what has expired."""
        try:
            if lacking:
                await self._write(followed, lacking)
                followed.succeeded()
            if expired:
                await followed.store.remove(expired)
        except Exception as error:  # noqa: BLE001 - else it would be unnoticed
            if isinstance(error, StoreError) and followed.failure is None:
                _LOG.warning("old revocations are not removed: %s", error)
            else:
                followed.failed(error)
                followed.read_again(self.repair_seconds)


class _Followed:
    """One store, and what this process knows of it."""

    def __init__(self, store: RevocationStore) -> None:
        self.store: Final = store
        self.tried: Final = asyncio.Event()
        """It was read as a whole, or has failed."""
        self.read = False
        self.failure: UnreachableError | None = UnreachableError(
            AgentCode.REVOCATIONS_UNAVAILABLE, "the revocations were not read yet"
        )
        self.has_lost = False
        self.is_followed = False
        """It was read as a whole, and sends what is stored from then on."""
        self.limit: asyncio.Timeout | None = None
        """How long the store is followed before it is read as a whole again."""
        self.awaited: Final[set[tuple[Target, str, Origin]]] = set()
        """The keys of revocations that came from elsewhere: it is no loss yet that the store lacks them."""

    def awaits(self, revocations: Sequence[Revocation]) -> None:
        """They are in force, and may not be in this store yet."""
        if self.read:
            self.awaited.update(revocation.key for revocation in revocations)

    def look_for(self, revocations: Sequence[Revocation], seconds: float) -> None:
        """If the store lacks any of them after `seconds`, it is read as a whole."""

        def look() -> None:
            if self.awaited.isdisjoint(revocation.key for revocation in revocations):
                return
            if self.is_followed:
                self.read_again(0.0)
            else:
                self.look_for(revocations, seconds)

        asyncio.get_running_loop().call_later(seconds, look)

    def has(self, revocations: Sequence[Revocation]) -> None:
        """They are in this store."""
        self.awaited.difference_update(revocation.key for revocation in revocations)

    def lost(self, number: int) -> None:
        """It lacks so many revocations that it had."""
        self.has_lost = True
        text = f"{self.store.name} lacks {number} revocations that are in force: it has lost data"
        _LOG.error("%s. They are written back", text)
        self.failure = UnreachableError(AgentCode.REVOCATIONS_LOST, text)

    def read_again(self, seconds: float) -> None:
        """It is read as a whole again after `seconds`."""
        if self.limit is not None:
            with suppress(RuntimeError):  # it has ended
                self.limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def is_whole(self) -> None:
        """It was read as a whole: what it contains is in force."""
        self.read = self.is_followed = True
        self.tried.set()

    def failed(self, error: Exception) -> None:
        """It cannot be read or written. Only the text of a `StoreError` is shown."""
        is_store_error = isinstance(error, StoreError)
        failure = str(error) if is_store_error else f"the store failed unexpectedly ({type(error).__name__})"
        if self.failure is None or self.failure.detail != failure:
            _LOG.warning("revocations cannot be read or written: %s: %s", self.store.name, failure)
        code = AgentCode.REVOCATIONS_LOST if self.has_lost else AgentCode.REVOCATIONS_UNAVAILABLE
        self.failure = UnreachableError(code, failure)
        self.tried.set()

    def succeeded(self) -> None:
        """It has all revocations that are in force."""
        if self.has_lost:
            _LOG.warning("%s has all revocations again", self.store.name)
        self.has_lost = False
        self.failure = None
