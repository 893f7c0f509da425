"""The seam between the gate and what decides about a call: by which facts, and with which decisions.

An agent has a list of policies (`graph.approvals.policies`): what services declare of their tools comes
first, and what the call would carry out of its conversation last.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.record import Approver as Approver
from identity.access_token.verified_access_token import KeptClaim, VerifiedAccessToken
from identity.audit.event import Ruled
from identity.errors import ErrorCode
from identity.principal import Principal
from tools.approval_policy import DataLabels
from tools.service import ToolSchema

DENIED: Final = "not run: the policy of the agent denies this call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The consent to a call, as far as it is known. Each is true when it is given: a policy relies on it.

    `lasting` is the duration, in seconds, of the grant that covers the call; `None`: the consent is for this
    call only. The age of the sign-in follows from the caller's token.
    """

    approved: bool = False
    approver: Approver | None = None
    lasting: int | None = None
    began: bool = False
    """The call has begun with these arguments, and its user has answered its server since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow(Ruled):
    """The call may be made now. `release` is awaited if it is certainly not made: it was counted."""

    release: Callable[[], Awaitable[None]] | None = None

    async def released(self) -> None:
        """The call is not made."""
        if self.release is not None:
            await self.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny(Ruled):
    """The call is not made. `reason` is for the model, `error` the failure that prevents a decision."""

    reason: str = DENIED
    error: ErrorCode | None = None


def denied(ruled: Ruled, reason: str, *, approval: str | None = None, error: ErrorCode | None = None) -> Deny:
    """A refusal of a call about which `ruled` was decided, by the approval of that id, or that of `ruled`."""
    return Deny(
        policy=ruled.policy,
        rules=ruled.rules,
        observed=ruled.observed,
        approval=approval or ruled.approval,
        reason=reason,
        error=error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Ruled):
    """The call may be made after a decision of a person.

    `approvers` is the group whose member approves, or the person (`PERSON`); `None`: the user approves. With
    `user_first`, the user agrees before the approvers see the call. With `sign_in`, they sign in first, not
    longer ago than these seconds. `lasting` are the durations, in seconds, that a consent to more than this
    call may have. `read` is what the conversation has read that the call could carry elsewhere, as people see
    it.
    """

    approvers: str | None = None
    user_first: bool = False
    sign_in: int | None = None
    lasting: tuple[int, ...] = ()
    read: tuple[str, ...] = ()

    def in_order(self) -> "list[Ask]":
        """The questions, each to one person or group, as they are asked one after another."""
        if self.approvers is None or not self.user_first:
            return [self]
        return [Ask(read=self.read), self]


Decision: TypeAlias = Allow | Deny | Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Undetermined(Ruled):
    """The arguments of a call decide, or what was counted before it, by the rules that are named. Some calls
    may have the question `asks`.
    """

    asks: Ask | None = None


Forecast: TypeAlias = Decision | Undetermined
"""The decision about the calls of a tool of which nothing but the tool and the user is known."""


@dataclass(frozen=True, slots=True)
class User:
    """A user without an access token, about whom an operator asks."""

    principal: Principal
    claims: Mapping[str, KeptClaim]
    signed_in_at: float | None = None


AnyUser: TypeAlias = User | VerifiedAccessToken


class CallPolicy(Protocol):
    """Decides about calls after the policies before it. A call is made only if the decision by true facts,
    just before it, is `Allow` of all of them.
    """

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:
        """Whether `decide` may answer anything but `Allow` about a call of a conversation that has read what
        has the labels `read`. For routes: it may be called in any thread.
        """

    async def decide(
        self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        """The decision by what is known now, and by `so_far`, that of the policies before: a question of
        theirs stays one. `caller` is the one whom the call is made for.
        """

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:
        """The answer of `decide` to calls of a tool now, in a conversation that has read nothing, after what
        the policies before would say. Nothing is requested or counted. The parameters of the tool may be
        empty: not known.
        """
