"""The role credential in the headers of each request that Function Compute sends to an instance.

https://help.aliyun.com/zh/functioncompute/fc/context-and-log-format. The copy in the environment is as old as
the instance, and expires 36 hours after its start; the headers are current.
"""

from collections.abc import Mapping
from typing import Final

from identity.idaas.client_authentication.role.role_credential import (
    RoleCredential,
    role_credential,
    role_unavailable,
)
from identity.secrets.secret_source import SecretSource

ROLE_HEADERS: Final = ("x-fc-access-key-id", "x-fc-access-key-secret", "x-fc-security-token")


class RequestHeaderRole:
    """A `SecretSource` of the newest credential that a request brought; before the first, of `otherwise`.

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
        """See `SecretSource`."""
        if self._newest is not None:
            return self._newest
        if self._otherwise is None:
            raise role_unavailable("no request has brought one yet")
        return await self._otherwise.current()

    async def renew(self, refused: object) -> bool:
        """See `SecretSource`."""
        if self._newest is not None:
            return self._newest != refused
        return self._otherwise is not None and await self._otherwise.renew(refused)
