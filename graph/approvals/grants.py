"""Approvals that last: a person approves further calls of a tool, within bounds, until an end.

A grant answers a question that the policy asks, in place of the person, and nothing else: every rule still
holds for each call.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from graph.approvals.record import ApprovalRequest, ApprovalState
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, AuditError
from identity.principal import Principal
from tools.lasting import Lasting
from tools.service import Access, Service

_LOG: Final = logging.getLogger(__name__)
_OF_A_TOOL: Final = (
    *("principal", "service", "tool", "effect", "access_identity", "audience", "scope", "credential"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a person has approved beyond one call. Times are unix seconds.

    `request` is the question that they answered; its id is the grant's. `schema` is the digest of the tool as
    the service offered it then, and `token` the SHA-256 of the access token with which they answered.
    """

    request: ApprovalRequest
    lasting: Lasting
    schema: str
    token: str
    created_at: float
    uses: int = 0
    last_used_at: float | None = None

    @property
    def id(self) -> str:
        """The id, that of the approval."""
        return self.request.id

    @property
    def thread_id(self) -> str | None:
        """The conversation in which it counts; `None`: in all of its principal's."""
        return self.request.thread_id if self.lasting.conversation_only else None

    @property
    def ends_at(self) -> float:
        """From when on it counts no more."""
        return self.created_at + self.lasting.seconds

    def is_revoked(self, revocations: RevocationList) -> bool:
        """Whether the rights of the person were changed since. If they were restored, it does not count
        either: the person is asked anew.
        """
        return revocations.changed(self.request.principal.subject, self.created_at, self.token)

    def may_cover(self, call: ApprovalRequest, arguments: Mapping[str, Any], at: float) -> bool:
        """Whether it covers the call at `at`, if the tool's schema is the same."""
        same = all(getattr(self.request, name) == getattr(call, name) for name in _OF_A_TOOL)
        here = self.thread_id in (None, call.thread_id)
        return same and here and at < self.ends_at and self.lasting.covers(arguments)


class GrantStore(Protocol):
    """Keeps grants, for all processes that share the store. Each method is atomic. If the store is not
    available, every method raises `UnavailableError` (`approval_unavailable`).
    """

    async def add(self, grant: Grant) -> None:
        """Keeps a grant, on disk when it returns."""

    async def of(self, principal: Principal, at: float) -> Sequence[Grant]:
        """The grants of `principal` that have not ended at `at`, the newest first."""

    async def use(self, grant: Grant, call: ApprovalRequest, at: float) -> None:
        """Counts the use, and keeps that `call` was approved by the grant and used, in one transaction.

        Raises `ApprovalError` if the grant was withdrawn or has ended, and if the call was asked about or
        made before.
        """

    async def withdraw(self, principal: Principal, grant_id: str) -> Grant | None:
        """Removes a grant of `principal`, and returns it; `None` if there is none."""


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants of all persons, and which of them covers a call. Each is recorded when it is given and when
    its user withdraws it.
    """

    store: GrantStore
    services: Mapping[str, Service]
    access: Callable[[str, VerifiedAccessToken], Access]
    revocations: RevocationList
    audit: AuditTrail
    clock: Callable[[], float]

    def is_void(self, state: ApprovalState) -> bool:
        """Whether the rights of another person who decided were changed since."""
        approver, at = state.approver, state.decided_at
        if approver is None or at is None:
            return False
        return self.revocations.changed(approver.principal.subject, at, approver.token)

    async def of(self, principal: Principal) -> list[Grant]:
        """The grants of `principal` that count now, the newest first."""
        found = await self.store.of(principal, self.clock())
        return [grant for grant in found if not grant.is_revoked(self.revocations)]

    async def covering(
        self, call: ApprovalRequest, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[Grant]:
        """The grants that cover the call now."""
        now = self.clock()
        found = [each for each in await self.of(call.principal) if each.may_cover(call, arguments, now)]
        if not found:
            return ()
        schema = await self._schema(call, caller)
        return [grant for grant in found if grant.schema == schema]

    async def use(self, grant: Grant, call: ApprovalRequest) -> None:
        """See `GrantStore`. Await it immediately before the call, after the policy has decided."""
        await self.store.use(grant, call, self.clock())

    async def give(self, request: ApprovalRequest, lasting: Lasting, caller: VerifiedAccessToken) -> None:
        """Keeps and records that `caller`, who has approved `request`, approves more. Without the tool's
        schema nothing is kept. Raises `AuditError`, and has kept nothing, if it cannot be recorded.
        """
        if (schema := await self._schema(request, caller)) is None:
            _LOG.warning('no grant for "%s": its schema cannot be read', request.tool)
            return
        grant = Grant(
            request=request, lasting=lasting, schema=schema, token=caller.fingerprint, created_at=self.clock()
        )
        await self.store.add(grant)
        try:
            await self._record(AuditedAction.GRANT_GIVEN, grant, caller)
        except AuditError:
            await self.store.withdraw(request.principal, grant.id)
            raise

    async def withdraw(self, grant_id: str, caller: VerifiedAccessToken) -> bool:
        """Ends a grant of `caller`, in every process when this returns, and records it; false if they have
        none of this id.
        """
        grant = await self.store.withdraw(caller.principal, grant_id)
        if grant is not None:
            await self._record(AuditedAction.GRANT_WITHDRAWN, grant, caller)
        return grant is not None

    async def _schema(self, call: ApprovalRequest, caller: VerifiedAccessToken) -> str | None:
        """The digest of the tool as the service offers it to `caller` now; `None` if it does not."""
        service, access = self.services[call.service], self.access(call.service, caller)
        try:
            tools = service.cached_tools(access)
            for tool in await service.tools(access) if tools is None else tools:
                if tool.name == call.tool:
                    offered = [tool.name, tool.description, tool.parameters]
                    return hashlib.sha256(json.dumps(offered, sort_keys=True).encode()).hexdigest()
        except AgentError:  # what cannot be listed is not offered: no grant covers the call
            pass
        return None

    async def _record(self, action: AuditedAction, grant: Grant, caller: VerifiedAccessToken) -> None:
        step = self.audit.approval(action, grant.request.principal, caller, **grant.request.audited())
        await step.ended(AuditOutcome.SUCCEEDED)
