"""Whether the Redis that processes share for their request counts accepts the agent."""

import contextlib
from typing import Any

from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError
from identity.secrets.secret import Secret


async def check_redis(url: Secret, cafile: str | None, *, seconds: float = 5.0) -> None:
    """Raises `ConfigurationError`, without the address, which may contain a password.

    The agent does not need Redis to run: without it each process counts separately.
    """
    from redis.asyncio import Redis  # an optional dependency, which the settings have found
    from redis.exceptions import AuthenticationError, RedisError

    address = url.reveal()
    trust: dict[str, Any] = {"ssl_ca_certs": cafile} if cafile and address.startswith("rediss:") else {}
    redis = Redis.from_url(address, socket_timeout=seconds, socket_connect_timeout=seconds, **trust)
    fault = ""
    try:
        await redis.ping()
    except AuthenticationError:
        fault = "REDIS_URL: Redis does not accept the user or the password"
    except (RedisError, OSError):
        fault = "REDIS_URL: Redis does not respond"
    finally:
        with contextlib.suppress(RedisError, OSError):
            await redis.aclose()
    if fault:
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, [fault])
