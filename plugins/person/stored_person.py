"""A person's rows in the database: counted, read, and erased so that it can be killed and run again."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.conversations.database.database import Database, Row, Transaction, query
from agent.conversations.thread import owner_digest
from identity.access_token.revocation import Target
from identity.principal import Principal
from plugins.person.inventory import ERASED, OF_OWNERS, OF_THREADS, Table

_AT_ONCE: Final = 20
"""Conversations of one transaction."""


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """One person in a database. Raises what `Database` raises. Creates no database."""

    database: Database
    person: Principal

    @property
    def owner(self) -> str:
        """The digest of the person."""
        return owner_digest(self.person)

    async def count(self) -> Counter[str]:
        """How many rows of each table are theirs."""
        counts: Counter[str] = Counter()
        if not await self.database.exists():
            return counts

        def counted(table: Table) -> Transaction[int]:
            condition = "owner = ?"
            if table.of_thread:
                condition = "thread_key IN (SELECT key FROM threads WHERE owner = ?)"
            [[number]] = yield from query(f"SELECT count(*) FROM {table.name} WHERE {condition}", self.owner)  # noqa: S608 - constants
            return int(number)

        for table in ERASED:
            counts[table.name] = await self.database.read(partial(counted, table))
        return counts

    async def revocations(self) -> int:
        """How many revocations and stops name them, which are kept."""
        if not await self.database.exists():
            return 0
        sql = "SELECT count(*) FROM revocations WHERE target IN (?, ?) AND name = ?"
        values = Target.USER.value, Target.CALLS_OF_USER.value, self.person.subject
        [[number]] = await self.database.read(lambda: query(sql, *values))
        return int(number)

    async def runs(self) -> dict[str, str]:
        """The conversations of their runs."""
        if not await self.database.exists():
            return {}
        joined = "runs JOIN threads ON threads.key = thread_key"
        sql = f"SELECT runs.run_id, threads.id FROM {joined} WHERE threads.owner = ?"  # noqa: S608 - constants
        return dict(await self.database.read(lambda: query(sql, self.owner)))

    async def rows(self, table: Table) -> AsyncIterator[Row]:
        """Their rows of a table; of conversations, those of one at a time are in memory."""
        if not table.of_thread:
            sql = table.select("owner = ?")
            for row in await self.database.read(lambda: query(sql, self.owner)):
                yield row
            return
        sql = table.select("threads.key = ?")
        for [key] in await self.database.read(
            lambda: query("SELECT key FROM threads WHERE owner = ?", self.owner)
        ):
            for row in await self.database.read(partial(query, sql, key)):
                yield row

    async def erase(self) -> Counter[str]:
        """Erases all their rows: how many of each table. A conversation ends with all that belongs to it, its
        runs, approvals and grants among it, in one transaction: a crash leaves it whole or nothing of it. The
        next erasure goes on with what is left.
        """
        erased: Counter[str] = Counter()
        if not await self.database.exists():
            return erased
        while of_threads := await self.database.write(self._threads_erased, durable=True):
            erased += of_threads
        for table in OF_OWNERS:
            sql = f"DELETE FROM {table.name} WHERE owner = ? RETURNING 1"  # noqa: S608 - constants
            rows = await self.database.write(partial(query, sql, self.owner), durable=True)
            erased[table.name] += len(rows)
        await self.database.scrub()
        return erased

    def _threads_erased(self) -> Transaction[Counter[str]]:
        some = f"SELECT key FROM threads WHERE owner = ? LIMIT {_AT_ONCE}"  # noqa: S608 - constants
        sql = f"DELETE FROM threads WHERE key IN ({some}) RETURNING key, id"  # noqa: S608 - constants
        threads = yield from query(sql, self.owner)
        erased: Counter[str] = Counter()
        for key, thread_id in threads:
            erased["threads"] += 1
            for table in OF_THREADS:
                sql = f"DELETE FROM {table.name} WHERE thread_key = ? RETURNING 1"  # noqa: S608 - constants
                erased[table.name] += len((yield from query(sql, key)))
            for table in OF_OWNERS:
                if (column := table.thread_column) is None:
                    continue
                sql = f"DELETE FROM {table.name} WHERE owner = ? AND {column} = ? RETURNING 1"  # noqa: S608 - constants
                thread = key if column == "thread_key" else thread_id
                erased[table.name] += len((yield from query(sql, self.owner, thread)))
        return erased
