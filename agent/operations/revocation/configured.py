"""The stores of revocations, and the reader of the events that cause them, which the settings name."""

from collections.abc import Callable
from typing import Final

from httpx import AsyncClient

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.operations.revocation.database_store import DatabaseStore
from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.store import RevocationStore
from agent.redis import SharedRedis
from agent.settings.settings import Settings
from agent.settings.variables.conversations import SqliteFile
from identity.idaas.user_event_reader import UserEventReader
from identity.signing_keys.jwks import Jwks

_CONNECTIONS: Final = 2
"""To PostgreSQL, besides the pool of conversations: one connection reads while the other writes."""


def revocation_stores(settings: Settings, redis: SharedRedis | None) -> list[RevocationStore]:
    """The stores that the settings name, the one that lasts first; they open nothing yet.

    Revocations are in PostgreSQL if conversations are; otherwise in a file of each machine. `redis` announces
    them; without PostgreSQL it must keep them, too, for machines that start later.
    """
    stores: list[RevocationStore] = [_database_store(settings)]
    if redis is not None:
        stores.append(RedisStore(redis, lasts=not stores[0].shared))
    return stores


def _database_store(settings: Settings) -> RevocationStore:
    if settings.conversations_url is None or isinstance(settings.conversations_url, SqliteFile):
        file = SqliteDatabase(settings.revocations_file)
        return DatabaseStore(file, "the file of REVOCATIONS_FILE", shared=False)
    # Here, because the import takes time, and most commands need no database.
    from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
    from agent.conversations.database.postgres_database import PostgresDatabase

    address = conninfo(settings.conversations_url, settings.ssl_cert_file)
    connections = PostgresConnections(address, most=_CONNECTIONS)
    return DatabaseStore(PostgresDatabase(connections), "the PostgreSQL of CONVERSATIONS_URL", shared=True)


def user_event_reader(
    settings: Settings, http: AsyncClient, clock: Callable[[], float]
) -> UserEventReader | None:
    """The reader of IDaaS's events, whose signatures it verifies; `None` if IDaaS sends none."""
    if (url := settings.idaas_events_jwks_endpoint) is None:
        return None
    return UserEventReader(
        keys=Jwks(url, http, clock=clock),
        instance_id=settings.idaas.instance_id,
        application_id=settings.idaas_events_application_id or "",
        key=settings.idaas_events_key_file,
        clock=clock,
    )
