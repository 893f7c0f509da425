"""The record of an approval: what was asked of whom, what became of it, and where that is kept.

It has no arguments and no secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from graph.context import Conversation
from graph.error_codes import GraphCode, invalid_approval
from graph.extensions import Extensions
from identity.audit.event import Ruled
from identity.credentials.requirement import DeclaredCredential
from identity.errors import ApprovalError, ErrorCode
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tools.approval_policy import Effect
from tools.lasting import Lasting
from tools.service_name import service_of


class QuestionKind(StrEnum):
    """The kind of a question to a person. A package that asks in place of runs has a subclass."""

    @property
    def is_input(self) -> bool:
        """Whether a run goes on with the answer that is given here, not at another place first."""
        return False


class ApprovalKind(QuestionKind):
    """The kinds of the questions that runs ask."""

    TOOL_CALL = "tool_call"
    """To agree to one call of a tool."""
    CONSENT_REQUIRED = "consent_required"
    """To allow, at a URL, the use of their account with another provider."""
    SIGN_IN_REQUIRED = "sign_in_required"
    """To sign in again."""
    ELICITATION = "elicitation"
    """To answer the server of a tool during its call."""

    @property
    def is_input(self) -> bool:
        """See `QuestionKind`."""
        return self in (ApprovalKind.TOOL_CALL, ApprovalKind.ELICITATION)


_OF_A_QUESTION: Final = ("principal", "thread_id", "kind", "call_id")
"""A thread has one run at a time."""


PERSON: Final = "sub:"
"""Begins `approvers` that are one person, by their `sub` at the asker's issuer. No group has such a name."""


