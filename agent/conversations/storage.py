"""Joins the parts that store conversations, as the settings want them."""

from collections.abc import Callable
from typing import Final, Self

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.checkpoints import Checkpoints
from agent.conversations.database.database import Database
from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption, KeyRegister
from agent.conversations.encryption.reencryption import Reencryption
from agent.conversations.grants import SqlGrantStore
from agent.conversations.retention import Retention
from agent.conversations.run_fence import SqlRunFence
from agent.conversations.storage_limits import UNLIMITED, StorageLimits
from agent.conversations.threads import ThreadStore
from agent.settings.settings import Settings
from agent.settings.variables.conversations import SqliteFile


class ConversationStorage:
    """One database and everything that is stored in it. Opens nothing before the first use."""

    def __init__(
        self,
        database: Database,
        encryption: Encryption,
        *,
        days: float,
        clock: Callable[[], float],
        limits: StorageLimits = UNLIMITED,
        process_id: str | None = None,
    ) -> None:
        """`days` is how long a conversation is kept after its last change. `process_id` executes the runs of
        these conversations; `None`: a server does, which keeps their state.
        """
        self.database: Final = database
        self.encryption: Final = encryption
        self.threads: Final = ThreadStore(database, encryption, limits=limits, clock=clock)
        self.fence: Final = None if process_id is None else SqlRunFence(database, process_id, clock)
        """Asked before a call that changes something."""
        self.approvals: Final = SqlApprovalStore(database, encryption, self.fence)
        self.grants: Final = SqlGrantStore(database, encryption, self.approvals)
        self.checkpoints: Final = Checkpoints(database, encryption)
        self.retention: Final = Retention(
            database,
            days=days,
            clock=clock,
            also=Reencryption(database, encryption, self.threads.index_anew).run,
        )

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float], process_id: str | None = None) -> Self | None:
        """The storage of `CONVERSATIONS_URL`; `None` if conversations are not stored."""
        if settings.conversations_url is None:
            return None
        file = settings.conversations_key_file
        encryption = Encryption() if file is None else Encryption(file.keys, allows_clear=file.allows_clear)
        enter = KeyRegister(encryption).enter
        database: Database
        if isinstance(settings.conversations_url, SqliteFile):
            database = SqliteDatabase(settings.conversations_url.path, enter)
        else:
            address = conninfo(settings.conversations_url, settings.ssl_cert_file)
            database = PostgresDatabase(PostgresConnections(address), enter)
        limits = StorageLimits(
            thread_bytes=settings.max_thread_bytes,
            thread_messages=settings.max_thread_messages,
            user_bytes=settings.max_user_bytes,
            user_threads=settings.max_user_threads,
        )
        return cls(
            database,
            encryption,
            days=settings.conversation_days,
            limits=limits,
            clock=clock,
            process_id=process_id,
        )

    async def check(self) -> str:
        """Describes the database, for readiness and `doctor`. Raises what the database raises, and the error
        of a stored value that was refused lately.
        """
        description = await self.database.check()
        self.encryption.check()
        return description

    async def aclose(self) -> None:
        """Closes connections."""
        await self.retention.aclose()
        await self.database.aclose()
