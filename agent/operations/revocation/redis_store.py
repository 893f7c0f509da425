"""Revocations in Redis: announced to the processes of several machines, and kept for those that start."""

import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from agent.operations.revocation.store import StoreError
from agent.redis import RedisUnavailableError, SharedRedis
from identity.access_token.revocation import Revocation, from_json, to_json

_SECONDS: Final = 2.0
_CHUNK: Final = 500
"""How many revocations are read or written at once."""
_EPOCH: Final = "epoch"
"""A field of the hash: a random text of the first process that found none. Who empties Redis removes it."""

_EACH: Final = """
local function reach(each) return type(each['until']) == 'number' and each['until'] or -1 end
for i = 1, #ARGV, 2 do
  local known, later = redis.call('HGET', KEYS[1], ARGV[i]), 1
  if known then
    local old, new = cjson.decode(known), cjson.decode(ARGV[i + 1])
    later = new['changed_at'] - old['changed_at']
    if later == 0 then later = reach(new) - reach(old) end
  end
  %s
end
"""
_PUT: Final = (
    _EACH
    % """
  if later > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('PUBLISH', KEYS[1], ARGV[i + 1])
  end
"""
)
"""Stores the later of two revocations of each key, and publishes new ones."""
_REMOVE: Final = _EACH % "if later >= 0 then redis.call('HDEL', KEYS[1], ARGV[i]) end"


class RedisStore:
    """A `RevocationStore` over a hash and a channel of one name.

    Users' `sub` and SHA-256 values of tokens are stored in clear: they are not secret, but personal data.
    Other processes receive a `put` at once. `changes` ends within a second after Redis was emptied. What
    Redis returns is validated; entries that are not revocations are ignored.
    """

    name: Final = "the Redis of REDIS_URL"
    shared: Final = True

    def __init__(self, redis: SharedRedis, *, lasts: bool = True) -> None:
        """`lasts`: no other store contains all revocations. A `put` is as durable as Redis is configured."""
        self.lasts: Final = lasts
        self._redis = redis
        self._key = redis.name("revocations")

    async def put(self, revocations: Sequence[Revocation]) -> None:
        await self._executed(_PUT, revocations)

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        try:
            async with aclosing(self._redis.messages(self._key)) as messages:
                await anext(messages)  # so that no revocation is missed while the stored ones are read
                await self._done("hsetnx", _EPOCH, secrets.token_hex(16))
                epoch = await self._done("hget", _EPOCH)
                cursor = None
                while cursor != 0:
                    cursor, stored = await self._done("hscan", cursor or 0, None, _CHUNK)
                    if found := _parsed(stored.values()):
                        yield found
                yield []
                async for message in messages:
                    if message is not None:
                        yield _parsed([message])
                    elif await self._done("hget", _EPOCH) != epoch:
                        return
        except RedisUnavailableError as error:
            raise _failure(error) from None

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        await self._executed(_REMOVE, revocations)

    async def aclose(self) -> None:
        """See `RevocationStore`. The connections are not this store's."""

    async def _executed(self, script: str, revocations: Sequence[Revocation]) -> None:
        for start in range(0, len(revocations), _CHUNK):
            given: list[str] = []
            for each in revocations[start : start + _CHUNK]:
                given += ("\n".join((each.target, each.origin, each.name)), to_json(each))
            await self._done("eval", script, 1, self._key, *given)

    async def _done(self, command: str, *values: object) -> Any:  # noqa: ANN401 - what Redis returns
        """The result of a method of the client."""
        given = values if command == "eval" else (self._key, *values)
        try:
            return await self._redis.use(lambda redis: getattr(redis, command)(*given), _SECONDS)
        except RedisUnavailableError as error:
            raise _failure(error) from None


def _failure(error: RedisUnavailableError) -> StoreError:
    return StoreError(f"Redis failed ({error})")


def _parsed(lines: Iterable[object]) -> list[Revocation]:
    found = []
    for line in lines:
        try:
            found.append(from_json(line if isinstance(line, bytes) else str(line).encode()))
        except ValueError:
            continue
    return found
