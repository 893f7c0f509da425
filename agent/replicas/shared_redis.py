"""The Redis that the processes of one agent share, and the time in which it is away."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from agent.errors.error_codes import AgentCode
from agent.replicas.cancellation import kept_cancellation
from identity.errors import UnreachableError
from identity.secrets.secret import Secret
from identity.transport.pool_use import PoolUse

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool, Redis

T = TypeVar("T")

_LOG: Final = logging.getLogger("idaas_agent.redis")
SECONDS: Final = 0.5
"""How long a request waits for Redis at most."""
_AWAY_SECONDS: Final = 5.0
"""How long Redis is not used after a failure."""
_QUIET_SECONDS: Final = 60.0
"""Between two warnings."""
_PING_SECONDS: Final = 5.0
_CONNECTIONS: Final = 32
_GRACE_SECONDS: Final = 0.05


class RedisAwayError(Exception):
    """Redis did not do it, or is not used because it failed a moment ago. Its text is for operators."""


class SharedRedis:
    """One pool of connections, which opens none before it is used.

    After a failure, Redis is not used for five seconds, so that no more than one request in five seconds
    waits for it; after that it is used again. A failure is logged as a warning, once in a minute at most,
    and its end once. No text contains the address.
    """

    def __init__(
        self,
        url: Secret,
        *,
        audience: str,
        cafile: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` has the form that settings check. Names contain a digest of `audience`: agents of different
        audiences may share a Redis. `cafile` has the authorities to trust for `rediss://`.
        """
        self._name = f"idaas-agent:{hashlib.sha256(audience.encode()).hexdigest()[:32]}"
        self._monotonic = monotonic
        self._pool = _pool(url.reveal(), cafile)
        self._client = _client(self._pool)
        self._away_until = self._quiet_until = float("-inf")
        self._failure: str | None = None
        self.failures = 0
        """How often Redis failed, for metrics."""
        self.pool_use: Final = PoolUse()
        self.pool_use.limit = _CONNECTIONS

    def name(self, *parts: str) -> str:
        """The name of a key or a channel."""
        return ":".join((self._name, *parts))

    async def use(self, operation: Callable[["Redis"], Awaitable[T]], seconds: float = SECONDS) -> T:
        """The result of `operation`, within `seconds`. Raises `RedisAwayError`, whatever went wrong."""
        if self._monotonic() < self._away_until:
            raise RedisAwayError(self._failure)
        self.pool_use.in_use += 1
        try:
            async with _time_limit(seconds):
                result = await operation(self._client)
        except Exception as error:  # noqa: BLE001 - the library raises many kinds, and their texts have the URL
            raise self._failed(type(error).__name__) from None
        finally:
            self.pool_use.in_use -= 1
        self._recovered()
        return result

    async def messages(self, channel: str) -> AsyncGenerator[bytes | None]:
        """What is published to `channel`. First `None`: from then on, nothing is missed.

        Raises `RedisAwayError` when the connection is lost.
        """
        subscription = self._client.pubsub(ignore_subscribe_messages=True)

        async def done(command: object, seconds: float) -> Any:  # noqa: ANN401 - what Redis sends
            try:
                async with _time_limit(seconds):
                    return await cast(Awaitable[Any], command)
            except Exception as error:  # noqa: BLE001 - as above
                raise self._failed(type(error).__name__) from None

        try:
            await done(subscription.subscribe(channel), SECONDS)
            yield None
            while True:
                receiving = subscription.get_message(timeout=_PING_SECONDS)
                message = await done(receiving, _PING_SECONDS + SECONDS)
                if message is None:  # detects a connection that was lost silently
                    await done(subscription.ping(), SECONDS)
                elif message["type"] == "message":
                    yield message["data"]
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    async def check(self) -> str:
        """For readiness. Raises `UnreachableError` while Redis is away."""
        try:
            await self.use(lambda redis: cast(Awaitable[Any], redis.ping()))
        except RedisAwayError as error:
            raise UnreachableError(AgentCode.REDIS_UNAVAILABLE, f"Redis failed ({error})") from None
        return "Redis responds"

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._pool.aclose()

    def _failed(self, kind: str) -> RedisAwayError:
        now = self._monotonic()
        self.failures += 1
        self._failure = kind
        self._away_until = now + _AWAY_SECONDS
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            text = "REDIS_URL: Redis failed (%s); until it responds, each process counts for itself"
            _LOG.warning(text, kind)
        return RedisAwayError(kind)

    def _recovered(self) -> None:
        if self._failure is not None:
            self._failure, self._quiet_until = None, float("-inf")
            _LOG.info("REDIS_URL: Redis responds again")


@asynccontextmanager
async def _time_limit(seconds: float) -> AsyncGenerator[None]:
    """Raises `TimeoutError` after `seconds`. If the event loop was late by then, a response that has arrived
    meanwhile is read first: a busy process does not take Redis for away.
    """
    loop = asyncio.get_running_loop()
    with kept_cancellation():
        async with asyncio.timeout(None) as limit:
            timer = loop.call_later(seconds, lambda: limit.reschedule(loop.time() + _GRACE_SECONDS))
            try:
                yield
            finally:
                timer.cancel()


def _pool(address: str, cafile: str | None) -> "BlockingConnectionPool":
    """Opens no connection yet. The import is here because it takes time and most agents use no Redis."""
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return BlockingConnectionPool.from_url(
        address,
        max_connections=_CONNECTIONS,
        timeout=SECONDS,
        # One retry on a new connection: the pooled one may be from before a restart of the server.
        retry=Retry(NoBackoff(), 1),
        **({"ssl_ca_certs": cafile} if cafile and address.startswith("rediss:") else {}),
    )


def _client(pool: "BlockingConnectionPool") -> "Redis":
    from redis.asyncio import Redis

    return Redis(connection_pool=pool)
