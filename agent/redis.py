"""The Redis that the processes of one agent share, and the time in which it is away.

May import `agent.settings`, `agent.errors`, `agent.background` and the packages below `agent`.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from agent.background import end_tasks
from agent.errors.error_codes import AgentCode
from agent.settings.settings import Settings
from http1.transport import PoolUse
from identity.errors import UnreachableError
from identity.observation.metrics import Kind, Metrics
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis as Redis
else:
    Redis = Any  # the import takes time, and most agents use no Redis

T = TypeVar("T")

_LOG: Final = logging.getLogger("idaas_agent.redis")
SECONDS: Final = 0.5
"""How long a request waits for Redis at most."""
_AWAY_SECONDS: Final = 5.0
"""How long Redis is not used after a failure, unless it responds before."""
_WATCH_SECONDS: Final = 0.5
"""Between two pings after a failure."""
_QUIET_SECONDS: Final = 60.0
"""Between two warnings."""
_PING_SECONDS: Final = 1.0
_CONNECTIONS: Final = 32
_GRACE_SECONDS: Final = 0.05
_CLUSTER: Final = "Redis Cluster is not supported: use one primary, or a proxy that hides the shards"
_CAUSES: Final = (
    (r"CROSSSLOT|MOVED|CLUSTERDOWN|ClusterCrossSlot|cluster support", _CLUSTER),
    (
        r"CERTIFICATE|certificate|[Hh]ostname mismatch",
        "its certificate is not trusted, or is for another name",
    ),
    (r"SSL|TLS", "it does not speak TLS, or no version of it that the agent does"),
    (
        r"WRONGPASS|NOAUTH|invalid username|invalid password|Authentication",
        "it does not accept the user or the password",
    ),
    (r"NOPERM|NoPermission", "the user may not use the commands or the keys of the agent"),
    (r"READONLY|ReadOnly", "it is a read-only replica"),
    (r"OOM|OutOfMemory", "its memory is full"),
    (r"LOADING|BusyLoading", "it is starting"),
    (r"Name or service|getaddrinfo|Temporary failure in name", "its name is not known"),
    (r"refused|Connect call failed", "it refuses the connection"),
    (
        r"closed by server|reset by peer|[Cc]onnection lost",
        "it closes the connection; it may expect TLS (rediss://)",
    ),
)
_SILENT: Final = "it does not respond"
_SILENT_TLS: Final = "it does not respond, or does not speak TLS (redis://)"


def _cause(error: Exception, *, tls: bool) -> str:
    """The kind of `error`, and its meaning if that is known. Nothing of its text, which may have the URL."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        cause = _SILENT_TLS if tls else _SILENT
        return f"{kind}: {cause}"
    text = f"{kind} {error}"
    return next((f"{kind}: {cause}" for pattern, cause in _CAUSES if re.search(pattern, text)), kind)


class RedisUnavailableError(Exception):
    """Redis failed, or is not used because it failed a moment ago. The text is for operators."""


