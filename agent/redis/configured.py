"""The Redis that the settings name."""

from agent.redis.shared_redis import SharedRedis
from agent.settings.settings import Settings


def shared_redis(settings: Settings) -> SharedRedis | None:
    """It opens no connection yet; `None` without `REDIS_URL`."""
    if settings.redis_url is None:
        return None
    cafile = str(settings.ssl_cert_file) if settings.ssl_cert_file else None
    return SharedRedis(settings.redis_url, audience=settings.agent_audience, cafile=cafile)
