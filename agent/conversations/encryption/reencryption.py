"""Brings what is stored under former keys, or in clear, under the present key, so that the former can go."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.conversations.database.database import Database, Row, Transaction, Value, query
from agent.conversations.encryption.encryption import Encryption, KeyRegister
from identity.errors import ConfigurationError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_AT_ONCE: Final = 200
_JOIN: Final = " JOIN threads ON threads.key = thread_key"
_RUN: Final = "{}.run_id"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of sealed values. A row has its key, owner, identifier, run or thread, and the value."""

    table: str
    name: str
    keys: tuple[str, ...]
    first: tuple[Value, ...]
    """Before all keys."""
    place: tuple[str, *tuple[int, ...]]
    """The kind of value, then the members of a row that its place has."""
    join: str = ""
    run: str = "NULL"
    at_once: int = _AT_ONCE

    def select(self) -> str:
        keys = ", ".join(self.keys)
        places = ", ".join("?" * len(self.keys))
        run = self.run.format(self.table)
        return (
            f"SELECT {keys}, owner, id, {run}, {self.name} FROM {self.table}{self.join}"  # noqa: S608 - constants
            f" WHERE ({keys}) > ({places}) AND {self.name} IS NOT NULL ORDER BY {keys} LIMIT {self.at_once}"
        )

    def update(self) -> str:
        condition = " AND ".join(f"{key} = ?" for key in self.keys)
        return f"UPDATE {self.table} SET {self.name} = ? WHERE {condition} AND {self.name} = ?"  # noqa: S608 - constants


_COLUMNS: Final = (
    _Column("threads", "title", ("key",), (-1,), ("title", 1, 2)),
    _Column("threads", "labels", ("key",), (-1,), ("labels", 1, 2)),
    _Column("messages", "body", ("thread_key", "seq"), (-1, -1), ("message", 2, 3, 4), _JOIN, _RUN),
    _Column("files", "body", ("thread_key", "file_id"), (-1, ""), ("file", 2, 3, 1), _JOIN, at_once=1),
    _Column(
        *("drafts", "body", ("thread_key", "drafts.run_id", "number"), (-1, "", -1)),
        *(("draft", 3, 4, 1, 2), _JOIN),
    ),
    _Column("approvals", "body", ("id",), ("",), ("request", 1, 3, 2), run="thread_id"),
    _Column("approvals", "state", ("id",), ("",), ("state", 1, 3, 2), run="thread_id"),
    _Column("grants", "body", ("id",), ("",), ("grant", 1, 2)),
    _Column("day_counts", "body", ("day", "id"), ("", ""), ("count", 2, 3)),
    _Column("counted_calls", "body", ("id",), ("",), ("counted", 1, 2)),
    _Column("checkpoints", "body", ("thread_key",), (-1,), ("checkpoint", 1, 2, 3), _JOIN, _RUN),
)


class Reencryption:
    """One pass over everything that is stored, if there are former keys; afterwards they are not needed.

    A value that cannot be opened at its place, such as one in clear that may not be, is left as it is: if it
    were sealed, it would be believed.

    `index_anew` makes the hashes of the search anew, which depend on the present key.
    """

    def __init__(
        self, database: Database, encryption: Encryption, index_anew: Callable[[], Awaitable[None]]
    ) -> None:
        self._database = database
        self._index_anew = index_anew
        self._encryption = encryption
        self._register = KeyRegister(encryption)

    async def run(self) -> int:
        """How many values were encrypted anew. Raises what the database raises."""
        await self._database.write(self._register.enter)
        if not (former := await self._database.read(self._register.former)):
            return 0
        changed = 0
        refused = 0
        for column in _COLUMNS:
            after = column.first
            while rows := await self._database.read(partial(query, column.select(), *after)):
                after = rows[-1][: len(column.keys)]
                outdated = [row for row in rows if not self._encryption.is_present(row[-1])]
                opened = await self._database.write(partial(self._replace, column, outdated))
                changed += opened
                refused += len(outdated) - opened
        await self._index_anew()
        if refused:
            _LOG.error("%d stored values cannot be opened, and are left as they are", refused)
        else:
            await self._database.write(lambda: self._register.remove(former))
        _LOG.info("%d values were brought under the present key of conversations", changed)
        return changed

    def _replace(self, column: _Column, outdated: Sequence[Row]) -> Transaction[int]:
        """How many of the values could be opened, and were sealed anew."""
        opened = 0
        for row in outdated:
            what, *members = column.place
            place = (what, *[row[member] for member in members])
            stored = row[-1]
            try:
                sealed = self._encryption.seal(self._encryption.open(stored, *place), *place)
            except ConfigurationError:
                continue
            opened += 1
            # A value that was replaced meanwhile is under the key of the one who did it.
            yield from query(column.update(), sealed, *row[: len(column.keys)], stored)
        return opened
