"""Approvals in a database, which outlive the process: `approvals=` of an `Identity`.

The store is the server's, in tables of the same form, without encryption: a request has no arguments and no
secret. With it, a call that changes something begins once over all processes that share the database.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStore
from graph.call_steps.once import BEGINNINGS, BegunCalls
from identity.errors import ApprovalError
from identity.parts import IdentityParts
from identity.secrets.secret import Secret
from tools.approval_policy import Effect

_SQLITE: Final = "sqlite:///"
_KEPT_SECONDS: Final = 400 * 86_400.0


@dataclass(frozen=True, slots=True)
class KeptCalls:
    """Where approvals and beginnings of calls are kept."""

    approvals: ApprovalStore
    begun: BegunCalls


class StoredApprovals:
    """Those of the database at `url`, which is opened for each event loop."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._kept: WeakKeyDictionary[IdentityParts, KeptCalls] = WeakKeyDictionary()

    def of(self, opened: IdentityParts) -> KeptCalls:
        """What is kept, for the event loop of `opened`, with which the connections are closed."""
        if opened not in self._kept:
            database = _database(self._url.reveal(), opened.settings.ssl_cert_file)
            opened.users.push_async_callback(database.aclose)
            self._kept[opened] = kept_in(_store(database), opened.clock)
        return self._kept[opened]


def kept_in(store: ApprovalStore, clock: Callable[[], float], seconds: float = _KEPT_SECONDS) -> KeptCalls:
    """Both in `store`. A beginning is to be known for `seconds`."""
    return KeptCalls(store, _StoredBegunCalls(store, clock, seconds))


@dataclass(frozen=True, slots=True)
class _StoredBegunCalls:
    """A `BegunCalls`: the beginning of a call is a question that is decided at once, by one process."""

    store: ApprovalStore
    clock: Callable[[], float]
    seconds: float

    async def begin(self, call: str) -> bool:
        """See `BegunCalls`."""
        now = self.clock()
        digest = hashlib.sha256(call.encode()).hexdigest()
        beginning = ApprovalRequest(
            id=f"begun-{digest}",
            kind=ApprovalKind.TOOL_CALL,
            thread_id=digest,
            principal=BEGINNINGS,
            digest=digest,
            effect=Effect.WRITE,
            created_at=now,
            expires_at=now + self.seconds,
        )
        await self.store.open(beginning)
        try:
            await self.store.decide(beginning.id, BEGINNINGS, approved=True, digest=digest, at=now)
        except ApprovalError:
            return False
        return True


def _database(url: str, cafile: Path | None) -> Any:  # noqa: ANN401 - `agent.conversations` is imported here only
    if url.startswith(_SQLITE):
        from agent.conversations.database.sqlite_database import SqliteDatabase

        return SqliteDatabase(Path(url.removeprefix(_SQLITE)))
    from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
    from agent.conversations.database.postgres_database import PostgresDatabase

    return PostgresDatabase(PostgresConnections(conninfo(Secret(url), cafile)))


def _store(database: Any) -> ApprovalStore:  # noqa: ANN401 - the same
    from agent.conversations.approvals import SqlApprovalStore
    from agent.conversations.encryption.encryption import Encryption

    return SqlApprovalStore(database, Encryption())