class RedisMeasures:
    """How often the Redis of one agent failed."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.failures = 0
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.redis.failures",
            "Failures of the Redis that processes share; after each it is not used until it responds",
            unit="{failure}",
            read=lambda: self.failures,
        )


class SharedRedis:
    """One pool of connections, which opens none before it is used.

    After a failure, Redis is asked in the background whether it responds, and is not used until it does, so
    that no request waits for it. A failure is logged as a warning, once in a minute at most, and its end
    once. No text contains the address.
    """

    def __init__(
        self,
        url: Secret,
        *,
        audience: str,
        cafile: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        measures: RedisMeasures | None = None,
    ) -> None:
        """`url` has the form that settings check. Names contain a digest of `audience`: agents of different
        audiences may share a Redis. `cafile` has the authorities to trust for `rediss://`.
        """
        self._name = f"idaas-agent:{hashlib.sha256(audience.encode()).hexdigest()[:32]}"
        self._monotonic = monotonic
        self._client = _client(url.reveal(), cafile)
        self._tls = url.reveal().startswith("rediss:")
        self._away_until = self._quiet_until = float("-inf")
        self._failure: str | None = None
        self._watch: asyncio.Task[None] | None = None
        self._is_logged = False
        self.seconds = SECONDS
        """How long a request waits for Redis at most."""
        self.measures: Final = measures or RedisMeasures()
        self.pool_use: Final = PoolUse()
        self.pool_use.limit = _CONNECTIONS

    def name(self, *parts: str) -> str:
        """The name of a key or a channel."""
        return ":".join((self._name, *parts))

    async def use(self, operation: Callable[[Redis], Awaitable[T]], seconds: float | None = None) -> T:
        """The result of `operation`, within `seconds`. Raises `RedisUnavailableError` on any failure."""
        if self._monotonic() < self._away_until:
            raise RedisUnavailableError(self._failure)
        if seconds is None:
            seconds = self.seconds
        self.pool_use.in_use += 1
        try:
            async with _time_limit(seconds):
                result = await operation(self._client)
        except Exception as error:  # noqa: BLE001 - the library raises many kinds, and their texts have the URL
            raise self._failed(_cause(error, tls=self._tls)) from None
        finally:
            self.pool_use.in_use -= 1
        self._failure = None
        if self._is_logged:
            self._is_logged = False
            _LOG.info("REDIS_URL: Redis responds again")
        return result

    async def messages(self, channel: str) -> AsyncGenerator[bytes | None]:
        """The messages that are published to `channel`. First `None`: from then on, no message is missed.
        `None` again after each second without a message, or earlier.

        Raises `RedisUnavailableError` when the connection is lost.
        """
        subscription = self._client.pubsub(ignore_subscribe_messages=True)

        async def done(command: object, seconds: float) -> Any:  # noqa: ANN401 - what Redis sends
            try:
                async with _time_limit(seconds):
                    return await cast(Awaitable[Any], command)
            except Exception as error:  # noqa: BLE001 - as above
                raise self._failed(_cause(error, tls=self._tls)) from None

        try:
            await done(subscription.subscribe(channel), self.seconds)
            yield None
            while True:
                receiving = subscription.get_message(timeout=_PING_SECONDS)
                message = await done(receiving, _PING_SECONDS + self.seconds)
                if message is None:  # detects a connection that was lost silently
                    await done(subscription.ping(), self.seconds)
                    yield None
                elif message["type"] == "message":
                    yield message["data"]
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]  # redis-py gives it no types

    async def check(self) -> str:
        """For readiness. Raises `UnreachableError` while Redis is away, and for a Redis Cluster, in which no
        command and no script may use two such keys.
        """
        keys = [self.name("check", number) for number in "12"]
        try:
            await self.use(lambda redis: cast(Awaitable[Any], redis.exists(*keys)))
        except RedisUnavailableError as error:
            raise UnreachableError(AgentCode.REDIS_UNAVAILABLE, f"Redis failed ({error})") from None
        return "Redis responds"

    async def aclose(self) -> None:
        """Closes the connections."""
        await end_tasks(self._watch)
        await self._client.connection_pool.aclose()

    def _failed(self, kind: str) -> RedisUnavailableError:
        self.measures.failures += 1
        self._note(kind)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._responds(), name="return of Redis")
        return RedisUnavailableError(kind)

    def _note(self, kind: str) -> None:
        now = self._monotonic()
        self._failure = kind
        self._away_until = now + _AWAY_SECONDS
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            self._is_logged = True
            text = "REDIS_URL: Redis failed (%s); until it responds, each process counts for itself"
            _LOG.warning(text, kind)

    async def _responds(self) -> None:
        """Waits until Redis responds, within the time of a request."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                async with _time_limit(SECONDS):
                    await cast(Awaitable[Any], self._client.ping())
            except Exception as error:  # noqa: BLE001 - as above
                self._note(_cause(error, tls=self._tls))
            else:
                self._away_until = float("-inf")
                return


@asynccontextmanager
async def _time_limit(seconds: float) -> AsyncGenerator[None]:
    """Raises `TimeoutError` after `seconds`. If the event loop was late by then, a response that has arrived
    meanwhile is read first: a busy process does not take Redis for unavailable.

    The Redis client loses a cancellation at some steps, and its caller would go on: it is raised at the end.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs has a task
    cancellations = task.cancelling()
    try:
        async with asyncio.timeout(None) as limit:
            timer = loop.call_later(seconds, lambda: limit.reschedule(loop.time() + _GRACE_SECONDS))
            try:
                yield
            finally:
                timer.cancel()
    finally:
        if task.cancelling() > cancellations:
            raise asyncio.CancelledError


def _client(address: str, cafile: str | None) -> Redis:
    """Opens no connection yet. The import is here because it takes time and most agents use no Redis."""
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    trusted: dict[str, str] = {}
    if cafile and address.startswith("rediss:"):
        trusted["ssl_ca_certs"] = cafile
    pool = BlockingConnectionPool.from_url(
        address,
        max_connections=_CONNECTIONS,
        timeout=SECONDS,
        # One retry on a new connection: the pooled one may be from before a restart of the server.
        retry=Retry(NoBackoff(), 1),
        **trusted,
    )
    return Redis(connection_pool=pool)


def shared_redis(settings: Settings, measures: RedisMeasures | None = None) -> SharedRedis | None:
    """The Redis of the settings, which opens no connection yet; `None` without `REDIS_URL`."""
    if settings.redis_url is None:
        return None
    cafile = str(settings.ssl_cert_file) if settings.ssl_cert_file else None
    return SharedRedis(settings.redis_url, audience=settings.agent_audience, cafile=cafile, measures=measures)
