"""Prepared runs: a client writes a question for a person, and a run of that person begins if they accept.

Until then nothing runs, and no token of the person is needed. The question is an approval of another kind:
kept in the same store, decided once by its person, expired or withdrawn.
"""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from langchain_core.messages import HumanMessage

from graph.approvals.announced_question import AnnouncedQuestion
from graph.approvals.answer import require_signed_in
from graph.approvals.inbox import KeptArguments, kept_arguments
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, PendingApproval
from graph.authorship import by_program
from graph.call_arguments import arguments_digest
from graph.error_codes import GraphCode
from graph.extensions import Extensions
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditOutcome
from identity.audit.trail import AuditTrail, Step
from identity.errors import ApprovalError, AuditError
from identity.principal import Principal
from identity.printable import printable, printable_line
from plugins.prepared_runs.prepared_run import PreparedKind, PreparedRun, client_of, is_void
from plugins.prepared_runs.store import PreparedLimits, PreparedRunStore
from plugins.prepared_runs.variables import PreparedRunVariables
from tools.approval_policy import Effect

_SHARES: Final = 4
"""A client has at most one of so many parts of what may wait for a user: others have the rest."""


@dataclass(frozen=True, slots=True)
class PreparedRuns:
    """The prepared runs of all clients and users, recorded when they are prepared, decided and withdrawn."""

    variables: PreparedRunVariables
    store: PreparedRunStore
    audit: AuditTrail
    revocations: RevocationList
    clock: Callable[[], float]
    announce: Callable[[AnnouncedQuestion], None] | None = None

    async def prepare(
        self, client: VerifiedAccessToken, subject: str, question: str, seconds: float | None, key: str = ""
    ) -> ApprovalState:
        """Keeps, records and announces what `client` asks `subject`, a user of its own issuer, to begin, once
        with a `key`: again, it returns the first.

        Raises `LimitError`, `ApprovalError` if the key was used for something else, and `AuditError` if it
        cannot be recorded: then it was withdrawn.
        """
        now = self.clock()
        arguments = {"question": question}
        variables = self.variables
        most = variables.prepared_run_seconds
        by = client.principal
        lasts = min(seconds or most, most)
        names = [by.issuer, by.subject, key or secrets.token_hex(16)]
        approval_id = arguments_digest({"prepared": names})[:32]
        request = ApprovalRequest(
            id=approval_id,
            kind=PreparedKind.PREPARED_RUN,
            thread_id=approval_id,
            principal=Principal(client.principal.issuer, subject),
            digest=arguments_digest(arguments),
            effect=Effect.UNKNOWN,
            created_at=now,
            expires_at=now + lasts,
            extensions=Extensions(PreparedRun(client.principal.subject), KeptArguments(arguments)),
        )
        for_user = variables.max_prepared_for_user
        limits = PreparedLimits(
            of_client=variables.max_prepared_by_client,
            of_user=for_user,
            of_pair=math.ceil(for_user / _SHARES),
        )
        if (earlier := await self.store.prepare(request, limits)) is not None:
            since = earlier.request.created_at
            if earlier.request != replace(request, created_at=since, expires_at=since + lasts):
                raise ApprovalError(GraphCode.APPROVAL_USED, "the Idempotency-Key had another body")
            return earlier
        try:
            await self._step(AuditedAction.APPROVAL_REQUESTED, request, client).ended(AuditOutcome.SUCCEEDED)
        except AuditError:
            await self.store.withdraw(approval_id, client.principal, now)
            raise
        if self.announce is not None:
            self.announce(self._announced(request))
        return ApprovalState(request)

    async def waiting(self, caller: VerifiedAccessToken) -> list[ApprovalState]:
        """The runs that `caller` can accept now, the oldest first."""
        states = await self.store.waiting_for(caller.principal, self.clock())
        return [state for state in states if self.status(state) is ApprovalStatus.OPEN]

    def status(self, state: ApprovalState) -> ApprovalStatus:
        """The status now. What is open and void is withdrawn. A decision stays."""
        if state.status is not ApprovalStatus.OPEN:
            return state.status
        void = is_void(state.request, self.revocations)
        return ApprovalStatus.WITHDRAWN if void else state.status_at(self.clock())

    async def decide(
        self, approval_id: str, caller: VerifiedAccessToken, *, approved: bool
    ) -> HumanMessage | None:
        """Keeps the decision of `caller`, once, and records it; `None` if nothing of this id was prepared for
        them. Returns the first message of the run, whose first line says who wrote it, to the person and the
        model. The caller begins the run next, in the thread of the same id. If that fails, they may approve
        again for as long as they had to decide: the thread takes a message once, by its id.

        Raises `ApprovalError` if it does not count, `AccessTokenError` if the token has expired, and
        `AuditError` if it cannot be recorded.
        """
        state = await self.store.get(approval_id, caller.principal)
        if state is None:
            return None
        request = state.request
        now = self.clock()
        require_signed_in(caller, now)
        if is_void(request, self.revocations):
            raise ApprovalError(GraphCode.APPROVAL_USED, "the rights of the user or the client changed")
        if not (approved and state.status_at(now) is ApprovalStatus.APPROVED):
            await self.store.decide(
                approval_id, caller.principal, approved=approved, digest=request.digest, at=now
            )
        outcome = AuditOutcome.of_decision(approved=approved)
        await self._step(AuditedAction.APPROVAL_DECIDED, request, caller).ended(outcome)
        question = kept_arguments(request)["question"]
        by = printable(client_of(request) or "")
        return by_program(HumanMessage(f"Prepared by {by}:\n\n{question}", id=request.id), by)

    async def withdraw(self, approval_id: str, client: Principal, caller: VerifiedAccessToken | None) -> None:
        """Ends and records an open one of `client`, which `caller` is; `None`: an operator withdraws it.
        Raises `ApprovalError` for every other.
        """
        state = await self.store.withdraw(approval_id, client, self.clock())
        step = self._step(AuditedAction.APPROVAL_DECIDED, state.request, caller)
        await step.ended(AuditOutcome.CANCELLED)

    def _announced(self, request: ApprovalRequest) -> AnnouncedQuestion:
        async def is_open() -> bool:
            state = await self.store.get(request.id, request.principal)
            return state is not None and self.status(state) is ApprovalStatus.OPEN

        pending = PendingApproval(request, kept_arguments(request))
        by = client_of(request) or ""
        text = f"{printable_line(by)} has prepared a question, to be asked in your name. Nothing runs yet."
        return AnnouncedQuestion(pending, text, is_open, {"prepared_by": by})

    def _step(
        self, action: AuditedAction, request: ApprovalRequest, caller: VerifiedAccessToken | None
    ) -> Step:
        client = "operator" if caller is None else client_of(request)
        about = request.audited(request.digest)
        return self.audit.approval(action, request.principal, caller, client=client, **about)
