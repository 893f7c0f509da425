"""Revocations in Redis: for processes of several machines."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from agent.replicas.cancellation import kept_cancellation
from agent.revocation.store import StoreError
from identity.revocation.revocation import Revocation, from_json, to_json
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SECONDS: Final = 2.0
_PING_SECONDS: Final = 5.0
_CHUNK: Final = 500
"""How many stored revocations are read at once."""

_PUT: Final = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  local old = cjson.decode(known)
  local new = cjson.decode(ARGV[2])
  local old_until = type(old['until']) == 'number' and old['until'] or -1
  local new_until = type(new['until']) == 'number' and new['until'] or -1
  if old['changed_at'] > new['changed_at']
    or (old['changed_at'] == new['changed_at'] and old_until >= new_until) then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
"""
"""Stores the later of two revocations of one key, and publishes a new one."""


class RedisStore:
    """A `RevocationStore` over a hash and a channel of one name, which contains a digest of `audience`:
    agents of different audiences may share a Redis.

    Users' `sub` and SHA-256 values of tokens are stored in clear: they are not secret, but personal data.
    Other processes receive a `put` at once. What Redis returns is validated; entries that are not
    revocations are ignored.
    """

    def __init__(self, url: Secret, *, audience: str, cafile: str | None = None) -> None:
        """Opens nothing yet. `url` has the form that settings check; `cafile` is what `rediss://` trusts."""
        self._name = f"idaas-agent:{hashlib.sha256(audience.encode()).hexdigest()[:32]}:revocations"
        self._url = url
        self._cafile = cafile
        self._client: Redis | None = None

    async def put(self, revocations: Sequence[Revocation]) -> None:
        """See `RevocationStore`. Durable as far as the Redis is configured to be."""
        for revocation in revocations:
            field = "\n".join((revocation.target, revocation.origin, revocation.name))
            await _done(self._redis.eval(_PUT, 1, self._name, field, to_json(revocation)))

    async def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """See `RevocationStore`."""
        channel = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            # The subscription comes first, so that no revocation is missed between the two.
            await _done(channel.subscribe(self._name))
            cursor = None
            while cursor != 0:
                cursor, stored = await _done(self._redis.hscan(self._name, cursor or 0, count=_CHUNK))
                if found := _parsed(stored.values()):
                    yield found
            yield []
            while True:
                message = await _done(channel.get_message(timeout=_PING_SECONDS), _PING_SECONDS + _SECONDS)
                if message is not None and message["type"] == "message":
                    yield _parsed([message["data"]])
                elif message is None:  # detects a connection that was lost silently
                    await _done(channel.ping())
        finally:
            await channel.aclose()  # type: ignore[no-untyped-call]

    async def aclose(self) -> None:
        """See `RevocationStore`."""
        if self._client is not None:
            await self._client.aclose()

    @property
    def _redis(self) -> "Redis":
        if self._client is None:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            address = self._url.reveal()
            # One retry on a new connection: the pooled one may be from before a restart of the server.
            options: dict[str, Any] = {"socket_connect_timeout": _SECONDS, "retry": Retry(NoBackoff(), 1)}
            if self._cafile and address.startswith("rediss:"):
                options["ssl_ca_certs"] = self._cafile
            self._client = Redis.from_url(address, **options)
        return self._client


async def _done(command: object, seconds: float = _SECONDS) -> Any:  # noqa: ANN401 - what Redis returns
    try:
        with kept_cancellation():
            async with asyncio.timeout(seconds):
                return await cast(Awaitable[Any], command)
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, and their texts have the URL
        message = f"Redis failed ({type(error).__name__})"
        raise StoreError(message) from None


def _parsed(lines: Iterable[object]) -> list[Revocation]:
    found = []
    for line in lines:
        try:
            found.append(from_json(line if isinstance(line, bytes) else str(line).encode()))
        except ValueError:
            continue
    return found
