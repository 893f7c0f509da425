"""Marks in Redis for all processes of one agent: which run an envelope belongs to, and which calls began.

Each is a key that is set once. Its name contains digests only.
"""

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from typing import Final

from agent.errors.error_codes import AgentCode
from agent.redis import Redis, RedisUnavailableError, SharedRedis
from identity.errors import UnavailableError

_SECONDS: Final = 2.0
_MARGIN: Final = 60.0
"""Seconds that a mark outlives what it is about: the clocks of processes differ."""
_CALL_SECONDS: Final = 7 * 86_400.0
"""The life of the mark of a call; runs are not taken over later."""


class RedisMarks:
    """`SealClaims` (`identity.access_token`) and `BegunCalls` (`graph.call_steps.once`).

    As durable as the Redis is configured to be: if it loses its data, an envelope can be claimed again until
    it ends, and a call can be begun again by a run that is taken over.
    Every method raises `UnavailableError` if Redis cannot be used: nothing is claimed or begun then.
    """

    def __init__(self, redis: SharedRedis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    async def claim(self, envelope_id: str, run_id: str, until: float) -> bool:
        seconds = until + _MARGIN - self._clock()
        return await self._set_once(self._redis.name("seal", envelope_id), run_id, seconds)

    async def begin(self, call: str) -> bool:
        digest = hashlib.sha256(call.encode()).hexdigest()
        return await self._set_once(self._redis.name("call", digest), secrets.token_hex(16), _CALL_SECONDS)

    async def _set_once(self, key: str, value: str, seconds: float) -> bool:
        """Whether the mark has this value now. A repeated command finds its own value."""

        async def set_once(redis: Redis) -> bool:
            if await redis.set(key, value, nx=True, ex=max(1, math.ceil(seconds))):
                return True
            return bool(await redis.get(key) == value.encode())

        try:
            return await self._redis.use(set_once, _SECONDS)
        except RedisUnavailableError as error:
            raise UnavailableError(AgentCode.REDIS_UNAVAILABLE, f"Redis failed ({error})") from None
