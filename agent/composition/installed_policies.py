"""The policies of calls that installed packages add to what the services declare, found by entry points."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import httpx
from langchain_core.messages import ToolCall

from agent.conversations.storage import ConversationStorage
from agent.entry_points import installed
from agent.settings.settings import Settings
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, CallPolicy, Decision, Facts, Forecast, Undetermined
from graph.credentials.service_credentials import ServiceRequirement
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.broker import CredentialBroker
from tools.approval_policy import DataLabels
from tools.service import Access, Service, ToolSchema

ENTRY_POINTS: Final = "idaas_agent.policies"
"""The group of entry points by which installed packages add policies. An entry is a `MakePolicy`."""


class InstalledPolicy(CallPolicy, Protocol):
    """A `CallPolicy` that operators can watch."""

    async def check(self) -> None:
        """Raises `AgentError` while it cannot decide: `/ready` and `doctor` say so."""

    async def in_force(self) -> dict[str, str] | None:
        """Its description for people, with their rights, such as its digest and mode; `None`: none."""

    @property
    def sign_in_rules(self) -> Sequence[str]:
        """Names of rules that require a recent sign-in, as far as they are known."""


class Policy(ABC):
    """An `InstalledPolicy` that has nothing but its decisions: `return so_far` has no opinion."""

    sign_in_rules: Sequence[str] = ()

    @abstractmethod
    async def decide(
        self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        """See `CallPolicy`."""

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:  # noqa: ARG002 - the seam's
        """It may answer anything about any call."""
        return True

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:  # noqa: ARG002 - the seam's
        """The call decides, of which nothing is known yet."""
        return Undetermined(rules=so_far.rules, policy=so_far.policy)

    async def check(self) -> None:  # noqa: B027 - it can always decide, unless it says otherwise
        """Raises `AgentError` while it cannot decide."""

    async def in_force(self) -> dict[str, str] | None:
        """Its description for people."""
        return None


class PolicyParts(Protocol):
    """The parts that a policy is made from: those of an agent that knows no caller, no model and no run."""

    @property
    def settings(self) -> Settings:
        """The settings, as a plug-in reads its own (`Settings.of`)."""

    @property
    def services(self) -> Sequence[Service]:
        """The services."""

    @property
    def requirements(self) -> Mapping[str, ServiceRequirement]:
        """The credentials that they require, by the names of nodes."""

    @property
    def http(self) -> httpx.AsyncClient:
        """The client of the agent."""

    @property
    def broker(self) -> CredentialBroker:
        """The credentials."""

    @property
    def clock(self) -> Callable[[], float]:
        """The time, in unix seconds."""

    def access(self, name: str, caller: VerifiedAccessToken | None) -> Access:
        """The access of `caller` to the service `name`."""

    def listed_tools(self, service: Service) -> Sequence[ToolSchema] | None:
        """The tools of `service` that are known without a request; `None`: none are."""


MakePolicy: TypeAlias = Callable[[PolicyParts, ConversationStorage | None], InstalledPolicy | None]
"""Makes the policy of an agent by its services, settings and storage; `None` if its settings want none.

Raises `ConfigurationError` for faults of its settings.
"""


def installed_policies(parts: PolicyParts, storage: ConversationStorage | None) -> list[InstalledPolicy]:
    """The policies that the settings want, in the order in which they decide: that of their entry points.

    Raises `ConfigurationError` for each that cannot be imported, and what their functions raise.
    """
    policies = [make(parts, storage) for make in installed(ENTRY_POINTS).values()]
    return [policy for policy in policies if policy is not None]


async def check_policies(policies: Sequence[InstalledPolicy]) -> None:
    """Raises `AgentError` while one of them cannot decide."""
    for policy in policies:
        await policy.check()


async def in_force(policies: Sequence[InstalledPolicy]) -> dict[str, str] | None:
    """The description of the first policy that has one."""
    for policy in policies:
        described = await policy.in_force()
        if described is not None:
            return described
    return None
