"""The store of revocations that the settings name."""

from agent.revocation.file_store import FileStore
from agent.revocation.redis_store import RedisStore
from agent.revocation.store import RevocationStore
from agent.settings.settings import Settings


def revocation_store(settings: Settings) -> RevocationStore:
    """The store that the settings name; it opens nothing yet."""
    if settings.redis_url is None:
        return FileStore(settings.revocations_file)
    cafile = str(settings.ssl_cert_file) if settings.ssl_cert_file else None
    return RedisStore(settings.redis_url, audience=settings.agent_audience, cafile=cafile)