class ApprovalStatus(StrEnum):
    """Its life: `open → approved → used`; every other status is final."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    USED = "used"
    """The approved call was made, or was about to be made when the process ended."""
    WITHDRAWN = "withdrawn"
    """The run was cancelled."""
    EXPIRED = "expired"


_REFUSALS: Final[Mapping[ApprovalStatus, ErrorCode]] = {
    ApprovalStatus.OPEN: GraphCode.APPROVAL_INVALID,
    ApprovalStatus.EXPIRED: GraphCode.APPROVAL_EXPIRED,
}
"""How an approval of another status than the expected one is refused, unless it was used or is final."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Who approves: groups, SHA-256 and the time of issue are those of their own access token."""

    principal: Principal
    groups: frozenset[str] = frozenset()
    token: str = ""
    issued_at: float | None = None

    @property
    def addressed_as(self) -> list[str]:
        """The `approvers` of the questions to them."""
        return [f"{PERSON}{self.principal.subject}", *sorted(self.groups)]

    def may_approve(self, asker: Principal, approvers: str) -> bool:
        """Whether they are another person than `asker`, and a member of the group, or the person."""
        if self.principal == asker:
            return False
        if approvers.startswith(PERSON):
            return self.principal == Principal(asker.issuer, approvers.removeprefix(PERSON))
        return approvers in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """One question to one person, or about their call to `approvers`, a group of others. Times are unix
    seconds.

    `id` follows from the run, the response of the model, the call, the tool, the principal and the rights
    that the call uses: the same question has the same id in every process. `digest` is that of the call's
    arguments when it was asked.
    """

    id: str
    kind: QuestionKind
    thread_id: str
    principal: Principal
    service: str = ""
    tool: str = ""
    call_id: str = ""
    digest: str
    effect: Effect
    access_identity: AccessIdentity | None = None
    declared: DeclaredCredential = field(default_factory=DeclaredCredential, hash=False)
    """The credential of the call, as its service declares it."""
    approvers: str | None = None
    ruled: Ruled = field(default=Ruled())
    """The rules that require the question, in the file of a policy."""
    created_at: float
    expires_at: float
    read: tuple[str, ...] = ()
    """Labels of the data that the call could carry elsewhere: `payroll.payslip: confidential`."""
    extensions: Extensions = field(default_factory=Extensions)
    """The records of features beside it."""

    def __post_init__(self) -> None:
        # Requests that were stored before have the node's name.
        object.__setattr__(self, "service", service_of(self.service))

    def audited(self, digest: str | None = None) -> dict[str, Any]:
        """Its members in the audit log. `digest` is that of the arguments, which a decision may change."""
        effect = self.effect if self.tool else None
        return {
            "arguments_digest": digest,
            "approval": self.id,
            "service": self.service or None,
            "tool": self.tool or None,
            "effect": effect,
            "call_id": self.call_id or None,
            "access_identity": self.access_identity,
            "audience": self.declared.get("audience"),
            "scope": self.declared.get("scope"),
            "credential": self.declared.get("credential"),
            "ruled": self.ruled,
            "read": self.read,
        }


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """A request and its status. The methods are the rules of every store; a store makes them atomic."""

    request: ApprovalRequest
    status: ApprovalStatus = ApprovalStatus.OPEN
    approved_digest: str | None = None
    """The digest of the approved arguments: as asked, or as the person edited them."""
    decided_at: float | None = None
    approver: Approver | None = None
    """Who decided, if it was not the principal of the request."""
    device: str | None = None
    """With which they decided (`DEVICE`), if that is known."""

    @property
    def is_edited(self) -> bool:
        """Whether other arguments were approved than those that were asked about."""
        return self.approved_digest not in (None, self.request.digest)

    def status_at(self, now: float) -> ApprovalStatus:
        """The status at `now`. An open request expires; so does an approval that is not used, as long after
        the decision as the request was open at most.
        """
        request = self.request
        until: float | None = None
        if self.status is ApprovalStatus.OPEN:
            until = request.expires_at
        elif self.status is ApprovalStatus.APPROVED and self.decided_at is not None:
            until = self.decided_at + (request.expires_at - request.created_at)
        return ApprovalStatus.EXPIRED if until is not None and now >= until else self.status

    def decided(
        self,
        *,
        approved: bool,
        digest: str | None = None,
        at: float,
        approver: Approver | None = None,
        device: str | None = None,
    ) -> "ApprovalState":
        """The state after the decision at `at`. `digest` is that of what the principal approves.

        Raises `ApprovalError` unless it is open; and for a question to approvers, unless it is a decision of
        one of them about the call as it was asked.
        """
        self.require_open(at, approver)
        decided = replace(self, decided_at=at, approver=approver, device=device)
        decided.require_approver()
        if approver is not None and digest not in (None, self.request.digest):
            raise invalid_approval("an approver changes nothing of a call")
        if not approved:
            return replace(decided, status=ApprovalStatus.REJECTED)
        digest = self.request.digest if approver is not None else digest
        if digest is None:
            raise invalid_approval("an approval names no arguments")
        return replace(decided, status=ApprovalStatus.APPROVED, approved_digest=digest)

    def used(self, digest: str, at: float) -> "ApprovalState":
        """The state after the call with arguments of `digest` began at `at`.

        Raises `ApprovalError` unless it is approved, for these arguments, and was not used before.
        """
        self._require(ApprovalStatus.APPROVED, at)
        self.require_approver()
        if digest != self.approved_digest:
            raise invalid_approval("the arguments are not those that were approved")
        return replace(self, status=ApprovalStatus.USED)

    def withdrawn(self, at: float) -> "ApprovalState":
        """The state after the run was cancelled: what is neither used nor final is withdrawn."""
        if self.status_at(at) in (ApprovalStatus.OPEN, ApprovalStatus.APPROVED):
            return replace(self, status=ApprovalStatus.WITHDRAWN)
        return self

    def replaced_by(self, request: ApprovalRequest) -> "ApprovalState":
        """The state after `request` was asked. The same question about a call whose rights have changed since
        has another id: the earlier one is withdrawn. The questions of a server are several. What the user has
        approved stays when others are asked next.
        """
        earlier = self.request
        if self.status is ApprovalStatus.APPROVED and earlier.approvers is None and request.approvers:
            return self
        same = request.kind is not ApprovalKind.ELICITATION and all(
            getattr(earlier, name) == getattr(request, name) for name in _OF_A_QUESTION
        )
        return self.withdrawn(request.created_at) if same and earlier.id != request.id else self

    def require_open(self, at: float, approver: Approver | None = None) -> None:
        """Raises `ApprovalError` with the reason why it cannot be answered at `at`, for its principal, or for
        `approver`.
        """
        self._require(ApprovalStatus.OPEN, at, approver)

    def require_approver(self) -> None:
        """Raises `ApprovalError` unless it was decided by those whom it asks."""
        group = self.request.approvers
        approver = self.approver
        if (group is None) != (approver is None):
            raise invalid_approval("another person decides about the call")
        if approver is not None and not (group and approver.may_approve(self.request.principal, group)):
            raise invalid_approval("the approver is the asker, or not of the group")

    def decision_shown_to(self, viewer: Approver | None) -> dict[str, object]:
        """When it was decided; for those whom it asks also by whom, and for that person on which device.
        `None` is its principal.
        """
        if self.decided_at is None:
            return {}
        visible: dict[str, object] = {"decided_at": int(self.decided_at)}
        if not self._asks(viewer):
            return visible
        decider = self._person(self.approver)
        person = self._person(viewer)
        visible["decided_by"] = decider.subject
        if person == decider and self.device is not None:
            visible["decided_on"] = self.device
        return visible

    def _asks(self, approver: Approver | None) -> bool:
        """Whether the question is to `approver`; `None` is its principal."""
        group = self.request.approvers
        if group is None or approver is None:
            return group is None and approver is None
        return approver.may_approve(self.request.principal, group)

    def _person(self, approver: Approver | None) -> Principal:
        return self.request.principal if approver is None else approver.principal

    def _require(self, expected: ApprovalStatus, at: float, approver: Approver | None = None) -> None:
        status = self.status_at(at)
        if status is expected:
            return
        text = f'status must be "{expected}", found "{status}"'
        code = _REFUSALS.get(status, GraphCode.APPROVAL_USED)
        raise ApprovalError(code, text, decided=self.decision_shown_to(approver))


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """An open request as its principal sees it. `arguments` are shown without the secrets of the run.

    `url` is where the person goes (`consent_required`). It is for this person only, and is not saved.
    `asked` is false if they have not seen the request before. `lasting` is what they may approve beyond this
    call; `None`: nothing. `parameters` is the schema of the tool, if it is known. `ruled` is the decision of
    the policy that asks.
    """

    request: ApprovalRequest
    arguments: Mapping[str, Any]
    url: Secret | None = None
    asked: bool = True
    lasting: Lasting | None = None
    parameters: Mapping[str, Any] | None = None
    ruled: Ruled = field(default=Ruled(), compare=False)


