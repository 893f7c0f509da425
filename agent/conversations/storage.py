"""What the settings say of the storage of conversations, as parts that are joined."""

from collections.abc import Callable
from typing import Final, Self

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.checkpoints import Checkpoints
from agent.conversations.database import Database
from agent.conversations.encryption import Encryption
from agent.conversations.serializer import checkpoint_serializer
from agent.conversations.sqlite_database import SqliteDatabase
from agent.conversations.threads import ThreadStore
from agent.settings.variables import Settings


class ConversationStorage:
    """One database and everything that is stored in it. Opens nothing before the first use."""

    def __init__(self, database: Database, encryption: Encryption, *, clock: Callable[[], float]) -> None:
        self._database = database
        self.threads: Final = ThreadStore(database, encryption, clock=clock)
        self.approvals: Final = SqlApprovalStore(database, encryption)
        serde = checkpoint_serializer(encryption)
        self.checkpoints: Final = Checkpoints(lambda: database.saver(serde), database.failure)

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float]) -> Self | None:
        """The storage of `CONVERSATIONS_URL`; `None` if conversations are not stored."""
        if settings.conversations_url is None:
            return None
        database = SqliteDatabase(settings.conversations_url.path)
        return cls(database, Encryption(settings.conversations_key_file), clock=clock)

    async def check(self) -> str:
        """What was found, for readiness and `doctor`. Raises what `Database.check` raises."""
        return await self._database.check()

    async def aclose(self) -> None:
        """Closes connections."""
        await self.checkpoints.aclose()
        await self._database.aclose()
