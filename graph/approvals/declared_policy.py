"""Decides about calls by what services declare of their tools, in code or in SERVICES_FILE."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import DENIED, Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast, Undetermined
from graph.approvals.record import PERSON
from graph.credentials.service_credentials import ServiceRequirement, access_identity_of
from tools.approval_policy import CLAIM, ApprovalMode, DataLabels
from tools.service import Service, ToolSchema

_NO_USER: Final = (
    "not run: the call changes something, and the agent would make it with its own rights, not with those of "
    "the user, so that no user can approve it"
)
_NO_APPROVER: Final = "not run: another person must approve the call, and the access token does not say who"
_FIRST: Final = Allow()
"""The decision before that of the first policy."""


@dataclass(frozen=True, slots=True)
class DeclaredPolicy:
    """The first `CallPolicy` of each agent: what services declare (`tools.approval_policy.ToolPolicy`)."""

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:  # noqa: ARG002 - the seam's
        return self._mode(call, service) is not ApprovalMode.ALLOW

    async def decide(
        self,
        pending: PendingCall,
        caller: AnyUser,
        facts: Facts,
        so_far: Allow | Ask = _FIRST,  # noqa: ARG002 - the seam's
    ) -> Decision:
        mode = self._mode(pending.call, pending.service)
        policy = self.services[pending.service].policy(pending.call["name"])
        if mode is ApprovalMode.DENY:
            return Deny(reason=_NO_USER if policy.mode is None and not policy.rules else DENIED)
        if mode is ApprovalMode.ALLOW:
            return Allow()
        if policy.approvers is not None:
            asks = _of_another(policy.approvers, caller)
            approver = facts.approver
            named = asks.approvers if isinstance(asks, Ask) else None
            may = approver and named and approver.may_approve(pending.principal, named)
            if facts.approved and may:
                return Allow()
            return asks
        if facts.approved:
            return Allow()
        if policy.lasting is None:
            return Ask()
        return Ask(lasting=(policy.lasting.seconds,))

    async def forecast(
        self,
        service: str,
        tool: ToolSchema,
        user: AnyUser,
        so_far: Forecast = _FIRST,  # noqa: ARG002 - the seam's
    ) -> Forecast:
        policy = self.services[service].policy(tool.name)
        asks = _of_another(policy.approvers, user) if policy.approvers else Ask()
        match policy.modes(access_identity_of(self.requirements, service)):
            case [ApprovalMode.ALLOW]:
                return Allow()
            case [ApprovalMode.DENY]:
                return Deny(reason=_NO_USER if policy.mode is None else DENIED)
            case [ApprovalMode.ASK]:
                return asks
        rules = tuple(map(str, policy.rules))
        if isinstance(asks, Ask):
            return Undetermined(rules=rules, asks=asks)
        return Undetermined(rules=rules)

    def _mode(self, call: ToolCall, service: str) -> ApprovalMode:
        """The mode of a call by the policy of its tool, its arguments and its access identity."""
        policy = self.services[service].policy(call["name"])
        return policy.mode_for(call["args"], access_identity_of(self.requirements, service))


def _of_another(approvers: str, user: AnyUser) -> Ask | Deny:
    """The decision about calls of `user`, by the `approvers` of a policy."""
    claim = approvers.removeprefix(CLAIM)
    if claim == approvers:
        return Ask(approvers=approvers)
    person = user.claims.get(claim)
    if not isinstance(person, str) or person in ("", user.principal.subject):
        return Deny(reason=_NO_APPROVER)
    return Ask(approvers=f"{PERSON}{person}")
