"""Enforces revocations in this process: refuses tokens, removes credentials, ends runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from typing import Final

from agent.errors.error_codes import AgentCode
from agent.revocation.store import RevocationStore, StoreError
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, UnreachableError
from identity.principal import Principal
from identity.revocation.revocation import Revocation, Target
from identity.revocation.revocation_list import RevocationList
from identity.telemetry.measures import Tally

_LOG: Final = logging.getLogger("idaas_agent.revocation")
_PART_SECONDS: Final = 10.0
"""For how long the start waits for the next part of what is stored."""
_RETRY_SECONDS: Final = 2.0
_AT_ONCE: Final = 500
"""How many received revocations are applied before other tasks run: about two milliseconds."""


def revoked_error() -> AccessTokenError:
    """The error of a run whose caller's token was revoked meanwhile."""
    return AccessTokenError(IdentityCode.ACCESS_REVOKED, "the token was revoked during the run")


class Enforcement:
    """Applies what the store contains, and what `put` adds, to `revocations`, which the verifier consults.

    Guaranteed when `put` returns or raises: this process refuses the tokens, has removed the users' cached
    credentials and has ended their runs. Other processes follow when the store notifies them. A store
    that fails is read again every two seconds; `check` raises until it was read once. What the store contains
    is applied in parts, between which other tasks run.
    """

    def __init__(
        self,
        revocations: RevocationList,
        store: RevocationStore,
        *,
        forget_users: Callable[[Callable[[str, Principal], bool]], int],
        end_runs: Callable[[Callable[[VerifiedAccessToken], bool], Callable[[], AccessTokenError]], int],
        audit: AuditTrail,
        issuer: str,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        applied: Tally | None = None,
    ) -> None:
        """`applied` counts the revocations that came into force, by target."""
        self._revocations = revocations
        self._store = store
        self._forget_users = forget_users
        self._end_runs = end_runs
        self._audit = audit
        self._issuer = issuer
        self._sleep = sleep
        self._applied = applied or Tally()
        self._task: asyncio.Task[None] | None = None
        self._read = asyncio.Event()
        self._failed = asyncio.Event()
        self._received = asyncio.Event()
        self._failure: str | None = "the revocations were not read yet"

    async def start(self) -> None:
        """Reads the store, and follows it from then on. Returns when it was read, or when it fails.

        A large store delays the start; one that sends nothing for ten seconds does not delay it further.
        """
        self._task = asyncio.create_task(self._follow(), name="revocations")
        with suppress(TimeoutError):
            while not (self._read.is_set() or self._failed.is_set()):
                self._received.clear()
                async with asyncio.timeout(_PART_SECONDS):
                    await self._received.wait()
        if not self._read.is_set():
            _LOG.warning("the revocations could not be read; the agent starts without them, and is not ready")

    async def aclose(self) -> None:
        """Stops following the store, and closes it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._store.aclose()

    async def check(self) -> None:
        """Raises `UnreachableError` if the store was not read yet, or fails now: for readiness."""
        if self._task is not None and self._failure is not None:
            raise UnreachableError(AgentCode.REVOCATIONS_UNAVAILABLE, self._failure)

    async def check_read(self) -> None:
        """Raises `UnreachableError` until the store was read once. After that, what is known is in force."""
        if not self._read.is_set():
            await self.check()

    async def put(self, revocations: Sequence[Revocation]) -> Collection[Revocation]:
        """Enforces, stores and records them, in this order: here they are in force even if the rest fails.

        Returns those that later ones supersede, which are neither stored nor recorded.
        Raises `StoreError` if they could not be stored, and `AuditError` if they could not be recorded.
        """
        self._apply(revocations)
        superseded = frozenset(filter(self._revocations.supersedes, revocations))
        in_force = [each for each in revocations if each not in superseded]
        outcome = AuditOutcome.FAILED
        try:
            await self._store.put(in_force)
            outcome = AuditOutcome.SUCCEEDED
        finally:
            for revocation in in_force:
                await self._audit.revocation(revocation, self._issuer).ended(outcome)
        return superseded

    def _apply(self, revocations: Sequence[Revocation]) -> None:
        changed = [each for each in revocations if self._revocations.apply(each) and each.until is not None]
        if not changed:
            return
        for each in changed:
            self._applied.add(each.target.value)
        users = {each.name for each in changed if each.target is Target.USER}
        tokens = {each.name for each in changed if each.target is Target.TOKEN}
        all_tokens = any(each.target is Target.ALL for each in changed)
        forgotten = self._forget_users(
            lambda fingerprint, principal: all_tokens or principal.subject in users or fingerprint in tokens
        )
        ended = self._end_runs(self._is_revoked, revoked_error)
        if forgotten or ended or self._read.is_set():
            _LOG.info(
                "%d revocations in force: credentials of %d access tokens removed, %d runs ended",
                *(len(changed), forgotten, ended),
            )

    def _is_revoked(self, caller: VerifiedAccessToken) -> bool:
        return self._revocations.refuses(caller.principal.subject, caller.issued_at, caller.fingerprint)

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(self._store.changes()) as changes:
                    async for revocations in changes:
                        for start in range(0, len(revocations), _AT_ONCE):
                            self._apply(revocations[start : start + _AT_ONCE])
                            await asyncio.sleep(0)
                        if not revocations:
                            self._failure = None
                            self._read.set()
                        self._received.set()
            except StoreError as error:
                self._note_failure(str(error))
            except Exception as error:  # noqa: BLE001 - else the task would end, and revocations with it, unnoticed
                self._note_failure(f"the store failed unexpectedly ({type(error).__name__})")
            await self._sleep(_RETRY_SECONDS)

    def _note_failure(self, failure: str) -> None:
        if self._failure != failure:
            _LOG.warning("revocations of other processes are not received: %s", failure)
        self._failure = failure
        self._failed.set()
        self._received.set()
