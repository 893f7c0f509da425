"""The parts of an agent that outlast its runs: all of them, or none (`CONVERSATIONS_URL=none`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.storage import ConversationStorage
from agent.runs.conversation_runs import Conversations
from agent.runs.live_run import LiveRuns
from agent.runs.relay import Relay
from agent.runs.run_parts import RunParts
from graph.approvals.grants import Grants
from graph.approvals.inbox import Inbox
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from tools.service import Access, Service

if TYPE_CHECKING:
    from agent.composition.agent import Agent


def grants_of(
    storage: ConversationStorage,
    services: Sequence[Service],
    access: Callable[[str, VerifiedAccessToken], Access],
    revocations: RevocationList,
    audit: AuditTrail,
    clock: Callable[[], float],
) -> Grants:
    """The grants of `storage`, which count by the `services` and by what is revoked now. Those that are given
    or withdrawn are recorded in `audit`. `access` returns a caller's access to the service of a name.
    """
    by_name = {service.name: service for service in services}
    return Grants(storage.grants, by_name, access, revocations, audit, clock)


def kept_by(agent: "Agent", storage: ConversationStorage, grants: Grants) -> "Kept":
    """The parts of `agent` that have `storage`, once its graph and its runs are made."""
    settings = agent.settings
    clock = agent.clock
    parts = RunParts(
        graph=agent.graph,
        threads=storage.threads,
        approvals=storage.approvals,
        answers=agent.answers,
        checkpoints=storage.checkpoints,
        process_id=agent.process_id,
        window_tokens=settings.conversation_tokens,
        clock=clock,
        consent_urls=agent.consent_urls,
        titles=agent.titles,
    )
    live = LiveRuns()
    relay = None
    if agent.redis is not None:
        relay = Relay(agent.redis, storage.encryption, storage.threads, live, clock=clock)
    conversations = Conversations(parts, agent.runs, live=live, relay=relay)
    inbox = Inbox(storage.approvals, agent.identity.audit, clock, settings.policy_groups_claim)
    return Kept(storage, conversations, grants, inbox)


@dataclass(frozen=True, slots=True)
class Kept:
    """Conversations, and what people have been asked and have decided."""

    storage: ConversationStorage
    conversations: Conversations
    """Their runs."""
    grants: Grants
    """The approvals beyond one call."""
    inbox: Inbox
    """The questions that wait for others than the asker."""

    @property
    def approvals(self) -> SqlApprovalStore:
        """The questions to people, and their decisions."""
        return self.storage.approvals

    def start_tasks(self) -> None:
        """Starts what goes on beside the runs: retention, and the heartbeat of conversations."""
        self.storage.retention.start()
        self.conversations.start_tasks()

    async def aclose(self) -> None:
        """Ends the tasks, and closes connections. The runs have been ended before."""
        await self.conversations.aclose()
        await self.storage.aclose()
