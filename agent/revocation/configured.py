"""The store of revocations, and the reader of the events that cause them, which the settings name."""

from collections.abc import Callable

from httpx import AsyncClient

from agent.revocation.file_store import FileStore
from agent.revocation.redis_store import RedisStore
from agent.revocation.store import RevocationStore
from agent.settings.settings import Settings
from identity.idaas.user_events.user_event_reader import UserEventReader
from identity.signing_keys.jwks import Jwks
from identity.signing_keys.key_source import KeySource


def revocation_store(settings: Settings) -> RevocationStore:
    """The store that the settings name; it opens nothing yet."""
    if settings.redis_url is None:
        return FileStore(settings.revocations_file)
    cafile = str(settings.ssl_cert_file) if settings.ssl_cert_file else None
    return RedisStore(settings.redis_url, audience=settings.agent_audience, cafile=cafile)


def events_jwks(settings: Settings, http: AsyncClient, clock: Callable[[], float]) -> Jwks | None:
    """The keys that sign IDaaS's events; `None` if it sends none."""
    url = settings.idaas_events_jwks_endpoint
    return Jwks(url, http, clock=clock) if url else None


def user_event_reader(
    settings: Settings, keys: KeySource | None, clock: Callable[[], float]
) -> UserEventReader | None:
    """The reader of IDaaS's events, whose signatures `keys` verify; `None` without keys."""
    if keys is None:
        return None
    return UserEventReader(
        keys=keys,
        instance_id=settings.idaas.instance_id,
        application_id=settings.idaas_events_application_id or "",
        key=settings.idaas_events_key_file,
        clock=clock,
    )
