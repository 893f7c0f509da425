"""The rate limit of one caller, by the minute: requests, and each input of a request that has several.

Counting begins after authentication, so that a caller uses up only their own requests. What is refused is
not counted. The counters are in this process, or in a Redis that several share. While Redis is away each
process counts for itself, which admits more, and logs a warning.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.errors import error_response
from agent.error_codes import AgentCode
from agent.middleware.authentication import CALLER
from agent.middleware.request_window import LocalWindow, RedisWindow, Window
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal
from identity.secret import Secret

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool

_Result = TypeVar("_Result")

_LOG: Final = logging.getLogger("idaas_agent.rate_limit")
_REDIS_SECONDS: Final = 0.5
"""The longest that a request waits for Redis."""
_RETRY_SECONDS: Final = 5.0
"""How long Redis is not used after it failed."""
_LOG_INTERVAL: Final = 60.0
"""Seconds between two warnings about Redis."""
_COUNTED: Final = "idaas_agent.counted_request"


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
        self.per_minute: Final = per_minute
        self._audience = audience
        self._local = LocalWindow(per_minute, monotonic=monotonic)
        self._redis = _connections(redis_url, cafile) if per_minute and redis_url else None
        self._shared = _shared(per_minute, self._redis) if self._redis else None
        self._process = secrets.token_hex(8)
        self._numbers = count()
        self._monotonic = monotonic
        self._local_until = self._quiet_until = float("-inf")

    async def count(self, principal: Principal, amount: int = 1, *, instead_of: str = "") -> str:
        """Counts `amount` requests (at most `per_minute`), and returns what to call them. With `instead_of`,
        a single request that was counted before, they count instead of it.

        Raises `LimitError` if they are too many, and counts none of them. After its `retry_after` there is
        room for them, if the caller sends nothing else.
        """
        if not self.per_minute:
            return ""
        name = f"{self._process}.{next(self._numbers)}"
        caller = self._digest(principal)
        wait = await self._apply(lambda window: window.take(caller, name, amount, f"{instead_of}.0"))
        if wait:
            text = f"at most {self.per_minute} requests in a minute"
            raise LimitError(AgentCode.RATE_LIMITED, text, retry_after=wait)
        return name

    async def give_back(self, principal: Principal, name: str) -> None:
        """Takes back the counting of a single request."""
        if name:
            caller = self._digest(principal)
            await self._apply(lambda window: window.give_back(caller, f"{name}.0"))

    async def aclose(self) -> None:
        """Closes the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _digest(self, principal: Principal) -> str:
        text = f"{self._audience}\n{principal.issuer}\n{principal.subject}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    async def _apply(self, operation: Callable[[Window], Awaitable[_Result]]) -> _Result:
        if self._shared is not None and self._monotonic() >= self._local_until:
            try:
                async with asyncio.timeout(_REDIS_SECONDS):
                    return await operation(self._shared)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with Redis is no caller's fault
                self._redis_failed(error)
        return await operation(self._local)

    def _redis_failed(self, error: Exception) -> None:
        now = self._monotonic()
        self._local_until = now + _RETRY_SECONDS
        if now >= self._quiet_until:
            self._quiet_until = now + _LOG_INTERVAL
            _LOG.warning(
                "REDIS_URL: Redis failed (%s); this process counts requests for itself",
                type(error).__name__,
            )


class CountedRequest:
    """What a request was counted as before its body was read: one. Its route may know better."""

    def __init__(self, rate: RequestRate, principal: Principal, name: str) -> None:
        self._rate = rate
        self._principal = principal
        self._name = name

    @property
    def most(self) -> int | None:
        """As how many a request may count; `None`: any number."""
        return self._rate.per_minute or None

    async def as_many(self, amount: int) -> None:
        """Counts it as `amount` requests, for good. Raises `LimitError`; then it is not counted at all."""
        name, self._name = self._name, ""
        await self._rate.count(self._principal, amount, instead_of=name)

    async def as_none(self) -> None:
        """Does not count it: it was refused before it did any work."""
        name, self._name = self._name, ""
        await self._rate.give_back(self._principal, name)


def counted_request(scope: Mapping[str, Any]) -> CountedRequest | None:
    """How the request of `scope` was counted; `None` where nothing counts."""
    return scope.get(_COUNTED)


class RateLimit:
    """A pure ASGI middleware, within authentication: counts the requests of verified callers. 429.

    `room` raises if no run can begin now for a principal; all that POST asks for are runs. Such a request is
    refused before its body is read, and not counted.
    """

    def __init__(self, app: ASGIApp, *, rate: RequestRate, room: Callable[[Principal], None]) -> None:
        self._app = app
        self._rate = rate
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is public or within the limit."""
        caller: VerifiedAccessToken | None = scope.get(CALLER)
        if caller is not None:
            try:
                if scope["method"] == "POST":
                    self._room(caller.principal)
                name = await self._rate.count(caller.principal)
            except AgentError as error:
                await error_response(error)(scope, receive, send)
                return
            scope[_COUNTED] = CountedRequest(self._rate, caller.principal, name)
        await self._app(scope, receive, send)


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


def _shared(per_minute: int, connections: "BlockingConnectionPool") -> Window:
    from redis.asyncio import Redis

    return RedisWindow(per_minute, Redis(connection_pool=connections))
