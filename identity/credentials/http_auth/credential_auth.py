"""Sends with a credential; after a refusal, renews the credential once and sends again."""

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

    If `is_refused` is true of the result, the credential is renewed and `send` is called once more; the
    second result is final. If renewal returns the same object, nothing was renewed, and the first result is
    final. Exceptions of `send` and `source` are raised, and are not refusals.

    Like `httpx.Auth`, it separates authentication from sending. It is not an `httpx.Auth`, because `httpx`
    reads the whole body of a refusal, and MCP sessions and model clients are not single `httpx` requests.
    """
    credential = await source.credential()
    result = await send(credential)
    if not is_refused(result):
        return result
    fresh = await source.renew(credential)
    return result if fresh is credential else await send(fresh)
