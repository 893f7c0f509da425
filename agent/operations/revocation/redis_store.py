"""Revocations in Redis: announced to the processes of several machines, and kept for those that start."""

import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from agent.operations.revocation.store import StoreError
from agent.redis import RedisUnavailableError, SharedRedis
from identity.access_token.revocation import Revocation, from_json, to_json
from identity.strict_json import read_object

_SECONDS: Final = 2.0
_CHUNK: Final = 500
"""How many revocations are read or written at once."""
_MARK: Final = "mark"
"""A field of the hash: the random text of the latest write. Who empties Redis removes it."""

_EACH: Final = """
local function reach(each) return type(each['until']) == 'number' and each['until'] or -1 end
local changed = false
for i = 2, #ARGV, 2 do
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
    changed = true
  end
"""
    + """
if changed then
  local after = redis.call('HGET', KEYS[1], 'mark') or ''
  redis.call('HSET', KEYS[1], 'mark', ARGV[1])
  redis.call('PUBLISH', KEYS[1], cjson.encode({mark = ARGV[1], after = after}))
end
"""
)
"""Stores the later of two revocations of each key, and publishes new ones; then ARGV[1] as the mark of this
write, with that of the write before, which a release without marks ignores.
"""
_REMOVE: Final = _EACH % "if later >= 0 then redis.call('HDEL', KEYS[1], ARGV[i]) end"


class RedisStore:
    """A `RevocationStore` over a hash and a channel of one name.

    Users' `sub` and SHA-256 values of tokens are stored in clear: they are not secret, but personal data.
    Other processes receive a `put` at once. `changes` ends within two seconds after Redis was emptied, or has
    lost a write that was published or read: each write has a random mark, and names that of the write before.
    What Redis returns is validated; entries that are not revocations are ignored.
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
                await self._done("hsetnx", _MARK, secrets.token_hex(16))
                writes = _Writes(await self._done("hget", _MARK))
                cursor = None
                while cursor != 0:
                    cursor, stored = await self._done("hscan", cursor or 0, None, _CHUNK)
                    revocations = _parsed(stored.values())
                    if revocations:
                        yield revocations
                yield []
                async for message in messages:
                    if message is None:
                        if not writes.has(await self._done("hget", _MARK)):
                            return
                    elif (write := _write(message)) is None:
                        yield _parsed([message])
                    elif not writes.follow(write):
                        return
        except RedisUnavailableError as error:
            raise _failure(error) from None

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        await self._executed(_REMOVE, revocations)

    async def aclose(self) -> None:
        """See `RevocationStore`. The connections are not this store's."""

    async def _executed(self, script: str, revocations: Sequence[Revocation]) -> None:
        for start in range(0, len(revocations), _CHUNK):
            values = [secrets.token_hex(16)]
            for revocation in revocations[start : start + _CHUNK]:
                name = "\n".join((revocation.target, revocation.origin, revocation.name))
                values += (name, to_json(revocation))
            await self._done("eval", script, 1, self._key, *values)

    async def _done(self, command: str, *values: object) -> Any:  # noqa: ANN401 - what Redis returns
        """The result of a method of the client."""
        arguments = values if command == "eval" else (self._key, *values)
        try:
            return await self._redis.use(lambda redis: getattr(redis, command)(*arguments), _SECONDS)
        except RedisUnavailableError as error:
            raise _failure(error) from None


class _Writes:
    """The latest write that a reader has heard of, by its mark."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._unheard: bytes | None = None

    def follow(self, write: tuple[bytes, bytes]) -> bool:
        """Whether a write that was published is the one after, or is known already."""
        mark, after = write
        is_next = after == self._mark
        if is_next:
            self._mark = mark
        return is_next or mark == self._mark

    def has(self, stored: bytes | None) -> bool:
        """Whether the stored mark may be that of the latest write. What is published may arrive later, and
        then does within a second.
        """
        if stored == self._mark:
            self._unheard = None
            return True
        if stored is None or stored == self._unheard:
            return False
        self._unheard = stored
        return True


def _write(message: bytes) -> tuple[bytes, bytes] | None:
    """The marks of a write that was published, and of the one before; `None` for any other message."""
    try:
        members = read_object(message)
    except ValueError:
        return None
    mark = members.get("mark")
    after = members.get("after")
    if not isinstance(mark, str) or not isinstance(after, str):
        return None
    return mark.encode(), after.encode()


def _failure(error: RedisUnavailableError) -> StoreError:
    return StoreError(f"Redis failed ({error})")


def _parsed(lines: Iterable[object]) -> list[Revocation]:
    revocations = []
    for line in lines:
        text = line if isinstance(line, bytes) else str(line).encode()
        try:
            revocations.append(from_json(text))
        except ValueError:
            continue
    return revocations
