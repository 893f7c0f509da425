"""The seam between the gate and what decides about a call: by which facts, and with which decisions.

`DeclaredPolicy` decides by what a service declares of its tools, in code or in SERVICES_FILE.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.record import PERSON
from graph.approvals.record import Approver as Approver
from graph.credentials.service_credentials import ServiceRequirement
from identity.access_token.verified_access_token import KeptClaim, VerifiedAccessToken
from identity.audit.event import Ruled
from identity.errors import ErrorCode
from identity.principal import AccessIdentity, Principal
from tools.approval_policy import CLAIM, ApprovalMode
from tools.service import Service, ToolSchema

DENIED: Final = "not run: the policy of the agent denies this call"
_NO_USER: Final = (
    "not run: the call changes something, and the agent would make it with its own rights, not with those of "
    "the user, so that no user can approve it"
)
_NO_APPROVER: Final = "not run: another person must approve the call, and the access token does not say who"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the consent to a call. Each is true when it is given: a policy relies on it.

    `lasting` is the duration, in seconds, of the grant that covers the call; `None`: the consent is for this
    call only. The age of the sign-in follows from the caller's token.
    """

    approved: bool = False
    approver: Approver | None = None
    lasting: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow(Ruled):
    """The call may be made now. `take_back` is awaited if it is certainly not made: it was counted."""

    take_back: Callable[[], Awaitable[None]] | None = None

    async def taken_back(self) -> None:
        """The call is not made."""
        if self.take_back is not None:
            await self.take_back()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny(Ruled):
    """The call is not made. `reason` is for the model, `error` the failure that prevents a decision."""

    reason: str = DENIED
    error: ErrorCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Ruled):
    """The call may be made after a decision of a person.

    `approvers` is the group whose member approves, or the person (`PERSON`); `None`: the user approves. With
    `sign_in`, they sign in first, not longer ago than these seconds. `lasting` are the durations, in seconds,
    that a consent to more than this call may have.
    """

    approvers: str | None = None
    sign_in: int | None = None
    lasting: tuple[int, ...] = ()


Decision: TypeAlias = Allow | Deny | Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Depends(Ruled):
    """The arguments of a call decide, or what was counted before it, by the rules that are named. Some calls
    may have the question `asks`.
    """

    asks: Ask | None = None


Outlook: TypeAlias = Decision | Depends
"""The decision about the calls of a tool of which nothing but the tool and the user is known."""


@dataclass(frozen=True, slots=True)
class User:
    """A user without an access token, about whom an operator asks."""

    principal: Principal
    claims: Mapping[str, KeptClaim]
    signed_in_at: float | None = None


AnyUser: TypeAlias = User | VerifiedAccessToken


class CallPolicy(Protocol):
    """Decides about calls. A call is made only if the decision by true facts, just before it, is `Allow`."""

    def decides(self, call: ToolCall, service: str) -> bool:
        """Whether `decide` may answer anything but `Allow`. For routes: it may be called in any thread."""

    async def decide(self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts) -> Decision:
        """The decision by what is known now. `caller` is the one whom the call is made for."""

    async def outlook(self, service: str, tool: ToolSchema, user: AnyUser) -> Outlook:
        """What `decide` would say of calls of a tool now, in a conversation that has read nothing. Nothing is
        requested or counted. The parameters of the tool may be empty: not known.
        """


@dataclass(frozen=True, slots=True)
class DeclaredPolicy:
    """A `CallPolicy` by what services declare (`tools.approval_policy.ToolPolicy`)."""

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]

    def decides(self, call: ToolCall, service: str) -> bool:
        return self._mode(call, service) is not ApprovalMode.ALLOW

    async def decide(self, pending: PendingCall, caller: AnyUser, facts: Facts) -> Decision:
        mode = self._mode(pending.call, pending.service)
        policy = self.services[pending.service].policy(pending.call["name"])
        if mode is ApprovalMode.DENY:
            return Deny(reason=_NO_USER if policy.mode is None and not policy.rules else DENIED)
        if mode is ApprovalMode.ALLOW:
            return Allow()
        if policy.approvers is not None:
            approver, asks = facts.approver, _of_another(policy.approvers, caller)
            named = asks.approvers if isinstance(asks, Ask) else None
            may = approver and named and approver.may_approve(pending.principal, named)
            return Allow() if facts.approved and may else asks
        if facts.approved:
            return Allow()
        return Ask(lasting=() if policy.lasting is None else (policy.lasting.seconds,))

    async def outlook(self, service: str, tool: ToolSchema, user: AnyUser) -> Outlook:
        policy = self.services[service].policy(tool.name)
        asks = _of_another(policy.approvers, user) if policy.approvers else Ask()
        match policy.modes(self.access_identity(service)):
            case [ApprovalMode.ALLOW]:
                return Allow()
            case [ApprovalMode.DENY]:
                return Deny(reason=_NO_USER if policy.mode is None else DENIED)
            case [ApprovalMode.ASK]:
                return asks
        return Depends(rules=tuple(map(str, policy.rules)), asks=asks if isinstance(asks, Ask) else None)

    def _mode(self, call: ToolCall, service: str) -> ApprovalMode:
        """The mode of a call by the policy of its tool, its arguments and its access identity."""
        return (
            self.services[service].policy(call["name"]).mode_for(call["args"], self.access_identity(service))
        )

    def access_identity(self, service: str) -> AccessIdentity | None:
        """Whose rights calls of a service use."""
        requirement = self.requirements.get(service)
        return requirement.access_identity if requirement else None


def _of_another(approvers: str, user: AnyUser) -> Ask | Deny:
    """What `approvers` of a policy decides about calls of `user`."""
    claim = approvers.removeprefix(CLAIM)
    found = user.claims.get(claim)
    if claim != approvers and (not isinstance(found, str) or found in ("", user.principal.subject)):
        return Deny(reason=_NO_APPROVER)
    return Ask(approvers=approvers if claim == approvers else f"{PERSON}{found}")
