"""The policies of an agent, as one: each decides after those before it, and the strictest decision counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from langchain_core.messages import ToolCall

from graph.approvals.declared_policy import DeclaredPolicy
from graph.approvals.disclosure_policy import AccessOf, DisclosurePolicy
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, CallPolicy, Decision, Deny, Facts, Forecast
from graph.credentials.service_credentials import ServiceRequirement
from identity.access_token.verified_access_token import VerifiedAccessToken
from tools.approval_policy import DataLabels
from tools.service import Service, ToolSchema

_TWO_APPROVERS: Final = "not run: the policies of the agent ask two different people about this call"

_START: Final = Allow()
"""The decision before the first policy."""


@dataclass(frozen=True, slots=True)
class Policies:
    """A list of policies, in their order. No policy can allow what one before it does not."""

    policies: Sequence[CallPolicy]

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:
        """Whether `decide` may answer anything but `Allow`."""
        return any(policy.decides(call, service, read) for policy in self.policies)

    async def decide(self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts) -> Decision:
        """The decision by what is known now. What a policy has counted is taken back unless all allow."""
        decision: Allow | Ask = _START
        for policy in self.policies:
            stricter: Decision | None = None
            try:
                stricter = strictest(decision, await policy.decide(pending, caller, facts, decision))
            finally:
                if isinstance(decision, Allow) and not isinstance(stricter, Allow):
                    await decision.released()
            if isinstance(stricter, Deny):
                return stricter
            decision = stricter
        return decision

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser) -> Forecast:
        """The answer of `decide` to calls of a tool now, in a conversation that has read nothing."""
        forecast: Forecast = _START
        for policy in self.policies:
            next_forecast = await policy.forecast(service, tool, user, forecast)
            if isinstance(next_forecast, Deny):
                return next_forecast
            if isinstance(forecast, Allow) or not isinstance(next_forecast, Allow):
                forecast = next_forecast
        return forecast


def policies_of(
    services: Mapping[str, Service],
    requirements: Mapping[str, ServiceRequirement],
    more: Sequence[CallPolicy] = (),
    access: AccessOf | None = None,
) -> Policies:
    """The policies of an agent: what its services declare, then `more`, then what calls would disclose."""
    return Policies([DeclaredPolicy(services, requirements), *more, DisclosurePolicy(services, access)])


def strictest(so_far: Allow | Ask, found: Decision) -> Decision:
    """`found`, with what `so_far` asks besides: a policy cannot drop or widen a question of those before."""
    if isinstance(found, Deny):
        return found
    if isinstance(so_far, Allow):
        return _both(so_far, found) if isinstance(found, Allow) else found
    if isinstance(found, Allow):
        return so_far
    if so_far.approvers is not None and found.approvers not in (None, so_far.approvers):
        return Deny(reason=_TWO_APPROVERS, policy=found.policy, rules=found.rules)
    asks_user_too = so_far.approvers is not None and found.approvers is None
    sign_ins = [ask.sign_in for ask in (so_far, found) if ask.sign_in is not None]
    longest = max(so_far.lasting, default=0)
    return replace(
        found,
        approvers=found.approvers or so_far.approvers,
        user_first=so_far.user_first or found.user_first or asks_user_too,
        sign_in=min(sign_ins, default=None),
        lasting=tuple(seconds for seconds in found.lasting if seconds <= longest),
        read=tuple(sorted({*so_far.read, *found.read})),
    )


def _both(earlier: Allow, later: Allow) -> Allow:
    """The decision of two policies that allow, by the rules of both."""
    if earlier is later or earlier is _START:
        return later

    async def release() -> None:
        await later.released()
        await earlier.released()

    return Allow(
        policy=later.policy or earlier.policy,
        rules=(*earlier.rules, *later.rules),
        observed=later.observed or earlier.observed,
        release=release,
    )
