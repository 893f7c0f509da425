"""The parts of an agent that outlast its runs: all of them, or none (`CONVERSATIONS_URL=none`)."""

from dataclasses import dataclass

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.storage import ConversationStorage
from agent.runs.conversation_runs import Conversations
from graph.approvals.grants import Grants
from graph.approvals.inbox import Inbox


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
