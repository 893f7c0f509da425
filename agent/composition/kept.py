"""The parts of an agent that outlast its runs: all of them, or none (`CONVERSATIONS_URL=none`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.storage import ConversationStorage
from agent.runs.conversation_runs import Conversations
from graph.approvals.grants import Grants
from graph.approvals.inbox import Inbox
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.trail import AuditTrail
from tools.service import Access, Service


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
