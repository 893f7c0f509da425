"""The stores of revocations, and the reader of the events that cause them, which the settings name."""

from collections.abc import Callable, Sequence

from httpx import AsyncClient

from agent.operations.revocation.database_store import DatabaseStore, database_store
from agent.operations.revocation.redis_store import RedisStore
from agent.operations.revocation.relayed_reports import RelayedReports
from agent.operations.revocation.stop_reports import DatabaseReports, RedisReports, StopReports
from agent.operations.revocation.store import RevocationStore
from agent.redis import SharedRedis
from agent.settings.settings import Settings
from agent.settings.variables.conversations import SqliteFile
from identity.idaas.user_event_reader import UserEventReader
from identity.signing_keys.jwks import Jwks


def revocation_stores(settings: Settings, redis: SharedRedis | None) -> list[RevocationStore]:
    """The stores that the settings name, the one that lasts first; they open nothing yet.

    Revocations are in PostgreSQL if conversations are; otherwise in a file of each machine. `redis` announces
    them; without PostgreSQL it must keep them, too, for machines that start later.
    """
    url = None if isinstance(settings.conversations_url, SqliteFile) else settings.conversations_url
    stores: list[RevocationStore] = [database_store(settings.revocations_file, url, settings.ssl_cert_file)]
    if redis is not None:
        stores.append(RedisStore(redis, lasts=not stores[0].shared))
    return stores


def stop_reports(
    stores: Sequence[RevocationStore], redis: SharedRedis | None, clock: Callable[[], float]
) -> StopReports:
    """Where processes report what goes on after a stop: in the database of `stores`, which
    `revocation_stores` made; in Redis if that is all that machines share.
    """
    database, *_ = [store for store in stores if isinstance(store, DatabaseStore)]
    in_database = DatabaseReports(database.database, clock, shared=database.shared)
    if database.shared or redis is None:
        return in_database
    return RelayedReports(RedisReports(redis, clock), in_database)


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
