"""Retries: after which failures, with which delay, and until when."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate

import httpx

from identity.transport.bounded_response import Response, TransportFailure, send

_YEAR = 31_536_000.0
_MAX_DATE_LENGTH = 40
"""Characters of a date; the longest of the three forms of an HTTP date has 33."""


def retry_after(headers: Mapping[str, str]) -> float:
    """The delay in seconds that `headers` request; 0 if they request none. Never raises.

    A number of more than a year is a year. A value that is neither a number of seconds nor a date is ignored.
    """
    value = headers.get("retry-after", "").strip(" \t")
    if value.isascii() and value.isdigit():
        return min(float(value), _YEAR)
    if not value.isascii() or len(value) > _MAX_DATE_LENGTH:
        return 0.0
    # An HTTP date is in GMT (section 5.6.7); another zone is ignored.
    if (parsed := parsedate(value)) is None:
        return 0.0
    year, month, day, hour, minute, second = parsed[:6]
    try:
        until = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


_MAX_BYTES = 64 * 1024
_TEMPORARY_STATUSES = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` within `deadline`, which includes the delays between them. Times are in seconds.

    The delay doubles from `first_delay` up to `max_delay`, and is drawn at random from its upper half, so
    that agents which failed at the same time do not retry at the same time. A `Retry-After` of up to
    `max_delay` is respected; a longer one ends the attempts.
    """

    attempts: int = 3
    deadline: float = 30.0
    first_delay: float = 0.2
    max_delay: float = 5.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random

    async def send(
        self,
        http: httpx.AsyncClient,
        make_request: Callable[[], Awaitable[httpx.Request]],
        semaphore: asyncio.Semaphore,
    ) -> Response | TransportFailure:
        """The first response that is not a temporary failure, or else the last result.

        Each attempt holds `semaphore`; the deadline includes the wait for it. Each attempt sends a request of
        its own, because a client assertion may be used only once. Exceptions of `make_request` are raised.

        Not checked: whether the request may be repeated. Those to IDaaS may: they issue or read.
        """
        now = asyncio.get_running_loop().time
        end = now() + self.deadline
        for attempt in range(self.attempts):
            response = await _attempt(http, make_request, semaphore, end)
            if isinstance(response, Response) and response.status not in _TEMPORARY_STATUSES:
                break
            delay = self._delay(attempt, response)
            if attempt + 1 == self.attempts or delay is None or now() + delay >= end:
                break
            await self.sleep(delay)
        return response

    def _delay(self, attempt: int, response: Response | TransportFailure) -> float | None:
        backoff = min(self.first_delay * 2**attempt, self.max_delay) * (1 + self.random()) / 2
        requested = retry_after(response.headers) if isinstance(response, Response) else 0.0
        return None if requested > self.max_delay else max(backoff, requested)


async def _attempt(
    http: httpx.AsyncClient,
    make_request: Callable[[], Awaitable[httpx.Request]],
    semaphore: asyncio.Semaphore,
    end: float,
) -> Response | TransportFailure:
    try:
        async with asyncio.timeout_at(end):
            await semaphore.acquire()
    except TimeoutError:
        return TransportFailure("not sent within the deadline: too many requests are waiting")
    try:
        try:
            async with asyncio.timeout_at(end):
                request = await make_request()
        except TimeoutError:
            return TransportFailure("no request within the deadline: its credential could not be obtained")
        seconds = end - asyncio.get_running_loop().time()
        return await send(http, request, max_bytes=_MAX_BYTES, deadline=seconds)
    finally:
        semaphore.release()
