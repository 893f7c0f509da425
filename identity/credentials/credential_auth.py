"""Attach a credential, send, and after a refusal renew the credential once and send again."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from identity.credentials.credential import Credential

T = TypeVar("T")


class RenewableCredential(Protocol):
    """One caller's credential for one service."""

    async def credential(self) -> Credential:
        """The credential. Raises the identity layer's errors."""
        ...

    async def renew(self, refused: Credential) -> Credential:
        """A credential in place of `refused`, or `refused` itself if it is too new to be renewed."""
        ...


async def send_with_credential(
    source: RenewableCredential,
    send: Callable[[Credential], Awaitable[T]],
    is_refused: Callable[[T], bool],
) -> T:
    """The result of `send` with the credential of `source`.

    If `is_refused` is true of it, the credential is renewed and `send` called once more; the second result is
    final. If renewal returns the same object, nothing was renewed: the first result is final. What `send` and
    `source` raise is raised from here, and is not a refusal.

    As `httpx.Auth` does, it separates authentication from sending; it is not one, because `httpx` reads the
    body of a refusal whole, and MCP sessions and model clients are not single `httpx` requests.
    """
    credential = await source.credential()
    result = await send(credential)
    if not is_refused(result):
        return result
    fresh = await source.renew(credential)
    return result if fresh is credential else await send(fresh)