class ApprovalStore(Protocol):
    """Keeps approvals outside of the graph's state, which others can write and which can be replayed.

    The rules are the methods of `ApprovalState`. Each method here is atomic over all processes that share the
    store: of two concurrent decisions one counts, and of two concurrent uses one succeeds. An approval of
    another principal is absent. If the store is not available, every method raises `UnavailableError`
    (`approval_unavailable`), and the call that waits for it is not made.
    """

    async def open(self, request: ApprovalRequest) -> ApprovalState:
        """Adds `request`, unless one of its id and principal exists: then that one is returned, unchanged.

        If it is added, it replaces earlier questions to the principal (`ApprovalState.replaced_by`).
        Raises `ApprovalError` if the id is that of another principal's approval.
        """

    async def get(self, approval_id: str, principal: Principal) -> ApprovalState | None:
        """The approval of `principal` with this id."""

    async def decide(
        self, approval_id: str, principal: Principal, *, approved: bool, digest: str | None, at: float
    ) -> ApprovalState:
        """`ApprovalState.decided`, once. Raises `ApprovalError`, also if there is no such approval."""

    async def use(
        self, approval_id: str, principal: Principal, digest: str, at: float, run: Conversation | None = None
    ) -> None:
        """`ApprovalState.used`, once, by `run`. Raises `ApprovalError`, also if there is no such approval,
        and `ThreadBusyError` if the run has lost its conversation (`graph.call_steps.fence`): then nothing is
        used.
        """

    async def pending(self, principal: Principal, thread_id: str | None = None) -> Sequence[ApprovalState]:
        """The open approvals of `principal`, in one thread or in all, the oldest first.

        Expired approvals may be among them (`ApprovalState.status_at`).
        """

    async def withdraw(
        self, principal: Principal, thread_id: str, at: float, *, call_id: str | None = None
    ) -> None:
        """`ApprovalState.withdrawn` for all approvals of the thread, or of one call."""
