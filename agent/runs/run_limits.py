"""The limits of concurrent runs: in one process, and of one user over all processes.

Over all processes, each run takes a place, which is leased while it works. In Redis, a user's places are a
sorted set: a member for each run, its score the end of its lease by Redis's clock. A process renews the
leases of its runs. When a process is killed, its leases end.
"""

import asyncio
import hashlib
import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, TypeVar

from agent.background import Background
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RETRY_AFTER_SECONDS
from agent.redis import Redis, RedisUnavailableError, SharedRedis
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError, UnavailableError
from identity.principal import Principal

T = TypeVar("T")

LEASE_SECONDS: Final = 30.0
_RENEW_SECONDS: Final = 10.0
_BACKGROUND_SECONDS: Final = 2.0
_ENDED_SECONDS: Final = 0.05
"""How long the places of ended runs are gathered, to be released at once."""
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 500
"""Renewals in one exchange with Redis."""

_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for number = 4, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[number])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
"""Releases the places from ARGV[4] on; takes the place ARGV[1] if fewer than ARGV[2] are taken, for ARGV[3]
milliseconds.
"""

_RENEW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""Takes the place ARGV[1] for another ARGV[2] milliseconds, also above the limit: its run is in progress."""
_MAX_RETRY_AFTER: Final = 60
"""OpenAI's clients ignore longer waits."""


@dataclass(slots=True)
class RunLeases(Background):
    """`per_caller` places for each principal, over all processes that share `redis`; 0 is no limit.

    While Redis is away, no place is refused: each process limits its own runs (`RunLimit`). The runs that
    began meanwhile have their places within ten seconds after its return. The task begins with the first run.
    """

    redis: SharedRedis
    per_caller: int
    _process: str = field(init=False, default_factory=lambda: secrets.token_hex(8))
    _numbers: Iterator[int] = field(init=False, default_factory=itertools.count)
    _taken: dict[str, str] = field(init=False, default_factory=dict)
    """The keys of the principals, by the names of their places."""
    _left: dict[str, str] = field(init=False, default_factory=dict)
    """The same, for places to release."""
    _ended: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    async def acquire(self, caller: Principal, run: asyncio.Task[Any]) -> None:
        """Leases a place until `run` is done: one exchange with Redis. Raises `LimitError` if none is left.

        A run of the caller may end at this moment in another process: acquiring is tried for a tenth of a
        second.
        """
        if not self.per_caller:
            return
        self.start()
        key = places_key(self.redis, caller)
        name = f"{self._process}.{next(self._numbers)}"
        for remaining in range(_ATTEMPTS - 1, -1, -1):
            if await self._acquired(key, name):
                break
            if not remaining:
                text = f"at most {self.per_caller} for one caller, over all processes"
                raise LimitError(AgentCode.TOO_MANY_RUNS, text, retry_after=RETRY_AFTER_SECONDS)
            await self.sleep(_ENDED_SECONDS)
        self._taken[name] = key
        run.add_done_callback(lambda _: self._leave(name))

    async def _acquired(self, key: str, name: str) -> bool:
        """Whether the place is taken, or Redis is away."""
        left = [run for run, caller in self._left.items() if caller == key][:_AT_ONCE]
        arguments: list[Any] = [name, self.per_caller, round(LEASE_SECONDS * 1000), *left]
        try:
            taken = await self.redis.use(lambda redis: redis.register_script(_TAKE)([key], arguments))
        except RedisUnavailableError:
            return True
        for run in left:
            self._left.pop(run, None)
        return bool(taken)

    async def renew(self) -> None:
        """Renews the leases of all runs that are in progress."""
        names = list(self._taken)
        for first in range(0, len(names), _AT_ONCE):
            part = names[first : first + _AT_ONCE]
            await self.redis.use(partial(self._renewed, part), _BACKGROUND_SECONDS)

    async def release(self) -> None:
        """Releases the places of runs that have ended."""
        while self._left:
            left = self._left
            self._left = {}
            await self.redis.use(partial(_removed, left), _BACKGROUND_SECONDS)

    async def aclose(self) -> None:
        """Releases what is left, and stops the renewal. All runs have ended before."""
        await Background.aclose(self)  # `super()` has no class in a dataclass with slots
        with suppress(RedisUnavailableError):  # their leases end
            await self.release()

    def _leave(self, name: str) -> None:
        self._left[name] = self._taken.pop(name)
        self._ended.set()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renewals())
            group.create_task(self._removals())

    async def _renewals(self) -> None:
        while True:
            await self.sleep(_RENEW_SECONDS)
            with suppress(RedisUnavailableError):
                await self.renew()

    async def _removals(self) -> None:
        while True:
            await self._ended.wait()
            await self.sleep(_ENDED_SECONDS)
            self._ended.clear()
            with suppress(RedisUnavailableError):
                await self.release()

    async def _renewed(self, names: list[str], redis: Redis) -> None:
        pipeline = redis.pipeline(transaction=False)
        for name in names:
            if key := self._taken.get(name):
                pipeline.eval(_RENEW, 1, key, name, str(round(LEASE_SECONDS * 1000)))
        await pipeline.execute()


def places_key(redis: SharedRedis, caller: Principal) -> str:
    """The key in Redis of the places that a caller's runs take."""
    text = f"{caller.issuer}\0{caller.subject}"
    return redis.name("runs", hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())


async def _removed(left: dict[str, str], redis: Redis) -> None:
    pipeline = redis.pipeline(transaction=False)
    for name, key in left.items():
        pipeline.zrem(key, name)
    await pipeline.execute()


class RunLimit(Generic[T]):
    """A limit of runs, or of their readers. 0 is no limit. Each counts from its start to its end, whatever
    its outcome.

    The `Retry-After` of refused requests is staggered: per second, as many are invited to return as may run,
    so that clients that obey it do not all return at once.
    """

    def __init__(self, *, per_caller: int = 0, in_total: int = 0) -> None:
        self._per_caller = per_caller
        self._in_total = in_total
        self.counted: Final[dict[T, VerifiedAccessToken]] = {}
        """The runs or readers that count now, with their callers."""
        self._running: Counter[Principal] = Counter()
        self._waiting: Counter[Principal] = Counter()

    def check(self, caller: Principal) -> None:
        """Raises `LimitError` if `caller`, `UnavailableError` if no caller may start another run now."""
        if self._per_caller and self._running[caller] >= self._per_caller:
            raise self._too_many(caller)
        if self._in_total and len(self.counted) >= self._in_total:
            raise UnavailableError(AgentCode.OVERLOADED, f"at most {self._in_total} in total")

    def count(self, run: T, caller: VerifiedAccessToken) -> Callable[[], None]:
        """Counts `run` until the function that is returned is called, once."""
        principal = caller.principal
        self.counted[run] = caller
        self._running[principal] += 1
        self._waiting[principal] = max(0, self._waiting[principal] - 1)

        def ended() -> None:
            del self.counted[run]
            self._running[principal] -= 1
            if not self._running[principal]:
                del self._running[principal], self._waiting[principal]

        return ended

    def _too_many(self, caller: Principal) -> LimitError:
        seconds = RETRY_AFTER_SECONDS + self._waiting[caller] // self._per_caller
        self._waiting[caller] += 1
        text = f"at most {self._per_caller} for one caller"
        return LimitError(AgentCode.TOO_MANY_RUNS, text, retry_after=min(seconds, _MAX_RETRY_AFTER))
