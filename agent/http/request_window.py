"""A sliding window: the units that each caller took in the last minute.

It is exact: any 60 seconds contain at most the limit, and a unit leaves the window 60 seconds after it was
taken. Refused units are not in it. Each unit has a name, so that others can replace it.
"""

import time
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from redis.asyncio import Redis

WINDOW_SECONDS: Final = 60


class Window(Protocol):
    """The units of all callers. Each method is atomic."""

    async def take(self, caller: str, name: str, amount: int, replaces: str) -> float:
        """Takes `amount` units, at most the limit, named `name.0`, `name.1`, …, in place of the unit
        `replaces`, if there is one.

        Returns 0; or takes none and returns the seconds after which they fit, if no others are taken.
        """


class LocalWindow:
    """The window in this process's memory. No method suspends, so each is atomic without a lock."""

    def __init__(self, limit: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._callers: dict[str, dict[str, float]] = {}
        self._swept_at = monotonic()

    def __len__(self) -> int:
        """How many callers are in memory."""
        return len(self._callers)

    async def take(self, caller: str, name: str, amount: int, replaces: str = "") -> float:
        """See `Window`."""
        now = self._monotonic()
        self._sweep(now)
        taken = self._callers.setdefault(caller, {})
        for unit in _before(taken, now - WINDOW_SECONDS):
            del taken[unit]
        over = len(taken) + amount - self._limit
        if over > (replaces in taken):
            return max(0.001, next(islice(taken.values(), over - 1, None)) + WINDOW_SECONDS - now)
        taken.pop(replaces, None)
        taken.update({f"{name}.{number}": now for number in range(amount)})
        return 0

    def _sweep(self, now: float) -> None:
        """Removes callers without recent units, once in a window."""
        if now < self._swept_at + WINDOW_SECONDS:
            return
        self._swept_at = now
        past = now - WINDOW_SECONDS
        self._callers = {
            caller: taken
            for caller, taken in self._callers.items()
            if taken and next(reversed(taken.values())) > past
        }


def _before(taken: dict[str, float], past: float) -> list[str]:
    units = []
    for unit, at in taken.items():
        if at > past:
            break
        units.append(unit)
    return units


class RedisWindow:
    """The window in a Redis (5 or newer) that several processes share, by its clock.

    Raises the client's errors.
    """

    def __init__(self, limit: int, redis: "Redis") -> None:
        self._limit = limit
        self._take = redis.register_script(_TAKE)

    async def take(self, caller: str, name: str, amount: int, replaces: str = "") -> float:
        """See `Window`."""
        arguments: list[str | int] = [WINDOW_SECONDS * 1000, self._limit, amount, name, replaces]
        return int(await self._take(keys=[_key(caller)], args=arguments)) / 1000


def _key(caller: str) -> str:
    return f"idaas-agent:minute:{caller}"


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
