"""The credential of the execution role: an access key of Alibaba Cloud, usually a temporary one (STS)."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from identity.credentials.signed_request import AccessKey
from identity.errors import UnreachableError
from identity.idaas.client_authentication.method import unavailable
from identity.secrets.secret import Secret
from identity.secrets.secret_file import SecretSource

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,8192}")  # it stands in headers


@dataclass(frozen=True, slots=True)
class RoleCredential(AccessKey):
    """`provider` is where it came from, as the vendor's SDK names it. `expires_at` is in unix seconds."""

    provider: str
    expires_at: float | None = None

    @property
    def name(self) -> str:
        """The beginning of the access key's id, for operators."""
        return f"{self.access_key_id[:8]}…"


def role_credential(
    access_key_id: str,
    access_key_secret: str,
    security_token: str,
    *,
    provider: str,
    expires_at: float | None = None,
) -> RoleCredential:
    """The credential, if its parts can stand in a header. `security_token` is empty for a permanent key.

    Raises `ValueError`, without a part, if one is missing or malformed, or if a temporary key has no token.
    """
    if not _VISIBLE.fullmatch(access_key_id) or not _VISIBLE.fullmatch(access_key_secret):
        raise ValueError("has no usable access key")
    if security_token and not _VISIBLE.fullmatch(security_token):
        raise ValueError("has no usable security token")
    if access_key_id.startswith("STS.") and not security_token:
        raise ValueError("has a temporary access key without its security token")
    token = Secret(security_token) if security_token else None
    return RoleCredential(access_key_id, Secret(access_key_secret), token, provider, expires_at)


def read_role_credential(members: Mapping[str, Any], *, provider: str) -> RoleCredential:
    """The credential in a JSON object of the metadata service, a credentials URI or STS.

    Raises `ValueError`, without a value.
    """
    if members.get("Code", "Success") != "Success":
        raise ValueError('must contain "Code": "Success"')
    key_id = _text(members, "AccessKeyId")
    secret = _text(members, "AccessKeySecret")
    token = _text(members, "SecurityToken")
    try:
        end = datetime.strptime(str(members.get("Expiration")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError('has no usable "Expiration"') from None
    if not token:
        raise ValueError("has no usable security token")
    return role_credential(key_id, secret, token, provider=provider, expires_at=end.timestamp())


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


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


ROLE_HEADERS: Final = ("x-fc-access-key-id", "x-fc-access-key-secret", "x-fc-security-token")


class RequestHeaderRole:
    """A `SecretSource` of the newest credential that a request brought; before the first, of `otherwise`.

    Function Compute sends it in the headers of each request. The copy in the environment is as old as the
    instance, and expires 36 hours after its start.
    https://help.aliyun.com/zh/functioncompute/fc/context-and-log-format

    All requests of an instance bring the credential of the same role, so it is kept for the process rather
    than for the request: background renewals have no request.
    """

    def __init__(self, otherwise: SecretSource[RoleCredential] | None) -> None:
        self._otherwise = otherwise
        self._newest: RoleCredential | None = None

    def take(self, headers: Mapping[str, str]) -> None:
        """Takes the credential of one request. Headers that are incomplete or malformed change nothing.

        The caller makes sure that they are the platform's, which removes those that clients send.
        """
        key_id, secret, token = (headers.get(name, "") for name in ROLE_HEADERS)
        if not (key_id and secret and token):
            return
        try:
            self._newest = role_credential(key_id, secret, token, provider="static_sts")
        except ValueError:
            return

    async def current(self) -> RoleCredential:
        if self._newest is not None:
            return self._newest
        if self._otherwise is None:
            raise unavailable("role credential: no request has brought one yet")
        return await self._otherwise.current()

    async def renew(self, refused: object) -> bool:
        if self._newest is not None:
            return self._newest != refused
        return self._otherwise is not None and await self._otherwise.renew(refused)
