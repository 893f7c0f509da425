"""Limits the requests of each caller in a minute; each input of a batch counts as one.

Requests are counted after authentication, so that they are charged to their own caller. A request that is
refused before its body is read is not counted; every other one is, whatever its response. The counters are in
this process, or in a Redis that several processes share. While Redis is unavailable, each process counts for
itself, which admits more, and logs a warning.
"""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import error_response
from agent.http.authentication import CALLER
from agent.http.request_window import LocalWindow, RedisWindow, Window
from agent.redis import RedisUnavailableError, SharedRedis
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal

if TYPE_CHECKING:
    from redis.asyncio import Redis

_Result = TypeVar("_Result")

_COUNTED: Final = "idaas_agent.counted_request"


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
        self._window: Window | None = None
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
        caller = self._digest(principal)
        wait = await self._apply(lambda window: window.take(caller, name, amount, f"{replaces}.0"))
        if wait:
            text = f"at most {self.per_minute} requests in a minute"
            raise LimitError(AgentCode.RATE_LIMITED, text, retry_after=wait)
        return name

    def _digest(self, principal: Principal) -> str:
        text = f"{self._audience}\n{principal.issuer}\n{principal.subject}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    async def _apply(self, operation: Callable[[Window], Awaitable[_Result]]) -> _Result:
        if self._redis is not None:
            try:
                return await self._redis.use(lambda redis: operation(self._shared(redis)))
            except RedisUnavailableError:
                pass
        return await operation(self._local)

    def _shared(self, redis: "Redis") -> Window:
        if self._window is None:
            self._window = RedisWindow(self.per_minute, redis)
        return self._window


class CountedRequest:
    """A request that was counted as one before its body was read. Its route may correct that."""

    def __init__(self, rate: RequestRate, principal: Principal, name: str) -> None:
        self._rate = rate
        self._principal = principal
        self._name = name

    @property
    def limit(self) -> int | None:
        """As how many a request may count; `None` for any number."""
        return self._rate.per_minute or None

    async def recount(self, amount: int) -> None:
        """Counts it as `amount` requests. Raises `LimitError`; then it counts as one."""
        await self._rate.count(self._principal, amount, replaces=self._name)


def counted_request(scope: Mapping[str, Any]) -> CountedRequest | None:
    """The counted request of `scope`; `None` if requests are not counted."""
    return scope.get(_COUNTED)


class RateLimit:
    """A pure ASGI middleware, within authentication: counts the requests of verified callers. 429.

    `check_run` raises if no run can start now for a principal. A request that `starts_run` but cannot is
    refused before its body is read, and not counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rate: RequestRate,
        check_run: Callable[[Principal], None],
        starts_run: Callable[[Scope], bool] = lambda scope: bool(scope["method"] == "POST"),
    ) -> None:
        self._app = app
        self._rate = rate
        self._check_run = check_run
        self._starts_run = starts_run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on public requests and those within the limit."""
        caller: VerifiedAccessToken | None = scope.get(CALLER)
        if caller is not None:
            try:
                if self._starts_run(scope):
                    self._check_run(caller.principal)
                name = await self._rate.count(caller.principal)
            except AgentError as error:
                await error_response(error)(scope, receive, send)
                return
            scope[_COUNTED] = CountedRequest(self._rate, caller.principal, name)
        await self._app(scope, receive, send)
