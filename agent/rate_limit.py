"""How many requests one caller may send in a minute.

Counting begins after authentication, so that nobody uses up the requests of another. The library `limits`
counts, in a sliding window: in this process, or in a Redis that several share. A Redis that is away locks
nobody out: meanwhile each process counts for itself, which admits more, and the log says so.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.authentication import CALLER
from agent.error_responses import error_response
from identity.access_token import Principal, VerifiedAccessToken
from identity.error_table import ErrorCode
from identity.errors import LimitError
from identity.secret import Secret

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

_LOG: Final = logging.getLogger("idaas_agent.rate_limit")
_REDIS_SECONDS: Final = 0.5
"""The longest that a request waits for Redis."""
_AWAY_SECONDS: Final = 5.0
"""How long Redis is left alone once it failed."""
_SAID_SECONDS: Final = 60.0
"""How often the log says so."""


class RequestRate:
    """`per_minute` requests for each principal; 0 is no limit. `redis_url` has the form that settings check.

    Principals are counted under a digest, together with `audience`: agents that share a Redis do not share
    their users' requests, nor does Redis learn who they are. `cafile` is whom `rediss://` trusts.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        audience: str,
        redis_url: Secret | None = None,
        cafile: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._item = RateLimitItemPerMinute(per_minute, namespace="requests") if per_minute else None
        self._audience = audience
        self._alone = SlidingWindowCounterRateLimiter(_Counters())
        self._redis = _connections(redis_url, cafile) if self._item and redis_url else None
        self._together = _together(self._redis) if self._redis else None
        self._monotonic = monotonic
        self._away_until = self._said_until = float("-inf")

    async def count(self, principal: Principal) -> None:
        """Counts one request. Raises `LimitError`, with the time to wait, if it is one too many."""
        if self._item is None:
            return
        text = f"{self._audience}\n{principal.issuer}\n{principal.subject}"
        key = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        if self._together is not None and self._monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    await self._hit(self._together, self._item, key)
            except LimitError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with Redis is no caller's fault
                self._is_away(error)
            else:
                return
        await self._hit(self._alone, self._item, key)

    async def aclose(self) -> None:
        """Closes the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    async def _hit(
        self, counters: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, key: str
    ) -> None:
        if not await counters.hit(item, key):
            window = await counters.get_window_stats(item, key)
            raise LimitError(
                ErrorCode.RATE_LIMITED,
                f"at most {item.amount} requests in a minute",
                retry_after=max(1.0, window.reset_time - time.time()),
            )

    def _is_away(self, error: Exception) -> None:
        now = self._monotonic()
        self._away_until = now + _AWAY_SECONDS
        if now >= self._said_until:
            self._said_until = now + _SAID_SECONDS
            _LOG.warning(
                "RATE_LIMIT_URL: Redis failed (%s); this process counts requests for itself",
                type(error).__name__,
            )


class RateLimit:
    """A pure ASGI middleware, within authentication: counts the requests of verified callers. 429."""

    def __init__(self, app: ASGIApp, *, rate: RequestRate) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is public or within the limit."""
        caller: VerifiedAccessToken | None = scope.get(CALLER)
        if caller is not None:
            try:
                await self._rate.count(caller.principal)
            except LimitError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Counters(MemoryStorage):
    """The library's counters in memory, but for one thing: it looks at all of them at every request.

    Here that happens once a minute. Nothing in it suspends, so that counting is atomic without a lock.
    """

    _swept_at = 0.0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Adds to a counter that lives for `expiry` seconds, and returns it."""
        now = time.time()
        if now >= self._swept_at + 60:
            self._swept_at = now
            for each in list(self.expirations):
                await self.get(each)  # which forgets it if it is over
        count = await self.get(key) + amount
        self.storage[key] = count
        self.expirations.setdefault(key, now + expiry)
        return count


def _connections(url: Secret, cafile: str | None) -> "BlockingConnectionPool":
    """Opens nothing yet. Imported here: most agents have no Redis, and it takes its time."""
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    address = url.reveal()
    return BlockingConnectionPool.from_url(
        address,
        max_connections=32,
        timeout=_REDIS_SECONDS,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
        **({"ssl_ca_certs": cafile} if cafile and address.startswith("rediss:") else {}),
    )


def _together(connections: "BlockingConnectionPool") -> SlidingWindowCounterRateLimiter:
    from limits.aio.storage import RedisStorage

    # The address is the connections' alone: it may have a password.
    options: dict[str, Any] = {"connection_pool": connections}
    storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="idaas-agent", **options)
    return SlidingWindowCounterRateLimiter(storage)
