"""A temporary role credential, fetched again ahead of its end."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from identity.errors import UnreachableError
from identity.idaas.client_authentication.role.role_credential import RoleCredential

_AHEAD: Final = 300.0
"""Seconds before its end at which a credential is replaced."""

Fetch = Callable[[], Awaitable[RoleCredential]]
"""Requests a credential. Raises `UnreachableError`."""


class RenewedCredential:
    """A `SecretSource` that caches what `fetch` returns.

    While `fetch` fails, a credential that has not expired stays in use. Concurrent callers may fetch more
    than once.
    """

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._cached: RoleCredential | None = None

    async def current(self) -> RoleCredential:
        """See `SecretSource`."""
        cached = self._cached
        if cached is not None and self._left(cached) > _AHEAD:
            return cached
        try:
            self._cached = await self._fetch()
        except UnreachableError:
            if cached is None or self._left(cached) <= 0:
                raise
            return cached
        return self._cached

    async def renew(self, refused: object) -> bool:
        """See `SecretSource`. Fetches again."""
        if self._cached == refused:
            self._cached = None
        return await self.current() != refused

    def _left(self, credential: RoleCredential) -> float:
        return (credential.expires_at or 0.0) - self._clock()
