"""The database of an application's approvals: the server's tables, encrypted and cleaned as the server's are.

The store and its upkeep are the server's, and imported only for this.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.background import Background
from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.database.database import Database, query
from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.encryption.encryption import Encryption, KeyRegister
from agent.conversations.encryption.reencryption import Reencryption
from agent.conversations.threads import ThreadStore
from idaas_agent.library.settings import LibrarySettings
from identity.secrets.secret import Secret

_ROUND_SECONDS: Final = 600.0
_KEPT_SECONDS: Final = 7 * 86_400.0
"""How long an approval is kept after its time, in which the model may read what became of it."""
_OVER: Final = (
    "DELETE FROM approvals WHERE expires_at < ? AND NOT EXISTS"
    " (SELECT 1 FROM threads WHERE threads.owner = approvals.owner AND threads.id = approvals.thread_id)"
    " RETURNING id"
)
"""The approvals of an agent that has the same database belong to its conversations, and end with them."""


class ApprovalDatabase(Background):
    """Opens nothing before the first use. While it is started, it deletes approvals whose time is over, and
    brings the others under the present key, now and every ten minutes.
    """

    def __init__(
        self, place: Path | Secret, settings: LibrarySettings, *, clock: Callable[[], float]
    ) -> None:
        """`place` is a file, or the URL of a PostgreSQL."""
        super().__init__()
        file = settings.conversations_key_file
        encryption = Encryption() if file is None else Encryption(file.keys, allows_clear=file.allows_clear)
        enter = KeyRegister(encryption).enter
        self.database: Database
        if isinstance(place, Path):
            self.database = SqliteDatabase(place, enter)
        else:
            address = conninfo(place, settings.ssl_cert_file)
            self.database = PostgresDatabase(PostgresConnections(address), enter)
        threads = ThreadStore(self.database, encryption, clock=clock)
        self._reencryption = Reencryption(self.database, encryption, threads.index_anew)
        self._clock = clock
        self.approvals: Final = SqlApprovalStore(self.database, encryption)

    async def upkeep(self) -> None:
        """Deletes approvals a week after their time, and brings the others under the present key. Creates no
        database. Raises what the database raises.
        """
        if not await self.database.exists():
            return
        over = self._clock() - _KEPT_SECONDS
        if await self.database.write(lambda: query(_OVER, over)):
            await self.database.scrub()
        await self._reencryption.run()

    async def aclose(self) -> None:
        """Closes the connections."""
        await super().aclose()
        await self.database.aclose()

    async def _work(self) -> None:
        while True:
            await self._attempt(self.upkeep(), "approvals were not purged")
            await self.sleep(_ROUND_SECONDS)
