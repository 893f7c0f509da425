"""Approvals that last: a person approves further calls of a tool, within bounds, until an end.

A grant answers a question that the policy asks, in place of the person, and nothing else: every rule still
holds for each call.
"""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from graph.approvals.covering_grant import CoveringGrant
from graph.approvals.lasting_approvals import CoveringApproval
from graph.approvals.record import ApprovalRequest, ApprovalState, Approver
from graph.approvals.request import OF_TOOL, approval_members, bounds_display
from graph.context import Conversation
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, AuditError
from identity.principal import Principal
from identity.printable import rfc3339
from tools.approval_policy import ApprovalMode
from tools.lasting import LONGEST_SECONDS, Lasting
from tools.service import Access, Service, declared_credential_of, node_of, offered_tool

_LOG: Final = logging.getLogger(__name__)
_OF_A_TOOL: Final = ("principal", "service", "tool", "effect", "access_identity", "declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Further calls that a person has approved. Times are unix seconds.

    `request` is the question that they answered; its id is the grant's. `schema` is the digest of the tool as
    the service offered it then, `token` the SHA-256 of the access token of the answer, issued at `issued_at`.
    """

    request: ApprovalRequest
    lasting: Lasting
    schema: str
    token: str
    issued_at: float | None = None
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

    def members(self) -> dict[str, Any]:
        """It as JSON for its principal. Times are RFC 3339, UTC."""
        request = approval_members(self.request)
        last_used_at = None if self.last_used_at is None else rfc3339(self.last_used_at)
        return {
            "id": self.id,
            "thread_id": self.thread_id,
            **{name: request[name] for name in OF_TOOL},
            "bounds": dict(self.lasting.bounds),
            **bounds_display(self.lasting),
            "created_at": rfc3339(self.created_at),
            "ends_at": rfc3339(self.ends_at),
            "uses": self.uses,
            "last_used_at": last_used_at,
        }

    def may_cover(self, call: ApprovalRequest, arguments: Mapping[str, Any], at: float) -> bool:
        """Whether it covers the call at `at`, if the tool's schema is the same."""
        same = all(getattr(self.request, name) == getattr(call, name) for name in _OF_A_TOOL)
        here = self.thread_id in (None, call.thread_id)
        return same and here and at < self.ends_at and self.lasting.covers(arguments)

    def covers(self, call: ApprovalRequest) -> ApprovalRequest:
        """The request of a call that it covers, which says so."""
        record = CoveringGrant(self.id, self.created_at, self.ends_at)
        return replace(call, extensions=call.extensions.having(record))


class GrantStore(Protocol):
    """Keeps grants, for all processes that share the store. Each method is atomic. If the store is not
    available, every method raises `UnavailableError` (`approval_unavailable`).
    """

    async def add(self, grant: Grant) -> None:
        """Keeps a grant, on disk when it returns."""

    async def of(self, principal: Principal, at: float) -> Sequence[Grant]:
        """The grants of `principal` that have not ended at `at`, the newest first."""

    async def use(
        self, grant: Grant, call: ApprovalRequest, at: float, run: Conversation | None = None
    ) -> None:
        """Counts the use, and keeps that `call` of `run` was approved by the grant and used, in one
        transaction. Await it immediately before the call, after the policy has decided.

        Raises `ApprovalError` if the grant was withdrawn or has ended, and if the call was asked about or
        made before; `ThreadBusyError` as `ApprovalStore.use` does.
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
        """Whether the rights of the asker, or of the other person who decided, were changed since."""
        decided_at = state.decided_at
        if decided_at is None:
            return False
        asker = state.request.principal
        people = [Approver(asker, issued_at=math.inf)]
        if state.approver is not None:
            people.append(state.approver)
        return any(
            self.revocations.changed(person.principal.subject, decided_at, person.token, person.issued_at)
            for person in people
        )

    async def of(self, principal: Principal) -> list[Grant]:
        """The grants of `principal` that count now, the newest first."""
        grants = await self.store.of(principal, self.clock())
        return [grant for grant in grants if self.counts(grant)]

    def counts(self, grant: Grant) -> bool:
        """Whether the person's rights were not changed since, and the policy may offer as much today."""
        request = grant.request
        subject = request.principal.subject
        revoked = self.revocations.changed(subject, grant.created_at, grant.token, grant.issued_at)
        service = self.services.get(node_of(self.services, request.service, request.tool))
        if revoked or service is None:
            return False
        policy = service.policy(request.tool)
        modes = policy.modes(request.access_identity)
        declared = policy.lasting is not None and policy.approvers is None and ApprovalMode.ASK in modes
        by_rules = request.ruled.policy is not None and ApprovalMode.ALLOW in modes
        rights = declared_credential_of(service)
        has_rights = all(request.declared.get(name) == text for name, text in rights.items())
        same = policy.effect is request.effect and has_rights
        offered = policy.offered(grant.lasting.example, LONGEST_SECONDS)
        return (declared or by_rules) and same and grant.lasting.is_within(offered)

    async def covering(
        self, call: ApprovalRequest, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[CoveringApproval]:
        """The grants that cover the call now."""
        now = self.clock()
        grants = [grant for grant in await self.of(call.principal) if grant.may_cover(call, arguments, now)]
        if not grants:
            return ()
        schema = await self._schema(call, caller)
        covering = [grant for grant in grants if grant.schema == schema]
        return [
            CoveringApproval(grant.id, grant.lasting, partial(self.store.use, grant, grant.covers(call)))
            for grant in covering
        ]

    async def give(self, request: ApprovalRequest, lasting: Lasting, caller: VerifiedAccessToken) -> None:
        """Keeps and records that `caller`, who has approved `request`, approves more. Without the tool's
        schema nothing is kept. Raises `AuditError`, and has kept nothing, if it cannot be recorded.
        """
        if (schema := await self._schema(request, caller)) is None:
            _LOG.warning('no grant for "%s": its schema cannot be read', request.tool)
            return
        grant = Grant(
            request=request,
            lasting=lasting,
            schema=schema,
            token=caller.fingerprint,
            issued_at=caller.issued_at,
            created_at=self.clock(),
        )
        await self.store.add(grant)
        try:
            await self._record(AuditedAction.GRANT_GIVEN, grant, caller)
        except AuditError:
            await self.store.withdraw(request.principal, grant.id)
            raise

    async def withdraw(self, grant_id: str, principal: Principal, caller: VerifiedAccessToken | None) -> bool:
        """Ends a grant of `principal`, in every process when this returns, and records it; false if they have
        none of this id. `caller` is theirs; `None`: an operator withdraws it.
        """
        grant = await self.store.withdraw(principal, grant_id)
        if grant is not None:
            await self._record(AuditedAction.GRANT_WITHDRAWN, grant, caller)
        return grant is not None

    async def _schema(self, call: ApprovalRequest, caller: VerifiedAccessToken) -> str | None:
        """The digest of the tool as the service offers it to `caller` now; `None` if it does not."""
        node = node_of(self.services, call.service, call.tool)
        try:
            tool = await offered_tool(self.services[node], call.tool, self.access(node, caller))
        except AgentError:  # what cannot be listed is not offered: no grant covers the call
            return None
        if tool is None:
            return None
        offered = [tool.name, tool.description, tool.parameters]
        return hashlib.sha256(json.dumps(offered, sort_keys=True).encode()).hexdigest()

    async def _record(self, action: AuditedAction, grant: Grant, by: VerifiedAccessToken | None) -> None:
        client = "operator" if by is None else None
        request = grant.request
        step = self.audit.approval(action, request.principal, by, client=client, **request.audited())
        await step.ended(AuditOutcome.SUCCEEDED)
