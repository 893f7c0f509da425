"""Limits the requests of each caller in a minute; each input of a batch counts as one.

Requests are counted after authentication, so that they are charged to their own caller. A request that is
refused before its body is read is not counted; every other one is, whatever its response. The counters are in
this process, or in a Redis that several processes share. While Redis is unavailable, each process counts for
itself, which admits more, and logs a warning.

A counter is a sliding window. It is exact: any 60 seconds contain at most the limit, and a unit leaves the
window 60 seconds after it was taken. Refused units are not in it.
"""

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from functools import partial
from itertools import count, islice, takewhile
from typing import Any, Final

from cachetools import TTLCache
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import error_response
from agent.http.authentication import CALLER
from agent.redis import Redis, RedisUnavailableError, SharedRedis
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal

WINDOW_SECONDS: Final = 60


class LocalWindow:
    """The units that each caller took in the last minute, each with a name, in this process's memory. Taking
    is atomic: it does not suspend.
    """

    def __init__(self, limit: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._callers: TTLCache[str, dict[str, float]] = TTLCache(math.inf, WINDOW_SECONDS, monotonic)

    async def take(self, caller: str, name: str, amount: int, replaces: str = "") -> float:
        """Takes `amount` units, at most the limit, named `name.0`, `name.1`, …, in place of the unit
        `replaces`, if there is one.

        Returns 0; or takes none and returns the seconds after which they fit, if no others are taken.
        """
        now = self._monotonic()
        taken = self._callers.get(caller, {})
        past = now - WINDOW_SECONDS
        for unit, _ in list(takewhile(lambda counted: counted[1] <= past, taken.items())):
            del taken[unit]
        over = len(taken) + amount - self._limit
        if over > (replaces in taken):
            return max(0.001, next(islice(taken.values(), over - 1, None)) + WINDOW_SECONDS - now)
        taken.pop(replaces, None)
        taken.update({f"{name}.{number}": now for number in range(amount)})
        self._callers[caller] = taken  # for a minute from now on
        return 0


def caller_digest(audience: str, principal: Principal) -> str:
    """The name of a caller's counter: agents with different audiences may share a Redis."""
    text = f"{audience}\n{principal.issuer}\n{principal.subject}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def minute_key(caller: str) -> str:
    """The key in Redis of a caller's counter."""
    return f"idaas-agent:minute:{caller}"


async def take_in_redis(
    redis: Redis, limit: int, caller: str, name: str, amount: int, replaces: str = ""
) -> float:
    """See `LocalWindow.take`; in a Redis (5 or newer) that several processes share, by its clock.

    Raises the client's errors.
    """
    arguments: list[str | int] = [WINDOW_SECONDS * 1000, limit, amount, name, replaces]
    return int(await redis.register_script(_TAKE)([minute_key(caller)], arguments)) / 1000


# Only an admission renews the expiry of the key: it expires in a minute even if Redis's clock is set back.
_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local key, span, limit, amount = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - span)
local over = redis.call('ZCARD', key) + amount - limit
if over > (redis.call('ZSCORE', key, ARGV[5]) and 1 or 0) then
  local last = redis.call('ZRANGE', key, over - 1, over - 1, 'WITHSCORES')
  return math.max(1, math.min(span, last[2] + span - now))
end
redis.call('ZREM', key, ARGV[5])
for number = 0, amount - 1 do
  redis.call('ZADD', key, now, ARGV[4] .. '.' .. number)
end
redis.call('PEXPIRE', key, span)
return 0
"""


RECOUNT: Final = "idaas_agent.recount"
"""The key, in an ASGI scope, of what counts a request of a caller as another number of requests, in place of
the one that it was counted as before its body was read. Raises `LimitError`; then it counts as one.
"""


class RequestRate:
    """`per_minute` requests for each principal; 0 is no limit.

    The key of a counter is a digest of principal and `audience`: agents with different audiences may share a
    Redis, and Redis receives no names.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        audience: str,
        redis: SharedRedis | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_minute: Final = per_minute
        self._audience = audience
        self._local = LocalWindow(per_minute, monotonic=monotonic)
        self._redis = redis
        self._process = secrets.token_hex(8)
        self._numbers = count()

    async def count(self, principal: Principal, amount: int = 1, *, replaces: str = "") -> str:
        """Counts `amount` requests, at most `per_minute`, and returns their name. `replaces` is the name of a
        single request that was counted before and is removed.

        Raises `LimitError` if they exceed the limit, and changes nothing. After its `retry_after` they are
        within the limit, if the caller sends nothing else.
        """
        if not self.per_minute:
            return ""
        name = f"{self._process}.{next(self._numbers)}"
        if wait := await self._take(caller_digest(self._audience, principal), name, amount, f"{replaces}.0"):
            text = f"at most {self.per_minute} requests in a minute"
            raise LimitError(AgentCode.RATE_LIMITED, text, retry_after=wait)
        return name

    async def _take(self, *unit: Any) -> float:  # noqa: ANN401 - those of `LocalWindow.take`
        if self._redis is not None:
            try:
                return await self._redis.use(lambda redis: take_in_redis(redis, self.per_minute, *unit))
            except RedisUnavailableError:
                pass
        return await self._local.take(*unit)


def rate_limit(
    app: ASGIApp,
    *,
    rate: RequestRate,
    check_run: Callable[[Principal], None],
    starts_run: Callable[[Scope], bool],
) -> ASGIApp:
    """ASGI middleware, within authentication: counts the requests of verified callers. 429.

    `check_run` raises if no run can start now for a principal. A request that `starts_run` but cannot is
    refused before its body is read, and not counted. Public requests pass.
    """

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        caller: VerifiedAccessToken | None = scope.get(CALLER)
        if caller is not None:
            try:
                if starts_run(scope):
                    check_run(caller.principal)
                name = await rate.count(caller.principal)
            except AgentError as error:
                await error_response(error)(scope, receive, send)
                return
            scope[RECOUNT] = partial(rate.count, caller.principal, replaces=name)
        await app(scope, receive, send)

    return limited
