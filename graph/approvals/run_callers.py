"""The caller of a run that is kept: the user who began it, who may have to sign in again to go on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cachetools import LRUCache
from langgraph.runtime import Runtime

from graph.approvals.gate import ApprovalGate
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalStatus, PendingApproval
from graph.callers import Callers
from graph.context import AgentContext, Conversation, conversation_of
from graph.error_codes import GraphCode, invalid_approval
from graph.state import AgentState
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError
from identity.principal import Principal

_RUNS: Final = 10_000
_EXPIRED: Final = (IdentityCode.ACCESS_TOKEN_INVALID, GraphCode.ACCESS_TOKEN_MISSING)
"""How an expired token is refused; a server that keeps tokens until they expire has none then."""


class _Verified(NamedTuple):
    principal: Principal
    expires_at: float


@dataclass(frozen=True)
class RunCallers(Callers):
    """The callers of runs that may be kept.

    In a run that is kept, another principal than the one for whom it was going on is refused. If the access
    token expires during the run, the run pauses; the same user resumes it with a fresh token. A token that is
    refused for another reason, such as a revocation, ends the run, as does one that had expired before.
    """

    gate: ApprovalGate
    prompts: ApprovalPrompts
    clock: Callable[[], float]
    _verified: LRUCache[Any, _Verified] = field(default_factory=lambda: LRUCache(_RUNS))

    async def of(self, state: AgentState, runtime: Runtime[AgentContext]) -> VerifiedAccessToken:
        """See `Callers`. Raises `ApprovalError` too."""
        resumed = runtime.control not in self._verified  # no earlier node of this run was visited
        try:
            caller = await self.first(runtime)
        except AccessTokenError as error:
            await self._sign_in(error, state, runtime)
            raise
        if (conversation := conversation_of(runtime)) is not None:
            owner = _principal(state)
            if owner is not None and owner != caller.principal:
                raise invalid_approval("the run is going on for another principal")
            if resumed:
                await self._signed_in(caller, conversation)
        return caller

    async def first(self, runtime: Runtime[AgentContext]) -> VerifiedAccessToken:
        caller = await super().first(runtime)
        if runtime.control is not None:  # one object for each run, independent of state and context
            self._verified[runtime.control] = _Verified(caller.principal, caller.expires_at)
        return caller

    async def _sign_in(
        self, error: AccessTokenError, state: AgentState, runtime: Runtime[AgentContext]
    ) -> None:
        """Pauses the run if signing in again helps."""
        conversation = conversation_of(runtime)
        principal: Principal | None = None
        verified = self._verified.get(runtime.control)
        if error.code is IdentityCode.SIGN_IN_REQUIRED:
            principal = _principal(state)
        elif error.code in _EXPIRED and verified is not None and verified.expires_at <= self.clock():
            principal = verified.principal
        if conversation is None or principal is None:
            return
        request = self.gate.requests.for_sign_in(principal, conversation)
        question = await self.gate.known(request.id, request.principal)
        if question is not None:
            request = question.request
        await self.prompts.pause(PendingApproval(request, {}, asked=question is not None), None)

    async def _signed_in(self, caller: VerifiedAccessToken, conversation: Conversation) -> None:
        """Closes the question to sign in, if the run was paused by it: the caller's token is verified."""
        request = self.gate.requests.for_sign_in(caller.principal, conversation)
        question = await self.gate.known(request.id, request.principal)
        in_time = caller.expires_at > self.clock()
        if question is not None and question.status is ApprovalStatus.OPEN and in_time:
            await self.prompts.decide(request, request.digest, caller)


def _principal(state: AgentState) -> Principal | None:
    """For whom the run was going on. It refuses another, and grants nothing."""
    record = state.get("principal")
    return None if record is None else Principal(record["issuer"], record["subject"])
